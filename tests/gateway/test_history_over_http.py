"""What is kept for months, over HTTP: filters, pages, verdicts, budget, days; and limits that people set."""

import asyncio
from collections.abc import Iterator

import httpx
import msgspec
import pytest
from gateway_system import System, eventually, running  # type: ignore[import-not-found]
from plant_of_two_tenants import (  # type: ignore[import-not-found]
    PRESS,
    PUMP,
    START_NS,
    commit_outcomes,
    outcomes,
)

from iot_edge_anomaly.bus.codec import encode_commit
from iot_edge_anomaly.bus.connection import connect
from iot_edge_anomaly.bus.settings import BusAddress
from iot_edge_anomaly.bus.streams import OUTCOMES, outcomes_subject
from iot_edge_anomaly.core.messages import Acknowledge, Feedback, Noted, PlantConfigured
from iot_edge_anomaly.core.names import partition_of
from iot_edge_anomaly.core.outcomes import AssetOutcome, Commit, Notice, Phase
from iot_edge_anomaly.gateway.settings import GatewaySettings
from iot_edge_anomaly.pipeline.settings import settings_for, unpack_rules
from iot_edge_anomaly.security.principal import Permission

pytestmark = pytest.mark.server
NS = 1_000_000_000
WEEKS = {"weeks": 520}


async def say(address: BusAddress, alarm: str, kind: str, grid_ns: int) -> None:
    """Publish a commit with a verdict, and with rows that say for how long they stand."""
    number = partition_of(PUMP, address.partitions)
    rows = outcomes("sha256:m")[0].rows
    assert rows is not None
    notice = Notice(f"feedback-{kind}", alarm, "", START_NS + 100 * NS, "ada", "the valve was open")
    rows = msgspec.structs.replace(rows, grid_ns=grid_ns)
    said = AssetOutcome(PUMP.tenant, PUMP.asset, Phase.CALIBRATED, 1.0, rows=rows, notices=(notice,))
    async with connect(address) as bus:
        commit = Commit(number, 9, 9, START_NS + 100 * NS, (said,))
        await bus.publish(outcomes_subject(number), encode_commit(commit), expected_stream=OUTCOMES)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[System, httpx.Client]]:
    for system in running(tmp_path_factory.mktemp("history"), GatewaySettings()):
        with system.client(name="owner") as client:
            assert_problem(client.get("/v1/alarms?state=all"), "cannot be used now")
            assert_problem(client.get("/v1/budget"), "cannot be used now")
            assert client.get("/v1/alarms").json()["alarms"] == [], "what is open is known without a database"
            assert client.get("/v1/status").json()["views"] == []
            asyncio.run(commit_outcomes(system.address, "sha256:m"))
            asyncio.run(say(system.address, "Aold", "wrong", 7 * 86_400 * NS))
            system.start_views()
            eventually(lambda: client.get("/v1/alarms?state=all&verdict=wrong").json()["alarms"])
            eventually(lambda: len(client.get("/v1/assets").json()["assets"]) == 2)
            yield system, client


def assert_problem(response: httpx.Response, words: str) -> None:
    assert response.headers["content-type"] == "application/problem+json", response.text
    assert words in response.json()["detail"]


def ids(client: httpx.Client, **query: object) -> list[str]:
    return [alarm["id"] for alarm in client.get("/v1/alarms", params=query).json()["alarms"]]


def test_alarms_are_filtered(kept: tuple[System, httpx.Client]) -> None:
    client = kept[1]
    assert ids(client, state="all") == ["Anew", "Apress", "Aold"]
    assert ids(client, state="normal") == ["Aold"]
    assert ids(client, words="ODD press") == ["Apress"]
    assert ids(client, state="all", words="%") == []
    assert ids(client, state="all", prefix="acme/hall") == ["Anew", "Aold"]
    assert ids(client, state="all", prefix="acme/hal") == []
    assert ids(client, state="all", asset=str(PUMP)) == ["Anew", "Aold"]
    assert ids(client, state="all", priority="high", until_ns=START_NS + 30 * NS) == ["Apress", "Aold"]
    assert ids(client, state="all", verdict="none") == ["Anew", "Apress"]
    assert ids(client, since_ns=START_NS + 30 * NS) == ["Anew"]


@pytest.mark.parametrize(("state", "expected"), [("all", ["Anew", "Apress", "Aold"]), ("open", ["Anew", "Apress"])])
def test_pages_follow_each_other_to_the_end(kept: tuple[System, httpx.Client], state: str, expected: list[str]) -> None:
    client, seen, place = kept[1], [], ""
    for _ in range(4):
        page = client.get("/v1/alarms", params={"state": state, "limit": 1, "before": place}).json()
        seen += [alarm["id"] for alarm in page["alarms"]]
        place = page["next"]
        if not place:
            break
    assert seen == expected
    assert not place


@pytest.mark.parametrize("before", ["x", "5", "x:A", "-:A", "٣:A", "1" * 40 + ":A"])
def test_a_place_that_is_none_is_refused(kept: tuple[System, httpx.Client], before: str) -> None:
    assert_problem(kept[1].get("/v1/alarms", params={"before": before}), "is no place in a list")


def test_an_alarm_is_told_with_its_history_and_its_verdict(kept: tuple[System, httpx.Client]) -> None:
    told = kept[1].get("/v1/alarms/Aold").json()
    verdict = {"right": False, "by": "ada", "note": "the valve was open", "at_ns": START_NS + 100 * NS}
    assert told["alarm"]["verdict"] == verdict
    assert told["verdicts"] == [verdict]
    assert [(each["event"], each["before"], each["after"]) for each in told["transitions"]] == [
        ("raise", "normal", "unacknowledged"),
        ("close", "unacknowledged", "normal"),
    ]
    assert_problem(kept[1].get("/v1/alarms/Anone"), "there is no alarm 'Anone'")


def test_the_budget_counts_what_was_judged_wrong_and_names_the_verdict(kept: tuple[System, httpx.Client]) -> None:
    told = kept[1].get("/v1/budget", params=WEEKS).json()
    (pump, press) = told["assets"]
    assert (pump["asset"], pump["wrong"], pump["right"], pump["unjudged"]) == (str(PUMP), 1, 0, 1)
    assert pump["watched_seconds"] == 50 * 7 * 86_400
    assert (pump["allowed"], pump["wrong_per_week"], pump["most_per_week"]) == (50.0, 0.02, 0.04)
    assert pump["state"] == "within budget"
    assert pump["low_per_week"] < 0.02 < 0.04 < pump["high_per_week"]
    assert (press["asset"], press["wrong_per_week"], press["state"]) == (str(PRESS), None, "too early to say")
    assert (told["fleet"]["asset"], told["fleet"]["wrong"], told["fleet"]["unjudged"]) == ("", 1, 2)
    (feedback,) = told["feedback"]
    assert (feedback["alarm"], feedback["asset"], feedback["verdict"]["by"]) == ("Aold", str(PUMP), "ada")
    assert kept[1].get("/v1/budget", params={**WEEKS, "prefix": "rival"}).json()["feedback"] == []


def test_days_are_told(kept: tuple[System, httpx.Client]) -> None:
    days = kept[1].get("/v1/days", params={"days": 3660, "prefix": "rival"}).json()["days"]
    assert days == [
        {
            "asset": str(PRESS),
            "date": "2026-11-24",
            "good": 50,
            "corrected": 0,
            "missing": 0,
            "rejected": 0,
            "accepted": 1,
            "used": 1,
            "duplicate": 0,
            "late": 0,
            "set_aside": 0,
            "alarms": 1,
        }
    ]


def test_status_tells_how_far_the_views_have_come(kept: tuple[System, httpx.Client]) -> None:
    views = kept[1].get("/v1/status").json()["views"]
    assert [view["partition"] for view in views] == [0, 1]
    assert all(view["written"] == view["last"] for view in views)
    assert any(view["written"] for view in views)
    assert all(view["missing_up_to"] == 0 for view in views)


def acts(system: System, kind: type[object]) -> list[object]:
    return [item for item in system.stored() if isinstance(item, kind)]


def test_several_alarms_are_acknowledged_at_once_or_none(kept: tuple[System, httpx.Client]) -> None:
    system, client = kept
    assert_problem(client.post("/v1/acknowledge", json={"alarms": ["Anew", "Anone"]}), "nothing was acknowledged")
    assert acts(system, Acknowledge) == []
    response = client.post("/v1/acknowledge", json={"alarms": ["Anew", "Apress", "Anew"], "note": "all seen"})
    assert (response.status_code, response.json()) == (202, {"alarms": ["Anew", "Apress"], "by": "owner"})
    stored = acts(system, Acknowledge)
    assert sorted((act.alarm_id, act.note) for act in stored) == [("Anew", "all seen"), ("Apress", "all seen")]  # type: ignore[attr-defined]


def test_shelving_without_a_reason_is_refused(kept: tuple[System, httpx.Client]) -> None:
    order = {"asset": str(PUMP), "condition": "score", "duration": "30m"}
    assert_problem(kept[1].post("/v1/shelving", json=order), "needs a reason")
    assert kept[1].post("/v1/shelving", json={**order, "duration": "0s"}).status_code == 202


def test_limits_reach_every_partition_and_stand_on_record(kept: tuple[System, httpx.Client]) -> None:
    system, client = kept
    order = {"asset": str(PUMP), "sensor": "a", "high_limit": 60.0, "low_limit": 5, "reason": "new impeller"}
    response = client.post("/v1/limits", json=order)
    assert response.status_code == 202, response.text
    assert response.json() == {
        "asset": str(PUMP),
        "sensor": "a",
        "high_high_limit": None,
        "high_limit": 60.0,
        "low_limit": 5.0,
        "low_low_limit": None,
        "deadband": None,
        "by": "owner",
    }
    assert client.post("/v1/limits", json={"asset": str(PUMP), "sensor": "a", "low_limit": None}).status_code == 202
    configured = acts(system, PlantConfigured)
    assert len(configured) == 4, "two changes in two partitions"
    in_force = settings_for(PUMP, unpack_rules(configured[-1].rules)).sensors["[a]"]  # type: ignore[attr-defined]
    assert (in_force.high_limit, in_force.low_limit) == (60.0, None)
    first = acts(system, Noted)[0]
    assert (first.kind, first.by, first.note) == ("limits", "owner", "new impeller")  # type: ignore[attr-defined]
    eventually(lambda: client.post("/v1/shelving", json=shelve("limit:a:H")).status_code == 202)


def shelve(condition: str) -> dict[str, str]:
    return {"asset": str(PUMP), "condition": condition, "duration": "0s"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "nothing to change"),
        ({"high_limit": "x"}, "Expected `float | null`"),
        ({"hgh_limit": 5}, "unknown field"),
        ({"sensor": "z", "high_limit": 5}, "has no sensor 'z'"),
    ],
)
def test_limits_that_cannot_be_are_refused(
    kept: tuple[System, httpx.Client], change: dict[str, object], words: str
) -> None:
    order = {"asset": str(PUMP), "sensor": "a", **change}
    assert_problem(kept[1].post("/v1/limits", json=order), words)


def test_limits_need_the_permission_to_configure(kept: tuple[System, httpx.Client]) -> None:
    with kept[0].client(Permission.OPERATE, Permission.READ, name="operator") as operator:
        order = {"asset": str(PUMP), "sensor": "a", "high_limit": 60.0}
        assert_problem(operator.post("/v1/limits", json=order), "'configure'")


def test_an_alarm_of_long_ago_can_be_judged(kept: tuple[System, httpx.Client]) -> None:
    system, client = kept
    assert client.post("/v1/alarms/Aold/feedback", json={"right": True}).status_code == 202
    (stored,) = acts(system, Feedback)
    assert stored.was_right  # type: ignore[attr-defined]
