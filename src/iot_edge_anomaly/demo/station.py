"""A pumping station by its physics: two pumps with drives, a rising main, an elevated tank. Pure: state in, state out.

One row is six seconds of the plant. Flows m³/h, heads m, temperatures °C, vibration mm/s, power kW.
"""

from math import sqrt
from typing import NamedTuple

import msgspec

from iot_edge_anomaly.demo.duty import Duty, flow_asked, moved, next_duties, speed_for, towards
from iot_edge_anomaly.demo.hydraulics import Drive, cavitation, outlet_head, shaft_power, solve
from iot_edge_anomaly.demo.operation import USUAL_DEMAND, Orders

SECONDS_PER_ROW = 6.0
TANK_AREA = 6.0
TANK_HEIGHT = 5.0
TANK_ELEVATION = 18.0
BEARING_ROWS = 15.0
"""Time constant of a bearing's temperature, in rows: 90 seconds of the plant."""


class Pump(msgspec.Struct, frozen=True):
    """One pump as it is now. `flow` is what reaches the main, `leak` what leaves before the flow meter."""

    duty: Duty = Duty(True, 1)
    speed: float = 0.9
    opening: float = 0.88
    flow: float = 100.0
    leak: float = 0.0
    suction_head: float = 9.0
    outlet_head: float = 45.0
    power: float = 16.0
    vibration: float = 1.8
    bearing_temperature: float = 47.0


class Tank(msgspec.Struct, frozen=True):
    """The tank as it is now."""

    level: float = 3.0
    inflow: float = USUAL_DEMAND
    outflow: float = USUAL_DEMAND


class Station(msgspec.Struct, frozen=True):
    """The state of the station after a row."""

    pumps: tuple[Pump, Pump] = (Pump(Duty(True, 2)), Pump())
    tank: Tank = Tank()


class Damage(NamedTuple):
    """How damaged one pump is. `leak` is a flow coefficient, m³/h at 1 m of head to the root; `wear` 0 to 1."""

    leak: float = 0.0
    wear: float = 0.0


WHOLE = Damage()


def advance(before: Station, orders: Orders, damages: tuple[Damage, Damage] = (WHOLE, WHOLE)) -> Station:
    """Return the station one row later."""
    asked = flow_asked(before.tank.level, orders)
    duties = next_duties([pump.duty for pump in before.pumps], asked)
    speed = speed_for(asked, sum(duty.is_on for duty in duties), before.tank.level)
    drives = tuple(
        Drive(
            towards(pump.speed, speed + trim if duty.is_on else 0.0),
            moved(pump.opening, opening if duty.is_on else 0.0),
            _leaking(pump, damage),
        )
        for pump, duty, trim, opening, damage in zip(
            before.pumps, duties, orders.trims, orders.openings, damages, strict=True
        )
    )
    flows = solve(drives, orders.supply_head, TANK_ELEVATION + before.tank.level)
    pumps = tuple(
        _pump(pump, duty, drive, flow, flows.suction_head, damage, orders)
        for pump, duty, drive, flow, damage in zip(before.pumps, duties, drives, flows.delivered, damages, strict=True)
    )
    return Station((pumps[0], pumps[1]), _filled(before.tank, flows.total, orders.demand))


def _leaking(pump: Pump, damage: Damage) -> float:
    return damage.leak * sqrt(pump.outlet_head)


def _pump(before: Pump, duty: Duty, drive: Drive, flow: float, suction: float, damage: Damage, orders: Orders) -> Pump:
    through = flow + drive.leak
    power = shaft_power(drive.speed, through, 0.03 * damage.wear)
    rough = 0.45 + 1.6 * drive.speed**2 + 0.25 * power / 18.0 + 1.2 * cavitation(through, suction)
    warm = orders.air_temperature + 4.0 + 0.9 * power + 9.0 * drive.speed**2 + 26.0 * damage.wear * drive.speed
    return Pump(
        duty,
        drive.speed,
        drive.opening,
        flow,
        drive.leak,
        suction,
        outlet_head(drive, through, suction),
        power,
        rough + 3.2 * damage.wear * drive.speed**2,
        before.bearing_temperature + (warm - before.bearing_temperature) / BEARING_ROWS,
    )


def _filled(tank: Tank, inflow: float, demand: float) -> Tank:
    """Balance the tank's volume: what comes in, less what is drawn, is what it holds more. It can run dry or over."""
    held = tank.level * TANK_AREA
    hours = SECONDS_PER_ROW / 3600.0
    outflow = min(demand, held / hours + inflow)
    return Tank(min((held + (inflow - outflow) * hours) / TANK_AREA, TANK_HEIGHT), inflow, outflow)
