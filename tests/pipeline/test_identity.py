"""The bit set against the plainest model there is: a set of all that was seen."""

from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from iot_edge_anomaly.pipeline.identity import MOST_GAPS, REACH, Identity, Verdict

NEW, DUPLICATE, AMBIGUOUS = Verdict.NEW, Verdict.DUPLICATE, Verdict.AMBIGUOUS
starts = st.sampled_from([0, 1, 700, REACH, 5_000, 10**12])
hops = st.one_of(st.integers(-20, 20), st.integers(-3 * REACH, 3 * REACH), st.sampled_from([10**6, -(10**6), REACH]))


@dataclass
class PlainSet:
    """The table of `identity`, over a set of numbers that forgets nothing."""

    seen: set[int] = field(default_factory=set)
    given_up: int = -1
    far: int = -1

    def judge(self, sequence: int) -> Verdict:
        if not self.seen:
            self.given_up = max(sequence - REACH, -1)
        if sequence <= self.given_up:
            return AMBIGUOUS
        if sequence in self.seen:
            return DUPLICATE
        if self.seen and sequence > max(self.seen) + REACH and not 0 <= self.far < sequence <= self.far + REACH:
            self.far = sequence
            return AMBIGUOUS
        mark = self.given_up
        while mark + 1 in self.seen:
            mark += 1
        if sequence > mark + REACH:
            passed = sequence - REACH
            while passed in self.seen:
                passed -= 1
            self.given_up = max(self.given_up, passed)
        self.seen.add(sequence)
        return NEW

    def gaps(self) -> int:
        return max(self.seen) - min(self.seen) + 1 - len(self.seen)


@given(starts, st.lists(hops, min_size=1, max_size=150))
@example(0, [REACH + 5, 1, 1, 1])
@example(0, [1] * 11 + [2] + [1] * 1_100)
def test_it_says_what_a_set_that_forgets_nothing_would(start: int, moves: list[int]) -> None:
    identity, plain, sequence = Identity(), PlainSet(), start
    for move in [0, *moves]:
        sequence = max(sequence + move, 0)
        identity = msgspec.msgpack.decode(msgspec.msgpack.encode(identity), type=Identity)
        taken = len(plain.seen)
        assert identity.judge(1, sequence) is plain.judge(sequence)
        assert identity.gaps() == plain.gaps()
        assert len(plain.seen) - taken in (0, 1)


@given(starts, st.permutations(range(40)), st.lists(st.integers(0, 39), max_size=40))
def test_disorder_within_reach_loses_nothing_and_gaps_are_counted(
    start: int, order: list[int], again: list[int]
) -> None:
    identity, seen = Identity(), set[int]()
    for number, offset in enumerate(order):
        assert identity.judge(1, start + offset) is NEW
        seen.add(offset)
        assert identity.gaps() == max(seen) - min(seen) + 1 - len(seen)
        if number < len(again) and again[number] in seen:
            assert identity.judge(1, start + again[number]) is DUPLICATE
    assert identity.gaps() == 0


@pytest.mark.parametrize(
    ("sequences", "verdicts", "gaps"),
    [
        pytest.param([5, 4, 5, 4], [NEW, NEW, DUPLICATE, DUPLICATE], 0, id="overtaken before the first"),
        pytest.param([0, 2, 1, 0], [NEW, NEW, NEW, DUPLICATE], 0, id="a gap is filled"),
        pytest.param([0, 10**15, 1], [NEW, AMBIGUOUS, NEW], 0, id="a broken counter harms nobody"),
        pytest.param([0, 10**15, 10**15, 1], [NEW, AMBIGUOUS, AMBIGUOUS, NEW], 0, id="nor does it when it repeats"),
        pytest.param([0, 5_000, 5_001, 5_000], [NEW, AMBIGUOUS, NEW, NEW], 4_999, id="a sender gave up a lot"),
        pytest.param(
            [0, 5_000, 5_001, 1], [NEW, AMBIGUOUS, NEW, AMBIGUOUS], 5_000, id="and what it gave up is doubtful"
        ),
    ],
)
def test_the_table_of_sequences(sequences: list[int], verdicts: list[Verdict], gaps: int) -> None:
    identity = Identity()
    assert [identity.judge(0, sequence) for sequence in sequences] == verdicts
    assert identity.gaps() == gaps


def test_one_batch_that_never_comes_does_not_silence_its_source() -> None:
    identity = Identity()
    assert all(identity.judge(0, sequence) is NEW for sequence in range(10_000) if sequence != 11)
    assert identity.gaps() == 1
    assert identity.judge(0, 11) is AMBIGUOUS
    assert identity.judge(0, 12) is DUPLICATE


def test_the_table_of_epochs() -> None:
    identity = Identity()
    assert identity.judge(5, 10) is NEW
    assert identity.judge(6, 0) is NEW
    assert identity.judge(5, 10) is DUPLICATE
    assert identity.judge(5, 11) is NEW
    assert identity.judge(4, 0) is AMBIGUOUS
    assert identity.judge(7, 3) is NEW
    assert identity.judge(5, 12) is AMBIGUOUS
    assert identity.judge(6, 0) is DUPLICATE


def test_gaps_of_an_epoch_that_is_forgotten_stay_counted() -> None:
    identity = Identity()
    for epoch in range(4):
        identity.judge(epoch, 0)
        identity.judge(epoch, 3)
    assert identity.gaps() == 8


def test_it_stays_small() -> None:
    identity = Identity()
    for epoch in range(3):
        for sequence in range(0, 50_000, 2):
            identity.judge(epoch, sequence)
    assert len(msgspec.msgpack.encode(identity)) < 400


def test_what_a_sender_claims_does_not_outgrow_the_numbers_it_is_stored_in() -> None:
    identity = Identity()
    for epoch in range(1, 40):
        for sequence in (0, (1 << 63) - 3000, (1 << 63) - 2999):
            identity.judge(epoch, sequence)
        assert 0 <= identity.gaps() <= MOST_GAPS
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(identity), type=Identity) == identity
