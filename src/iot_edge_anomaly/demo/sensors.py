"""The station's sensors: what each measures, in which unit, how noisily, and how far one drifts when it does."""

from typing import NamedTuple

from iot_edge_anomaly.demo.hydraulics import BAR_PER_METRE
from iot_edge_anomaly.demo.operation import Orders
from iot_edge_anomaly.demo.station import Pump, Station, Tank

PUMPS = ("pump-1", "pump-2")
TANK = "tank-1"
RATED_RPM = 1480.0


class Sensor(NamedTuple):
    """One sensor. `noise` is a standard deviation; `low`, `high` its range; `drift` is how far off it gets."""

    name: str
    title: str
    unit: str
    noise: float
    low: float
    high: float
    drift: float = 0.0


PUMP_SENSORS = (
    Sensor("speed", "Speed", "rpm", 6.0, -100, 3000),
    Sensor("valve", "Discharge valve", "%", 0.4, -5, 105),
    Sensor("flow", "Flow", "m³/h", 0.8, -20, 600),
    Sensor("suction_pressure", "Suction pressure", "bar", 0.02, -1, 10, 0.9),
    Sensor("outlet_pressure", "Outlet pressure", "bar", 0.03, -1, 16),
    Sensor("power", "Motor power", "kW", 0.3, -2, 60),
    Sensor("vibration", "Vibration", "mm/s", 0.06, 0, 50),
    Sensor("bearing_temperature", "Bearing temperature", "°C", 0.2, -40, 150),
    Sensor("inlet_temperature", "Inlet temperature", "°C", 0.2, -5, 60),
)
TANK_SENSORS = (
    Sensor("level", "Level", "m", 0.010, -0.2, 6),
    Sensor("inflow", "Inflow", "m³/h", 3.5, -20, 800),
    Sensor("outflow", "Outflow", "m³/h", 3.5, -20, 800),
    Sensor("pressure", "Bottom pressure", "bar", 0.001, -0.1, 1),
    Sensor("temperature", "Water temperature", "°C", 0.2, -5, 60),
)
SENSORS: dict[str, tuple[Sensor, ...]] = {**dict.fromkeys(PUMPS, PUMP_SENSORS), TANK: TANK_SENSORS}


def truth(asset: str, station: Station, orders: Orders) -> tuple[float, ...]:
    """Return what perfect sensors of this asset would read, in the order of `SENSORS`."""
    if asset == TANK:
        return _tank(station.tank, orders)
    return _pump(station.pumps[PUMPS.index(asset)], orders)


def _pump(pump: Pump, orders: Orders) -> tuple[float, ...]:
    return (
        pump.speed * RATED_RPM,
        pump.opening * 100.0,
        pump.flow,
        pump.suction_head * BAR_PER_METRE,
        pump.outlet_head * BAR_PER_METRE,
        pump.power,
        pump.vibration,
        pump.bearing_temperature,
        orders.water_temperature + 0.02 * pump.power,
    )


def _tank(tank: Tank, orders: Orders) -> tuple[float, ...]:
    return (tank.level, tank.inflow, tank.outflow, tank.level * BAR_PER_METRE, orders.water_temperature + 0.3)
