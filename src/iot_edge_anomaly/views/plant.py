"""The plant as its commits tell it: assets, alarms, trends, what was set aside. In memory, bounded, rebuilt."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

import msgspec

from iot_edge_anomaly.core.messages import SetAside
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmLevel, AssetOutcome, Commit, Notice, Phase, SourceCount
from iot_edge_anomaly.core.stretch import Stretch
from iot_edge_anomaly.pipeline.settings import AssetRule, AssetSettings, settings_for
from iot_edge_anomaly.views.alarm_log import MOST_ALARMS, AlarmLog, AlarmView
from iot_edge_anomaly.views.trend import Trend

__all__ = ["MOST_ALARMS", "AlarmView", "AssetView", "Plant", "Standing"]

MAINTENANCE = "maintenance"
"""The notice that says until when (its time) an asset is being worked on; 0: not any more."""

MOST_NOTICES = 1_000
MOST_SET_ASIDE = 1_000
MOST_REASONS = 200
OTHER_REASONS = "other reasons"
MOST_TREND_BYTES = 64 << 20
"""What the trends of all assets may weigh together."""

FORGET = 0.1


class AssetView(NamedTuple):
    """One asset as it is now, with its open alarms.

    `time_ns` is the start of its newest row, 0 before the first; `seen_ns` when something came in last. `alarm_level`
    None: the score has to pass 1, as the model is calibrated.
    """

    key: AssetKey
    phase: Phase
    progress: float
    time_ns: int
    score: float
    alarms: tuple[AlarmView, ...] = ()
    maintenance_until_ns: int = 0
    model: str = ""
    seen_ns: int = 0
    alarm_level: AlarmLevel | None = None


class Place(NamedTuple):
    """Where in the stream of outcomes something stands that was set aside, and when it was worked in."""

    partition: int
    seq: int
    number: int
    at_ns: int


class Standing(NamedTuple):
    """An asset as a checkpoint knows it, for a view that begins later than the asset did."""

    phase: Phase
    progress: float
    time_ns: int
    model: str
    seen_ns: int
    maintenance_until_ns: int
    alarms: Sequence[AlarmEvent]
    alarm_level: AlarmLevel | None = None


@dataclass
class _Asset:
    phase: Phase = Phase.LEARNING
    progress: float = 0.0
    time_ns: int = 0
    score: float = 0.0
    model: str = ""
    trend: Trend = field(default_factory=Trend)
    maintenance_until_ns: int = 0
    seen_ns: int = 0
    alarm_level: AlarmLevel | None = None
    counts: dict[str, SourceCount] = field(default_factory=dict)


class Plant:
    """A projection of OUTCOMES: apply each commit once, in any order of partitions; a commit seen before is skipped.

    Counts are those since the first commit that was applied; `reconcile` knows all of them.
    """

    def __init__(self, rules: tuple[AssetRule, ...] = (), most_trend_bytes: int = MOST_TREND_BYTES) -> None:
        self._rules = rules
        self._settings: dict[AssetKey, AssetSettings] = {}
        self._most_trend_bytes = most_trend_bytes
        self._trend_bytes = 0
        self._assets: dict[AssetKey, _Asset] = {}
        self._alarms = AlarmLog()
        self.notices: deque[tuple[AssetKey, Notice]] = deque(maxlen=MOST_NOTICES)
        self.set_aside: deque[tuple[AssetKey, str, SetAside]] = deque(maxlen=MOST_SET_ASIDE)
        self.set_aside_places: deque[Place] = deque(maxlen=MOST_SET_ASIDE)
        self.set_aside_by_reason: Counter[str] = Counter()
        self.positions: dict[int, int] = {}

    def apply(self, commit: Commit) -> None:
        """Take a commit in."""
        if commit.last_seq <= self.positions.get(commit.partition, 0):
            return
        self.positions[commit.partition] = commit.last_seq
        for outcome in commit.assets:
            self._apply(outcome, commit.now_ns)
        number = sum(len(outcome.set_aside) for outcome in commit.assets)
        self.set_aside_places += [Place(commit.partition, commit.last_seq, n, commit.now_ns) for n in range(number)]
        while self._trend_bytes > self._most_trend_bytes and self._forget():
            pass

    def begin_with(self, key: AssetKey, standing: Standing) -> None:
        """Take an asset in as it stood before the commits that follow."""
        self._assets[key] = _Asset(
            standing.phase,
            standing.progress,
            standing.time_ns,
            model=standing.model,
            seen_ns=standing.seen_ns,
            maintenance_until_ns=standing.maintenance_until_ns,
            alarm_level=standing.alarm_level,
        )
        for event in standing.alarms:
            self._alarms.add(key, event)

    def assets(self) -> Sequence[AssetView]:
        """Return every asset with its open alarms, in order of name."""
        return [self._view(key, asset) for key, asset in sorted(self._assets.items(), key=lambda pair: pair[0])]

    def asset(self, key: AssetKey) -> AssetView | None:
        """Return one asset."""
        asset = self._assets.get(key)
        return None if asset is None else self._view(key, asset)

    def trend(self, key: AssetKey, span: timedelta | None = None, most_points: int | None = None) -> Stretch | None:
        """Return the rows of the last `span` before the newest one; None before the first."""
        asset = self._assets.get(key)
        return None if asset is None else asset.trend.view(span, most_points)

    def alarms(self, limit: int = 200) -> Sequence[AlarmView]:
        """Return alarms, the newest first."""
        return self._alarms.newest(limit)

    def recent_alarms(self, key: AssetKey, limit: int = 50) -> Sequence[AlarmView]:
        """Return alarms of one asset, the newest first."""
        return self._alarms.newest(limit, key)

    def alarm(self, alarm_id: str) -> AlarmView | None:
        """Return one alarm."""
        return self._alarms.get(alarm_id)

    def incident(self, incident_id: str) -> Sequence[AlarmView]:
        """Return the alarms of an incident in the order they were raised."""
        return self._alarms.incident(incident_id)

    def counts(self, key: AssetKey) -> Sequence[SourceCount]:
        """Return what became of the values of each source of an asset."""
        asset = self._assets.get(key)
        return [] if asset is None else [asset.counts[source] for source in sorted(asset.counts)]

    @property
    def rules(self) -> tuple[AssetRule, ...]:
        """The asset rules in force; whoever holds the view sets them anew when they change."""
        return self._rules

    @rules.setter
    def rules(self, rules: tuple[AssetRule, ...]) -> None:
        self._rules = rules
        self._settings.clear()

    def settings(self, key: AssetKey) -> AssetSettings:
        """Return how an asset is treated."""
        known = self._settings.get(key)
        if known is None:
            known = settings_for(key, self._rules)
            if key in self._assets:
                self._settings[key] = known
        return known

    @property
    def trend_bytes(self) -> int:
        """What the trends weigh at present."""
        return self._trend_bytes

    def _view(self, key: AssetKey, asset: _Asset) -> AssetView:
        return AssetView(
            key,
            asset.phase,
            asset.progress,
            asset.time_ns,
            asset.score,
            self._alarms.open_of(key),
            asset.maintenance_until_ns,
            asset.model,
            asset.seen_ns,
            asset.alarm_level,
        )

    def _apply(self, outcome: AssetOutcome, now_ns: int) -> None:
        asset = self._assets.setdefault(outcome.key, _Asset())
        asset.phase, asset.progress, asset.alarm_level = outcome.phase, outcome.progress, outcome.alarm_level
        if outcome.rows is not None and outcome.rows.quality:
            before = asset.trend.bytes
            asset.trend.add(outcome.rows)
            self._trend_bytes += asset.trend.bytes - before
            asset.time_ns = int(outcome.rows.times()[-1])
            asset.score, asset.model = float(outcome.rows.scores()[-1]), outcome.rows.model
        for count in outcome.counts:
            asset.seen_ns = now_ns if count.accepted else asset.seen_ns
            known = asset.counts.get(count.source)
            asset.counts[count.source] = _sum(known, count) if known else count
        for event in outcome.alarms:
            self._alarms.add(outcome.key, event)
        for notice in outcome.notices:
            self.notices.append((outcome.key, notice))
            if notice.kind == MAINTENANCE:
                asset.maintenance_until_ns = notice.time_ns
        for source, record in outcome.set_aside:
            self.set_aside.append((outcome.key, source, record))
            is_known = record.reason in self.set_aside_by_reason or len(self.set_aside_by_reason) < MOST_REASONS
            self.set_aside_by_reason[record.reason if is_known else OTHER_REASONS] += record.count

    def _forget(self) -> bool:
        """Let every asset give up a share of its trend; return whether that made room."""
        before = self._trend_bytes
        for asset in self._assets.values():
            asset.trend.forget(FORGET)
        self._trend_bytes = sum(asset.trend.bytes for asset in self._assets.values())
        return self._trend_bytes < before


def _sum(one: SourceCount, other: SourceCount) -> SourceCount:
    fates = SourceCount.__struct_fields__[1:]
    return msgspec.structs.replace(one, **{fate: getattr(one, fate) + getattr(other, fate) for fate in fates})
