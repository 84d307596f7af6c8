"""VUS-PR and AUC-PR against values worked out by hand and against the definition, written as plainly as it reads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iot_edge_anomaly.benchmark.metrics import DEFAULT_WIDTH, THRESHOLDS, auc_pr, period, vus_pr


def plain_area(labels: np.ndarray, score: np.ndarray, width: int) -> float:
    """One width of the surface, threshold by threshold (the published definition)."""
    edges = np.flatnonzero(np.diff(np.r_[0, labels.astype(int), 0]))
    stretches = list(zip(edges[::2], edges[1::2] - 1, strict=True))
    soft, half = labels.astype(float), width // 2
    for begin, end in stretches:
        for step in range(1, half + 1):
            for row in (begin - step, end + step):
                if 0 <= row < len(labels):
                    soft[row] += np.sqrt(1 - step / width)
    soft = np.minimum(soft, 1)
    groups: list[list[int]] = []
    for begin, end in stretches:
        if groups and groups[-1][1] + half >= begin - half:
            groups[-1][1] = end
        else:
            groups.append([begin, end])
    area, before = 0.0, 0.0
    falling = np.sort(score)[::-1]
    for place in np.linspace(0, len(score) - 1, THRESHOLDS).astype(int):
        hit = score >= falling[place]
        found = float((soft * hit).sum())
        size = labels.sum() + float((soft * hit)[~labels].sum()) / 2
        seen = np.mean([hit[max(begin - half, 0) : end + half + 1].any() for begin, end in groups])
        recall = min(found / size, 1.0) * float(seen)
        area, before = area + (recall - before) * found / hit.sum(), recall
    return area


@settings(max_examples=60, deadline=None)
@given(data=st.data(), rows=st.integers(5, 80), width=st.integers(0, 9))
def test_vus_pr_is_the_mean_of_the_plain_areas(data: st.DataObject, rows: int, width: int) -> None:
    labels = np.array(data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows)))
    labels[data.draw(st.integers(0, rows - 1))] = True
    score = np.array(data.draw(st.lists(st.integers(0, 12), min_size=rows, max_size=rows)), float)
    plain = np.mean([plain_area(labels, score, one) for one in range(width + 1)])
    assert vus_pr(labels, score, width) == pytest.approx(plain, abs=1e-12)


def test_by_hand() -> None:
    labels = np.array([0, 0, 1, 0, 0], bool)
    score = np.array([0.0, 3.0, 2.0, 0.0, 0.0])
    # no buffer: the first hit is false, the second finds it at precision 1/2
    assert vus_pr(labels, score, 0) == pytest.approx(0.5)
    assert auc_pr(labels, score) == pytest.approx(0.5)
    # width 2: row 1 counts sqrt(1/2); it finds .7071 of (1 + .3536), then 1.7071 of it (more than all)
    early = np.sqrt(0.5)
    first = early / (1 + early / 2)
    second = first * early + (1 - first) * (1 + early) / 2
    assert vus_pr(labels, score, 2) == pytest.approx((0.5 + 0.5 + second) / 3)


def test_perfect_scores_have_auc_pr_of_one_and_ties_the_base_rate() -> None:
    labels = np.arange(100) % 10 == 0
    assert auc_pr(labels, labels.astype(float)) == pytest.approx(1.0)
    assert auc_pr(labels, np.zeros(100)) == pytest.approx(0.1)


def test_without_anomalies_there_is_no_figure() -> None:
    for metric in (lambda: vus_pr(np.zeros(9, bool), np.zeros(9), 3), lambda: auc_pr(np.zeros(9, bool), np.zeros(9))):
        with pytest.raises(ValueError, match="no row is labelled"):
            metric()


def test_period() -> None:
    assert period(np.sin(np.arange(5000) * 2 * np.pi / 48)) == 48
    assert period(np.full(5000, 3.0)) == DEFAULT_WIDTH
    assert period(np.arange(2.0)) == DEFAULT_WIDTH
