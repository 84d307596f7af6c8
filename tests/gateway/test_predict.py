import httpx
import numpy as np
import pytest

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
        {"rows": [[1]], "sensors": ["a", "b"]},
        {"rows": [[1]], "unknown": 1},
        {},
    ],
)
def test_a_window_that_is_none_is_refused(client: httpx.Client, window: dict[str, object]) -> None:
    response = client.post("/v1/predict", json=window)
    assert response.status_code == 400
    assert response.json()["detail"]
