"""Which points are read in which request: as few as possible, and fewer at once where a device refuses. Pure.

Devices refuse a request when any address in it is not theirs. A refused request is cut at its widest gap, one without
gaps in half, one whose points share registers by what they read; what is refused then is refused for itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from iot_edge_anomaly.connectors.modbus_settings import BIT_KINDS, Kind, ModbusPoint

MOST_REGISTERS = 125
MOST_BITS = 2000
BITS_A_REGISTER = 16


class Request(NamedTuple):
    """What is asked for at once: `size` registers or bits from `address` on, and the points that stand in them."""

    kind: Kind
    address: int
    size: int
    points: tuple[ModbusPoint, ...]

    @property
    def is_of_bits(self) -> bool:
        """Whether it asks for coils or discrete inputs."""
        return self.kind in BIT_KINDS

    def __str__(self) -> str:
        through = f" to {self.address + self.size - 1}" if self.size > 1 else ""
        return f"{self.kind} {self.address}{through}"


def plan(points: Iterable[ModbusPoint], largest_gap: int) -> list[Request]:
    """Return requests that read every point once; over at most so many registers in a row that no point needs."""
    found = list[Request]()
    in_order = sorted(points, key=lambda point: (point.kind, point.address, point.end))
    for kind, of_kind in groupby(in_order, key=lambda point: point.kind):
        is_of_bits = kind in BIT_KINDS
        most, gap = (MOST_BITS, largest_gap * BITS_A_REGISTER) if is_of_bits else (MOST_REGISTERS, largest_gap)
        found += map(_request, _runs(of_kind, most, gap))
    return found


def cut(request: Request) -> list[Request]:
    """Return a refused request in two parts; nothing where it cannot be cut."""
    end, cuts = 0, list[tuple[int, int, int]]()  # how wide the gap is, how near the middle (negative), before which
    for number, (before, after) in enumerate(pairwise(request.points), start=1):
        end = max(end, before.end)
        if after.address >= end:
            cuts.append((after.address - end, -abs(2 * number - len(request.points)), number))
    if cuts:
        *_, at = max(cuts)
        return [_request(request.points[:at]), _request(request.points[at:])]
    ranges = sorted({(point.address, point.end) for point in request.points})
    first = ranges[: len(ranges) // 2]
    parts = [[one for one in request.points if ((one.address, one.end) in first) is wanted] for wanted in (True, False)]
    return [_request(part) for part in parts] if first else []


def _runs(points: Iterable[ModbusPoint], most: int, gap: int) -> Iterator[Sequence[ModbusPoint]]:
    """Yield points that are read together, of points in the order of their addresses."""
    run: list[ModbusPoint] = []
    end = 0
    for point in points:
        if run and (point.address - end > gap or max(end, point.end) - run[0].address > most):
            yield run
            run, end = [], 0
        run.append(point)
        end = max(end, point.end)
    if run:
        yield run


def _request(points: Sequence[ModbusPoint]) -> Request:
    address = points[0].address
    return Request(points[0].kind, address, max(point.end for point in points) - address, tuple(points))
