"""Modbus TCP: registers and bits of devices, and of units behind a gateway, are read at a steady pace. Never written.

Modbus knows neither times nor a past. A round of a device is one row, timed by this machine halfway between its first
question and its last answer. What was not read while the connection or the bus was down is not there to be read later;
what was read is handed in once, numbered from the start of an attempt.
"""

import hashlib
from collections import Counter

import anyio
import msgspec

from iot_edge_anomaly.component.connector import ConnectorSpec, Intake
from iot_edge_anomaly.connectors.modbus_frames import RefusedError
from iot_edge_anomaly.connectors.modbus_line import Line, SilentError, connected
from iot_edge_anomaly.connectors.modbus_plan import Request
from iot_edge_anomaly.connectors.modbus_poll import Poll, Row
from iot_edge_anomaly.connectors.modbus_settings import ModbusDevice, ModbusSettings
from iot_edge_anomaly.connectors.modbus_turns import Turns
from iot_edge_anomaly.core.clock import Clock
from iot_edge_anomaly.core.errors import RejectedError, UnavailableError
from iot_edge_anomaly.core.messages import Batch, SetAside, batch_of
from iot_edge_anomaly.core.names import MAX_SENSOR_BYTES
from iot_edge_anomaly.observability.signals import Level, Signal

LOST = Signal("modbus_units_lost", "a Modbus unit does not answer; it is asked less often until it does", Level.WARNING)
BACK = Signal("modbus_units_back", "a Modbus unit answers again", Level.INFO)
PASSED_OVER = Signal(
    "modbus_rounds_passed_over", "rounds of Modbus devices left out, for those before took too long", Level.COUNTED
)


class ModbusConnector:
    """Remembers from attempt to attempt which units were said to be lost, so that it is said once."""

    def __init__(self, settings: ModbusSettings) -> None:
        self._settings = settings
        self._lost: set[int] = set()

    async def run(self, intake: Intake, clock: Clock) -> None:
        """Read until cancelled. Raises UnavailableError when the device or the intake is gone."""
        settings = self._settings
        async with connected(settings.host, settings.port, settings.timeout_seconds) as line:
            await _Attempt(settings, self._lost, line, intake, clock).run()


class _Attempt:
    """Device after device over one connection, each at its own pace."""

    def __init__(self, settings: ModbusSettings, lost: set[int], line: Line, intake: Intake, clock: Clock) -> None:
        devices = settings.devices
        self._polls = [Poll(device, settings.largest_gap, line.where) for device in devices]
        self._turns = Turns([(one.unit, one.seconds) for one in devices], anyio.current_time())
        self._lost = lost
        self._line = line
        self._intake = intake
        self._clock = clock
        self._epoch = self._heard_ns = clock.now_ns()
        self._sequences = Counter[tuple[int, str]]()

    async def run(self) -> None:
        while True:
            number, due = self._turns.next()
            await anyio.sleep_until(due)
            await self._round(self._polls[number])
            if passed := self._turns.read(number, anyio.current_time()):
                PASSED_OVER.emit(passed)

    async def _round(self, poll: Poll) -> None:
        """Read a device; what came before it or the connection failed is taken in too."""
        row, failure = Row(), None
        began, began_ns = anyio.current_time(), self._clock.now_ns()
        try:
            await poll.take(self._ask, row, began)
        except UnavailableError as error:
            failure = error
        took = anyio.current_time() - began
        if failure is None or not row.is_empty():
            await self._hand_in(poll.device, row, began_ns + (self._heard_ns - began_ns) // 2)
        if isinstance(failure, SilentError):
            await self._miss(poll.device, failure, took)
        elif failure is not None:
            raise failure
        else:
            self._welcome(poll.device)
        if all(one.refusal() for one in self._polls):
            raise UnavailableError(f"{self._line.where}: nothing that is asked for is given: {poll.refusal()}")

    async def _ask(self, unit: int, request: Request) -> bytes:
        try:
            content = await self._line.ask(unit, request)
        except RefusedError:
            self._hear(unit)
            raise
        self._hear(unit)
        return content

    def _hear(self, unit: int) -> None:
        self._heard_ns = self._clock.now_ns()
        self._turns.heard(unit, anyio.current_time())

    async def _hand_in(self, device: ModbusDevice, row: Row, time_ns: int) -> None:
        """Hand in a row; an empty one tells all the same that the device is reached."""
        if row.is_empty():
            await self._intake.accept([])
            return
        batch = batch_of(
            device.key(),
            _source(self._line.where, device.unit),
            [(time_ns, sensor, value) for sensor, value in row.readings],
            received_ns=self._clock.now_ns(),
            epoch=self._epoch,
            sequence=self._sequences[device.unit, device.asset],
            set_aside=row.set_aside(),
        )
        self._sequences[device.unit, device.asset] += 1
        try:
            await self._intake.accept([batch])
        except RejectedError as error:
            await self._intake.accept([_all_set_aside(batch, str(error)[:300])])

    async def _miss(self, device: ModbusDevice, error: SilentError, waited: float) -> None:
        """Note that a unit is silent. Raises UnavailableError when it is rather the connection, or all units are."""
        unit, where = device.unit, self._line.where
        if not (error.line_works or self._turns.is_lost(unit) or await self._does_anyone_answer(unit)):
            raise UnavailableError(f"{where}: nothing answers any more; unit {unit}: {error}")
        if self._turns.silent(unit, waited, anyio.current_time()) and unit not in self._lost:
            self._lost.add(unit)
            LOST.emit(unit=unit, asset=device.asset, at=where, why=str(error))
        if self._turns.all_lost():
            raise UnavailableError(f"{where}: no unit answers; unit {unit}: {error}")

    async def _does_anyone_answer(self, unit: int) -> bool:
        """Tell whether the connection still carries anything: a unit that is silent may be the only one that is."""
        for witness in self._turns.witnesses(unit):
            probe = next(poll for poll in self._polls if poll.device.unit == witness).probe()
            try:
                await self._ask(witness, probe)
            except SilentError as error:
                if not error.line_works:
                    continue
            except RefusedError:
                pass
            return True
        return False

    def _welcome(self, device: ModbusDevice) -> None:
        self._turns.answered(device.unit, anyio.current_time())
        if device.unit in self._lost:
            self._lost.discard(device.unit)
            BACK.emit(unit=device.unit, asset=device.asset, at=self._line.where)


def _all_set_aside(batch: Batch, reason: str) -> Batch:
    """Return a batch of the same number that holds nothing but how many values there were."""
    whole = SetAside(-1, "", reason, b"", batch.accepted)
    nothing: dict[str, object] = {"sensors": (), "time_ns": b"", "sensor": b"", "value": b""}
    return msgspec.structs.replace(batch, set_aside=(whole,), **nothing)


def _source(where: str, unit: int) -> str:
    """Name the source of a unit's readings: of one asset there may be several."""
    plain = f"modbus/{where}/{unit}"
    if plain.isprintable() and len(plain.encode()) <= MAX_SENSOR_BYTES:
        return plain
    return f"modbus/{hashlib.sha256(where.encode()).hexdigest()[:16]}/{unit}"


SPEC = ConnectorSpec("modbus", ModbusSettings, ModbusConnector)
