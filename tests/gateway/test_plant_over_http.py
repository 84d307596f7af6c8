"""What is read and done over HTTP, on a real bus: commits in OUTCOMES are shown, acts end in READINGS."""

import asyncio
import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import pytest
from gateway_system import System, eventually, running  # type: ignore[import-not-found]
from plant_of_two_tenants import (  # type: ignore[import-not-found]
    NS,
    PRESS,
    PUMP,
    ROWS,
    START_NS,
    commit_outcomes,
)

from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.connection import connect
from iot_edge_anomaly.bus.streams import ASSET_RULES, CONFIGURATION
from iot_edge_anomaly.core.messages import Acknowledge, Feedback, Maintenance, NewNormal, Shelve
from iot_edge_anomaly.detection import linear
from iot_edge_anomaly.gateway.settings import GatewaySettings
from iot_edge_anomaly.pipeline.settings import AssetRule, AssetSettings, SensorSettings, pack_rules
from iot_edge_anomaly.registry.artefact import TrainingFacts, pack
from iot_edge_anomaly.security.principal import Permission

pytestmark = pytest.mark.server
EVERY_ACT = [
    ("/v1/alarms/Apress/acknowledge", None),
    ("/v1/alarms/Apress/feedback", {"right": True}),
    ("/v1/maintenance", {"asset": str(PRESS), "duration": "1h"}),
    ("/v1/shelving", {"asset": str(PRESS), "condition": "score", "duration": "1h", "reason": "x"}),
    ("/v1/new-normal", {"asset": str(PRESS)}),
]

LIMITED = AssetRule(str(PUMP), AssetSettings(sensors={"a": SensorSettings(high_limit=60.0)}))


class Seen:
    """A gateway that has seen the commits, the owner, a principal of acme's, and the digest of the pump's model."""

    def __init__(self, system: System, owner: httpx.Client, acme: httpx.Client, model: str) -> None:
        self.system, self.owner, self.acme, self.model = system, owner, acme, model

    def acts(self, kind: type[Any]) -> list[Any]:
        return [item for item in self.system.stored() if isinstance(item, kind)]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    for system in running(tmp_path_factory.mktemp("plant"), GatewaySettings()):
        model = asyncio.run(fill(system))
        system.start_views()
        acme = system.client(tenants=frozenset({"acme"}), name="acme-operator")
        with system.client() as owner, acme:
            eventually(lambda: len(owner.get("/v1/assets").json()["assets"]) == 2)
            eventually(lambda: len(owner.get("/v1/alarms?state=all").json()["alarms"]) == 3)
            yield Seen(system, owner, acme, model)


async def fill(system: System) -> str:
    rows = np.random.default_rng(1).normal(20, 1, size=(400, 3))
    detector = linear.fit(rows, ("a", "b", "c"), rows_per_week=604_800, false_alarms_per_week=1)
    async with connect(system.address) as bus:
        model = await Blobs(bus).put(pack(detector, TrainingFacts(400, 1.0, 1.0, asset=str(PUMP))))
        await bus.put_key(CONFIGURATION, ASSET_RULES, pack_rules((LIMITED,)))
    await commit_outcomes(system.address, model)
    return model


def path_of(asset: object) -> str:
    return f"/v1/assets/{quote(str(asset))}"


def assert_problem(response: httpx.Response, status: int, words: str = "") -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert words in response.json()["detail"]


def test_an_asset_is_told_as_its_last_commit_left_it(seen: Seen) -> None:
    pump = seen.owner.get(path_of(PUMP)).json()
    assert pump == {
        "asset": str(PUMP),
        "phase": "calibrated",
        "progress": 1.0,
        "time_ns": START_NS + (ROWS - 1) * NS,
        "score": 1.5,
        "open_alarms": ["Anew"],
        "maintenance_until_ns": 0,
        "model": seen.model,
        "alarm_level": 1.0,
        "level_verdicts": 0,
    }
    assert seen.owner.get(f"/v1/assets/{quote(str(PUMP), safe='')}").json() == pump
    assert pump in seen.owner.get("/v1/assets").json()["assets"]
    assert seen.owner.get("/v1/models").json() == {"models": {str(PUMP): seen.model}}


def test_alarms_come_newest_first_and_open_ones_unless_asked_for_all(seen: Seen) -> None:
    def ids(**query: object) -> list[str]:
        return [alarm["id"] for alarm in seen.owner.get("/v1/alarms", params=query).json()["alarms"]]

    assert ids() == ["Anew", "Apress"]
    assert ids(state="all") == ["Anew", "Apress", "Aold"]
    assert ids(state="all", asset=str(PUMP)) == ["Anew", "Aold"]
    assert ids(state="all", limit=1) == ["Anew"]


def test_an_alarm_says_what_it_was_raised_for_and_how_it_stands(seen: Seen) -> None:
    alarms = seen.owner.get("/v1/alarms", params={"state": "all", "asset": str(PUMP)}).json()["alarms"]
    new, old = alarms
    assert (new["state"], new["asset"], new["condition"], new["score"]) == ("unacknowledged", str(PUMP), "score", 1.5)
    assert new["contributors"] == [{"sensor": "a", "share": 0.75, "actual": 49.0, "expected": None, "unit": "bar"}]
    assert (old["state"], old["reason"]) == ("normal", "old is odd")
    assert (old["raised_ns"], old["changed_ns"]) == (START_NS + NS, START_NS + 5 * NS)


def test_scores_are_columns_of_equal_length_from_the_span_asked_for(seen: Seen) -> None:
    asked = {"asset": str(PUMP), "seconds": 3600, "points": 1000}
    everything = seen.owner.get("/v1/scores", params=asked).json()
    assert everything["time_ns"] == [START_NS + number * NS for number in range(ROWS)]
    assert everything["score"] == [0.25] * (ROWS - 1) + [1.5]
    assert everything["values"]["c"] == [20.0 + number for number in range(ROWS)]
    assert everything["values"]["b"][:2] == [None, 11.0]
    newest = seen.owner.get("/v1/scores", params={**asked, "seconds": 9}).json()
    assert newest["time_ns"] == everything["time_ns"][-10:]
    assert {len(column) for column in newest["values"].values()} == {len(newest["score"])} == {10}


def test_what_was_set_aside_is_told_with_its_bytes_and_why(seen: Seen) -> None:
    (record,) = seen.acme.get("/v1/set-aside").json()["set_aside"]
    assert (record["asset"], record["source"], record["row"], record["sensor"]) == (str(PUMP), "plc", 3, "a")
    assert base64.b64decode(record["raw"]) == b'"warm"'
    assert "warm" in record["reason"]


def test_the_balance_finds_what_was_concluded_but_never_came_in(seen: Seen) -> None:
    balance = seen.acme.get("/v1/reconcile").json()
    assert balance["is_balanced"] is False
    (line,) = balance["lines"]
    assert (line["asset"], line["source"]) == (str(PUMP), "plc")
    assert (line["counted_in"], line["accepted"], line["used"], line["set_aside"]) == (0, 4, 3, 1)


def test_lists_hold_nothing_of_other_tenants(seen: Seen) -> None:
    for path in ("/v1/assets", "/v1/alarms?state=all", "/v1/models", "/v1/set-aside", "/v1/reconcile"):
        ours, all_of_them = seen.acme.get(path), seen.owner.get(path)
        assert (ours.status_code, all_of_them.status_code) == (200, 200)
        assert str(PUMP) in ours.text
        assert PRESS.tenant not in ours.text
    assert str(PRESS) in seen.owner.get("/v1/assets").text


@pytest.mark.parametrize(
    "path",
    [path_of(PRESS), f"/v1/scores?asset={PRESS}", f"/v1/alarms?asset={PRESS}", path_of("rival/no/such")],
)
def test_what_is_of_another_tenant_is_forbidden_whether_it_exists_or_not(seen: Seen, path: str) -> None:
    assert_problem(seen.acme.get(path), 403, "'rival'")


@pytest.mark.parametrize(("path", "body"), EVERY_ACT)
def test_nobody_acts_in_another_tenant_or_without_the_permission(seen: Seen, path: str, body: object) -> None:
    before = len(seen.system.stored())
    assert seen.acme.post(path, json=body).status_code in (403, 404)
    with seen.system.client(Permission.READ, name="viewer") as viewer:
        assert_problem(viewer.post(path, json=body), 403, "'operate'")
    assert len(seen.system.stored()) == before


def test_an_unknown_asset_is_not_found_and_the_nearest_one_of_mine_is_named(seen: Seen) -> None:
    assert_problem(seen.acme.get(path_of("acme/hall/line 1/pmp")), 404, f"did you mean {PUMP}?")
    assert_problem(seen.acme.get("/v1/scores", params={"asset": "acme/zzz"}), 404, "nothing has come in from it yet")
    assert_problem(seen.owner.get(path_of("rival/hall/pres")), 404, f"did you mean {PRESS}?")
    hidden = seen.acme.post("/v1/maintenance", json={"asset": "acme/hall/press", "duration": "1h"})
    assert_problem(hidden, 404)
    assert PRESS.tenant not in hidden.text


def test_an_unknown_alarm_is_not_found(seen: Seen) -> None:
    assert_problem(seen.owner.post("/v1/alarms/Anone/acknowledge"), 404, "'Anone'")
    assert_problem(seen.owner.post("/v1/alarms/Anone/feedback", json={"right": True}), 404, "'Anone'")


def test_an_acknowledgement_ends_in_readings_in_the_name_of_who_gave_it(seen: Seen) -> None:
    response = seen.acme.post("/v1/alarms/Anew/acknowledge")
    assert response.status_code == 202
    assert response.json() == {"asset": str(PUMP), "act": "acknowledge", "by": "acme-operator"}
    (stored,) = seen.acts(Acknowledge)
    assert (stored.tenant, stored.asset, stored.alarm_id, stored.by) == (*key(), "Anew", "acme-operator")


def test_a_verdict_ends_in_readings(seen: Seen) -> None:
    sent = {"right": False, "note": "the valve was closed"}
    assert seen.acme.post("/v1/alarms/Aold/feedback", json=sent).status_code == 202
    (stored,) = seen.acts(Feedback)
    assert (stored.tenant, stored.asset, stored.alarm_id, stored.was_right) == (*key(), "Aold", False)
    assert stored.note == "the valve was closed"


def test_maintenance_lasts_as_long_as_said_and_zero_ends_it(seen: Seen) -> None:
    for duration in ("2h", "0s"):
        order = {"asset": str(PUMP), "duration": duration, "reason": "new seal"}
        assert seen.acme.post("/v1/maintenance", json=order).status_code == 202
    begun, ended = seen.acts(Maintenance)
    assert begun.until_ns - begun.at_ns == 7200 * NS
    assert ended.until_ns <= ended.at_ns
    assert (begun.tenant, begun.asset, begun.reason) == (*key(), "new seal")


def test_shelving_and_a_new_normal_end_in_readings(seen: Seen) -> None:
    order = {"asset": str(PUMP), "condition": "score", "duration": "30m", "reason": "known"}
    assert seen.acme.post("/v1/shelving", json=order).status_code == 202
    assert seen.acme.post("/v1/new-normal", json={"asset": str(PUMP)}).status_code == 202
    (shelved,) = (act for act in seen.acts(Shelve) if act.reason == "known")
    assert (shelved.tenant, shelved.asset, shelved.condition) == (*key(), "score")
    assert shelved.until_ns - shelved.at_ns == 1800 * NS
    normal = seen.acts(NewNormal)[0]
    assert (normal.tenant, normal.asset, normal.by) == (*key(), "acme-operator")


def test_conditions_are_known_from_the_rules_in_force(seen: Seen) -> None:
    def shelve(condition: str) -> httpx.Response:
        order = {"asset": str(PUMP), "condition": condition, "duration": "0s"}
        return seen.acme.post("/v1/shelving", json=order)

    eventually(lambda: shelve("limit:a:H").status_code == 202)
    assert_problem(shelve("limit:a:LL"), 400, "did you mean limit:a:H?")


@pytest.mark.parametrize("duration", ["", "soon", "-1h", "999999999w", "91d", "9" * 39 + "w"])
def test_a_duration_that_is_none_is_refused_and_nothing_is_stored(seen: Seen, duration: str) -> None:
    before = len(seen.system.stored())
    assert_problem(seen.acme.post("/v1/maintenance", json={"asset": str(PUMP), "duration": duration}), 400)
    assert len(seen.system.stored()) == before


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "state=closed", "limit=1&limit=2"])
def test_a_question_that_is_none_is_refused(seen: Seen, query: str) -> None:
    assert_problem(seen.owner.get(f"/v1/alarms?{query}"), 400)


def test_the_same_idempotency_key_acts_once(seen: Seen) -> None:
    before = len(seen.system.stored())
    headers = {"Idempotency-Key": "normal-1"}
    answers = [seen.acme.post("/v1/new-normal", json={"asset": str(PUMP)}, headers=headers) for _ in range(2)]
    assert answers[0].content == answers[1].content
    assert len(seen.system.stored()) == before + 1


def window(sensors: int = 3) -> list[list[float]]:
    return np.random.default_rng(5).normal(20, 1, size=(10, sensors)).tolist()


def test_a_window_of_an_asset_is_scored_with_the_model_it_uses(seen: Seen) -> None:
    answer = seen.acme.post("/v1/predict", json={"window": window(), "asset": str(PUMP)}).json()
    named = seen.acme.post("/v1/predict", json={"window": window(), "model": seen.model}).json()
    assert (answer["provisional"], answer["model"]) == (False, seen.model)
    assert answer == named
    assert [part["sensor"] for part in answer["explanations"]] == ["a", "b", "c"]


def test_sensors_that_the_model_does_not_know_are_scored_provisionally(seen: Seen) -> None:
    for more in ({"window": window(5)}, {"window": window(), "sensors": ["a", "b", "x"]}):
        answer = seen.acme.post("/v1/predict", json={**more, "asset": str(PUMP)}).json()
        assert (answer["provisional"], answer["model"]) == (True, "")
    learning = seen.owner.post("/v1/predict", json={"window": window(), "asset": str(PRESS)}).json()
    assert learning["provisional"] is True


def test_a_window_of_another_tenant_or_of_no_asset_is_refused(seen: Seen) -> None:
    assert_problem(seen.acme.post("/v1/predict", json={"window": window(), "asset": str(PRESS)}), 403, "'rival'")
    assert_problem(seen.acme.post("/v1/predict", json={"window": window(), "asset": "acme/none"}), 404)


def key() -> tuple[str, str]:
    return PUMP.tenant, PUMP.asset
