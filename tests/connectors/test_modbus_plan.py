"""Points are read in few requests, each of them once, none beyond what a request may ask for."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from iot_edge_anomaly.connectors.modbus_numbers import REGISTERS
from iot_edge_anomaly.connectors.modbus_plan import MOST_BITS, MOST_REGISTERS, Request, cut, plan
from iot_edge_anomaly.connectors.modbus_settings import ModbusPoint

BITS = ("coil", "discrete")


def register(address: int, read_as: str = "uint16", kind: str = "holding") -> ModbusPoint:
    return ModbusPoint(sensor=f"{kind}-{address}-{read_as}", address=address, kind=kind, type=read_as)  # type: ignore[arg-type]


@st.composite
def some_points(draw: st.DrawFn) -> list[ModbusPoint]:
    """Points anywhere, in clusters, overlapping or not: a plan must not depend on what settings forbid."""
    found = []
    for number in range(draw(st.integers(1, 60))):
        kind = draw(st.sampled_from(("holding", "input", *BITS)))
        read_as = "bool" if kind in BITS else draw(st.sampled_from(list(REGISTERS)))
        at = draw(st.one_of(st.integers(0, 400), st.integers(0, 65_536 - REGISTERS[read_as])))
        found.append(ModbusPoint(sensor=f"s{number}", address=at, kind=kind, type=read_as))
    return found


def see_that_it_is_right(requests: list[Request], points: list[ModbusPoint]) -> None:
    assert Counter(point for request in requests for point in request.points) == Counter(points)
    for request in requests:
        assert 1 <= request.size <= (MOST_BITS if request.is_of_bits else MOST_REGISTERS)
        assert request.address >= 0
        assert request.address + request.size <= 65_536
        assert {point.kind for point in request.points} == {request.kind}
        assert min(point.address for point in request.points) == request.address
        assert max(point.end for point in request.points) == request.address + request.size


@given(some_points(), st.integers(0, 120))
def test_every_point_is_read_once_and_no_request_is_too_large(points: list[ModbusPoint], gap: int) -> None:
    see_that_it_is_right(plan(points, gap), points)


@given(some_points(), st.integers(0, 120))
def test_what_is_refused_is_cut_until_it_cannot_be_and_every_point_stays_in_one_part(
    points: list[ModbusPoint], gap: int
) -> None:
    waiting, smallest = plan(points, gap), []
    while waiting:
        request = waiting.pop()
        parts = cut(request)
        see_that_it_is_right(parts, list(request.points) if parts else [])
        assert all(len(part.points) < len(request.points) for part in parts)
        waiting += parts
        smallest += [] if parts else [request]
    see_that_it_is_right(smallest, points)
    for request in smallest:
        assert {(point.address, point.end) for point in request.points} == {
            (request.address, request.address + request.size)
        }


@given(some_points())
def test_without_gaps_nothing_is_read_that_nobody_asked_for(points: list[ModbusPoint]) -> None:
    for request in plan(points, 0):
        wanted = {address for point in request.points for address in range(point.address, point.end)}
        assert wanted == set(range(request.address, request.address + request.size))


def test_ten_thousand_registers_in_a_row_take_as_many_requests_as_they_must() -> None:
    assert len(plan([register(address) for address in range(10_000)], 0)) == 80
    coils = [ModbusPoint(sensor=f"c{address}", address=address, kind="coil") for address in range(10_000)]
    assert len(plan(coils, 0)) == 5


def test_a_gap_is_read_over_up_to_its_limit() -> None:
    points = [register(0, "float32"), register(18), register(36)]
    assert [str(request) for request in plan(points, 16)] == ["holding 0 to 18", "holding 36"]
    assert [str(request) for request in plan(points, 17)] == ["holding 0 to 36"]
    coils = [ModbusPoint(sensor=f"c{address}", address=address, kind="coil") for address in (0, 257, 514)]
    assert [str(request) for request in plan(coils, 16)] == ["coil 0 to 514"]
    assert [str(request) for request in plan(coils, 15)] == ["coil 0", "coil 257", "coil 514"]


def test_kinds_are_never_read_together() -> None:
    points = [register(0), register(0, kind="input"), register(1)]
    assert [str(request) for request in plan(points, 16)] == ["holding 0 to 1", "input 0"]


def test_a_number_is_never_torn_by_the_limit_of_a_request() -> None:
    points = [register(address, "float64") for address in range(0, 400, 4)]
    assert [request.size for request in plan(points, 0)] == [124, 124, 124, 28]


def test_it_is_cut_at_the_widest_gap_and_then_in_the_middle() -> None:
    (request,) = plan([register(address) for address in (0, 1, 5, 6, 16, 17, 18, 19)], 16)
    assert [str(part) for part in cut(request)] == ["holding 0 to 6", "holding 16 to 19"]
    assert [str(part) for part in cut(cut(request)[1])] == ["holding 16 to 17", "holding 18 to 19"]
    (pair,) = plan([register(7), register(8)], 0)
    assert [str(part) for part in cut(pair)] == ["holding 7", "holding 8"]


def test_what_reads_the_same_registers_is_not_cut_apart() -> None:
    bits = [ModbusPoint(sensor=f"b{bit}", address=3, type="bool", bit=bit) for bit in range(16)]
    (request,) = plan([*bits, register(3)], 0)
    assert str(request) == "holding 3"
    assert cut(request) == []
    (mixed,) = plan([*bits, register(3, "int32")], 0)
    assert [str(part) for part in cut(mixed)] == ["holding 3", "holding 3 to 4"]
