import asyncio

import httpx
import numpy as np
import pytest
from gateway_system import System  # type: ignore[import-not-found]

from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.connection import connect
from iot_edge_anomaly.detection import linear
from iot_edge_anomaly.registry.artefact import TrainingFacts, pack
from iot_edge_anomaly.security.principal import Permission

pytestmark = pytest.mark.server


def calm(rows: int = 20, sensors: int = 5) -> list[list[float]]:
    return np.random.default_rng(5).normal(20, 1, size=(rows, sensors)).tolist()


def test_an_odd_last_row_scores_above_one_and_its_sensor_leads(client: httpx.Client) -> None:
    rows = calm()
    quiet = client.post("/v1/predict", json={"rows": rows}).json()
    rows[-1][3] += 100
    odd = client.post("/v1/predict", json={"rows": rows, "sensors": list("abcde")}).json()
    assert quiet["score"] < 1 < odd["score"]
    assert (quiet["anomaly"], odd["anomaly"]) == (False, True)
    assert max(odd["sensors"], key=lambda share: share["contribution"])["sensor"] == "d"
    assert sum(share["contribution"] for share in odd["sensors"]) == pytest.approx(odd["score"])


def test_without_a_model_the_answer_says_that_it_is_provisional(client: httpx.Client) -> None:
    answer = client.post("/v1/predict", json={"rows": calm()}).json()
    assert (answer["phase"], answer["model"]) == ("provisional", "")
    assert "no model" in answer["note"]


def test_the_window_and_the_answer_go_by_the_names_of_the_original_api(client: httpx.Client) -> None:
    window = calm(10)
    window[-1][3] += 100
    answer = client.post("/v1/predict", json={"window": window, "sensors": list("abcde")}).json()
    assert answer["anomaly_score"] > 1
    assert answer["provisional"] is True
    leading = max(answer["explanations"], key=lambda share: share["contribution"])
    assert leading["sensor"] == "d"
    assert leading["expected"] == pytest.approx(20, abs=5)
    assert client.post("/v1/predict", json={"window": window, "rows": window}).status_code == 400


def test_one_row_is_nothing_to_go_by(client: httpx.Client) -> None:
    assert client.post("/v1/predict", json={"rows": [[1.0, 2.0]]}).json()["score"] == 0


def test_missing_values_are_null_in_and_out(client: httpx.Client) -> None:
    rows: list[list[float | None]] = [[*row] for row in calm()]
    for row in rows:
        row[0] = None
    first = client.post("/v1/predict", json={"rows": rows}).json()["sensors"][0]
    assert (first["actual"], first["expected"], first["contribution"]) == (None, None, 0)


@pytest.mark.parametrize(
    "window",
    [
        {"rows": []},
        {"rows": [[]]},
        {"rows": [[1], [1, 2]]},
        {"rows": [["warm"]]},
        {"rows": [[1e200]]},
        {"rows": [[1]] * 10_001},
        {"rows": [[1] * 700] * 100},
        {"rows": [[1]], "sensors": ["a", "b"]},
        {"rows": [[1]], "unknown": 1},
        {},
    ],
)
def test_a_window_that_is_none_is_refused(client: httpx.Client, window: dict[str, object]) -> None:
    response = client.post("/v1/predict", json=window)
    assert response.status_code == 400
    assert response.json()["detail"]


@pytest.fixture(scope="module")
def digest(system: System) -> str:
    """A model of acme's, in the store."""
    rows = np.random.default_rng(1).normal(20, 1, size=(400, 3))
    detector = linear.fit(rows, ("a", "b", "c"), rows_per_week=604_800, false_alarms_per_week=1)
    artefact = pack(detector, TrainingFacts(400, 1.0, 1.0, asset="acme/pump"))

    async def store() -> str:
        async with connect(system.address) as bus:
            return await Blobs(bus).put(artefact)

    return asyncio.run(store())


def test_a_fitted_model_scores_its_sensors_in_any_order(client: httpx.Client, digest: str) -> None:
    rows = calm(30, 3)
    quiet = client.post("/v1/predict", json={"rows": rows, "model": digest}).json()
    for row in rows[-5:]:
        row[2] += 1000
    odd = client.post("/v1/predict", json={"rows": rows, "model": digest}).json()
    turned = [row[::-1] for row in rows]
    again = client.post("/v1/predict", json={"rows": turned, "sensors": ["c", "b", "a"], "model": digest}).json()
    assert quiet["score"] < 1 < odd["score"]
    assert (odd["phase"], odd["model"]) == ("calibrated", digest)
    assert again == odd


def test_a_model_is_for_its_tenant_and_its_sensors(system: System, client: httpx.Client, digest: str) -> None:
    window = {"rows": calm(30, 3), "model": digest}
    with system.client(Permission.READ, tenants=frozenset({"other"}), name="stranger") as stranger:
        assert stranger.post("/v1/predict", json=window).status_code == 403
    assert client.post("/v1/predict", json={**window, "sensors": ["a", "b", "x"]}).status_code == 400
    assert client.post("/v1/predict", json={**window, "model": "sha256:" + "0" * 64}).status_code == 400
    assert client.post("/v1/predict", json={**window, "model": "../../etc/passwd"}).status_code == 400
