"""What was set aside: looked at, mended and handed in again, or dismissed."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from iot_edge_anomaly.connectors.topics import UNASSIGNED
from iot_edge_anomaly.console.backstage import Backstage
from iot_edge_anomaly.console.elements import box, button, show, text
from iot_edge_anomaly.console.fields import Editor, Field
from iot_edge_anomaly.console.shell import BEAT_SECONDS, Visit
from iot_edge_anomaly.console.when import moment
from iot_edge_anomaly.core.errors import IotEdgeAnomalyError
from iot_edge_anomaly.core.messages import Batch
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.operations.set_aside import (
    TIME_TO_FILL_IN,
    Aside,
    Fate,
    beyond_mending,
    draft_of,
    source_of,
)
from iot_edge_anomaly.security.principal import Permission
from iot_edge_anomaly.views.plant import Plant

MOST_GROUPS = 60
LOOK_SECONDS = 2.0
FATES = {
    "used": "used",
    "held": "waiting for their moment to close",
    "late": "late: their moment was scored already",
    "duplicate": "known already",
    "set_aside": "set aside again",
}
EXPLAINED = (
    "Values that were no readings are kept here with the reason: the newest 1,000, as this process knows them. "
    "All of them stay in the store and in the balance that `reconcile` draws."
)


class Group(NamedTuple):
    """Records alike: of one source of one asset, for one reason; the newest first."""

    name: tuple[str, str, str]
    records: list[Aside]

    @property
    def values(self) -> int:
        """How many values they stand for."""
        return sum(one.record.count for one in self.records)


class WhatWasSetAside:
    """A card a group, the newest first; what a person is mending stays as it is."""

    def __init__(self, visit: Visit, backstage: Backstage) -> None:
        self._visit = visit
        self._backstage = backstage
        self._cards: dict[tuple[str, str, str], _Card] = {}
        text("p", EXPLAINED, "hint")
        self._state = text("p", "", "state").props("role=status")
        self._list = box("groups")
        visit.every(LOOK_SECONDS, self._update)

    async def _update(self) -> None:
        try:
            records = await self._backstage.desk.records(self._visit.who)
        except IotEdgeAnomalyError as error:
            self._state.text = str(error)
            return
        groups = grouped([one for one in records if one.fate is Fate.OPEN])
        done = len(records) - sum(len(group.records) for group in groups)
        self._state.text = _said(groups, done)
        for gone in [name for name in self._cards if name not in {group.name for group in groups}]:
            if not self._cards[gone].is_in_use:
                self._cards.pop(gone).box.delete()
        for place, group in enumerate(groups[:MOST_GROUPS], start=1):
            if group.name not in self._cards:
                with self._list:
                    self._cards[group.name] = _Card(self._visit, self._backstage, group)
            self._cards[group.name].update(group, place)


def grouped(records: Sequence[Aside]) -> list[Group]:
    """Put records together that are alike, those with the newest record in front."""
    found: dict[tuple[str, str, str], Group] = {}
    for one in records:
        name = (str(one.key), one.source, one.record.reason)
        found.setdefault(name, Group(name, [])).records.append(one)
    return [*found.values()]


def _said(groups: Sequence[Group], done: int) -> str:
    values = sum(group.values for group in groups)
    after = f"; {done} more were handed in again or dismissed" if done else ""
    if not groups:
        return f"Nothing is set aside{after}."
    return f"{values:,} values, in {len(groups)} kinds{after}."


class _Card:
    def __init__(self, visit: Visit, backstage: Backstage, group: Group) -> None:
        self._visit = visit
        self._backstage = backstage
        self._group = group
        self._mending: _Mending | None = None
        asset, source, reason = group.name
        with box("group", "article") as self.box:
            with box("line"):
                text("h3", reason)
                self._count = text("span", "", "count-of")
            with box("line hint"):
                text("span", asset, "name")
                text("span", f"from {source}" if source else "")
                self._when = text("span")
            self._raw = text("code", "", "raw").props('tabindex=0 aria-label="What came"')
            self._mend_box = box("mending")
            self._problem = text("p", "", "wrong").props("role=alert")
            if visit.who.may(Permission.CONFIGURE, group.records[0].key.tenant):
                with box("buttons") as self._buttons:
                    button("Mend the newest", self._on_mend, "small")
                    button("Dismiss", self._on_dismiss, "small")

    @property
    def is_in_use(self) -> bool:
        """Whether a person is at it."""
        return self._mending is not None

    def update(self, group: Group, place: int) -> None:
        self._group = group
        newest = group.records[0]
        self._count.text = f"× {group.values:,}" if group.values > 1 else ""
        self._when.text = f"last {moment(newest.at_ns, self._visit.now_ns())}"
        self._raw.text = newest.record.raw.decode("utf-8", "backslashreplace")
        show(self._raw, bool(newest.record.raw) and self._mending is None)
        self.box.style(f"order: {place}")

    def _on_mend(self) -> None:
        newest = self._group.records[0]
        self._problem.text = beyond_mending(newest.record)
        if self._problem.text or self._mending is not None:
            return
        show(self._raw, wanted=False)
        show(self._buttons, wanted=False)
        with self._mend_box:
            self._mending = _Mending(self._visit, self._backstage, newest, self._on_end)

    def _on_end(self) -> None:
        self._mending = None
        self._mend_box.clear()
        show(self._buttons, wanted=True)

    async def _on_dismiss(self) -> None:
        self._problem.text = ""
        try:
            await self._backstage.desk.dismiss(self._visit.who, [one.id for one in self._group.records])
        except IotEdgeAnomalyError as error:
            self._problem.text = str(error)
        else:
            self._mending = None
            self.box.set_visibility(False)


class _Mending:
    """A record under repair: its payload, the asset it is of, and what became of it."""

    def __init__(self, visit: Visit, backstage: Backstage, aside: Aside, end: Callable[[], None]) -> None:
        self._visit = visit
        self._backstage = backstage
        self._aside = aside
        draft = draft_of(aside.record)
        asset = "" if aside.key.asset == UNASSIGNED else str(aside.key)
        self._payload = Editor("Payload", draft, rows=min(max(draft.count("\n") + 2, 3), 14))
        if TIME_TO_FILL_IN in draft:
            text("p", "Of a single value it is not kept when it was measured: write it in.", "hint")
        self._asset = Field("Asset", asset, hint="tenant/…/asset")
        self._problem = text("p", "", "wrong").props("role=alert")
        self._box = box("handed")
        with box("buttons"):
            self._send = button("Hand it in", self._on_send, "primary small")
            self._leave = button("Leave it", end, "small")

    async def _on_send(self) -> None:
        self._problem.text = ""
        who, desk = self._visit.who, self._backstage.desk
        source, plant = source_of(who), self._backstage.plant
        try:
            before = fates(plant, AssetKey.parse(self._asset.value.strip()), source)
            batch = await desk.reinject(who, self._aside.id, self._payload.value, self._asset.value)
        except IotEdgeAnomalyError as error:
            self._problem.text = str(error)
            return
        show(self._send, wanted=False)
        self._leave.text = "Close"
        with self._box:
            Handed(self._visit, plant, batch, before)


class Handed:
    """Says what became of values that were handed in, as the pipeline comes to them."""

    def __init__(self, visit: Visit, plant: Plant, batch: Batch, before: Mapping[str, int]) -> None:
        self._plant = plant
        self._batch = batch
        self._before = before
        self._said = text("p", "", "state").props("role=status")
        visit.every(BEAT_SECONDS, self._update)

    def _update(self) -> None:
        now = fates(self._plant, self._batch.key, self._batch.source)
        more = {fate: now[fate] - self._before[fate] for fate in FATES}
        became = [f"{more[fate]} {words}" for fate, words in FATES.items() if more[fate] > 0]
        count = f"{self._batch.accepted} value{'' if self._batch.accepted == 1 else 's'}"
        self._said.text = f"Handed in, {count} of {self._batch.key}: {', '.join(became) or 'not worked in yet'}"


def fates(plant: Plant, key: AssetKey, source: str) -> Mapping[str, int]:
    """Return what became of all values of a source of an asset so far."""
    counts = [one for one in plant.counts(key) if one.source == source]
    return {fate: sum(getattr(one, fate) for one in counts) for fate in FATES}
