"""One device's points: asked for in as few requests as it takes, and fewer at once where the device refuses."""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence

from iot_edge_anomaly.connectors.modbus_frames import ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, ILLEGAL_VALUE, RefusedError
from iot_edge_anomaly.connectors.modbus_numbers import reading_of, reading_of_bit
from iot_edge_anomaly.connectors.modbus_plan import Request, cut, plan
from iot_edge_anomaly.connectors.modbus_settings import Kind, ModbusDevice, ModbusPoint
from iot_edge_anomaly.connectors.rows import MAX_RECORDS
from iot_edge_anomaly.core.errors import RejectedError, UnavailableError
from iot_edge_anomaly.core.messages import SetAside
from iot_edge_anomaly.core.names import sensor_name
from iot_edge_anomaly.observability.signals import Level, Signal

MOST_REFUSALS = 20
"""So many refused requests are seen to in one round: a device that refuses all must not hold up the others."""

AGAIN_SECONDS = 600.0
CALM_SECONDS = 60.0
"""Errors are over when there was none for so long: a device that is busy now and then does not fill the log."""

_LASTING = (ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE)
_BEGINNINGS: dict[Kind, int] = {"holding": 40_001, "input": 30_001, "discrete": 10_001}

REFUSED = Signal(
    "modbus_points_refused",
    "a Modbus device refuses points; the others are read on, these are asked for again every ten minutes",
    Level.WARNING,
)
GIVEN = Signal("modbus_points_given", "a Modbus device gives points that it refused before", Level.INFO)
TROUBLED = Signal(
    "modbus_troubles", "a Modbus device answers with an error; values are missing while it does", Level.WARNING
)
WELL = Signal("modbus_troubles_over", "a Modbus device answers without errors again", Level.INFO)

Ask = Callable[[int, Request], Awaitable[bytes]]


class Row:
    """What one round brought."""

    def __init__(self) -> None:
        self.readings: list[tuple[str, float]] = []
        self._set_aside: list[SetAside] = []
        self._further = 0

    def put_aside(self, sensor: str, reason: str, raw: bytes = b"") -> None:
        """Keep what was no reading; what is more than is listed shares one record."""
        if len(self._set_aside) < MAX_RECORDS:
            self._set_aside.append(SetAside(0, sensor, reason, raw))
        else:
            self._further += 1

    def is_empty(self) -> bool:
        """Tell whether there is nothing to hand in."""
        return not self.readings and not self._set_aside

    def set_aside(self) -> tuple[SetAside, ...]:
        """Return the records of what was no reading."""
        more = SetAside(-1, "", "more values set aside than are listed", b"", self._further)
        return (*self._set_aside, more) if self._further else tuple(self._set_aside)


class Poll:
    """Remembers how its requests have to be cut, and what the device refuses."""

    def __init__(self, device: ModbusDevice, largest_gap: int, where: str) -> None:
        self.device = device
        self._said = {"unit": device.unit, "asset": device.asset, "at": where}
        self._names = {point: sensor_name(point.sensor) for point in device.points}
        self._requests = plan(device.points, largest_gap)
        self._refused: dict[ModbusPoint, str] = {}
        self._told: set[ModbusPoint] = set()
        self._again_at = 0.0
        self._troubled_at: float | None = None

    def probe(self) -> Request:
        """Return a request that shows whether the unit answers."""
        return self._requests[0] if self._requests else plan(self.device.points[:1], 0)[0]

    def refusal(self) -> str:
        """Return why the device refuses all of its points; empty: it does not."""
        return "" if self._requests else next(iter(self._refused.values()))

    async def take(self, ask: Ask, row: Row, now: float) -> None:
        """Ask for everything once and put it into the row; raises what `ask` raises, but for refusals.

        What it raised at is asked for last from then on: it must not keep all that comes after it from being read.
        """
        self._ask_again(now)
        waiting, done = deque(self._requests), list[Request]()
        refusals, trouble = 0, ""
        try:
            while waiting and refusals < MOST_REFUSALS:
                try:
                    self._read(waiting[0], await ask(self.device.unit, waiting[0]), row)
                except RefusedError as error:
                    if error.code in _LASTING:
                        refusals += 1
                        waiting.extendleft(reversed(self._smaller(waiting.popleft(), error, now)))
                        continue
                    trouble = f"{waiting[0]}: {error}"
                except UnavailableError:
                    waiting.rotate(-1)
                    raise
                done.append(waiting.popleft())
        finally:
            self._requests = [*done, *waiting]
            self._tell_refused(row)
        self._tell_trouble(trouble, now)

    def _read(self, request: Request, content: bytes, row: Row) -> None:
        for point in request.points:
            number = point.address - request.address
            registers = b"" if request.is_of_bits else content[2 * number : 2 * (number + point.end - point.address)]
            try:
                value = reading_of_bit(point, content, number) if request.is_of_bits else reading_of(point, registers)
            except RejectedError as error:
                row.put_aside(self._names[point], str(error), registers.hex(" ").encode())
                continue
            if value is not None:
                row.readings.append((self._names[point], value))
        if self._told:
            self._tell_given(request.points)

    def _smaller(self, request: Request, error: RefusedError, now: float) -> Sequence[Request]:
        """Return the parts of a refused request; where it has none, its points are refused until further notice."""
        parts = [] if error.code == ILLEGAL_FUNCTION else cut(request)
        if not parts:
            self._refused.update(dict.fromkeys(request.points, _explained(request, error)))
            self._again_at = now + AGAIN_SECONDS
        return parts

    def _ask_again(self, now: float) -> None:
        if self._refused and now >= self._again_at:
            self._requests += plan(self._refused, 0)
            self._refused = {}

    def _tell_refused(self, row: Row) -> None:
        """Say it once, and set each point aside once: while it is refused there is nothing that could be set aside."""
        new = [point for point in self._refused if point not in self._told]
        for point in new:
            row.put_aside(self._names[point], self._refused[point])
        if new:
            REFUSED.emit(len(new), first=self._names[new[0]], why=self._refused[new[0]], **self._said)
            self._told.update(new)

    def _tell_given(self, points: Iterable[ModbusPoint]) -> None:
        given = [point for point in points if point in self._told]
        if given:
            GIVEN.emit(len(given), first=self._names[given[0]], **self._said)
            self._told.difference_update(given)

    def _tell_trouble(self, trouble: str, now: float) -> None:
        if trouble:
            if self._troubled_at is None:
                TROUBLED.emit(1, why=trouble, **self._said)
            self._troubled_at = now
        elif self._troubled_at is not None and now - self._troubled_at >= CALM_SECONDS:
            self._troubled_at = None
            WELL.emit(1, **self._said)


def _explained(request: Request, error: RefusedError) -> str:
    """Say what is refused, and what may have been meant."""
    said = f"the device refuses {request}: {error}"
    if error.code == ILLEGAL_FUNCTION:
        return f"{said}; it may have no {request.kind}s at all: is another kind meant?"
    beginning = _BEGINNINGS.get(request.kind)
    if beginning is not None and request.address >= beginning:
        return f"{said}; addresses count from 0: is {request.address - beginning} meant?"
    return said
