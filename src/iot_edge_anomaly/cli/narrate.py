"""What `up` tells while it runs: how learning goes, every alarm with its reason, and when it is over."""

import asyncio
import time
from collections.abc import Iterator

import typer

from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.core.outcomes import Phase
from iot_edge_anomaly.resilience.beside import beside
from iot_edge_anomaly.views.follow import follow_plant
from iot_edge_anomaly.views.plant import AlarmView, Plant

LOOK_SECONDS = 0.5
PROGRESS_SECONDS = 5.0


async def narrate(bus: Bus, partitions: int) -> None:
    """Tell what happens until cancelled. What happened before the start is not told again."""
    plant, started_ns = Plant(), time.time_ns()
    told: dict[str, str] = {}
    async with beside(follow_plant(bus, partitions, plant)):
        last_progress = ""
        next_progress = 0.0
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for line in _alarms(plant, told, started_ns):
                typer.echo(line)
            if time.monotonic() >= next_progress:
                next_progress = time.monotonic() + PROGRESS_SECONDS
                if (progress := _progress(plant)) and progress != last_progress:
                    typer.echo(progress)
                    last_progress = progress


def _alarms(plant: Plant, told: dict[str, str], started_ns: int) -> Iterator[str]:
    for alarm in reversed(plant.alarms()):
        stage = alarm.latest.event
        if told.get(alarm.latest.alarm_id) != stage:
            told[alarm.latest.alarm_id] = stage
            if alarm.latest.time_ns > started_ns - 5_000_000_000 and (line := _line(alarm)):
                yield line


def _line(alarm: AlarmView) -> str | None:
    at = time.strftime("%H:%M:%S", time.localtime(alarm.latest.time_ns / 1e9))
    what = f"{alarm.key}  {alarm.raised.condition}  {alarm.raised.alarm_id}"
    match alarm.latest.event:
        case "raise":
            return f"{at}  ALARM  {what}\n          {alarm.raised.reason}"
        case "return":
            return f"{at}  over   {what}"
        case _:
            return None


def _progress(plant: Plant) -> str:
    assets = plant.assets()
    learning = [asset for asset in assets if asset.phase is not Phase.CALIBRATED]
    if not learning:
        return f"watching {len(assets)} assets, all learned" if assets else ""
    parts = ", ".join(f"{asset.key.asset.rpartition('/')[2]} {asset.progress:.0%}" for asset in learning[:6])
    return f"learning   {parts}{', ...' if len(learning) > 6 else ''}"
