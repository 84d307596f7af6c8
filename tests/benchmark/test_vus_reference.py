"""VUS-PR against the reference implementation: its values, on series that a seed makes.

Made with `basic_metricor().RangeAUC_volume_opt(labels, score, windowSize=width, thre=250)` of TSB-AD 1.5 (its metric
module alone; NumPy 2.4.6, `np.Inf` set), which is too heavy to depend on.
"""

import numpy as np
import pytest

from iot_edge_anomaly.benchmark.metrics import vus_pr

REFERENCE = [
    # seed, rows, events, width, VUS-PR
    (1, 400, 1, 20, 0.33345257),
    (2, 1000, 4, 50, 0.26546024),
    (3, 1500, 9, 7, 0.12003887),
    (4, 3000, 12, 125, 0.54159191),
    (5, 800, 3, 1, 0.22808952),
    (6, 2000, 6, 303, 0.46799274),
    (7, 600, 25, 40, 0.81567478),
    (8, 5000, 2, 100, 0.02676094),
    (9, 300, 1, 0, 0.57595877),
    (10, 260, 2, 60, 0.49924193),
]


def made(seed: int, rows: int, events: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and scores: odd seeds have ties, seeds divisible by 3 labelled rows at both ends."""
    random = np.random.default_rng(seed)
    labels = np.zeros(rows, bool)
    for begin in random.integers(0, rows, events):
        labels[begin : begin + random.integers(1, 40)] = True
    if seed % 3 == 0:
        labels[:5] = labels[-3:] = True
    voice = random.choice([0.0, 1.5, 3.0])
    score = random.gamma(2.0, 1.0, rows) + voice * np.roll(labels, random.integers(-6, 7))
    return labels, np.round(score, 1) if seed % 2 else score


@pytest.mark.parametrize(("seed", "rows", "events", "width", "reference"), REFERENCE)
def test_vus_pr_is_what_the_reference_says(seed: int, rows: int, events: int, width: int, reference: float) -> None:
    assert vus_pr(*made(seed, rows, events), width) == pytest.approx(reference, abs=1e-6)
