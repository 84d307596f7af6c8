"""What `up` tells while it runs: how learning goes, and all that happens to alarms, with the reason."""

import asyncio
import time
from collections.abc import Mapping

import typer

from iot_edge_anomaly.alarms.transitions import Event
from iot_edge_anomaly.bus.codec import decode_commit
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import OUTCOMES, outcomes_subject
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmState, Commit, Phase
from iot_edge_anomaly.resilience.beside import beside
from iot_edge_anomaly.views.follow import follow_plant
from iot_edge_anomaly.views.plant import Plant

LOOK_SECONDS = 0.5
PROGRESS_SECONDS = 5.0
MOST_LINES = 20
"""So many alarms are told at a look; of a flood of them the number is."""

_INDENT = " " * 10

WORDS: Mapping[Event, str] = {
    Event.RAISE: "ALARM",
    Event.RE_RAISE: "AGAIN",
    Event.RETURN: "over",
    Event.ACKNOWLEDGE: "seen",
    Event.SUPERSEDE: "replaced",
    Event.SHELVE: "shelved",
    Event.SUPPRESS: "hidden",
    Event.REMOVE: "in maintenance",
    Event.RELEASE_ACTIVE: "ALARM",
    Event.RELEASE_NORMAL: "closed",
}
_WITH_REASON = (Event.RAISE, Event.RE_RAISE, Event.RELEASE_ACTIVE)


class Story(Plant):
    """A plant that keeps what happens to its alarms until it is told; what lies at or before `known` is told already.

    `known` is, by partition, the last READINGS sequence whose outcome was committed when the story began.
    """

    def __init__(self, known: Mapping[int, int]) -> None:
        super().__init__()
        self._known = known
        self._lines: list[str] = []
        self._untold = 0

    def apply(self, commit: Commit) -> None:
        """Take a commit in."""
        before = max(self.positions.get(commit.partition, 0), self._known.get(commit.partition, 0))
        super().apply(commit)
        for outcome in commit.assets if commit.last_seq > before else ():
            for event in outcome.alarms:
                if len(self._lines) < MOST_LINES:
                    self._lines.append(line(outcome.key, event))
                else:
                    self._untold += 1

    def news(self) -> list[str]:
        """Return what was not told yet."""
        told, more = self._lines, self._untold
        self._lines, self._untold = [], 0
        return [*told, f"{_INDENT}... and {more} more; see: iot-edge-anomaly alarms"] if more else told


async def narrate(bus: Bus, partitions: int) -> None:
    """Tell what happens until cancelled. What happened before the start is not told again."""
    story = Story(await _committed(bus, partitions))
    async with beside(follow_plant(bus, partitions, story)):
        last_progress = ""
        next_progress = 0.0
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for told in story.news():
                typer.echo(told)
            if time.monotonic() >= next_progress:
                next_progress = time.monotonic() + PROGRESS_SECONDS
                if (told := progress(story)) and told != last_progress:
                    typer.echo(told)
                    last_progress = told


async def _committed(bus: Bus, partitions: int) -> dict[int, int]:
    while True:
        try:
            newest = [await bus.last(OUTCOMES, outcomes_subject(number)) for number in range(partitions)]
        except UnavailableError:
            await asyncio.sleep(LOOK_SECONDS)
        else:
            return {number: decode_commit(found.data).last_seq for number, found in enumerate(newest) if found}


def line(key: AssetKey, event: AlarmEvent) -> str:
    """Say what happened to an alarm: when, what, to which; why it was raised, or who did it."""
    kind = Event(event.event)
    at = time.strftime("%H:%M:%S", time.localtime(event.time_ns / 1e9))
    said = f"{at}  {WORDS[kind]:<5}  {key}  {event.condition}  {event.alarm_id}"
    if kind is Event.RETURN and event.after is AlarmState.RETURNED:
        said += "  (not acknowledged)"
    if event.by:
        said += f"  by {event.by}" + (f": {event.note}" if event.note else "")
    return f"{said}\n{_INDENT}{event.reason}" if kind in _WITH_REASON and event.reason else said


def progress(plant: Plant) -> str:
    """Say how far the assets have learned; nothing while there is none."""
    assets = plant.assets()
    learning = [asset for asset in assets if asset.phase is not Phase.CALIBRATED]
    if not learning:
        return f"watching {len(assets)} assets, all learned" if assets else ""
    parts = ", ".join(f"{asset.key.asset.rpartition('/')[2]} {asset.progress:.0%}" for asset in learning[:6])
    return f"learning   {parts}{', ...' if len(learning) > 6 else ''}"
