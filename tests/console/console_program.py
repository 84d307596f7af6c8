"""The console over a seeded plant, as a process: `console_program.py DATA_DIR PORT`."""

import sys
from pathlib import Path

import anyio
from seeded_plant import SeededPlant  # type: ignore[import-not-found]

from iot_edge_anomaly.console.serve import run_console
from iot_edge_anomaly.core.clock import SystemClock
from iot_edge_anomaly.security.tokens import token_store


async def main(data_dir: Path, port: int) -> None:
    plant = SeededPlant(SystemClock())
    plant.is_down = (data_dir / "bus-is-down").exists()
    await run_console(plant, plant, token_store(data_dir), host="127.0.0.1", port=port)


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), int(sys.argv[2]))
