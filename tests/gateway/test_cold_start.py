import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from iot_edge_anomaly.gateway.cold_start import ALPHA, _student_quantile, first_opinion


@pytest.mark.parametrize(
    ("freedom", "probability", "quantile"),
    [(1, 0.975, 12.7062), (2, 0.975, 4.30265), (3, 0.9995, 12.924), (8, 0.975, 2.306004), (30, 0.9995, 3.6460)],
)
def test_quantiles_agree_with_the_tables(freedom: int, probability: float, quantile: float) -> None:
    assert _student_quantile(probability, freedom) == pytest.approx(quantile, rel=2e-4)


def test_calm_windows_alarm_as_rarely_as_promised() -> None:
    generator = np.random.default_rng(7)
    alarms = sum(first_opinion(generator.normal(size=(10, 5))).score > 1 for _ in range(20_000))
    assert alarms <= 20_000 * ALPHA * 5


@given(
    arrays(
        np.float64,
        array_shapes(min_dims=2, max_dims=2, max_side=12),
        elements=st.floats(-1e100, 1e100) | st.just(float("nan")),
    )
)
def test_a_score_is_always_a_number_and_its_parts_sum_to_it(rows: np.ndarray) -> None:
    opinion = first_opinion(rows)
    assert np.isfinite(opinion.score)
    assert opinion.score >= 0
    assert opinion.contribution.sum() == pytest.approx(opinion.score, rel=1e-6, abs=1e-12)
    assert np.isfinite(opinion.expected).sum() == opinion.judged


def test_the_odd_sensor_has_the_largest_share() -> None:
    rows = np.random.default_rng(3).normal(size=(20, 4))
    rows[-1, 2] += 50
    opinion = first_opinion(rows)
    assert opinion.score > 1
    assert int(opinion.contribution.argmax()) == 2


def test_with_too_little_to_go_by_there_is_no_opinion() -> None:
    opinion = first_opinion(np.ones((4, 3)))
    assert (opinion.score, opinion.judged) == (0.0, 0)
