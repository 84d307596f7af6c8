"""Acts on a real pipeline: what is allowed happens and is seen, what is not allowed or not there is refused."""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import timedelta

import pytest

from iot_edge_anomaly.core.clock import ManualClock
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.messages import Envelope, Item, Tick, batch_of
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmState, Commit
from iot_edge_anomaly.operations.acts import Operations
from iot_edge_anomaly.operations.conditions import conditions_of
from iot_edge_anomaly.pipeline.settings import AssetRule, AssetSettings, SensorSettings
from iot_edge_anomaly.pipeline.step import AnomalyPipeline
from iot_edge_anomaly.security.principal import ForbiddenError, Permission, Principal, owner
from iot_edge_anomaly.views.plant import AlarmView, AssetView, Plant

NS = 1_000_000_000
START_NS = 1_767_225_600 * NS
PUMP, FOREIGN = AssetKey("acme", "site/pump-1"), AssetKey("rival", "secret/press-9")
FLOW = SensorSettings(unit="m³/h", high_limit=14.0, stuck_seconds=5.0)
RULES = (AssetRule("*", AssetSettings(lateness_seconds=0.0, sensors={"flow": FLOW})),)
ADA = Principal("ada", frozenset({"acme"}), frozenset({Permission.OPERATE, Permission.READ}))
GUEST = Principal("guest", frozenset({"acme"}), frozenset({Permission.READ}))


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
        self.operations = Operations(self.plant, self, self.clock)
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
    do(site.operations.shelve(ADA, PUMP, "limit:flow:H", timedelta(minutes=2)))
    do(site.operations.shelve(ADA, PUMP, "limit:flow:H", timedelta()))
    assert site.alarm().latest.after is AlarmState.UNACKNOWLEDGED


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
    do(site.operations.new_normal(ADA, PUMP))
    assert site.plant.notices[-1][1].kind == "new-normal"


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
