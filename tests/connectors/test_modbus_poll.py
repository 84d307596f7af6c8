"""Whatever a device refuses: in the end all that it gives is read, in as many requests as that takes, and no more."""

import asyncio
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from iot_edge_anomaly.connectors.modbus_frames import RefusedError
from iot_edge_anomaly.connectors.modbus_numbers import REGISTERS
from iot_edge_anomaly.connectors.modbus_plan import Request
from iot_edge_anomaly.connectors.modbus_poll import AGAIN_SECONDS, MOST_REFUSALS, Poll, Row
from iot_edge_anomaly.connectors.modbus_settings import ModbusDevice, ModbusPoint

SPAN = 120


class Plc:
    """Gives some of its registers, each of which holds 0, and counts what it is asked."""

    def __init__(self, given_addresses: set[int]) -> None:
        self.given = given_addresses
        self.asked = self.refused = 0

    async def ask(self, unit: int, request: Request) -> bytes:
        self.asked += 1
        if not self.given.issuperset(range(request.address, request.address + request.size)):
            self.refused += 1
            raise RefusedError(2)
        return bytes(2 * request.size)

    def gives(self, point: ModbusPoint) -> bool:
        return self.given.issuperset(range(point.address, point.end))


def take(poll: Poll, plc: Plc, now: float = 0.0) -> Row:
    row = Row()
    before = plc.refused
    with capture_logs():
        asyncio.run(poll.take(plc.ask, row, now))
    assert plc.refused - before <= MOST_REFUSALS
    return row


def until_nothing_more_is_refused(poll: Poll, plc: Plc, now: float = 0.0) -> list[Row]:
    rows = []
    while True:
        before = plc.refused
        rows.append(take(poll, plc, now))
        if plc.refused == before:
            return rows


@st.composite
def devices(draw: st.DrawFn) -> ModbusDevice:
    """A device whose numbers do not overlap, with bits anywhere."""
    points, at = list[ModbusPoint](), 0
    while at < SPAN and draw(st.booleans() if points else st.just(True)):
        read_as = draw(st.sampled_from(["uint16", "float32", "int64"]))
        points.append(ModbusPoint(sensor=f"n{at}", address=at, type=read_as))  # type: ignore[arg-type]
        at += REGISTERS[read_as] + draw(st.integers(0, 25))  # type: ignore[index]
    for place in draw(st.sets(st.tuples(st.integers(0, SPAN), st.integers(0, 15)), max_size=6)):
        points.append(ModbusPoint(sensor=f"b{place}", address=place[0], bit=place[1], type="bool"))
    return ModbusDevice(asset="acme/pump", points=tuple(points))


@settings(deadline=None)
@given(devices(), st.sets(st.integers(0, SPAN + 8)), st.integers(0, 30))
def test_all_that_is_given_is_read_and_all_else_is_set_aside_once(
    device: ModbusDevice, given_addresses: set[int], gap: int
) -> None:
    plc, poll = Plc(given_addresses), Poll(device, gap, "here")
    rows = until_nothing_more_is_refused(poll, plc)
    wanted = {point.sensor for point in device.points if plc.gives(point)}
    assert {sensor for sensor, _ in rows[-1].readings} == wanted
    assert all(len(row.readings) == len({sensor for sensor, _ in row.readings}) for row in rows)
    aside = Counter(record.sensor for row in rows for record in row.set_aside())
    assert aside == Counter(point.sensor for point in device.points if not plc.gives(point))
    assert bool(poll.refusal()) == (not wanted)

    plc.given.update(range(SPAN + 8))
    later = until_nothing_more_is_refused(poll, plc, AGAIN_SECONDS + 1)
    assert {sensor for sensor, _ in later[-1].readings} == {point.sensor for point in device.points}
    assert not any(row.set_aside() for row in later)


def test_what_a_device_refuses_is_found_in_few_requests() -> None:
    points = tuple(ModbusPoint(sensor=f"s{at}", address=at) for at in range(100))
    plc = Plc(set(range(100)) - {42})
    poll = Poll(ModbusDevice(asset="acme/pump", points=points), 16, "here")
    until_nothing_more_is_refused(poll, plc)
    assert plc.refused <= 8, "halved seven times"
    plc.asked = 0
    assert len(take(poll, plc).readings) == 99
    assert plc.asked <= 7
