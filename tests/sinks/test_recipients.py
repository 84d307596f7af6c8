"""Who still lacks a mail that others have, who is waited for, and for how long."""

from hypothesis import given
from hypothesis import strategies as st

from iot_edge_anomaly.sinks.recipients import MOST_MAILS, PATIENCE_SECONDS, Recipients

FULL, GONE = (452, b"full"), (550, b"gone")


def test_only_who_may_get_it_later_is_asked_again() -> None:
    known = Recipients(("a", "b", "c"))
    assert (known.of("1"), known.is_begun("1")) == (("a", "b", "c"), False)
    assert known.answered("1", {"b": FULL, "c": GONE}, 0.0) == ["c"]
    assert (known.of("1"), known.is_begun("1")) == (("b",), True)
    assert known.of("2") == ("a", "b", "c"), "another mail is another matter"
    assert known.answered("1", {}, 1.0) == []
    assert (known.of("1"), known.is_begun("1")) == (("a", "b", "c"), False)


def test_who_was_waited_for_in_vain_is_not_waited_for_again_until_a_mail_is_taken() -> None:
    known = Recipients(("a", "b"))
    assert known.answered("1", {"b": FULL}, 0.0) == []
    assert known.answered("1", {"b": FULL}, PATIENCE_SECONDS - 1) == []
    assert known.answered("1", {"b": FULL}, PATIENCE_SECONDS) == ["b"]
    assert not known.is_begun("1")
    assert known.answered("2", {"b": FULL}, PATIENCE_SECONDS) == ["b"]
    assert known.answered("3", {}, PATIENCE_SECONDS) == []
    assert known.answered("4", {"b": FULL}, PATIENCE_SECONDS) == []
    assert known.of("4") == ("b",)


def test_what_is_remembered_is_bounded_and_the_oldest_goes_first() -> None:
    known = Recipients(("a", "b"))
    for number in range(MOST_MAILS + 1):
        known.answered(str(number), {"b": FULL}, 0.0)
    assert [known.is_begun(str(number)) for number in (0, 1, MOST_MAILS)] == [False, True, True]


@given(st.lists(st.dictionaries(st.sampled_from("bcd"), st.sampled_from([FULL, GONE])), max_size=30))
def test_nobody_is_asked_again_who_has_it_and_all_others_end_as_left_out(
    answers: list[dict[str, tuple[int, bytes]]],
) -> None:
    known = Recipients(tuple("abcd"))
    having, left_out = set(), set()
    for number, answer in enumerate([*answers, {}]):
        asked = known.of("1")
        assert not (having | left_out) & set(asked)
        refused = {one: said for one, said in answer.items() if one in asked}
        having |= set(asked) - set(refused)
        left_out |= set(known.answered("1", refused, float(number)))
        if not known.is_begun("1"):
            break
    assert having | left_out == set("abcd")
