"""Records set aside: seen by their own tenants, mended with the code that reads messages, never handed in by halves."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from operations_bus import served  # type: ignore[import-not-found]

from iot_edge_anomaly.connectors.payload import decode_http, decode_message
from iot_edge_anomaly.core.clock import ManualClock
from iot_edge_anomaly.core.errors import RejectedError, UnavailableError
from iot_edge_anomaly.core.messages import UNNUMBERED, Batch, Envelope, Item, SetAside, SourceIdle, Tick
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import Commit
from iot_edge_anomaly.operations.set_aside import Aside, Fate, SetAsideDesk, beyond_mending, draft_of, read
from iot_edge_anomaly.pipeline.step import AnomalyPipeline
from iot_edge_anomaly.security.principal import ForbiddenError, Permission, Principal, owner
from iot_edge_anomaly.views.plant import Plant

NS = 1_000_000_000
START_NS = 1_790_000_000 * NS
ADA = Principal("ada", frozenset({"acme"}), frozenset(Permission))
GUEST = Principal("guest", frozenset({"acme"}), frozenset({Permission.READ, Permission.OPERATE}))
PUMP, FOREIGN = AssetKey("acme", "site/pump"), AssetKey("rival", "press")


class Site:
    """A partition that works through what it is handed at once, behind an intake that may be down."""

    def __init__(self) -> None:
        self.clock, self.plant, self.is_down = ManualClock(START_NS), Plant(), False
        self.taken: list[Item] = []
        self._pipeline = AnomalyPipeline()
        self._state = self._pipeline.new_state()
        self._seq = 0

    async def accept(self, items: Sequence[Item]) -> None:
        if self.is_down:
            raise UnavailableError("the bus is down")
        self.taken += items
        self.step(*items)

    def step(self, *items: Item) -> None:
        self.clock.advance(NS)
        self._seq += 1
        self._state, outcomes = self._pipeline.step(self._state, [Envelope((*items, self.tick()), self._seq)], {})
        self.plant.apply(Commit(0, self._seq, self._seq, self.clock.now_ns(), outcomes))

    def tick(self) -> Tick:
        return Tick(self.clock.now_ns())

    def message(self, key: AssetKey, content: bytes, sensor: str | None = None) -> None:
        self.step(decode_message(content, key, sensor, "plc", received_ns=self.clock.now_ns()))


def at_the_desk(folder: Path, act: Callable[[SetAsideDesk, Site], Awaitable[None]]) -> Site:
    site = Site()

    async def run() -> None:
        async with served(folder) as bus:
            await act(SetAsideDesk(site.plant, bus, site, site.clock), site)

    asyncio.run(run())
    return site


async def only(desk: SetAsideDesk, who: Principal = ADA) -> Aside:
    (one,) = await desk.records(who)
    return one


@pytest.mark.server
def test_a_mended_record_is_a_reading_of_its_own_and_says_who_handed_it_in(tmp_path: Path) -> None:
    async def act(desk: SetAsideDesk, site: Site) -> None:
        site.message(PUMP, b'{"flow": "12,5"}')
        one = await only(desk)
        assert (one.key, one.source, one.record.reason, one.fate) == (PUMP, "plc", "value is text", Fate.OPEN)
        assert one.at_ns == site.clock.now_ns()
        time_ns = site.clock.now_ns()
        handed = await desk.reinject(ADA, one.id, f'{{"time": {time_ns}, "flow": 12.5}}', "acme/site/pump")
        assert handed.values().tolist() == [12.5]
        assert (await only(desk)).done is not None
        with pytest.raises(RejectedError, match="ada handed this record in already"):
            await desk.reinject(owner(), one.id, f'{{"time": {time_ns}, "flow": 12.5}}', "acme/site/pump")

    site = at_the_desk(tmp_path, act)
    batch, idle = site.taken
    assert isinstance(batch, Batch)
    assert (batch.source, batch.sequence) == ("handed in by ada", UNNUMBERED)
    assert isinstance(idle, SourceIdle)
    counts = {one.source: one for one in site.plant.counts(PUMP)}
    assert counts["plc"].set_aside == 1
    assert counts["handed in by ada"].accepted == 1
    assert counts["handed in by ada"].set_aside == 0


@pytest.mark.server
@pytest.mark.parametrize(
    ("payload", "asset", "why"),
    [
        ('{"time": "when it was measured", "flow": 1}', "acme/site/pump", "time is not ISO 8601"),
        ('{"flow": 1}', "acme/site/pump", "it has no time"),
        ('{"time": 1790000000, "flow": "12,5"}', "acme/site/pump", "flow: value is text"),
        ('{"time": 1790000000, "flow": 1, "power": null}', "acme/site/pump", "power: value is missing"),
        ('{"time": 1790000000}', "acme/site/pump", "it holds no reading"),
        ("[]", "acme/site/pump", "it holds no reading"),
        ("{", "acme/site/pump", "cannot read the message"),
        ('{"time": 1790000000, "flow": 1}', "acme/unassigned", "say which asset it is of"),
        ('{"time": 1790000000, "flow": 1}', "", "asset name is empty"),
        ('{"time": 1790000000, "flow": 1}', "acme", "must read tenant"),
    ],
)
def test_what_is_still_wrong_is_said_and_nothing_is_handed_in(
    tmp_path: Path, payload: str, asset: str, why: str
) -> None:
    async def act(desk: SetAsideDesk, site: Site) -> None:
        site.message(PUMP, b"garbage")
        with pytest.raises(RejectedError, match=why):
            await desk.reinject(ADA, (await only(desk)).id, payload, asset)
        assert (await only(desk)).fate is Fate.OPEN

    assert at_the_desk(tmp_path, act).taken == []


@pytest.mark.server
def test_a_record_stays_open_while_the_store_refuses_and_is_handed_in_later(tmp_path: Path) -> None:
    async def act(desk: SetAsideDesk, site: Site) -> None:
        site.message(PUMP, b"garbage")
        one = await only(desk)
        site.is_down = True
        with pytest.raises(UnavailableError):
            await desk.reinject(ADA, one.id, '{"time": 1790000000, "flow": 1}', str(PUMP))
        assert (await only(desk)).fate is Fate.OPEN
        site.is_down = False
        await desk.reinject(ADA, one.id, '{"time": 1790000000, "flow": 1}', str(PUMP))
        assert (await only(desk)).fate is Fate.REINJECTED

    at_the_desk(tmp_path, act)


@pytest.mark.server
def test_what_became_of_records_outlives_the_process_and_is_told_one_by_one(tmp_path: Path) -> None:
    async def act(desk: SetAsideDesk, site: Site) -> None:
        for _ in range(3):
            site.message(PUMP, b'{"flow": "12,5", "power": null}')
        records = await desk.records(ADA)
        assert len(records) == len({one.id for one in records}) == 6
        assert [one.at_ns for one in records] == sorted((one.at_ns for one in records), reverse=True)
        await asyncio.gather(*(desk.dismiss(ADA, [one.id]) for one in records[:5]))
        again = SetAsideDesk(site.plant, desk.bus, site, site.clock)
        assert [one.fate for one in await again.records(ADA)] == [Fate.DISMISSED] * 5 + [Fate.OPEN]
        assert (await again.records(ADA))[0].done is not None

    at_the_desk(tmp_path, act)


@pytest.mark.server
def test_other_tenants_records_are_not_there_and_guests_change_nothing(tmp_path: Path) -> None:
    async def act(desk: SetAsideDesk, site: Site) -> None:
        site.message(FOREIGN, b"garbage")
        (foreign,) = await desk.records(owner())
        assert await desk.records(ADA) == []
        fine = '{"time": 1790000000, "flow": 1}'
        for name in (foreign.id, "0-99-0", "", "x"):
            with pytest.raises(RejectedError, match="there is no record"):
                await desk.dismiss(ADA, [name])
            with pytest.raises(RejectedError, match="there is no record"):
                await desk.reinject(ADA, name, fine, str(PUMP))
        site.message(PUMP, b"garbage")
        mine = await only(desk)
        assert await only(desk, GUEST) == mine
        for forbidden in (
            desk.dismiss(GUEST, [mine.id]),
            desk.reinject(GUEST, mine.id, fine, str(PUMP)),
            desk.reinject(ADA, mine.id, fine, str(FOREIGN)),
        ):
            with pytest.raises(ForbiddenError):
                await forbidden
        assert {one.fate for one in await desk.records(owner())} == {Fate.OPEN}

    assert at_the_desk(tmp_path, act).taken == []


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (SetAside(-1, "", "r", b"x" * 1024), "longer than the 1,024 bytes"),
        (SetAside(-1, "", "working it in failed", b"", 7), "was not kept"),
        (SetAside(-1, "", "r", b"\xff\xfe\xfd"), "neither text nor MessagePack"),
        (SetAside(-1, "", "r", b"\x00\x01"), "neither text nor MessagePack"),
        (SetAside(-1, "", "r", b"12,5"), ""),
        (SetAside(-1, "", "r", "Öl = 3 °C\n".encode()), ""),
        (SetAside(-1, "", "r", msgspec.msgpack.encode({"flow": "x"})), ""),
    ],
)
def test_what_cannot_be_mended_says_why(record: SetAside, why: str) -> None:
    assert (beyond_mending(record) == "") == (why == "")
    assert why in beyond_mending(record)


def test_a_draft_is_what_came_and_asks_for_the_time_of_a_single_value() -> None:
    (batch,) = decode_http(
        b'{"asset": "acme/p", "rows": [{"time": "2019-13-45", "flow": 2}, {"a\\"b": "x"}]}',
        "application/json",
        received_ns=START_NS,
    )
    row, value = batch.set_aside
    assert msgspec.json.decode(draft_of(row)) == {"time": "2019-13-45", "flow": 2}
    assert msgspec.json.decode(draft_of(value)) == {"time": "when it was measured", 'a"b': "x"}
    assert draft_of(SetAside(-1, "", "r", b"12,5")) == "12,5"
    assert draft_of(SetAside(-1, "", "r", msgspec.msgpack.encode({"flow": "x"}))) == '{"flow":"x"}'


def test_several_rows_are_read_and_the_row_at_fault_is_named() -> None:
    rows = [{"time": 1790000000, "flow": 1}, {"time": 1790000001, "flow": "x"}]
    with pytest.raises(RejectedError, match="row 2 flow: value is text"):
        read(ADA, msgspec.json.encode(rows).decode(), str(PUMP), START_NS)
    rows[1]["flow"] = 2
    assert read(ADA, msgspec.json.encode(rows).decode(), str(PUMP), START_NS).values().tolist() == [1.0, 2.0]
