"""A detector for each operating state: routed by the state, blind to rows of states it does not know, cut anywhere."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iot_edge_anomaly.component.detector import Matrix, Scores
from iot_edge_anomaly.detection import by_state, linear
from iot_edge_anomaly.detection.by_state import SPEC, fit, from_arrays, to_arrays
from iot_edge_anomaly.detection.by_state_model import ByStateDetector, States

SENSORS = ("flow", "mode", "power")
MODE = 1
SETTLED = States("mode", 30.0)
WEEK = {"rows_per_week": 604_800.0, "false_alarms_per_week": 1.0}
LEVELS = {0: (0.0, 1.0), 1: (50.0, 10.0), 2: (90.0, 30.0)}
MODES = st.lists(st.tuples(st.sampled_from([0.0, 1.0, 2.0, 3.0, np.nan, np.inf]), st.integers(1, 9)), max_size=20)


def pump(modes: Any, seed: int = 0) -> Matrix:
    """Rows of a pump whose flow and power are quite others in each mode."""
    random = np.random.default_rng(seed)
    modes = np.asarray(modes, np.float64)
    level = np.array([LEVELS.get(int(mode) if np.isfinite(mode) else 1, (70.0, 20.0)) for mode in modes]).reshape(-1, 2)
    flow = level[:, 0] + random.normal(size=len(modes))
    return np.stack((flow, modes, level[:, 1] + 0.5 * (flow - level[:, 0]) + 0.1 * random.normal(size=len(modes))), 1)


LEARNED = pump(np.tile(np.repeat([1, 2], 60), 5))
DETECTOR = fit(LEARNED, SENSORS, **WEEK, states=SETTLED)


def scored(rows: Matrix, detector: ByStateDetector = DETECTOR) -> Scores:
    return detector.score(detector.start(), rows)[1]


def test_each_state_is_judged_by_its_own_baseline() -> None:
    modes = np.repeat([1, 2, 1, 2], 100)
    assert scored(pump(modes, 1)).score.max() < 1.0
    mixed = pump(modes, 1)
    mixed[150:170] = pump(np.ones(20), 2)
    mixed[150:170, MODE] = 2.0
    odd = scored(mixed)
    assert (odd.score[155:170] > 1.0).all()
    assert (odd.score[:150] <= 1.0).all()
    assert (odd.contribution[:, MODE] == 0).all()
    assert np.isnan(odd.expected[:, MODE]).all()


def test_mean_scale_and_limit_are_those_of_a_fit_of_that_state_alone() -> None:
    rows = LEARNED[LEARNED[:, MODE] == 2.0][:, [0, 2]]
    starts = np.arange(len(rows)) % 60 == 0
    share = {name: value / 2 for name, value in WEEK.items()}
    alone = linear.fit(rows, ("flow", "power"), **share, starts=starts).model
    found = DETECTOR.learned[2.0].model
    for name in ("mean", "deviation", "history", "beside", "scales", "limits"):
        np.testing.assert_array_equal(getattr(found, name), getattr(alone, name))


def test_rows_of_a_state_that_was_not_learned_or_not_told_are_not_judged_and_move_nothing() -> None:
    state, _ = DETECTOR.score(DETECTOR.start(), pump(np.ones(50)))
    for mode in (3.0, 0.0, np.nan):
        after, scores = DETECTOR.score(state, pump(np.full(20, mode)) * 1e3)
        assert (scores.score == 0).all()
        assert np.isnan(scores.expected).all()
        assert [one.to_bytes() for one in after.inner] == [one.to_bytes() for one in state.inner]


def test_a_state_that_comes_back_is_not_compared_with_rows_from_before_the_break() -> None:
    """A slow swing goes on behind the break: the row before it says nothing, though rows mostly follow each other."""
    random = np.random.default_rng(4)
    swing = np.sin(np.arange(1200) / 60)[:, None] * [5.0, 5.0, 5.0] + 0.05 * random.normal(size=(1200, 3))
    swing[:, MODE] = 1.0
    detector = fit(swing[:600], SENSORS, **WEEK, states=SETTLED)
    rows = swing[600:]
    rows[200:390, MODE] = 3.0
    assert scored(rows, detector).score.max() < 1.0


def test_what_was_in_alarm_before_a_break_must_show_itself_again() -> None:
    rows = pump(np.repeat([1, 3, 1], 60))
    rows[40:60, 2] += 20.0
    score = scored(rows).score
    assert score[59] > 1.0
    assert score[120:].max() <= 1.0
    rows[120:, 2] += 20.0
    assert (scored(rows).score[122:] > 1.0).all()


@settings(max_examples=40, deadline=None)
@given(modes=MODES, seed=st.integers(0, 99), cuts=st.lists(st.integers(0, 120), max_size=12), holes=st.booleans())
def test_cuts_and_restarts_change_no_bit(
    modes: list[tuple[float, int]], seed: int, cuts: list[int], holes: bool
) -> None:
    rows = pump([mode for mode, times in modes for _ in range(times)], seed)
    if holes:
        rows[np.random.default_rng(seed).random(rows.shape) < 0.2] = np.nan
    whole = scored(rows)
    edges = sorted(min(cut, len(rows)) for cut in cuts)
    state, parts = DETECTOR.start(), list[Scores]()
    for begin, end in zip([0, *edges], [*edges, len(rows)], strict=True):
        state, part = DETECTOR.score(DETECTOR.restore(state.to_bytes()), rows[begin:end])
        parts.append(part)
    for one, other in zip(whole, zip(*parts, strict=True), strict=True):
        assert one.tobytes() == np.concatenate(other).tobytes()


@settings(max_examples=20, deadline=None)
@given(modes=MODES, others=MODES)
def test_windows_side_by_side_are_as_alone(modes: list[tuple[float, int]], others: list[tuple[float, int]]) -> None:
    each = [pump([mode for mode, times in one for _ in range(times)]) for one in (modes, others)]
    rows = min(map(len, each))
    windows = np.stack([one[:rows] for one in each], axis=1)
    together = DETECTOR.score_windows(windows)
    for number in range(2):
        for part, alone in zip(together, scored(windows[:, number]), strict=True):
            np.testing.assert_array_equal(part[:, number], alone)


def test_it_is_packed_and_unpacked_with_all_its_states() -> None:
    arrays, parameters = to_arrays(DETECTOR)
    unpacked = from_arrays(arrays, parameters)
    assert (unpacked.declared, list(unpacked.learned)) == (SETTLED, [1.0, 2.0])
    rows = pump(np.repeat([1, 2, 3], 40), 5)
    assert scored(rows, unpacked).score.tobytes() == scored(rows).score.tobytes()


@pytest.mark.parametrize(
    "wrong",
    [
        {"states": [1.0]},
        {"states": [1.0, 1.0]},
        {"states": []},
        {"states": "12"},
        {"levels": [1.0, 0.0]},
        {"state_sensor": "speed"},
        {"state_sensor": ""},
        {"state_sensor": None},
        {"settle_seconds": -1.0},
        {"sensors": ["flow", "mode"]},
    ],
)
def test_parts_that_do_not_fit_together_are_refused(wrong: dict[str, object]) -> None:
    arrays, parameters = to_arrays(DETECTOR)
    with pytest.raises(ValueError, match=r"state|level|array"):
        from_arrays(arrays, {**parameters, **wrong})
    with pytest.raises(ValueError, match="of none of the 2 states"):
        from_arrays({**arrays, "2_mean": arrays["0_mean"]}, parameters)


def test_a_state_with_too_few_rows_is_left_out_and_with_none_it_is_said_why() -> None:
    few = np.concatenate((pump(np.ones(200)), pump(np.full(20, 2.0))))
    assert list(fit(few, SENSORS, **WEEK, states=SETTLED).learned) == [1.0]
    with pytest.raises(ValueError, match="state 2: 20 rows are too few"):
        fit(few[200:], SENSORS, **WEEK, states=SETTLED)
    with pytest.raises(ValueError, match="mode says in no row"):
        fit(pump(np.full(99, np.nan)), SENSORS, **WEEK, states=SETTLED)
    with pytest.raises(ValueError, match="no other sensor"):
        fit(LEARNED[:, [MODE]], ("mode",), **WEEK, states=SETTLED)


def test_of_many_states_those_with_most_rows_are_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pump(np.concatenate([np.full(50 + state, float(state)) for state in range(20)]))
    assert list(fit(rows, SENSORS, **WEEK, states=SETTLED).learned) == [float(state) for state in range(8, 20)]
    monkeypatch.setattr(by_state, "MOST_BYTES", 3 * 4 * by_state.STATE_BYTES + 1)
    assert list(fit(rows, SENSORS, **WEEK, states=SETTLED).learned) == [17.0, 18.0, 19.0], "a model file must hold them"


def test_without_a_state_sensor_it_is_linear() -> None:
    rows = LEARNED[:, [0, 2]]
    plain, alike = linear.fit(rows, ("a", "b"), **WEEK), SPEC.fit(rows, ("a", "b"), **WEEK)
    assert alike.score(alike.start(), rows)[1].score.tobytes() == plain.score(plain.start(), rows)[1].score.tobytes()
