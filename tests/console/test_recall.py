"""Answers are kept for a moment and shared; an error reaches all who asked, and only for that moment."""

import gc
import threading
import weakref
from collections import Counter

import anyio
import pytest

from iot_edge_anomaly.console.recall import KEPT_NS, MOST_ANSWERS, Recall
from iot_edge_anomaly.core.clock import ManualClock
from iot_edge_anomaly.core.errors import UnavailableError

pytestmark = pytest.mark.anyio


class Book:
    def __init__(self) -> None:
        self.asked: Counter[int] = Counter()
        self.may_answer = threading.Event()
        self.is_there = True

    def page(self, number: int) -> int:
        self.asked[number] += 1
        assert self.may_answer.wait(10)
        if not self.is_there:
            raise UnavailableError("the book is away")
        return number * 2


async def test_twenty_who_ask_at_once_and_a_moment_later_ask_once() -> None:
    clock, book = ManualClock(), Book()
    recall = Recall(clock)
    answers: list[int] = []

    async def ask() -> None:
        answers.append(await recall.ask(book.page, 7))

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        book.may_answer.set()
    clock.advance(KEPT_NS - 1)
    await ask()
    assert (answers, book.asked[7]) == ([14] * 21, 1)
    clock.advance(1)
    await ask()
    assert book.asked[7] == 2


async def test_one_who_leaves_takes_no_answer_from_the_others() -> None:
    book = Book()
    recall = Recall(ManualClock())
    answers: list[int] = []

    async def ask() -> None:
        answers.append(await recall.ask(book.page, 1))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        with anyio.move_on_after(0):
            await recall.ask(book.page, 1)
        book.may_answer.set()
    assert (answers, book.asked[1]) == ([2], 1)


async def test_an_error_is_an_answer_for_a_moment() -> None:
    clock, book = ManualClock(), Book()
    recall = Recall(clock)
    book.may_answer.set()
    book.is_there = False
    for _ in range(2):
        with pytest.raises(UnavailableError, match="the book is away"):
            await recall.ask(book.page, 1)
    assert book.asked[1] == 1
    book.is_there = True
    clock.advance(KEPT_NS)
    assert await recall.ask(book.page, 1) == 2


async def test_what_is_kept_is_bounded() -> None:
    book = Book()
    book.may_answer.set()
    recall = Recall(ManualClock())
    for number in range(MOST_ANSWERS + 1):
        await recall.ask(book.page, number)
    await recall.ask(book.page, MOST_ANSWERS)
    await recall.ask(book.page, 0)
    assert (book.asked[MOST_ANSWERS], book.asked[0]) == (1, 2)


async def test_what_is_too_old_to_be_told_again_is_let_go() -> None:
    class Page:
        pass

    clock = ManualClock()
    recall = Recall(clock)

    def new_page(_: int) -> Page:
        return Page()

    kept = weakref.ref(await recall.ask(new_page, 1))
    clock.advance(KEPT_NS + 1)
    await recall.ask(new_page, 2)
    gc.collect()
    assert kept() is None
