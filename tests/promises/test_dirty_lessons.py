"""The benchmark of dirty lessons: what it puts into the rows to learn from."""

import numpy as np
from benchmarks.dirty_lessons import FAULT_ROWS, spoilt


def test_such_a_share_of_the_rows_is_spoilt_and_only_in_sensors_that_move() -> None:
    rows = np.random.default_rng(0).normal(size=(4_000, 5))
    rows[:, 4] = 7.0
    dirty = spoilt(rows, 0.05, np.random.default_rng(1))
    changed = ~np.isclose(dirty, rows)
    assert not changed[:, 4].any()
    assert 0.01 < changed.any(axis=1).mean() <= 0.05
    runs = np.diff(np.flatnonzero(np.diff(changed.any(axis=1), prepend=False, append=False)))[::2]
    assert runs.max() <= 3 * FAULT_ROWS


def test_it_is_deterministic() -> None:
    rows = np.random.default_rng(0).normal(size=(500, 3))
    first, second = (spoilt(rows, 0.05, np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
