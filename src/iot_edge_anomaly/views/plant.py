"""The plant as its commits tell it: assets, alarms, trends, what was set aside. In memory, bounded, rebuilt."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

from iot_edge_anomaly.core.messages import SetAside
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmState, AssetOutcome, Commit, Notice, Phase
from iot_edge_anomaly.pipeline.settings import AssetRule, AssetSettings, settings_for
from iot_edge_anomaly.views.trend import Trend, TrendView

MAINTENANCE = "maintenance"
"""The notice that says until when (its time) an asset is being worked on; 0: not any more."""

MOST_ALARMS = 2_000
MOST_NOTICES = 1_000
MOST_SET_ASIDE = 1_000


class AlarmView(NamedTuple):
    """One alarm: the transition that raised it, and its latest one."""

    key: AssetKey
    raised: AlarmEvent
    latest: AlarmEvent

    @property
    def is_open(self) -> bool:
        """Whether it is in any state but normal."""
        return self.latest.after is not AlarmState.NORMAL


class AssetView(NamedTuple):
    """One asset as it is now. `time_ns` is the start of its newest row, 0 before the first."""

    key: AssetKey
    phase: Phase
    progress: float
    time_ns: int
    score: float
    alarms: tuple[AlarmView, ...] = ()
    maintenance_until_ns: int = 0
    model: str = ""


@dataclass
class _Asset:
    phase: Phase = Phase.LEARNING
    progress: float = 0.0
    time_ns: int = 0
    score: float = 0.0
    model: str = ""
    trend: Trend = field(default_factory=Trend)
    maintenance_until_ns: int = 0
    open_alarms: set[str] = field(default_factory=set)


class Plant:
    """A projection of OUTCOMES: apply each commit once, in any order of partitions; a commit seen before is skipped."""

    def __init__(self, rules: tuple[AssetRule, ...] = ()) -> None:
        self.rules = rules
        self._assets: dict[AssetKey, _Asset] = {}
        self._alarms: dict[str, AlarmView] = {}
        self.notices: deque[tuple[AssetKey, Notice]] = deque(maxlen=MOST_NOTICES)
        self.set_aside: deque[tuple[AssetKey, str, SetAside]] = deque(maxlen=MOST_SET_ASIDE)
        self.positions: dict[int, int] = {}

    def apply(self, commit: Commit) -> None:
        """Take a commit in."""
        if commit.last_seq <= self.positions.get(commit.partition, 0):
            return
        self.positions[commit.partition] = commit.last_seq
        for outcome in commit.assets:
            self._apply(outcome)

    def assets(self) -> Sequence[AssetView]:
        """Return every asset with its open alarms, in order of name."""
        return [self._view(key, asset) for key, asset in sorted(self._assets.items(), key=lambda pair: pair[0])]

    def asset(self, key: AssetKey) -> AssetView | None:
        """Return one asset."""
        asset = self._assets.get(key)
        return None if asset is None else self._view(key, asset)

    def trend(self, key: AssetKey, span: timedelta, most_points: int | None = None) -> TrendView | None:
        """Return the rows of the last `span` before the newest one; None before the first."""
        asset = self._assets.get(key)
        return None if asset is None else asset.trend.view(span, most_points)

    def alarms(self, limit: int = 200) -> Sequence[AlarmView]:
        """Return alarms, the newest first."""
        return list(reversed(self._alarms.values()))[:limit]

    def recent_alarms(self, key: AssetKey, limit: int = 50) -> Sequence[AlarmView]:
        """Return alarms of one asset, the newest first."""
        return [alarm for alarm in reversed(self._alarms.values()) if alarm.key == key][:limit]

    def settings(self, key: AssetKey) -> AssetSettings:
        """Return how an asset is treated."""
        return settings_for(key, self.rules)

    def alarm(self, alarm_id: str) -> AlarmView | None:
        """Return one alarm."""
        return self._alarms.get(alarm_id)

    def _view(self, key: AssetKey, asset: _Asset) -> AssetView:
        alarms = tuple(self._alarms[name] for name in sorted(asset.open_alarms) if name in self._alarms)
        until_ns = asset.maintenance_until_ns
        return AssetView(key, asset.phase, asset.progress, asset.time_ns, asset.score, alarms, until_ns, asset.model)

    def _apply(self, outcome: AssetOutcome) -> None:
        asset = self._assets.setdefault(outcome.key, _Asset())
        asset.phase, asset.progress = outcome.phase, outcome.progress
        if outcome.rows is not None and outcome.rows.quality:
            asset.trend.add(outcome.rows)
            asset.time_ns = int(outcome.rows.times()[-1])
            asset.score, asset.model = float(outcome.rows.scores()[-1]), outcome.rows.model
        for event in outcome.alarms:
            self._alarm(outcome.key, asset, event)
        for notice in outcome.notices:
            if notice.kind == MAINTENANCE:
                asset.maintenance_until_ns = notice.time_ns
        self.notices.extend((outcome.key, notice) for notice in outcome.notices)
        self.set_aside.extend((outcome.key, source, record) for source, record in outcome.set_aside)

    def _alarm(self, key: AssetKey, asset: _Asset, event: AlarmEvent) -> None:
        if not event.alarm_id:
            return
        known = self._alarms.get(event.alarm_id)
        self._alarms[event.alarm_id] = AlarmView(key, known.raised if known else event, event)
        if event.after is AlarmState.NORMAL:
            asset.open_alarms.discard(event.alarm_id)
        else:
            asset.open_alarms.add(event.alarm_id)
        while len(self._alarms) > MOST_ALARMS:
            del self._alarms[next(iter(self._alarms))]
