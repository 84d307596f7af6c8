"""Answers of the records, each kept for a moment and shared: twenty open pages ask the database what one does."""

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar, TypeVarTuple, cast

import anyio
from anyio import to_thread

from iot_edge_anomaly.core.clock import Clock

KEPT_NS = 1_900_000_000
"""A little less than two seconds: a page that asks each two seconds gets a new answer each time."""

MOST_ANSWERS = 200
AT_ONCE = 3
"""So many questions are worked on side by side, each in a thread."""

T = TypeVar("T")
Asked = TypeVarTuple("Asked")


@dataclass
class _Answer:
    task: "asyncio.Future[Any]"
    done_ns: int | None = None


@dataclass
class Recall:
    """Asks in threads, each question once at a time. An error is an answer too: it reaches all who asked."""

    clock: Clock
    _answers: dict[Hashable, _Answer] = field(default_factory=dict)
    _limiter: anyio.CapacityLimiter | None = None

    async def ask(self, read: Callable[[*Asked], T], *about: *Asked) -> T:
        """Return what `read` answers, now or a moment ago. Raises what it raises."""
        question = (read, about)
        answer = self._answers.get(question)
        if answer is None or not self._is_fresh(answer):
            self._forget()
            answer = self._answers[question] = self._begin(partial(read, *about))
            while len(self._answers) > MOST_ANSWERS:
                del self._answers[next(iter(self._answers))]
        return cast("T", await asyncio.shield(answer.task))

    def _forget(self) -> None:
        """Let go of what is too old to be told again: an answer may be some megabytes."""
        for question in [question for question, answer in self._answers.items() if not self._is_fresh(answer)]:
            del self._answers[question]

    def _is_fresh(self, answer: _Answer) -> bool:
        return answer.done_ns is None or 0 <= self.clock.now_ns() - answer.done_ns < KEPT_NS

    def _begin(self, read: Callable[[], T]) -> _Answer:
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(AT_ONCE)
        answer = _Answer(asyncio.ensure_future(to_thread.run_sync(read, limiter=self._limiter)))

        def finish(task: "asyncio.Future[T]") -> None:
            answer.done_ns = self.clock.now_ns()
            if not task.cancelled():
                task.exception()  # seen, also where all who asked have left meanwhile

        answer.task.add_done_callback(finish)
        return answer
