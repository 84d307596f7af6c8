"""Acts on a real pipeline: what is allowed happens and is seen, what is not allowed or not there is refused."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from fnmatch import fnmatchcase

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from iot_edge_anomaly.core.clock import ManualClock
from iot_edge_anomaly.core.errors import RejectedError, UnavailableError
from iot_edge_anomaly.core.messages import Envelope, Item, PlantConfigured, Tick, batch_of
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmState, Commit
from iot_edge_anomaly.operations.acts import Operations
from iot_edge_anomaly.operations.conditions import conditions_of
from iot_edge_anomaly.operations.rule_store import Sources, exactly
from iot_edge_anomaly.pipeline.settings import AssetRule, AssetSettings, SensorSettings, pack_rules, sensor_settings
from iot_edge_anomaly.pipeline.step import AnomalyPipeline
from iot_edge_anomaly.security.principal import ForbiddenError, Permission, Principal, owner
from iot_edge_anomaly.views.plant import AlarmView, AssetView, Plant
from iot_edge_anomaly.views.records import AlarmRecord

NS = 1_000_000_000
START_NS = 1_767_225_600 * NS
PUMP, FOREIGN = AssetKey("acme", "site/pump-1"), AssetKey("rival", "secret/press-9")
FLOW = SensorSettings(unit="m³/h", high_limit=14.0, stuck_seconds=5.0)
RULES = (AssetRule("*", AssetSettings(lateness_seconds=0.0, sensors={"flow": FLOW})),)
ADA = Principal("ada", frozenset({"acme"}), frozenset({Permission.OPERATE, Permission.READ}))
BOB = Principal("bob", frozenset({"acme"}), frozenset({Permission.CONFIGURE, Permission.READ}))
GUEST = Principal("guest", frozenset({"acme"}), frozenset({Permission.READ}))


class RulesInHand:
    """Rules that the partition of a site follows at once."""

    def __init__(self, site: "Site", sources: Sources) -> None:
        self._site = site
        self.sources = sources

    async def read(self) -> Sources:
        return self.sources

    async def change(self, edit: Callable[[Sources], Sources]) -> Sources:
        self.sources = edit(self.sources)
        self._site.plant.rules = self.sources.rules
        self._site.step(PlantConfigured("v", pack_rules(self.sources.rules), self._site.clock.now_ns()))
        return self.sources


class Site:
    """A partition that works through what it is handed at once: an intake, its pipeline and its view."""

    def __init__(self) -> None:
        self.clock = ManualClock(START_NS)
        self.plant = Plant(RULES)
        self.taken: list[Item] = []
        self._pipeline = AnomalyPipeline()
        self._state = self._pipeline.new_state()
        self._state.rules = RULES
        self._seq = 0
        self.rules = RulesInHand(self, Sources(RULES))
        self.operations = Operations(self.plant, self, self.clock, self.rules)
        self.is_down = False

    async def accept(self, items: Sequence[Item]) -> None:
        self.taken += items
        self.step(*items)

    def step(self, *items: Item) -> None:
        self._seq += 1
        self._state, outcomes = self._pipeline.step(self._state, [Envelope(tuple(items), self._seq)], {})
        self.plant.apply(Commit(0, self._seq, self._seq, self.clock.now_ns(), outcomes))

    def read(self, key: AssetKey, flow: float, count: int = 2) -> None:
        for _ in range(count):
            self.clock.advance(NS)
            now = self.clock.now_ns()
            readings = [(now, "flow", flow), (now, "pressure", 3.0)]
            self.step(batch_of(key, "plc", readings, received_ns=now), Tick(now))

    def wait(self, span: timedelta) -> None:
        self.clock.advance(span // timedelta(microseconds=1) * 1_000)
        self.step(Tick(self.clock.now_ns()))

    def asset(self) -> AssetView:
        asset = self.plant.asset(PUMP)
        assert asset is not None
        return asset

    def high_alarms(self) -> list[AlarmState]:
        """The states of the alarms of the high limit, the newest last."""
        found = reversed(self.plant.recent_alarms(PUMP))
        return [alarm.latest.after for alarm in found if alarm.raised.condition == "limit:flow:H"]

    def alarm(self) -> AlarmView:
        (alarm,) = self.plant.recent_alarms(PUMP)
        return alarm


@pytest.fixture
def site() -> Site:
    """A pump above its limit, and an asset of another tenant."""
    site = Site()
    site.read(FOREIGN, 10.0)
    site.read(PUMP, 10.0)
    site.read(PUMP, 15.0)
    return site


def do(act: Awaitable[None]) -> None:
    async def run() -> None:
        await act

    asyncio.run(run())


def test_acknowledging_one_alarm_is_seen(site: Site) -> None:
    do(site.operations.acknowledge(ADA, PUMP, site.alarm().raised.alarm_id, "on my way"))
    latest = site.alarm().latest
    assert (latest.after, latest.by, latest.note) == (AlarmState.ACKNOWLEDGED, "ada", "on my way")


def test_acknowledging_all_alarms_of_an_asset(site: Site) -> None:
    do(site.operations.acknowledge(ADA, PUMP))
    assert site.alarm().latest.after is AlarmState.ACKNOWLEDGED


def test_shelving_hides_for_a_while(site: Site) -> None:
    do(site.operations.shelve(ADA, PUMP, "limit:flow:H", timedelta(minutes=2), "flushing"))
    assert site.alarm().latest.after is AlarmState.SHELVED
    site.wait(timedelta(seconds=119))
    assert site.alarm().latest.after is AlarmState.SHELVED
    site.wait(timedelta(seconds=1))
    assert site.alarm().latest.after is AlarmState.UNACKNOWLEDGED


def test_shelving_is_ended_by_a_span_of_zero(site: Site) -> None:
    do(site.operations.shelve(ADA, PUMP, "limit:flow:H", timedelta(minutes=2), "flushing"))
    do(site.operations.shelve(ADA, PUMP, "limit:flow:H", timedelta()))
    assert site.alarm().latest.after is AlarmState.UNACKNOWLEDGED


@pytest.mark.parametrize("reason", ["", " ", "\n\t"])
def test_shelving_without_a_reason_is_refused(site: Site, reason: str) -> None:
    with pytest.raises(RejectedError, match="needs a reason"):
        do(site.operations.shelve(ADA, PUMP, "limit:flow:H", timedelta(minutes=2), reason))
    assert site.taken == []


def test_several_alarms_are_acknowledged_at_once_or_none(site: Site) -> None:
    site.read(FOREIGN, 15.0)
    (foreign,) = site.plant.recent_alarms(FOREIGN)
    names = [site.alarm().raised.alarm_id, foreign.raised.alarm_id]
    refusals = []
    for other in (foreign.raised.alarm_id, "A-nothing"):
        with pytest.raises(RejectedError) as refused:
            do(site.operations.acknowledge_several(ADA, [names[0], other]))
        refusals.append(str(refused.value).replace(other, "NAME"))
    assert site.taken == []
    assert refusals[0] == refusals[1], "one of another tenant is answered like one that is not there"
    do(site.operations.acknowledge_several(owner("eve"), names, "all seen"))
    for key in (PUMP, FOREIGN):
        (alarm,) = site.plant.recent_alarms(key)
        assert (alarm.latest.after, alarm.latest.by, alarm.latest.note) == (AlarmState.ACKNOWLEDGED, "eve", "all seen")


@pytest.mark.parametrize("count", [0, 1_001])
def test_not_too_many_at_once(site: Site, count: int) -> None:
    with pytest.raises(RejectedError, match="1 to 1000"):
        do(site.operations.acknowledge_several(ADA, ["A"] * count))


def test_a_limit_that_a_person_sets_beats_that_of_the_file_and_gives_way_again(site: Site) -> None:
    do(site.operations.set_limits(BOB, PUMP, "flow", {"high_limit": 16.0, "low_limit": 2.0}, "new impeller"))
    for flow in [15.5, 15.0] * 6:
        site.read(PUMP, flow, count=1)
    assert site.high_alarms() == [AlarmState.RETURNED], "15.5 is inside the new limit"
    known = site.plant.settings(PUMP)
    assert sensor_settings(known, "flow").high_limit == 16.0
    assert sensor_settings(known, "flow").unit == "m³/h", "what the file says besides stays"
    assert "limit:flow:L" in conditions_of(site.plant, PUMP)
    do(site.operations.set_limits(BOB, PUMP, "flow", {"high_limit": None}))
    known = sensor_settings(site.plant.settings(PUMP), "flow")
    assert (known.high_limit, known.low_limit) == (14.0, 2.0), "the file's again; what was not named stays"
    do(site.operations.set_limits(BOB, PUMP, "flow", {"low_limit": None}))
    assert site.rules.sources == Sources(RULES)
    site.read(PUMP, 15.5)
    assert site.high_alarms()[-1] is AlarmState.UNACKNOWLEDGED


def test_who_set_a_limit_and_why_is_on_record(site: Site) -> None:
    do(site.operations.set_limits(BOB, PUMP, "flow", {"high_limit": 16.0}, "new impeller"))
    key, notice = site.plant.notices[-1]
    assert (key, notice.kind, notice.sensor, notice.by, notice.note) == (PUMP, "limits", "flow", "bob", "new impeller")
    assert notice.text == "limits of flow: high limit 16 instead of 14, says bob"
    (set_now,) = site.rules.sources.limits
    assert (set_now.by, set_now.at_ns, set_now.reason) == ("bob", site.clock.now_ns(), "new impeller")


@pytest.mark.parametrize(
    ("sensor", "limits", "text"),
    [
        ("flow", {"high_limit": float("nan")}, "no limit"),
        ("flow", {"high_limit": float("inf")}, "no limit"),
        ("flow", {"deadband": -1.0}, "no limit"),
        ("flow", {"low_limit": 14.0}, "low limit 14 must lie below high limit 14"),
        ("flow", {"high_high_limit": 13.0}, "high limit 14 must lie below high-high limit 13"),
        ("flow", {"high_limt": 13.0}, "'high_limt' is no limit"),
        ("flow", {}, "nothing to change"),
        ("flaw", {"high_limit": 13.0}, "did you mean flow"),
    ],
)
def test_limits_that_cannot_be_are_refused(site: Site, sensor: str, limits: dict[str, float], text: str) -> None:
    with pytest.raises(RejectedError, match=text):
        do(site.operations.set_limits(BOB, PUMP, sensor, limits))
    assert site.taken == []
    assert site.rules.sources == Sources(RULES)


@pytest.mark.parametrize(("by", "key"), [(ADA, PUMP), (BOB, FOREIGN), (BOB, AssetKey("rival", "nothing"))])
def test_limits_need_the_permission_to_configure(site: Site, by: Principal, key: AssetKey) -> None:
    with pytest.raises(ForbiddenError):
        do(site.operations.set_limits(by, key, "flow", {"high_limit": 16.0}))
    assert site.rules.sources == Sources(RULES)


names = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=8)


@example(name="!", other="0")
@example(name="!a[b]*", other="!a[b]x")
@given(name=names, other=names)
def test_limits_are_of_exactly_one_asset_and_sensor(name: str, other: str) -> None:
    assert fnmatchcase(name, exactly(name))
    assert fnmatchcase(other, exactly(name)) == (other == name)
    assert exactly(name) != name or set(name) == {"!"}


def test_an_old_alarm_that_only_the_records_know_can_be_judged(site: Site) -> None:
    old = AlarmRecord(AlarmView(PUMP, site.alarm().raised, site.alarm().latest))

    class Archive:
        def alarm(self, alarm_id: str) -> AlarmRecord | None:
            if alarm_id == "A-down":
                raise UnavailableError("the database is not there yet")
            return old if alarm_id == "A-old" else None

    judging = Operations(site.plant, site, site.clock, site.rules, Archive())
    do(judging.feedback(ADA, PUMP, "A-old", was_right=False))
    assert site.plant.notices[-1][1].sensor == "A-old"
    for key, name in ((FOREIGN, "A-old"), (PUMP, "A-new")):
        with pytest.raises(RejectedError, match="has no alarm"):
            do(judging.feedback(owner(), key, name, was_right=False))
    with pytest.raises(UnavailableError, match="not there yet"):
        do(judging.feedback(ADA, PUMP, "A-down", was_right=False))


def test_maintenance_begins_and_ends(site: Site) -> None:
    do(site.operations.maintenance(ADA, PUMP, timedelta(hours=2), "new seal"))
    assert site.alarm().latest.after is AlarmState.OUT_OF_SERVICE
    assert site.asset().maintenance_until_ns == site.clock.now_ns() + 7_200 * NS
    do(site.operations.maintenance(ADA, PUMP, timedelta()))
    assert site.asset().maintenance_until_ns == 0
    assert site.alarm().latest.after is AlarmState.UNACKNOWLEDGED


def test_verdicts_are_on_record(site: Site) -> None:
    name = site.alarm().raised.alarm_id
    do(site.operations.feedback(ADA, PUMP, name, was_right=False, note="test run"))
    key, notice = site.plant.notices[-1]
    assert (key, notice.kind, notice.sensor) == (PUMP, "feedback-wrong", name)
    assert "ada" in notice.text
    assert "test run" in notice.text


def test_the_new_normal_is_on_record(site: Site) -> None:
    do(site.operations.new_normal(ADA, PUMP, "new impeller"))
    notice = site.plant.notices[-1][1]
    assert (notice.kind, notice.by, notice.note) == ("new-normal", "ada", "new impeller")


def every_act(operations: Operations, by: Principal, key: AssetKey) -> list[Awaitable[None]]:
    return [
        operations.acknowledge(by, key),
        operations.acknowledge(by, key, "A1"),
        operations.shelve(by, key, "score", timedelta(hours=1)),
        operations.maintenance(by, key, timedelta(hours=1)),
        operations.feedback(by, key, "A1", was_right=True),
        operations.new_normal(by, key),
    ]


@pytest.mark.parametrize(("by", "key"), [(GUEST, PUMP), (ADA, FOREIGN), (ADA, AssetKey("rival", "nothing"))])
def test_without_the_permission_nothing_happens_and_nothing_is_told(site: Site, by: Principal, key: AssetKey) -> None:
    for act in every_act(site.operations, by, key):
        with pytest.raises(ForbiddenError) as refused:
            do(act)
        assert "secret" not in str(refused.value)
        assert "did you mean" not in str(refused.value)
    assert site.taken == []


def test_an_unknown_asset_is_refused_with_the_name_that_was_meant(site: Site) -> None:
    for act in every_act(site.operations, ADA, AssetKey("acme", "site/pump-l")):
        with pytest.raises(RejectedError, match=r"there is no asset acme/site/pump-l; did you mean acme/site/pump-1\?"):
            do(act)
    assert site.taken == []


def test_names_of_other_tenants_are_not_suggested(site: Site) -> None:
    with pytest.raises(RejectedError) as refused:
        do(site.operations.new_normal(ADA, AssetKey("acme", "secret/press-9")))
    assert "rival" not in str(refused.value)
    with pytest.raises(RejectedError, match="did you mean rival/secret/press-9"):
        do(site.operations.new_normal(owner(), AssetKey("rival", "secret/press-8")))


def test_an_alarm_of_another_asset_is_not_there(site: Site) -> None:
    site.read(FOREIGN, 15.0)
    (foreign,) = site.plant.recent_alarms(FOREIGN)
    with pytest.raises(RejectedError, match="acme/site/pump-1 has no alarm"):
        do(site.operations.acknowledge(ADA, PUMP, foreign.raised.alarm_id))
    with pytest.raises(RejectedError, match="acme/site/pump-1 has no alarm"):
        do(site.operations.feedback(ADA, PUMP, foreign.raised.alarm_id, was_right=True))
    assert site.taken == []


def test_a_mistyped_alarm_is_answered_with_the_one_that_was_meant(site: Site) -> None:
    name = site.alarm().raised.alarm_id
    with pytest.raises(RejectedError, match=f"did you mean {name}"):
        do(site.operations.acknowledge(ADA, PUMP, f"{name}x"))


def test_conditions_are_those_of_configuration_sensors_and_open_alarms(site: Site) -> None:
    assert conditions_of(site.plant, PUMP) == [
        "score",
        "silence:*",
        "limit:flow:H",
        "silence:flow",
        "stuck:flow",
        "silence:pressure",
    ]
    site.plant.rules = ()
    assert "limit:flow:H" in conditions_of(site.plant, PUMP)


def test_a_condition_that_cannot_be_is_refused(site: Site) -> None:
    with pytest.raises(RejectedError, match="did you mean limit:flow:H"):
        do(site.operations.shelve(ADA, PUMP, "limit:flow:HH", timedelta(hours=1)))
    with pytest.raises(RejectedError, match=r"known: score, silence:\*, limit:flow:H"):
        do(site.operations.shelve(ADA, PUMP, "?", timedelta(hours=1)))
    assert site.taken == []


@pytest.mark.parametrize("span", [timedelta(seconds=-1), timedelta(days=91)])
def test_spans_have_bounds(site: Site, span: timedelta) -> None:
    for act in (
        site.operations.maintenance(ADA, PUMP, span),
        site.operations.shelve(ADA, PUMP, "score", span),
    ):
        with pytest.raises(RejectedError, match="90 days"):
            do(act)
    assert site.taken == []


def test_notes_have_a_bound(site: Site) -> None:
    with pytest.raises(RejectedError, match="too long"):
        do(site.operations.maintenance(ADA, PUMP, timedelta(hours=1), "x" * 1_001))
