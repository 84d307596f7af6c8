"""Devices keep their pace; a unit that is silent does not take it from the others."""

import math
from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from iot_edge_anomaly.connectors.modbus_turns import Turns

TIMEOUT = 3.0
ANSWERS_IN = 0.01


class Plant:
    """Units that answer within 10 ms, or not within 3 s, as a test says; the time is the test's."""

    def __init__(self, devices: list[tuple[int, float]], dead: set[int]) -> None:
        self.devices = devices
        self.dead = dead
        self.now = 0.0
        self.turns = Turns(devices, self.now)
        self.rounds = Counter[int]()
        self.passed = 0
        self.lost: list[int] = []
        self.waits: list[float] = []

    def run(self, until: float) -> None:
        while (turn := self.turns.next())[1] < until:
            device, due = turn
            self.now = max(self.now, due)
            unit, began = self.devices[device][0], self.now
            self.rounds[device] += 1
            if unit in self.dead:
                self.now += TIMEOUT
                self.waits.append(began)
                self.lost += [unit] * self.turns.silent(unit, TIMEOUT, self.now)
            else:
                self.now += ANSWERS_IN
                self.turns.heard(unit, self.now)
                self.turns.answered(unit, self.now)
            self.passed += self.turns.read(device, self.now)


def test_each_device_keeps_its_pace() -> None:
    plant = Plant([(1, 1.0), (2, 0.5), (3, 10.0)], dead=set())
    plant.run(100.0)
    assert plant.rounds == {0: 100, 1: 200, 2: 10}
    assert plant.passed == 0


def test_a_dead_unit_costs_the_others_a_tenth_at_most() -> None:
    plant = Plant([(1, 1.0), (2, 1.0), (3, 1.0)], dead={2})
    plant.run(1000.0)
    assert min(plant.rounds[0], plant.rounds[2]) >= 900
    assert 15 <= plant.rounds[1] <= 35
    assert plant.lost == [2]


def test_twenty_dead_units_cost_the_others_a_tenth_at_most() -> None:
    dead = set(range(2, 22))
    plant = Plant([(1, 1.0), *((unit, 1.0) for unit in dead)], dead)
    plant.run(100.0)
    began = plant.rounds[0]
    plant.run(2100.0)
    assert plant.rounds[0] - began >= 1790
    assert sorted(plant.lost) == sorted(dead)
    assert set(plant.rounds) == set(range(21)), "none is forgotten"


def test_a_unit_is_lost_when_it_is_silent_twice_or_before_it_ever_answered() -> None:
    turns = Turns([(1, 1.0), (2, 1.0)], 0.0)
    turns.heard(1, 0.1)
    assert not turns.silent(1, 1.0, 2.0)
    assert turns.silent(1, 2.0, 3.0)
    assert not turns.silent(1, 5.0, 6.0), "it is lost already"
    assert turns.silent(2, 0.0, 1.0)
    assert turns.all_lost()
    turns.heard(1, 9.0)
    assert turns.is_lost(1), "until it answers all of its questions"
    turns.answered(1, 9.0)
    assert not turns.is_lost(1)


def test_pauses_grow_to_a_minute_and_end_with_the_first_answer() -> None:
    plant = Plant([(1, 1.0), (2, 1.0)], dead={2})
    plant.run(600.0)
    pauses = [round(after - before - TIMEOUT) for before, after in pairwise(plant.waits)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (27, 60)
    plant.dead.clear()
    plant.run(700.0)
    before = plant.rounds[1]
    plant.run(800.0)
    assert plant.rounds[1] - before == 100


def test_all_that_is_read_of_a_unit_that_is_back_is_due_at_once() -> None:
    turns = Turns([(1, 1.0), (2, 3600.0), (2, 1.0)], 0.0)
    turns.silent(2, 0.0, 3.0)
    turns.read(1, 3.0)
    turns.answered(2, 40.0)
    assert turns.read(1, 40.0) == 0
    assert turns.next() == (0, 0.0)
    turns.read(0, 40.5)
    assert turns.next() == (2, 40.0)


def test_turns_that_went_by_are_left_out_and_counted() -> None:
    turns = Turns([(1, 1.0)], 100.0)
    assert turns.next() == (0, 100.0)
    assert turns.read(0, 103.2) == 3
    assert turns.next() == (0, 104.0)
    assert turns.read(0, 104.0) == 0
    assert turns.next() == (0, 105.0)
    rounded = Turns([(1, 0.3)], 0.0)
    now = 0.3 + 0.6  # by 0.3 that is 2.999…
    rounded.read(0, now)
    assert rounded.next()[1] > now


def test_those_that_answered_last_are_asked_whether_the_line_works() -> None:
    turns = Turns([(unit, 1.0) for unit in (1, 2, 3, 4, 5)], 0.0)
    assert set(turns.witnesses(1)[:-1]) == {2, 3, 4, 5}
    assert turns.witnesses(1)[-1] == 1
    for unit, at in ((2, 1.0), (4, 2.0), (5, 3.0)):
        turns.heard(unit, at)
    assert turns.witnesses(1) == [5, 4, 1]
    assert turns.witnesses(5) == [4, 2, 5]
    assert Turns([(1, 1.0)], 0.0).witnesses(1) == [1]


@given(
    st.lists(st.tuples(st.integers(1, 4), st.sampled_from((0.05, 0.3, 1.0, 60.0))), min_size=1, max_size=8),
    st.lists(st.tuples(st.booleans(), st.floats(0, 500)), max_size=60),
)
def test_the_next_turn_is_never_before_the_last_was_taken_and_none_is_taken_twice(
    devices: list[tuple[int, float]], events: list[tuple[bool, float]]
) -> None:
    turns, now = Turns(devices, 0.0), 0.0
    for does_answer, takes in events:
        device, due = turns.next()
        assert due < math.inf
        unit, began = devices[device][0], max(now, due)
        now = began + takes
        if does_answer:
            turns.heard(unit, now)
            turns.answered(unit, now)
        else:
            turns.silent(unit, takes, now)
        assert turns.read(device, now) >= 0
        following, due = turns.next()
        assert following != device or due > now
