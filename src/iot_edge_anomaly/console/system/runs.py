"""What runs: processes, partitions and readers, connectors and sinks, how full the store is."""

import time

from iot_edge_anomaly.bus.progress import Fill, Progress
from iot_edge_anomaly.connectors.health import ConnectorHealth, read_health
from iot_edge_anomaly.console.backstage import Backstage, Running, Standing
from iot_edge_anomaly.console.elements import box, show, text
from iot_edge_anomaly.console.live_table import LiveTable
from iot_edge_anomaly.console.shell import Visit
from iot_edge_anomaly.console.words import duration
from iot_edge_anomaly.observability.health import State
from iot_edge_anomaly.security.principal import EVERY_TENANT, Permission
from iot_edge_anomaly.sinks.health import SinkHealth
from iot_edge_anomaly.sinks.health import read_health as read_sinks

LOOK_SECONDS = 2.0
NEARLY_FULL = 0.9
NAMES = {"READINGS": "Readings", "OUTCOMES": "Outcomes", "BLOBS": "Models and capsules", "all": "All of the store"}
IDLE = "Where nothing comes in but the clock, some hundred messages behind are usual: they change nothing."


class WhatRuns:
    """Tables that move."""

    def __init__(self, visit: Visit, backstage: Backstage) -> None:
        self._visit = visit
        self._backstage = backstage
        with box("card", "section").props('aria-label="Processes"'):
            text("h2", "Processes")
            headings = ("Role", "State", "PID#", "Up for", "Restarts#", "Memory#", "Port#")
            self._processes = LiveTable("Processes", headings, empty="No supervisor keeps a table of processes here.")
        with box("card", "section").props('aria-label="Sources and targets"'):
            text("h2", "Sources and targets")
            columns = ("Name", "State", "Last", "Values#", "Set aside#", "Waiting#", "Last trouble")
            self._ends = LiveTable("Sources and targets", columns, empty="No connector tells how it is.")
        with box("pair"):
            with box("card", "section").props('aria-label="Partitions"'):
                text("h2", "Partitions")
                self._trouble = text("p", "", "wrong").props("role=status")
                self._partitions = LiveTable("Partitions", ("Partition", "Last#", "Worked in#", "Behind#"))
                text("p", IDLE, "hint")
                self._readers = LiveTable("Readers", ("Reader", "Reads", "Behind#"))
            with box("card", "section").props('aria-label="Store"'):
                text("h2", "Store")
                self._fills = [_FillBar(name) for name in NAMES]
        visit.every(LOOK_SECONDS, self._update)

    async def _update(self) -> None:
        running = self._backstage.processes()
        states = ["" if one.info.pid else "down" for one in running]
        self._processes.update([_process(one) for one in running], states)
        folder = self._backstage.data_dir
        ends: list[ConnectorHealth | SinkHealth] = [*read_health(folder), *read_sinks(folder)]
        works = (State.UP, State.CONNECTING)
        self._ends.update([self._end(one) for one in ends], ["" if one.state in works else "down" for one in ends])
        self._show(await self._backstage.standing())

    def _show(self, standing: Standing) -> None:
        self._trouble.text = standing.trouble
        rows = [
            (str(p.partition), f"{p.last:,}", f"{p.committed:,}", f"{max(p.last - p.committed, 0):,}")
            for p in standing.progress
        ]
        self._partitions.update(rows)
        self._readers.update([(lag.reader, NAMES[lag.stream], f"{lag.behind:,}") for lag in standing.lags])
        for bar in self._fills:
            bar.update(next((fill for fill in standing.fills if fill.what == bar.what), None))

    def _end(self, one: ConnectorHealth | SinkHealth) -> tuple[str, ...]:
        state = f"{one.state}, for {_since(one.since)}" if one.since else str(one.state)
        error = f"{_since(one.last_error_at)} ago: {one.last_error}" if one.last_error and self._may_know else ""
        if isinstance(one, SinkHealth):
            return (
                one.name,
                state,
                _ago(one.last_delivery),
                f"{one.delivered:,}",
                f"{one.set_aside:,}",
                f"{one.waiting:,}",
                error,
            )
        return one.name, state, _ago(one.last_readings), f"{one.readings:,}", f"{one.set_aside:,}", "", error

    @property
    def _may_know(self) -> bool:
        """Whether to tell what went wrong: it names machines and files of all tenants."""
        who = self._visit.who
        return Permission.CONFIGURE in who.permissions and who.tenants == EVERY_TENANT


class _FillBar:
    def __init__(self, what: str) -> None:
        self.what = what
        with box("fill"):
            with box("line"):
                text("span", NAMES[what], "name")
                self._said = text("span", "", "number")
            with box("track") as self._track:
                self._bar = box("bar")

    def update(self, fill: Fill | None) -> None:
        if fill is None:
            self._said.text = "not known"
            show(self._track, wanted=False)
            return
        share = fill.bytes / fill.most_bytes if fill.most_bytes else 0.0
        bound = f" of {size(fill.most_bytes)}" if fill.most_bytes else ""
        self._said.text = f"{size(fill.bytes)}{bound}, {fill.messages:,} messages"
        show(self._track, bool(fill.most_bytes))
        self._bar.style(f"width: {min(share, 1.0):.1%}")
        self._bar.classes(add="full" if share > NEARLY_FULL else "", remove="" if share > NEARLY_FULL else "full")


def size(count: int) -> str:
    """Write a size in bytes for people.

    >>> size(512), size(2_500_000), size(3 << 30)
    ('512 B', '2.4 MB', '3.0 GB')
    """
    value, unit = float(count), "B"
    for bigger in ("kB", "MB", "GB", "TB"):
        if value < 1024:
            break
        value, unit = value / 1024, bigger
    return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"


def _process(one: Running) -> tuple[str, ...]:
    info = one.info
    if not one.info.pid:
        return info.role, f"down, see logs/{info.role}.log", "", "", str(info.restarts), "", ""
    port = str(info.port) if info.port else ""
    return info.role, "up", str(info.pid), duration(one.seconds), str(info.restarts), size(one.memory_bytes), port


def _partition(one: Progress) -> tuple[str, ...]:
    return str(one.partition), f"{one.last:,}", f"{one.committed:,}", f"{max(one.last - one.committed, 0):,}"


def _since(at: float) -> str:
    return duration(time.time() - at)


def _ago(at: float) -> str:
    return f"{_since(at)} ago" if at else "never"
