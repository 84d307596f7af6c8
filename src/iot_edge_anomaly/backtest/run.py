"""Would it have fired? What the detector and the alarm stage would have said of rows of the past. Pure.

The first rows are learned from, as the trainer learns; the rest is scored row by row and handed to the product's own
alarm stage. A row is judged by what came before it, and by nothing else. Nobody acknowledges, shelves or maintains.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.alarms.book import CHATTER_NS, AlarmBook, apply
from iot_edge_anomaly.alarms.rows import SCORE, ScoredRows, on_rows
from iot_edge_anomaly.alarms.settings import AlarmSettings
from iot_edge_anomaly.alarms.transitions import Event
from iot_edge_anomaly.backtest.alarms import PastAlarm, held, past_alarms
from iot_edge_anomaly.component.detector import Detector, DetectorState, Matrix, Scores, score_rows
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, AlarmState
from iot_edge_anomaly.detection.by_state_model import UNTOLD
from iot_edge_anomaly.detection.inside import season_length
from iot_edge_anomaly.detection.season import SeasonRule
from iot_edge_anomaly.pipeline.judging import are_known, shown_to, states_in
from iot_edge_anomaly.pipeline.operating import Operating, StateRule
from iot_edge_anomaly.pipeline.origins import origin_by
from iot_edge_anomaly.training.gather import WEEK_SECONDS, Lesson, learned, lesson_of, told_by, with_state

BLOCK_CELLS = 200_000
LEAST_SHARE = 0.5
"""It is learned anew from so many of the rows that the first lesson had, or not at all."""

NS = 1_000_000_000


class Past(NamedTuple):
    """Rows of one asset in time order, n by k (NaN: missing).

    `may_learn` (n,): rows that are fit to be learned from as far as their values go. Rows further apart than
    `longest_step` usual steps do not follow each other.
    """

    key: AssetKey
    sensors: tuple[str, ...]
    time_ns: NDArray[np.int64]
    values: Matrix
    may_learn: NDArray[np.bool_]
    longest_step: float


class Plan(NamedTuple):
    """How the asset would be treated. The first `train_rows` rows are learned from; `relearn_ns` 0: only once.

    `states`: which sensor tells the operating state, and which rows are judged; None: all are. `season`: which clock
    the asset follows; None: none.
    """

    detector: str
    false_alarms_per_week: float
    alarms: AlarmSettings
    train_rows: int
    relearn_ns: int = 0
    states: StateRule | None = None
    season: SeasonRule | None = None


class Lessons(NamedTuple):
    """A fit: for which rows it would have been in use, and from how many rows of which time it was learned.

    `problem`: why there is none; what was there before goes on.
    """

    from_ns: int
    rows: int
    first_ns: int
    last_ns: int
    problem: str = ""


class Judged(NamedTuple):
    """Some rows as they were scored, from row number `start` of the past on."""

    start: int
    time_ns: NDArray[np.int64]
    values: Matrix
    scores: Scores


@dataclass(frozen=True)
class Outcome:
    """What would have been. `score` and `expected` (float32) are of the rows from number `first` of the past on.

    `watched_seconds`: the time that judged rows with a value stand for. `unjudged_rows`: those of a state that is not
    to be judged, has not settled or was not learned.
    """

    past: Past
    plan: Plan
    score: NDArray[np.float64]
    expected: NDArray[np.float32]
    alarms: tuple[PastAlarm, ...]
    lessons: tuple[Lessons, ...]
    watched_seconds: float
    unjudged_rows: int = 0

    @property
    def first(self) -> int:
        """The number of the first row that was judged."""
        return self.plan.train_rows

    @property
    def time_ns(self) -> NDArray[np.int64]:
        """The times of the rows that were judged."""
        return self.past.time_ns[self.first :]

    @property
    def values(self) -> Matrix:
        """The rows that were judged."""
        return self.past.values[self.first :]

    @property
    def first_ns(self) -> int:
        """The time of the first row that was judged."""
        return int(self.time_ns[0])

    @property
    def last_ns(self) -> int:
        """The time of the last row."""
        return int(self.time_ns[-1])


def backtest(past: Past, plan: Plan, see: Callable[[Judged], None] = lambda _: None) -> Outcome:
    """Learn, judge and tell; `see` is shown all rows that are judged, block by block.

    Raises RejectedError where the first rows cannot be learned from, or where no row is left to judge.
    """
    rows = len(past.time_ns)
    if not 0 < plan.train_rows < rows:
        raise RejectedError(
            f"there are {rows} rows: {plan.train_rows} of them to learn from leave "
            f"{max(rows - plan.train_rows, 0)} to judge"
        )
    if plan.states and plan.states.sensor not in past.sensors:
        raise RejectedError(f"no sensor is called {plan.states.sensor}, which is to say in which state the machine is")
    run = _Run(past, plan)
    run.learn_first()
    for start, stop in run.stretches():
        run.judge(start, stop, see)
    return run.outcome()


@dataclass
class _Run:
    """One backtest under way."""

    past: Past
    plan: Plan
    book: AlarmBook = field(default_factory=AlarmBook)
    events: list[AlarmEvent] = field(default_factory=list)
    lessons: list[Lessons] = field(default_factory=list)
    detector: Detector | None = None
    state: DetectorState | None = None
    row_seconds: float = 0.0
    watched_rows: int = 0
    unjudged_rows: int = 0

    def __post_init__(self) -> None:
        rows, sensors = self.past.values.shape
        first = self.plan.train_rows
        self.score = np.zeros(rows)
        self.expected = np.full((rows - first, sensors), np.nan, np.float32)
        self.block_rows = max(BLOCK_CELLS // sensors, 1)
        past = self.past
        _, self.seen = states_in(Operating(), self.plan.states, past.sensors, past.time_ns, past.values)
        self.least_rows = LEAST_SHARE * int(self.seen.is_judged[:first].sum())

    def learn_first(self) -> None:
        """Learn from the first rows; meanwhile limits work already, and what is beyond them is not learned."""
        for start in range(0, self.plan.train_rows, self.block_rows):
            stop = min(start + self.block_rows, self.plan.train_rows)
            shape = (stop - start, len(self.past.sensors))
            nothing = Scores(np.zeros(stop - start), np.full(shape, np.nan), np.zeros(shape))
            self._raise_alarms(start, stop, nothing, is_calibrated=False)
        self._learn(0, self.plan.train_rows)
        if self.detector is None:
            raise RejectedError(self.lessons[0].problem)

    def stretches(self) -> Iterator[tuple[int, int]]:
        """Yield the rows from one fit to the next, and learn anew between them."""
        time_ns, relearn_ns = self.past.time_ns, self.plan.relearn_ns
        start, count = self.plan.train_rows, len(time_ns)
        if not relearn_ns:
            yield start, count
            return
        first_ns = int(time_ns[start])
        span_ns = first_ns - int(time_ns[0])
        while start < count:
            due_ns = first_ns + ((int(time_ns[start]) - first_ns) // relearn_ns + 1) * relearn_ns
            stop = int(np.searchsorted(time_ns, due_ns))
            yield start, stop
            if stop < count:
                self._learn(int(np.searchsorted(time_ns, due_ns - span_ns)), stop)
            start = stop

    def judge(self, start: int, stop: int, see: Callable[[Judged], None]) -> None:
        """Score rows with the present model, and let alarms see them."""
        assert self.detector is not None
        past, states = self.past, self.plan.states
        if self.state is None:
            self.state = self.detector.start()
        for begin in range(start, stop, self.block_rows):
            end = min(begin + self.block_rows, stop)
            values, seen = past.values[begin:end], self.seen.of(slice(begin, end))
            rows = shown_to(self.detector, states, past.sensors, values, seen)
            self.state, scores = score_rows(self.detector, self.state, rows, past.time_ns[begin:end])
            self.score[begin:end] = scores.score
            is_judged = are_known(self.detector, states, seen)
            self.watched_rows += int((is_judged & np.isfinite(values).any(axis=1)).sum())
            self.unjudged_rows += int((~is_judged).sum())
            first = self.plan.train_rows
            with np.errstate(over="ignore"):
                self.expected[begin - first : end - first] = scores.expected
            self._raise_alarms(begin, end, scores, is_calibrated=True)
            self._put_away(int(past.time_ns[end - 1]))
            see(Judged(begin, past.time_ns[begin:end], values, scores))

    def outcome(self) -> Outcome:
        past, plan = self.past, self.plan
        first, first_ns = plan.train_rows, int(past.time_ns[plan.train_rows])
        alarms = past_alarms(self.events, past.sensors, past.time_ns, self.score, past.values, plan.alarms)
        return Outcome(
            past,
            plan,
            self.score[first:],
            self.expected,
            tuple(one for one in alarms if one.end_ns is None or one.end_ns >= first_ns),
            tuple(self.lessons),
            self.watched_rows * self.row_seconds,
            self.unjudged_rows,
        )

    def _raise_alarms(self, start: int, stop: int, scores: Scores, *, is_calibrated: bool) -> None:
        past = self.past
        values = past.values[start:stop]
        rows = ScoredRows(
            past.sensors,
            past.time_ns[start:stop],
            values,
            scores.score,
            scores.expected,
            scores.contribution,
            values,
            None,
            is_calibrated,
            "",
            origin_by(self.detector, past.sensors),
            season_length(self.detector),
        )
        self.events += on_rows(self.book, past.key, rows, self.plan.alarms)

    def _put_away(self, time_ns: int) -> None:
        """Acknowledge a score alarm that is over for long.

        The alarms are the same without, but of one that nobody acknowledges the alarm stage looks at each row.
        """
        alarm = self.book.alarms.get(SCORE)
        if alarm and alarm.state is AlarmState.RETURNED and time_ns - alarm.returned_ns > CHATTER_NS:
            apply(alarm, Event.ACKNOWLEDGE, time_ns, self.plan.alarms)
            self.book.forget_settled()

    def _learn(self, start: int, stop: int) -> None:
        """Learn from rows while all was calm, as the learning gate of the pipeline lets them through."""
        past, plan = self.past, self.plan
        may_learn = past.may_learn & self._calm(start, stop) & self.seen.is_judged
        from_ns = int(past.time_ns[min(stop, len(past.time_ns) - 1)])
        chosen = past.time_ns[may_learn]
        try:
            if self.detector is not None and len(chosen) < self.least_rows:
                raise ValueError(f"no more than {len(chosen):,} rows of that time were calm")
            detector = learned(lesson := self._lesson(may_learn), plan.detector, plan.false_alarms_per_week)
        except ValueError as error:
            self.lessons.append(Lessons(from_ns, len(chosen), 0, 0, str(error)))
            return
        self.detector, self.state, self.row_seconds = (
            detector,
            None,
            self.row_seconds or WEEK_SECONDS / lesson.rows_per_week,
        )
        self.lessons.append(Lessons(from_ns, len(chosen), int(chosen[0]), int(chosen[-1])))

    def _lesson(self, may_learn: NDArray[np.bool_]) -> Lesson:
        past, states = self.past, self.plan.states
        rows, told = (past.sensors, past.time_ns, past.values), UNTOLD
        if states is not None:
            rows, told = with_state(*rows, self.seen.state, states.sensor), told_by(states)
        return lesson_of(*rows, may_learn, past.longest_step)._replace(states=told, season=self.plan.season)

    def _calm(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Return which rows from one number on and before another no alarm stood at."""
        time_ns = self.past.time_ns
        calm = np.zeros(len(time_ns), bool)
        calm[start:stop] = True
        for begin_ns, end_ns in held(self.events):
            end = stop if end_ns is None else int(np.searchsorted(time_ns, end_ns, "right"))
            calm[int(np.searchsorted(time_ns, begin_ns)) : end] = False
        return calm
