"""What was set aside: look at it, mend it and hand it in again, or dismiss it.

Records are those that the view holds, the newest 1,000. What became of one is kept in the bucket of the ledger, so that
no restart brings it back and nobody does another's work again. What is handed in tells its time, so that the pipeline
knows it by sensor and time: should it come twice after all, it is used once.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import msgspec

from iot_edge_anomaly.bus.answers import FencedError
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import LEDGER
from iot_edge_anomaly.component.connector import Intake
from iot_edge_anomaly.connectors.payload import FIRST_OF_MESSAGE_PACK, decode_message
from iot_edge_anomaly.connectors.rows import RAW_BYTES
from iot_edge_anomaly.connectors.topics import UNASSIGNED
from iot_edge_anomaly.core.clock import Clock
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.messages import UNNUMBERED, Batch, SetAside, SourceIdle
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.security.principal import Permission, Principal
from iot_edge_anomaly.views.plant import Place, Plant

KEY = "set-aside"
MOST_KEPT = 4_000
LONGEST_PAYLOAD = 1 << 20
ATTEMPTS = 5
TIME_TO_FILL_IN = "when it was measured"


class Fate(StrEnum):
    """What a person did with a record."""

    OPEN = "open"
    REINJECTED = "re-injected"
    DISMISSED = "dismissed"


class Done(msgspec.Struct, frozen=True):
    """What became of a record."""

    fate: Fate
    by: str
    at_ns: int


class Aside(NamedTuple):
    """A record set aside, under an id that every process knows it by."""

    id: str
    key: AssetKey
    source: str
    record: SetAside
    at_ns: int
    done: Done | None

    @property
    def fate(self) -> Fate:
        """What became of it."""
        return Fate.OPEN if self.done is None else self.done.fate


@dataclass(frozen=True)
class SetAsideDesk:
    """The acts on records set aside. Each raises ForbiddenError, RejectedError, UnavailableError."""

    plant: Plant
    bus: Bus
    intake: Intake
    clock: Clock
    _changing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def records(self, by: Principal) -> list[Aside]:
        """Return the records of a principal's tenants, the newest first."""
        done, _ = await self._done()
        return [one for one in self._all(done) if by.may(Permission.READ, one.key.tenant)]

    async def dismiss(self, by: Principal, record_ids: Sequence[str]) -> None:
        """Say that records need nobody any more."""
        done, _ = await self._done()
        known = {one.id: one for one in self._all(done)}
        for record_id in record_ids:
            _checked(by, known.get(record_id), record_id)
        await self._note(record_ids, Done(Fate.DISMISSED, by.name, self.clock.now_ns()))

    async def reinject(self, by: Principal, record_id: str, payload: str, asset: str) -> Batch:
        """Hand in what a person made of a record, as readings of their own; return them once they are durable.

        Raises RejectedError, and changes nothing, where any value of it would be set aside again.
        """
        one = await self._find(by, record_id)
        batch = read(by, payload, asset, self.clock.now_ns())
        by.require(Permission.CONFIGURE, batch.tenant)
        if one.fate is Fate.REINJECTED:
            assert one.done is not None
            raise RejectedError(f"{one.done.by} handed this record in already")
        idle = SourceIdle(batch.tenant, batch.asset, batch.source, self.clock.now_ns())
        await self.intake.accept([batch, idle])  # nobody waits for this source
        await self._note([one.id], Done(Fate.REINJECTED, by.name, self.clock.now_ns()))
        return batch

    def _all(self, done: Mapping[str, Done]) -> Iterator[Aside]:
        found = zip(reversed(self.plant.set_aside), reversed(self.plant.set_aside_places), strict=False)
        for (key, source, record), place in found:
            name = id_of(place)
            yield Aside(name, key, source, record, place.at_ns, done.get(name))

    async def _find(self, by: Principal, record_id: str) -> Aside:
        done, _ = await self._done()
        return _checked(by, next((one for one in self._all(done) if one.id == record_id), None), record_id)

    async def _done(self) -> tuple[dict[str, Done], int]:
        known = await self.bus.get_key(LEDGER, KEY)
        return (msgspec.json.decode(known[0], type=dict[str, Done]), known[1]) if known else ({}, 0)

    async def _note(self, record_ids: Sequence[str], what: Done) -> None:
        async with self._changing:
            for _ in range(ATTEMPTS):
                done, revision = await self._done()
                kept = {**done, **dict.fromkeys(record_ids, what)}
                kept = dict([*kept.items()][-MOST_KEPT:])
                try:
                    await self.bus.put_key(LEDGER, KEY, msgspec.json.encode(kept), revision=revision)
                except FencedError:
                    continue
                return
        raise RejectedError("others change records at the same time; try again")


def _checked(by: Principal, found: Aside | None, record_id: str) -> Aside:
    """Return a record that a principal may act on; of other tenants' it is not told that they are there."""
    if found is None or not by.reaches(found.key.tenant):
        raise RejectedError(f"there is no record {record_id!r} among the newest that were set aside")
    by.require(Permission.CONFIGURE, found.key.tenant)
    return found


def id_of(place: Place) -> str:
    """Return the name of a record: where it stands in the stream."""
    return f"{place.partition}-{place.seq}-{place.number}"


def beyond_mending(record: SetAside) -> str:
    """Return why a record cannot be mended here; empty where it can."""
    if not record.raw:
        return "the message itself was not kept with it, only what was wrong"
    if len(record.raw) >= RAW_BYTES:
        return f"it is longer than the {RAW_BYTES:,} bytes that are kept of a record; have it sent again"
    if _as_text(record.raw) is None:
        return "it is neither text nor MessagePack; have it sent again"
    return ""


def draft_of(record: SetAside) -> str:
    """Return the payload for a person to mend, where it can be mended.

    >>> draft_of(SetAside(0, "flow", "value is text", b'"12,5"'))
    '{"time": "when it was measured", "flow": "12,5"}'
    """
    text = _as_text(record.raw)
    if text is None or not record.sensor:
        return text or ""
    name, time = (msgspec.json.encode(each).decode() for each in (record.sensor, TIME_TO_FILL_IN))
    return f'{{"time": {time}, {name}: {text}}}'


def read(by: Principal, payload: str, asset: str, now_ns: int) -> Batch:
    """Read a mended payload with the code that reads messages. Raises RejectedError saying what is still wrong."""
    key = AssetKey.parse(asset.strip())
    if key.asset == UNASSIGNED:
        raise RejectedError("say which asset it is of, as tenant/.../asset")
    if len(payload) > LONGEST_PAYLOAD:
        raise RejectedError(f"{len(payload)} characters are too many at once")
    batch = decode_message(payload.encode(), key, None, source_of(by), received_ns=now_ns, retained=True)
    if batch.set_aside:
        first = batch.set_aside[0]
        where = " ".join(part for part in (f"row {first.row + 1}" if first.row > 0 else "", first.sensor) if part)
        raise RejectedError(f"{where}: {first.reason}" if where else first.reason)
    if not batch.value:
        raise RejectedError("it holds no reading")
    return msgspec.structs.replace(batch, source=source_of(by), epoch=0, sequence=UNNUMBERED)


def source_of(by: Principal) -> str:
    """Return the name of the source that stands for what a person handed in."""
    return f"handed in by {by.name}".encode()[:100].decode(errors="ignore").strip()


def _as_text(raw: bytes) -> str | None:
    """Return the record as JSON text, or as the text it is; None where it is neither."""
    with suppress(msgspec.MsgspecError, ValueError, TypeError, RecursionError):
        if raw and raw[0] >= FIRST_OF_MESSAGE_PACK:
            return msgspec.json.encode(msgspec.msgpack.decode(raw)).decode()
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    return text if all(char.isprintable() or char in "\t\r\n" for char in text) else None
