"""A Modbus TCP server for tests: plays the units of a folder until it is killed."""

import asyncio
import json
import sys
from pathlib import Path

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

BITS = ("coil", "discrete")
GATEWAY_GOT_NO_ANSWER = b"\x0b"


async def _serve(folder: Path) -> None:
    """Be the real server: play the units of the folder, until killed."""
    said = json.loads((folder / "units.json").read_text())

    def blocks(kind: str, held: dict[str, list[int]]) -> list[SimData]:
        if kind in BITS:
            found = [
                SimData(int(at), values=[bit == 1 for bit in bits], datatype=DataType.BITS) for at, bits in held.items()
            ]
            return found or [SimData(65_000, values=[False], datatype=DataType.BITS)]
        found = [SimData(int(at), values=numbers, datatype=DataType.REGISTERS) for at, numbers in held.items()]
        return found or [SimData(65_000, datatype=DataType.INVALID)]

    def device(unit: str, kinds: dict[str, dict[str, list[int]]]) -> SimDevice:
        held = [blocks(kind, kinds.get(kind, {})) for kind in ("coil", "discrete", "holding", "input")]
        return SimDevice(int(unit), simdata=tuple(held))

    def traced(sending: bool, data: bytes) -> bytes:
        unit = data[6]
        if sending and unit not in units:
            return data[:8] + GATEWAY_GOT_NO_ANSWER if said["gateway"] else b""
        if sending:
            return b"" if unit in json.loads((folder / "muted").read_text()) else data
        with (folder / "asked").open("ab") as asked:
            asked.write(data[6:7])
        return data

    units = set(map(int, said["units"]))
    devices = [device(unit, kinds) for unit, kinds in said["units"].items()]
    address = ("127.0.0.1", said["port"])
    await ModbusTcpServer(devices, address=address, trace_packet=traced).serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
