"""step(): clean, fuse, score, alarm. A pure function of state and messages; every effect is in what it returns.

Rows of an asset are worked out as late as order allows: at the end of the step, or right before a message that must
see them. So the cost is that of whole columns, and the result that of one message at a time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.alarms import acts
from iot_edge_anomaly.component.detector import Detector, Matrix
from iot_edge_anomaly.component.pipeline import Dump
from iot_edge_anomaly.core.errors import FatalError
from iot_edge_anomaly.core.messages import (
    Acknowledge,
    AssetControl,
    Batch,
    Envelope,
    Feedback,
    FitFailed,
    Item,
    Maintenance,
    ModelActivated,
    NewNormal,
    PlantConfigured,
    Shelve,
    SourceIdle,
    Tick,
)
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AssetOutcome, Notice, Phase, Rows
from iot_edge_anomaly.pipeline import learning
from iot_edge_anomaly.pipeline.closing import flush
from iot_edge_anomaly.pipeline.draft import Draft
from iot_edge_anomaly.pipeline.profile import profile_of
from iot_edge_anomaly.pipeline.settings import AssetRule, pack_rules, unpack_rules
from iot_edge_anomaly.pipeline.state import LONG_AGO_NS, Asset, PartitionState, dump_asset, load_asset
from iot_edge_anomaly.pipeline.taking import add_sensors, close, is_new, take, unknown_sensors

NS = 1_000_000_000


class AnomalyPipeline:
    """The pipeline as the exactly-once processor drives it; see `component.pipeline.Pipeline`."""

    def new_state(self) -> PartitionState:
        """Return the state before the first message."""
        return PartitionState()

    def step(
        self, state: PartitionState, envelopes: Sequence[Envelope], models: Mapping[str, Detector]
    ) -> tuple[PartitionState, tuple[AssetOutcome, ...]]:
        """Work through messages in order."""
        run = _Run(state, models)
        for envelope in envelopes:
            for item in envelope.items:
                run.take(item, envelope.seq)
        return state, run.finish(envelopes[-1].seq if envelopes else 0)

    def models_of(self, state: PartitionState) -> set[str]:
        """Return the digests of the models in use."""
        return {asset.model for asset in state.assets.values() if asset.model}

    def dump(self, state: PartitionState) -> Dump:
        """Return what changed since the last dump, and forget that it did."""
        changed = {key: dump_asset(state.assets[key]) for key in sorted(state.dirty)}
        state.dirty = set()
        return Dump(msgspec.msgpack.encode((state.now_ns, state.version, pack_rules(state.rules))), changed)

    def load(self, shared: bytes, assets: Mapping[AssetKey, bytes]) -> PartitionState:
        """Read a state back. Raises FatalError when it was written by another version."""
        try:
            now_ns, version, rules = msgspec.msgpack.decode(shared, type=tuple[int, str, bytes])
        except msgspec.MsgspecError as error:
            raise FatalError(f"the stored state of a partition cannot be read: {error}") from error
        state = PartitionState({}, unpack_rules(rules), version, now_ns)
        for key, data in assets.items():
            state.assets[key] = load_asset(key, data, profile_of(key, state.rules, version))
        return state

    def dump_asset(self, state: PartitionState, key: AssetKey) -> bytes | None:
        """Return one asset's part; None where it is not known."""
        asset = state.assets.get(key)
        return None if asset is None else dump_asset(asset)

    def needed_from(self, state: PartitionState) -> int | None:
        """Return the oldest input sequence that is still needed to learn from; None if none is."""
        return min((a.learning.since_seq for a in state.assets.values() if a.learning.since_seq), default=None)


def fused_rows(
    pipeline: AnomalyPipeline, envelopes: Iterable[Envelope], key: AssetKey, rules: tuple[AssetRule, ...]
) -> tuple[tuple[str, ...], NDArray[np.int64], Matrix]:
    """Return sensors, times and fused values of one asset, as the pipeline sees them before it scores."""
    state = pipeline.new_state()
    state.rules = rules
    frames: list[Rows] = []
    for envelope in envelopes:
        own = tuple(item for item in envelope.items if isinstance(item, Batch | SourceIdle) and _is_of(item, key))
        _, outcomes = pipeline.step(state, [Envelope(own, envelope.seq)], {})
        frames += [outcome.rows for outcome in outcomes if outcome.rows is not None]
    sensors = tuple(state.assets[key].sensors) if key in state.assets else ()
    values = [_widened(rows.values(), len(sensors)) for rows in frames]
    if not values:
        return sensors, np.empty(0, np.int64), np.empty((0, len(sensors)))
    return sensors, np.concatenate([rows.times() for rows in frames]), np.concatenate(values)


def _is_of(item: Batch | SourceIdle, key: AssetKey) -> bool:
    return (item.tenant, item.asset) == (key.tenant, key.asset)


def _widened(values: Matrix, columns: int) -> Matrix:
    """Add empty columns for sensors that came later."""
    return np.pad(values, ((0, 0), (0, columns - values.shape[1])), constant_values=np.nan)


@dataclass
class _Run:
    """One step under way."""

    state: PartitionState
    models: Mapping[str, Detector]
    drafts: dict[AssetKey, Draft] = field(default_factory=dict)

    def take(self, item: Item, seq: int) -> None:
        if isinstance(item, Batch):
            self._batch(item, seq)
        elif isinstance(item, Tick):
            self._tick(item)
        elif isinstance(item, PlantConfigured):
            self._configure(item)
        else:
            self._control(item, seq)

    def finish(self, last_seq: int) -> tuple[AssetOutcome, ...]:
        outcomes: list[AssetOutcome] = []
        for key, draft in self.drafts.items():
            asset = self.state.assets[key]
            flush(asset, draft, self.models)
            draft.fit_request = learning.request(asset, last_seq)
            outcomes += draft.outcomes(asset)
        return tuple(outcomes)

    def _open(self, key: AssetKey) -> tuple[Asset, Draft]:
        if key not in self.state.assets:
            self.state.assets[key] = Asset(key, profile_of(key, self.state.rules, self.state.version))
        self.state.dirty.add(key)
        return self.state.assets[key], self.drafts.setdefault(key, Draft())

    def _batch(self, batch: Batch, seq: int) -> None:
        asset, draft = self._open(batch.key)
        if not is_new(asset, batch, draft):
            return
        if asset.learning.since_seq == 0 and not asset.model:
            learning.begin(asset, seq)
        if unknown := unknown_sensors(asset, batch):
            flush(asset, draft, self.models)
            add_sensors(asset, unknown, batch, draft)
            if asset.model and asset.learning.since_seq == 0:
                learning.begin(asset, seq)
        take(asset, batch, draft)

    def _tick(self, tick: Tick) -> None:
        now_ns = self.state.now_ns = max(self.state.now_ns, tick.now_ns)
        for key, asset in self.state.assets.items():
            if not _minds_time(asset, now_ns):
                continue
            asset, draft = self._open(key)
            flush(asset, draft, self.models)
            draft.alarms += acts.on_tick(asset.book, key, now_ns, _heard(asset), asset.profile.alarms)

    def _configure(self, control: PlantConfigured) -> None:
        for key in self.state.assets:
            asset, draft = self._open(key)
            flush(asset, draft, self.models)
        self.state.rules, self.state.version = unpack_rules(control.rules), control.version
        for key, asset in self.state.assets.items():
            asset.profile = profile_of(key, self.state.rules, control.version).for_sensors(tuple(asset.sensors))

    def _control(self, control: AssetControl, seq: int) -> None:
        key = AssetKey(control.tenant, control.asset)
        if key not in self.state.assets and not isinstance(control, ModelActivated):
            return
        asset, draft = self._open(key)
        flush(asset, draft, self.models)
        settings = asset.profile.alarms
        match control:
            case Acknowledge():
                draft.alarms += acts.acknowledge(asset.book, control, settings)
            case Shelve():
                draft.alarms += acts.shelve(asset.book, control, settings)
            case Maintenance():
                draft.alarms += acts.maintenance(asset.book, control, settings)
                draft.notices.append(_maintenance_notice(control))
            case ModelActivated():
                _activate(asset, control, self.models, draft)
            case FitFailed():
                learning.fit_failed(asset)
                draft.notices.append(Notice("fit-failed", "", control.reason, control.at_ns))
            case NewNormal():
                draft.alarms += acts.new_normal(asset.book, control, settings)
                learning.begin(asset, seq)
                if asset.phase is Phase.CALIBRATED:
                    asset.phase = Phase.PROVISIONAL
                draft.notices.append(Notice("new-normal", "", f"learning anew, asked by {control.by}", control.at_ns))
            case SourceIdle():
                if control.source in asset.sources:
                    asset.sources[control.source].is_idle = True
                    close(asset)
            case Feedback():
                verdict = "right" if control.was_right else "wrong"
                text = f"alarm {control.alarm_id} was {verdict}, says {control.by}. {control.note}".strip()
                draft.notices.append(Notice(f"feedback-{verdict}", control.alarm_id, text, control.at_ns))


def _activate(asset: Asset, control: ModelActivated, models: Mapping[str, Detector], draft: Draft) -> None:
    """Take a model into use; one that could not be loaded is refused, and the asset goes on as it was."""
    if control.digest not in models:
        learning.fit_failed(asset)
        text = f"model {control.digest} is missing or damaged; the asset goes on as before"
        draft.notices.append(Notice("model-refused", "", text, control.at_ns))
    elif control.digest != asset.model:
        learning.activate(asset, control.digest)
        draft.notices.append(Notice("model-activated", "", f"model {control.digest[:19]} is in use", control.at_ns))


def _maintenance_notice(control: Maintenance) -> Notice:
    is_over = control.until_ns <= control.at_ns
    text = f"maintenance is over, says {control.by}" if is_over else f"in maintenance, says {control.by}"
    text += f": {control.reason}" if control.reason else ""
    return Notice("maintenance", "", text, 0 if is_over else control.until_ns)


def _minds_time(asset: Asset, now_ns: int) -> bool:
    """Tell whether a tick changes anything for this asset; where all is quiet a few comparisons tell."""
    if not asset.book.alarms and not asset.book.is_in_maintenance and not _is_silent(asset, now_ns):
        return False
    return acts.needs_tick(asset.book, now_ns, _heard(asset), asset.profile.alarms)


def _is_silent(asset: Asset, now_ns: int) -> bool:
    return bool(((now_ns - asset.heard_ns > asset.profile.silence_ns) & (asset.heard_ns > LONG_AGO_NS)).any())


def _heard(asset: Asset) -> dict[str, int]:
    """Return for each sensor that was ever heard when that was last."""
    pairs = zip(asset.sensors, asset.heard_ns.tolist(), strict=True)
    return {sensor: at_ns for sensor, at_ns in pairs if at_ns > LONG_AGO_NS}
