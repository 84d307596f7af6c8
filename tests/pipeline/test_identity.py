"""The bit set against the plainest model there is: a set of all that was seen."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from iot_edge_anomaly.pipeline.identity import REACH, Identity, Verdict

starts = st.sampled_from([0, 1, 700, 5_000, 10**12])


@given(starts, st.lists(st.integers(0, 3 * REACH), min_size=1, max_size=120))
def test_a_repeat_is_never_taken_twice_and_nothing_is_dropped_in_silence(start: int, offsets: list[int]) -> None:
    identity, seen = Identity(), set[int]()
    for offset in offsets:
        identity = msgspec.msgpack.decode(msgspec.msgpack.encode(identity), type=Identity)
        sequence = start + offset
        verdict = identity.judge(1, sequence)
        if verdict is Verdict.NEW:
            assert sequence not in seen
            seen.add(sequence)
        elif verdict is Verdict.DUPLICATE:
            assert sequence in seen
        else:
            lowest_open = next(number for number in range(min(seen), max(seen) + 2) if number not in seen)
            assert sequence < min(seen) or sequence - lowest_open >= REACH


@given(starts, st.permutations(range(40)), st.lists(st.integers(0, 39), max_size=40))
def test_disorder_within_reach_loses_nothing_and_gaps_are_counted(
    start: int, order: list[int], again: list[int]
) -> None:
    identity, seen = Identity(), set[int]()
    for number, offset in enumerate(order):
        assert identity.judge(1, start + offset) is Verdict.NEW
        seen.add(offset)
        assert identity.gaps() == max(seen) - min(seen) + 1 - len(seen)
        if number < len(again) and again[number] in seen:
            assert identity.judge(1, start + again[number]) is Verdict.DUPLICATE
    assert identity.gaps() == 0


def test_the_table_of_epochs() -> None:
    identity = Identity()
    assert identity.judge(5, 10) is Verdict.NEW
    assert identity.judge(6, 0) is Verdict.NEW
    assert identity.judge(5, 10) is Verdict.DUPLICATE
    assert identity.judge(5, 11) is Verdict.NEW
    assert identity.judge(4, 0) is Verdict.AMBIGUOUS
    assert identity.judge(7, 3) is Verdict.NEW
    assert identity.judge(5, 12) is Verdict.AMBIGUOUS
    assert identity.judge(6, 0) is Verdict.DUPLICATE
