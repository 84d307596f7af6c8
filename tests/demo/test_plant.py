"""The plant keeps to physics, to its seed and to its timetable."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.demo.faults import FIRST_FAULT_ROW, PAUSE_ROWS, ROWS_PER_ROUND, TIMETABLE, FaultKind, fault_at
from iot_edge_anomaly.demo.hydraulics import BAR_PER_METRE, Drive, outlet_head, shaft_power, solve
from iot_edge_anomaly.demo.operation import orders
from iot_edge_anomaly.demo.plant import PlantState, Reading, read
from iot_edge_anomaly.demo.sensors import SENSORS
from iot_edge_anomaly.demo.settings import demo_rules
from iot_edge_anomaly.demo.station import SECONDS_PER_ROW, TANK_AREA, WHOLE, Damage, Station, advance
from iot_edge_anomaly.pipeline.settings import sensor_settings, settings_for


def run(asset: str, rows: int, seed: int = 7) -> list[Reading]:
    state, readings = PlantState(), []
    for _ in range(rows):
        state, reading = read(state, asset, seed)
        readings.append(reading)
    return readings


def test_the_tank_holds_what_came_in_less_what_was_drawn() -> None:
    station = Station()
    for row in range(500):
        after = advance(station, orders(row))
        gained = (after.tank.inflow - after.tank.outflow) * SECONDS_PER_ROW / 3600.0
        assert (after.tank.level - station.tank.level) * TANK_AREA == pytest.approx(gained, abs=1e-9)
        assert after.tank.inflow == pytest.approx(sum(pump.flow for pump in after.pumps))
        station = after


def test_an_empty_tank_gives_no_more_than_comes_in() -> None:
    station = Station()
    thirsty = orders(0)._replace(demand=5000.0)
    for _ in range(100):
        station = advance(station, thirsty)
    assert station.tank.level == pytest.approx(0.0, abs=1e-9)
    assert station.tank.outflow == pytest.approx(station.tank.inflow)


@given(st.floats(0.7, 1.1), st.floats(0.3, 1.0), st.floats(5, 15), st.floats(20, 45))
def test_the_pump_lifts_just_what_valve_and_main_take(
    speed: float, opening: float, supply: float, static: float
) -> None:
    drive = Drive(speed, opening)
    flows = solve((drive, drive), supply, static)
    if flows.delivered[0] > 0:
        behind = outlet_head(drive, flows.delivered[0], flows.suction_head)
        assert behind >= flows.main_head - 1e-3
        assert flows.total == pytest.approx(2 * flows.delivered[0])


def test_a_pump_follows_the_affinity_laws() -> None:
    slow, fast = 0.8, 1.0
    flow = 90.0
    lift = outlet_head(Drive(fast, 1.0), flow, 0.0)
    assert outlet_head(Drive(slow, 1.0), flow * slow, 0.0) == pytest.approx(lift * slow**2)
    assert shaft_power(slow, flow * slow) == pytest.approx(shaft_power(fast, flow) * slow**3)


def test_the_same_seed_gives_the_same_rows_and_another_gives_others() -> None:
    assert run("pump-1", 400) == run("pump-1", 400)
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
    leaking = advance(Station(), orders(0), (Damage(leak=4.2), WHOLE)).pumps[0]
    whole = advance(Station(), orders(0)).pumps[0]
    assert leaking.speed == whole.speed
    assert leaking.outlet_head < whole.outlet_head - 1.5
    assert leaking.flow < whole.flow - 5.0


def test_a_leak_costs_some_0_8_bar_against_what_speed_and_flow_promise() -> None:
    station = Station()
    for row in range(100):
        station = advance(station, orders(row), (Damage(leak=4.2), WHOLE))
    pump = station.pumps[0]
    promised = outlet_head(Drive(pump.speed, pump.opening), pump.flow, pump.suction_head)
    assert (promised - pump.outlet_head) * BAR_PER_METRE == pytest.approx(0.8, abs=0.25)


def test_wear_shows_in_vibration_at_once_and_in_the_bearing_later() -> None:
    worn = whole = Station()
    for row in range(60):
        worn, whole = advance(worn, orders(row), (WHOLE, Damage(wear=1.0))), advance(whole, orders(row))
        assert worn.pumps[1].vibration > whole.pumps[1].vibration + 1.0
        assert worn.pumps[1].flow == whole.pumps[1].flow
    assert worn.pumps[1].bearing_temperature > whole.pumps[1].bearing_temperature + 10.0


def test_a_stuck_sensor_repeats_itself_and_a_drifting_one_leaves() -> None:
    tank, pump = run("tank-1", 1500), run("pump-2", 1500)
    stuck = [r.values["level"] for r in tank if r.fault and r.fault.kind is FaultKind.STUCK]
    assert len(stuck) == 120
    assert len(set(stuck)) == 1
    drifting = [r.values["suction_pressure"] for r in pump if r.fault and r.fault.kind is FaultKind.DRIFT]
    assert drifting[-1] - drifting[0] > 0.5


@pytest.mark.parametrize("asset", SENSORS)
def test_rows_without_a_fault_stay_within_all_limits(asset: str) -> None:
    settings = settings_for(AssetKey.parse(f"demo/station-1/pumping/line-1/{asset}"), demo_rules())
    known = {sensor.name: sensor_settings(settings, sensor.name) for sensor in SENSORS[asset]}
    assert any(sensor.high_limit for sensor in known.values())
    for reading in run(asset, 350):
        for name, value in reading.values.items():
            lows = (known[name].low, known[name].low_limit, known[name].low_low_limit)
            highs = (known[name].high, known[name].high_limit, known[name].high_high_limit)
            assert max((low for low in lows if low is not None), default=-math.inf) < value
            assert value < min((high for high in highs if high is not None), default=math.inf)
