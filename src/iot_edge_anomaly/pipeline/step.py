"""step(): clean, fuse, score, alarm. A pure function of state and messages; every effect is in what it returns.

Rows of an asset are worked out as late as order allows: at the end of the step, or right before a message that must
see them. So the cost is that of whole columns, and the result that of one message at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from iot_edge_anomaly.alarms import acts
from iot_edge_anomaly.component.detector import Detector
from iot_edge_anomaly.component.pipeline import Dump, SourceName
from iot_edge_anomaly.core.errors import FatalError
from iot_edge_anomaly.core.messages import (
    AssetControl,
    Batch,
    Envelope,
    Item,
    ModelActivated,
    PlantConfigured,
    Tick,
)
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AssetOutcome, Notice
from iot_edge_anomaly.detection.season import SeasonRule
from iot_edge_anomaly.pipeline import learning
from iot_edge_anomaly.pipeline.closing import flush
from iot_edge_anomaly.pipeline.controls import obey
from iot_edge_anomaly.pipeline.draft import MOST_ROW_BYTES, Draft, Room
from iot_edge_anomaly.pipeline.operating import Operating, StateRule
from iot_edge_anomaly.pipeline.profile import profile_of
from iot_edge_anomaly.pipeline.settings import pack_rules, unpack_rules
from iot_edge_anomaly.pipeline.state import LONG_AGO_NS, Asset, PartitionState, dump_asset, load_asset
from iot_edge_anomaly.pipeline.taking import (
    MOST_WAITING,
    add_sensors,
    close_all,
    close_oldest,
    is_new,
    take,
    unknown_sensors,
)

NS = 1_000_000_000
CORRECTED_NS = 60 * NS
"""A tick so far behind the last one is of a clock that was set right; ticks of two workers never differ so much."""


class AnomalyPipeline:
    """The pipeline as the exactly-once processor drives it; see `component.pipeline.Pipeline`."""

    def new_state(self) -> PartitionState:
        """Return the state before the first message."""
        return PartitionState()

    def step(
        self, state: PartitionState, envelopes: Sequence[Envelope], models: Mapping[str, Detector]
    ) -> tuple[PartitionState, tuple[AssetOutcome, ...]]:
        """Work through messages in order. Raises OverloadError, see `component.pipeline.Pipeline.step`."""
        run = _Run(state, models, Room(MOST_ROW_BYTES, leaves_out=len(envelopes) == 1))
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
        return Dump(
            msgspec.msgpack.encode((state.now_ns, state.listening_ns, state.version, pack_rules(state.rules))), changed
        )

    def load(self, shared: bytes, assets: Mapping[AssetKey, bytes]) -> PartitionState:
        """Read a state back. Raises FatalError when it was written by another version."""
        try:
            now_ns, listening_ns, version, rules = msgspec.msgpack.decode(shared, type=tuple[int, int, str, bytes])
        except msgspec.MsgspecError as error:
            raise FatalError(f"the stored state of a partition cannot be read: {error}") from error
        state = PartitionState({}, unpack_rules(rules), version, now_ns, listening_ns)
        for key, data in assets.items():
            state.assets[key] = load_asset(key, data, profile_of(key, state.rules, version))
        return state

    def dump_asset(self, state: PartitionState, key: AssetKey) -> bytes | None:
        """Return one asset's part; None where it is not known."""
        asset = state.assets.get(key)
        return None if asset is None else dump_asset(asset)

    def needed_from(self, state: PartitionState) -> int | None:
        """Return the oldest input sequence that is still needed to learn from; None if none is."""
        gathering = (asset for asset in state.assets.values() if asset.learning.since_seq)
        return min(
            (asset.learning.since_seq for asset in gathering if not learning.is_abandoned(asset, state.now_ns)),
            default=None,
        )

    def awaited(self, state: PartitionState) -> set[SourceName]:
        """Return the sources that grid cells wait for."""
        return {
            (key.tenant, key.asset, name)
            for key, asset in state.assets.items()
            for name, source in asset.sources.items()
            if source.latest_ns > LONG_AGO_NS and not source.is_idle
        }


@dataclass
class _Run:
    """One step under way."""

    state: PartitionState
    models: Mapping[str, Detector]
    room: Room
    drafts: dict[AssetKey, Draft] = field(default_factory=dict)

    def take(self, item: Item, seq: int) -> None:
        if isinstance(item, Batch):
            self._batch(item, seq)
        elif isinstance(item, Tick):
            self._tick(item, seq)
        elif isinstance(item, PlantConfigured):
            self._configure(item, seq)
        else:
            self._control(item, seq)

    def finish(self, last_seq: int) -> tuple[AssetOutcome, ...]:
        outcomes: list[AssetOutcome] = []
        for key, draft in self.drafts.items():
            asset = self.state.assets[key]
            flush(asset, draft, self.models, last_seq)
            outcomes += draft.outcomes(asset)
        return tuple(outcomes)

    def _open(self, key: AssetKey) -> tuple[Asset, Draft]:
        asset = self.state.assets.get(key)
        if asset is None:
            asset = self.state.assets[key] = Asset(key, profile_of(key, self.state.rules, self.state.version))
        self.state.dirty.add(key)
        draft = self.drafts.get(key)
        if draft is None:
            draft = self.drafts[key] = Draft(room=self.room)
        return asset, draft

    def _batch(self, batch: Batch, seq: int) -> None:
        asset, draft = self._open(batch.key)
        if not is_new(asset, batch, draft):
            return
        if unknown := unknown_sensors(asset, batch):
            flush(asset, draft, self.models, seq)
            add_sensors(asset, unknown, batch, draft)
        self._see_to_learning(asset, draft, bool(unknown), seq)
        take(asset, batch, draft)
        if asset.waiting.count > MOST_WAITING:
            flush(asset, draft, self.models, seq)
            if asset.waiting.count > MOST_WAITING:
                close_oldest(asset, draft)

    def _see_to_learning(self, asset: Asset, draft: Draft, has_new_sensors: bool, seq: int) -> None:
        gathered = asset.learning
        if not gathered.since_seq:
            if not asset.model:
                learning.begin(asset, seq, learning.FIRST_MODEL)
            elif has_new_sensors:
                learning.begin(asset, seq, learning.NEW_SENSOR)
        elif gathered.why == learning.SEASON and has_new_sensors and not gathered.is_asked:
            learning.begin(asset, seq, learning.NEW_SENSOR)
        elif not gathered.is_asked and learning.is_abandoned(asset, self.state.now_ns):
            flush(asset, draft, self.models, seq)
            learning.begin(asset, seq, gathered.why)

    def _tick(self, tick: Tick, seq: int) -> None:
        if tick.now_ns < self.state.now_ns - CORRECTED_NS:
            self._correct_clock(tick.now_ns)
        now_ns = self.state.now_ns = max(self.state.now_ns, tick.now_ns)
        if tick.resumed:
            self.state.listening_ns = now_ns
        since_ns = self.state.listening_ns
        for key, asset in self.state.assets.items():
            if not _minds_time(asset, now_ns, since_ns):
                continue
            asset, draft = self._open(key)
            flush(asset, draft, self.models, seq)
            draft.alarms += acts.on_tick(asset.book, key, now_ns, _heard(asset, since_ns), asset.profile.alarms)

    def _correct_clock(self, now_ns: int) -> None:
        """Take the time of a clock that was far ahead before: nothing has been heard later than now."""
        text = f"the clock was {(self.state.now_ns - now_ns) / NS:.0f} s ahead and has been set right"
        self.state.now_ns = self.state.listening_ns = now_ns
        for key in self.state.assets:
            asset, draft = self._open(key)
            asset.channels.heard_ns = np.minimum(asset.channels.heard_ns, now_ns)
            draft.notices.append(Notice("clock-corrected", "", text, now_ns))

    def _configure(self, control: PlantConfigured, seq: int) -> None:
        self.state.rules, self.state.version = unpack_rules(control.rules), control.version
        for key in self.state.assets:
            asset, draft = self._open(key)
            flush(asset, draft, self.models, seq)
            profile = profile_of(key, self.state.rules, control.version).for_sensors(tuple(asset.sensors))
            before, is_other_grid = asset.profile, profile.grid_ns != asset.profile.grid_ns
            if is_other_grid:
                self._leave_grid(asset, draft, profile.grid_ns, control, seq)
            asset.profile = profile
            asset.columns.clear()  # sensors that are made want columns as well
            if is_other_grid:
                learning.begin_anew(asset, seq, learning.NEW_GRID)
            _take_states(asset, before.states, seq)
            _take_season(asset, before.season, seq)

    def _leave_grid(self, asset: Asset, draft: Draft, grid_ns: int, control: PlantConfigured, seq: int) -> None:
        """Close every cell of the grid there was, and let the new one begin behind them."""
        before_ns = asset.profile.grid_ns
        close_all(asset, before_ns)
        flush(asset, draft, self.models, seq)
        asset.closed_ns = -(-asset.closed_ns // grid_ns) * grid_ns
        text = f"a row every {grid_ns / NS:g} s instead of {before_ns / NS:g} s: learning anew"
        draft.notices.append(Notice("grid-changed", "", text, control.at_ns))

    def _control(self, control: AssetControl, seq: int) -> None:
        key = AssetKey(control.tenant, control.asset)
        if key not in self.state.assets and not isinstance(control, ModelActivated):
            return
        asset, draft = self._open(key)
        flush(asset, draft, self.models, seq)
        obey(asset, control, draft, self.models, seq)


def _take_states(asset: Asset, before: StateRule | None, seq: int) -> None:
    """See to it that other states than before are told, and learned; the model there is goes on until then."""
    now = asset.profile.states
    if (before and before.learned_by) == (now and now.learned_by):
        return
    if (before and before.sensor) != (now and now.sensor):
        asset.operating = Operating()
    if not asset.model and not asset.learning.since_seq:
        return
    why = asset.learning.why
    why = why if why in (learning.NEW_NORMAL, learning.NEW_GRID) else learning.NEW_STATES
    if before and now and before.sensor == now.sensor and before.shifts != now.shifts:
        learning.begin_anew(asset, seq, why)  # the same number is another shift now
    else:
        learning.begin(asset, seq, why)


def _take_season(asset: Asset, before: SeasonRule | None, seq: int) -> None:
    """See to it that another season than before is learned, or none; the model there is goes on until then."""
    now, gathered = asset.profile.season, asset.learning
    if now == before or not asset.model or (gathered.since_seq and gathered.why != learning.SEASON):
        return  # the next model is learned first, and after it its season
    learning.begin(asset, seq, learning.SEASON if now else learning.NEW_SEASON)


def _minds_time(asset: Asset, now_ns: int, since_ns: int) -> bool:
    """Tell whether a tick changes anything for this asset; where all is quiet a few comparisons tell."""
    if not asset.book.alarms and not asset.book.is_in_maintenance and not _is_silent(asset, now_ns, since_ns):
        return False
    return acts.needs_tick(asset.book, now_ns, _heard(asset, since_ns), asset.profile.alarms)


def _is_silent(asset: Asset, now_ns: int, since_ns: int) -> bool:
    silent_ns = now_ns - np.maximum(asset.heard_ns, since_ns)
    return bool(((silent_ns > asset.profile.silence_ns) & (asset.heard_ns > LONG_AGO_NS)).any())


def _heard(asset: Asset, since_ns: int) -> dict[str, int]:
    return acts.listened(asset.book, asset.heard(), since_ns)
