"""What is said of a Modbus TCP server: its units, and which registers of each are read as which sensors."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from iot_edge_anomaly.connectors.modbus_numbers import RANGES, REGISTERS, Order, ReadAs
from iot_edge_anomaly.connectors.rows import LARGEST, MAX_SENSORS
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.names import AssetKey, sensor_name

ADDRESSES = 65_536
BIT_KINDS = ("coil", "discrete")

Kind = Literal["holding", "input", "coil", "discrete"]


class ModbusPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A sensor of a device: where it stands, how it is read. A reading is the number times `scale` plus `offset`."""

    sensor: Annotated[str, Meta(description="Name of the sensor.", examples=["flow"])]
    address: Annotated[
        int,
        Meta(
            description="Of its first register or bit, counted from 0: what a manual calls 40001, 30001 or 10001 is 0.",
            examples=[0],
            ge=0,
            le=ADDRESSES - 1,
        ),
    ]
    kind: Annotated[Kind, Meta(description="Holding or input register, coil or discrete input.")] = "holding"
    type: Annotated[
        ReadAs | None,
        Meta(
            description="What stands there; none: `uint16`, and `bool` of coils and discrete inputs.",
            examples=["float32"],
        ),
    ] = None
    order: Annotated[
        Order, Meta(description="How its bytes come: high ones first (ABCD), with words swapped (CDAB), and so on.")
    ] = "ABCD"
    bit: Annotated[int, Meta(description="Which bit, for a `bool` in a register; 0 is the lowest.", ge=0, le=15)] = 0
    scale: Annotated[
        float, Meta(description="What one step of the number is in the unit of the sensor.", ge=-LARGEST, le=LARGEST)
    ] = 1.0
    offset: Annotated[float, Meta(description="What is added after scaling.", ge=-LARGEST, le=LARGEST)] = 0.0
    no_value: Annotated[
        tuple[float, ...],
        Meta(
            description="The number, or the least and the greatest, that means there is no value; before scaling.",
            examples=[[-9999]],
        ),
    ] = ()

    def __post_init__(self) -> None:
        try:
            sensor_name(self.sensor)
        except RejectedError as error:
            raise ValueError(str(error)) from error
        if not 0 <= self.address < ADDRESSES:
            raise ValueError(f"address must be from 0 to {ADDRESSES - 1}")
        if self.kind in BIT_KINDS and self.read_as != "bool":
            raise ValueError(f'type must be "bool" for a {self.kind}: it is one bit; it is "{self.type}"')
        if self.bit and (self.kind in BIT_KINDS or self.read_as != "bool"):
            raise ValueError('bit is for a register with type = "bool" alone')
        if self.end > ADDRESSES:
            raise ValueError(f"address {self.address} is too high for a {self.read_as}: it would end beyond 65535")
        if not self.scale:
            raise ValueError("scale must not be 0: every reading would be the same")
        self._see_whether_it_can_have_no_value()

    @property
    def read_as(self) -> ReadAs:
        """What stands there."""
        return self.type or ("bool" if self.kind in BIT_KINDS else "uint16")

    @property
    def end(self) -> int:
        """The address behind its last register or bit."""
        return self.address + REGISTERS[self.read_as]

    def _see_whether_it_can_have_no_value(self) -> None:
        if not self.no_value:
            return
        if len(self.no_value) > 2 or not self.no_value[0] <= self.no_value[-1]:
            raise ValueError("no_value is one number or two, the smaller first, for example no_value = [-32768]")
        least, greatest = RANGES[self.read_as]
        if self.no_value[-1] < least or self.no_value[0] > greatest:
            meant = self.no_value[0] - (greatest - least + 1)
            hint = f": write {meant:.0f}" if least < 0 and least <= meant <= greatest else ""
            raise ValueError(f"no_value is never read as {self.read_as}, {least:.0f} to {greatest:.0f}{hint}")


class ModbusDevice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A unit that answers there, its asset, and what is read of it. What is read at another pace stands in another."""

    asset: Annotated[str, Meta(description="The asset it is of.", examples=["acme/site-1/pump-1"])]
    points: Annotated[
        tuple[ModbusPoint, ...],
        Meta(description="Its sensors.", examples=[[{"sensor": "flow", "address": 0}]]),
    ]
    unit: Annotated[
        int,
        Meta(
            description="Its unit identifier (slave address). Most devices with an own address do not mind.",
            ge=0,
            le=255,
        ),
    ] = 1
    seconds: Annotated[float, Meta(description="How often it is read.", ge=0.05, le=86_400.0)] = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.unit <= 255:
            raise ValueError("unit must be from 0 to 255")
        if not 0.05 <= self.seconds <= 86_400:
            raise ValueError("seconds must be from 0.05 to 86400")
        try:
            self.key()
        except RejectedError as error:
            raise ValueError(str(error)) from error
        if not self.points:
            raise ValueError('points is empty: name a sensor, for example points = [{ sensor = "flow", address = 0 }]')
        if mistake := next(_overlaps(self.points), ""):
            raise ValueError(mistake)

    def key(self) -> AssetKey:
        """Return the asset."""
        return AssetKey.parse(self.asset)


class ModbusSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="modbus"):
    """A device or gateway that speaks Modbus TCP, and what is read there. It is only ever read from."""

    devices: Annotated[tuple[ModbusDevice, ...], Meta(description="What is read there.")]
    host: Annotated[str, Meta(description="Where it is.")] = "127.0.0.1"
    port: Annotated[int, Meta(description="Its port.", ge=1, le=65_535)] = 502
    timeout_seconds: Annotated[
        float,
        Meta(
            description="How long to wait for an answer. Of a gateway: longer than it waits for a unit itself.",
            ge=0.05,
            le=60.0,
        ),
    ] = 3.0
    largest_gap: Annotated[
        int,
        Meta(
            description="Over so many registers that nobody asked for two points are still read in one request.",
            ge=0,
            le=120,
        ),
    ] = 16

    def __post_init__(self) -> None:
        if not self.host:
            raise ValueError("host is empty")
        if not 0 < self.port < 65_536:
            raise ValueError("port must be from 1 to 65535")
        if not 0.05 <= self.timeout_seconds <= 60:
            raise ValueError("timeout_seconds must be from 0.05 to 60")
        if not self.devices:
            raise ValueError("devices is empty: say what to read in [[connector.devices]]")
        if mistake := next(_told_twice(self.devices), ""):
            raise ValueError(mistake)


def _overlaps(points: Sequence[ModbusPoint]) -> Iterator[str]:
    """Say which points read the same place where that can only be a mistake; bits may stand in any register."""
    numbers = sorted((one for one in points if one.read_as != "bool"), key=lambda one: (one.kind, one.address))
    for before, after in pairwise(numbers):
        if before.kind == after.kind and after.address < before.end:
            shown = f"{_where(before)} and {_where(after)}"
            yield f"points overlap: {shown}; look at their types, or leave one of them out"
    bits: dict[tuple[str, int, int], ModbusPoint] = {}
    for point in points:
        place = point.kind, point.address, point.bit
        if point.read_as == "bool" and bits.setdefault(place, point) is not point:
            yield f"points overlap: {bits[place].sensor!r} and {point.sensor!r} are the same bit; leave one of them out"


def _where(point: ModbusPoint) -> str:
    through = f" to {point.end - 1}" if point.end - point.address > 1 else ""
    return f"{point.sensor!r} ({point.read_as} at {point.kind} {point.address}{through})"


def _told_twice(devices: Sequence[ModbusDevice]) -> Iterator[str]:
    """Say which sensors of an asset are read from two places, and which asset has too many."""
    units: dict[AssetKey, dict[str, int]] = {}
    for device in devices:
        key = device.key()
        told = units.setdefault(key, {})
        for point in device.points:
            name = sensor_name(point.sensor)
            if name in told:
                yield (
                    f"devices tell the sensor {point.sensor!r} of {key} twice, from unit {told[name]} and from unit "
                    f"{device.unit}: give one of them another name"
                )
            told[name] = device.unit
        if len(told) > MAX_SENSORS:
            yield f"devices tell more than {MAX_SENSORS} sensors of {key}: make several assets of it"
