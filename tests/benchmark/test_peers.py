"""The peers of the benchmark: each scores what it was told of, finds what is plain to see, and is as it was before."""

from importlib.util import find_spec

import numpy as np
import pytest

from iot_edge_anomaly.benchmark.alarm_metrics import budget_threshold
from iot_edge_anomaly.benchmark.baselines import last_value, moving_zscore, run_in, standardised
from iot_edge_anomaly.benchmark.metrics import auc_pr
from iot_edge_anomaly.benchmark.peak_memory import with_peak_growth
from iot_edge_anomaly.benchmark.peers import PEERS

NOT_CAUSAL = ("pyod-copod",)
"""Ranks each row among all rows to score; documented."""


def plain_fault() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return training rows, rows to score and labels: three waves, the last of which stood still; one jumps about."""
    random = np.random.default_rng(3)
    waves = np.stack([np.sin(np.arange(900) / 7), np.cos(np.arange(900) / 7), np.zeros(900)], axis=1)
    rows = waves + 0.05 * random.normal(size=waves.shape) * [1, 1, 0]
    labels = np.zeros(400, bool)
    labels[250:280] = True
    rows[500:][labels, 0] += random.choice([-4.0, 4.0], 30)
    return *standardised(rows[:500], rows[500:]), labels


@pytest.fixture(params=PEERS)
def peer(request: pytest.FixtureRequest) -> str:
    package = PEERS[request.param].package
    if package is not None and find_spec(package) is None:
        pytest.skip(f"{package} is not installed: it comes with the extra `bench`")
    return str(request.param)


def test_a_peer_finds_what_is_plain_to_see_and_is_deterministic(peer: str) -> None:
    train, test, labels = plain_fault()
    first, second = (PEERS[peer].fit(train) for _ in range(2))
    score = first.score(test)
    assert score.shape == (400,)
    assert np.isfinite(score).all()
    assert 0 < len(first.training) <= 500
    assert np.array_equal(score, second.score(test))
    assert auc_pr(labels, score) > 2 * labels.mean()


def test_a_peer_does_not_look_ahead(peer: str) -> None:
    if peer in NOT_CAUSAL:
        pytest.skip("documented: it ranks each row among all rows to score")
    train, test, _ = plain_fault()
    whole, start = PEERS[peer].fit(train).score(test), PEERS[peer].fit(train).score(test[:200])
    assert np.allclose(whole[:200], start, rtol=1e-6, atol=1e-6)


def test_the_trivial_ones_by_hand() -> None:
    train = np.array([[0.0], [1.0], [1.0], [3.0]])
    changes = last_value(train)
    assert changes.training.tolist() == [1.0, 0.0, 2.0]
    assert changes.score(np.array([[3.0], [7.0]])).tolist() == [0.0, 4.0]
    moving = moving_zscore(train)
    assert moving.training == pytest.approx([(1.0 - 0.5) / 0.5, (3.0 - 1.0) / 1e-3])
    assert moving.score(np.array([[1.25]])) == pytest.approx([0.0])


def test_scores_of_running_in_give_no_threshold() -> None:
    scores = np.array([90.0, 80.0, 1.0, 2.0, 3.0, 2.0])
    assert run_in(scores, 2).tolist() == [1.0, 2.0, 3.0, 2.0]
    assert len(run_in(scores, 100)) == 3
    assert budget_threshold(run_in(scores, 2), 1e9, 1) == pytest.approx(3.0, abs=1e-6)


def test_growth_of_memory_is_the_peak_even_where_it_was_given_back() -> None:
    result, growth = with_peak_growth(lambda: float(np.ones(8_000_000).sum()))
    assert result == 8e6
    if growth is None:
        pytest.skip("this system does not tell the peak of a process's memory")
    assert 55 < growth < 200
    assert (with_peak_growth(lambda: None)[1] or 0.0) < 20
