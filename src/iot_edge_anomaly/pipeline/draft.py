"""What a step has concluded for one asset so far."""

from dataclasses import dataclass, field

from iot_edge_anomaly.core.messages import SetAside
from iot_edge_anomaly.core.outcomes import AlarmEvent, AssetOutcome, FitRequest, Notice, Rows, SourceCount
from iot_edge_anomaly.pipeline.state import Asset


@dataclass
class Count:
    """What became of the values of one source; see `core.outcomes.SourceCount`."""

    accepted: int = 0
    used: int = 0
    duplicate: int = 0
    late: int = 0
    set_aside: int = 0
    held: int = 0
    gaps: int = 0


@dataclass
class Draft:
    """The outcome of one asset while a step is under way."""

    counts: dict[str, Count] = field(default_factory=dict)
    rows: list[Rows] = field(default_factory=list)
    alarms: list[AlarmEvent] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    set_aside: list[tuple[str, SetAside]] = field(default_factory=list)
    fit_request: FitRequest | None = None

    def count(self, source: str) -> Count:
        """Return the counts of a source."""
        return self.counts.setdefault(source, Count())

    def put_aside(self, source: str, record: SetAside) -> None:
        """Keep a record that could not be used."""
        self.set_aside.append((source, record))
        self.count(source).set_aside += record.count

    def outcomes(self, asset: Asset) -> list[AssetOutcome]:
        """Return what was concluded: nothing, one outcome, or several where the sensors changed on the way."""
        if not (self.counts or self.rows or self.alarms or self.notices):
            return []
        blocks = _merged(self.rows) or [None]
        first = AssetOutcome(
            asset.key.tenant,
            asset.key.asset,
            asset.phase,
            asset.progress,
            tuple(SourceCount(source, **vars(count)) for source, count in self.counts.items()),
            blocks[0],
            tuple(self.alarms),
            tuple(self.notices),
            tuple(self.set_aside),
            self.fit_request,
        )
        more = [
            AssetOutcome(asset.key.tenant, asset.key.asset, asset.phase, asset.progress, rows=rows)
            for rows in blocks[1:]
        ]
        return [first, *more]


def _merged(blocks: list[Rows]) -> "list[Rows | None]":
    merged: list[Rows | None] = []
    for rows in blocks:
        last = merged[-1] if merged else None
        if last is None or (last.sensors, last.phase, last.model) != (rows.sensors, rows.phase, rows.model):
            merged.append(rows)
        else:
            merged[-1] = Rows(
                rows.sensors,
                last.time_ns + rows.time_ns,
                last.value + rows.value,
                last.score + rows.score,
                last.quality + rows.quality,
                last.expected + rows.expected,
                last.contribution + rows.contribution,
                rows.phase,
                rows.model,
            )
    return merged
