"""The plant keeps to physics, to its seed and to its timetable."""

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.demo.duty import RAMP_PER_ROW, SECOND_ABOVE, Duty, next_duties, towards
from iot_edge_anomaly.demo.faults import FIRST_FAULT_ROW, PAUSE_ROWS, ROWS_PER_ROUND, TIMETABLE, FaultKind, fault_at
from iot_edge_anomaly.demo.hydraulics import (
    BAR_PER_METRE,
    BEST_EFFICIENCY,
    VALVE_LOSS,
    Drive,
    efficiency,
    outlet_head,
    shaft_power,
    solve,
)
from iot_edge_anomaly.demo.operation import orders
from iot_edge_anomaly.demo.plant import LEAK, PlantState, Reading, read
from iot_edge_anomaly.demo.sensors import SENSORS
from iot_edge_anomaly.demo.settings import demo_rules
from iot_edge_anomaly.demo.station import SECONDS_PER_ROW, TANK_AREA, WHOLE, Damage, Pump, Station, Tank, advance
from iot_edge_anomaly.pipeline.settings import sensor_settings, settings_for

WATER = 1000.0
GRAVITY = 9.80665


def run(asset: str, rows: int, seed: int = 7) -> list[Reading]:
    state, readings = PlantState(), []
    for _ in range(rows):
        state, reading = read(state, asset, seed)
        readings.append(reading)
    return readings


damages = st.builds(Damage, st.sampled_from([0.0, 4.2, 10.0]), st.sampled_from([0.0, 0.5, 1.0]))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 99), st.floats(1.0, 4.5), st.tuples(damages, damages))
def test_what_goes_in_comes_out(row: int, seed: int, level: float, damage: tuple[Damage, Damage]) -> None:
    """Water and power balance in every row, whatever is damaged, while pumps start and stop."""
    station = Station(tank=Tank(level))
    for step in range(120):
        after = advance(station, orders(row + step, seed), damage)
        gained = (after.tank.inflow - after.tank.outflow) * SECONDS_PER_ROW / 3600.0
        assert (after.tank.level - station.tank.level) * TANK_AREA == pytest.approx(gained, abs=1e-9)
        assert after.tank.inflow == pytest.approx(sum(pump.flow for pump in after.pumps), abs=1e-9)
        for pump in after.pumps:
            assert_pump_is_sound(pump)
        station = after


def assert_pump_is_sound(pump: Pump) -> None:
    through = pump.flow + pump.leak
    lifted = pump.outlet_head - pump.suction_head
    watts = WATER * GRAVITY * through / 3600.0 * max(lifted, 0.0)
    assert pump.power * 1000.0 >= watts / BEST_EFFICIENCY - 1e-6
    assert pump.power <= 0.0 or pump.speed > 0.0
    if pump.speed > 0.7 and through > 20.0:
        friction = 1.6 * pump.speed**3
        worn = min(1.0 / efficiency(pump.speed, through, lost) for lost in (0.0, 0.015, 0.03))
        assert (pump.power - friction) * 1000.0 >= watts * worn * (1.0 - 1e-4)
    assert min(pump.flow, pump.leak, pump.power, pump.outlet_head, pump.opening) >= 0.0
    assert pump.flow == 0.0 or pump.opening > 0.0


def test_power_is_density_times_gravity_times_flow_times_head_by_efficiency() -> None:
    flow, speed = 100.0, 0.95
    head = outlet_head(Drive(speed, 1.0), flow, 0.0)
    watts = WATER * GRAVITY * flow / 3600.0 * head / efficiency(speed, flow)
    assert shaft_power(speed, flow) == pytest.approx(watts / 1000.0 + 1.6 * speed**3, rel=1e-3)


@given(st.floats(0.0, 1.1), st.floats(0.0, 1.0), st.floats(0, 12), st.floats(5, 15), st.floats(5, 45))
def test_heads_balance_around_the_loop(speed: float, opening: float, leak: float, supply: float, static: float) -> None:
    drives = (Drive(speed, opening, leak), Drive(0.9, 0.9))
    flows = solve(drives, supply, static)
    assert flows.total == pytest.approx(sum(flows.delivered))
    for drive, flow in zip(drives, flows.delivered, strict=True):
        if flow > 0.0:
            behind = outlet_head(drive, flow + drive.leak, flows.suction_head)
            assert behind - VALVE_LOSS / drive.opening**2 * flow**2 == pytest.approx(flows.main_head, abs=1e-4)


def test_pumps_take_turns_start_softly_and_are_never_both_at_rest() -> None:
    station, starts, stops = Station(), [0, 0], [0, 0]
    for row in range(1200):
        after = advance(station, orders(row, 3))
        assert any(pump.duty.is_on for pump in after.pumps)
        for number, (pump, before) in enumerate(zip(after.pumps, station.pumps, strict=True)):
            assert abs(pump.speed - before.speed) <= RAMP_PER_ROW + 1e-12
            starts[number] += pump.duty.is_on and not before.duty.is_on
            stops[number] += before.duty.is_on and not pump.duty.is_on
        station = after
    hours = 1200 * SECONDS_PER_ROW / 3600.0
    assert min(starts) >= 4 * hours
    assert max(starts) <= 15 * hours
    assert abs(starts[0] - starts[1]) <= 2
    assert abs(stops[0] - stops[1]) <= 2


@given(st.lists(st.floats(0, 300), min_size=1, max_size=60))
def test_whatever_is_asked_for_the_one_that_ran_longest_stops_first(asked: list[float]) -> None:
    duties = (Duty(True, 5), Duty(False, 9))
    for flow in asked:
        after = next_duties(duties, flow)
        running = [duty.is_on for duty in after]
        assert any(running)
        stopped = [n for n in range(2) if duties[n].is_on and not after[n].is_on]
        assert len(stopped) <= 1
        if stopped:
            assert all(duties[stopped[0]].rows >= duty.rows for duty in duties if duty.is_on)
        assert flow <= SECOND_ABOVE or all(running) or duties != after
        duties = after


def test_a_pump_needs_more_than_half_a_minute_from_rest_to_speed() -> None:
    speed, rows = 0.0, 0
    while speed < 0.9:
        speed, rows = towards(speed, 0.9), rows + 1
    assert 20.0 <= rows * SECONDS_PER_ROW <= 60.0
    speeds = [0.9]
    while speeds[-1] > 0.0:
        speeds.append(towards(speeds[-1], 0.0))
    assert 20.0 <= (len(speeds) - 1) * SECONDS_PER_ROW <= 60.0


def test_an_empty_tank_gives_no_more_than_comes_in() -> None:
    station = Station()
    thirsty = orders(0, 7)._replace(demand=5000.0)
    for _ in range(100):
        station = advance(station, thirsty)
    assert station.tank.level == pytest.approx(0.0, abs=1e-9)
    assert station.tank.outflow == pytest.approx(station.tank.inflow)


def test_a_pump_follows_the_affinity_laws() -> None:
    slow, fast = 0.8, 1.0
    flow = 90.0
    lift = outlet_head(Drive(fast, 1.0), flow, 0.0)
    assert outlet_head(Drive(slow, 1.0), flow * slow, 0.0) == pytest.approx(lift * slow**2)
    assert shaft_power(slow, flow * slow) == pytest.approx(shaft_power(fast, flow) * slow**3)


def test_the_same_seed_gives_the_same_rows_and_another_gives_others() -> None:
    assert run("pump-1", 800) == run("pump-1", 800)
    assert run("pump-1", 3) != run("pump-1", 3, seed=8)


def test_a_plant_that_was_written_down_goes_on_as_if_nothing_had_been() -> None:
    state = PlantState()
    for _ in range(1000):
        state, _reading = read(state, "tank-1")
    woken = msgspec.json.decode(msgspec.json.encode(state), type=PlantState)
    for _ in range(100):
        state, expected = read(state, "tank-1")
        woken, found = read(woken, "tank-1")
        assert found == expected


def test_the_timetable_has_a_pause_after_each_fault_and_goes_round() -> None:
    assert all(fault_at(row) is None for row in range(FIRST_FAULT_ROW))
    begun = [row for row in range(FIRST_FAULT_ROW, FIRST_FAULT_ROW + ROWS_PER_ROUND) if _begins(row)]
    kinds = [fault.kind for row in begun if (fault := fault_at(row))]
    assert kinds == [FaultKind.LEAK, FaultKind.WEAR, FaultKind.STUCK, FaultKind.DRIFT]
    for row, plan in zip(begun, TIMETABLE, strict=True):
        assert fault_at(row + plan.rows - 1) is not None
        assert all(fault_at(row + plan.rows + pause) is None for pause in range(PAUSE_ROWS))
        assert fault_at(row + 7) == fault_at(row + 7 + ROWS_PER_ROUND)


def _begins(row: int) -> bool:
    return fault_at(row) is not None and fault_at(row - 1) is None


def test_a_leak_takes_pressure_and_flow_at_that_speed() -> None:
    leaking = advance(Station(), orders(0, 7), (Damage(leak=4.2), WHOLE)).pumps[0]
    whole = advance(Station(), orders(0, 7)).pumps[0]
    assert leaking.speed == whole.speed
    assert leaking.outlet_head < whole.outlet_head - 1.5
    assert leaking.flow < whole.flow - 5.0


def test_a_leak_costs_more_than_a_bar_against_what_speed_and_flow_promise() -> None:
    station, missing = Station(), []
    for row in range(200):
        station = advance(station, orders(row, 7), (Damage(leak=LEAK), WHOLE))
        pump = station.pumps[0]
        promised = outlet_head(Drive(pump.speed, pump.opening), pump.flow, pump.suction_head)
        if pump.duty.is_on and pump.flow > 40.0:
            missing.append((promised - pump.outlet_head) * BAR_PER_METRE)
    assert sum(missing) / len(missing) == pytest.approx(1.5, abs=0.5)


def test_wear_shows_in_vibration_at_once_and_in_the_bearing_later() -> None:
    worn = whole = Station()
    for row in range(30):
        now = orders(row, 7)
        worn, whole = advance(worn, now, (WHOLE, Damage(wear=1.0))), advance(whole, now)
        assert whole.pumps[1].duty.is_on
        assert worn.pumps[1].vibration > whole.pumps[1].vibration + 1.0
        assert worn.pumps[1].flow == whole.pumps[1].flow
    assert worn.pumps[1].bearing_temperature > whole.pumps[1].bearing_temperature + 10.0


def test_a_stuck_sensor_repeats_itself_and_a_drifting_one_leaves() -> None:
    tank, pump = run("tank-1", 4200), run("pump-2", 4200)
    stuck = [r.values["level"] for r in tank if r.fault and r.fault.kind is FaultKind.STUCK]
    assert len(stuck) == 240
    assert len(set(stuck)) == 1
    drifting = [r.values["suction_pressure"] for r in pump if r.fault and r.fault.kind is FaultKind.DRIFT]
    assert drifting[-1] - drifting[0] > 0.5


@pytest.mark.parametrize("asset", SENSORS)
def test_rows_without_a_fault_stay_within_all_limits(asset: str) -> None:
    rules = settings_for(AssetKey.parse(f"demo/station-1/pumping/line-1/{asset}"), demo_rules())
    known = {sensor.name: sensor_settings(rules, sensor.name) for sensor in SENSORS[asset]}
    assert any(sensor.high_limit for sensor in known.values())
    for reading in run(asset, FIRST_FAULT_ROW):
        for name, value in reading.values.items():
            lows = (known[name].low, known[name].low_limit, known[name].low_low_limit)
            highs = (known[name].high, known[name].high_limit, known[name].high_high_limit)
            assert max((low for low in lows if low is not None), default=-math.inf) < value
            assert value < min((high for high in highs if high is not None), default=math.inf)
