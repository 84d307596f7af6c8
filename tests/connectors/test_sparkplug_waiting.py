"""First births wait for the history that belongs before them: in which order what is stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_edge_anomaly.connectors import sparkplug_waiting
from iot_edge_anomaly.connectors.sparkplug_nodes import NodeName
from iot_edge_anomaly.connectors.sparkplug_waiting import Portion, Sender, Tense, Waiting
from iot_edge_anomaly.core.messages import batch_of
from iot_edge_anomaly.core.names import AssetKey

SECOND = 10**9
NODE = NodeName("plant", "press-4")
PLC, TANK = Sender(NODE, "plc"), Sender(NODE, "tank")


def said(*words: str) -> list[Portion]:
    """Something to store, told apart by the message it is of."""
    key = AssetKey("acme", "pump")
    return [(word.encode(), batch_of(key, "sparkplug", [(1, "flow", 1.0)], received_ns=1)) for word in words]


def words(portions: list[Portion]) -> list[str]:
    return [content.decode() for content, _ in portions]


@pytest.mark.parametrize(
    ("tense", "stored"),
    [
        (Tense.NOW, ["birth", "more"]),
        (Tense.MIXED, ["more", "birth"]),
        (Tense.HISTORY, ["more"]),
        (Tense.FIRST, ["birth"]),
    ],
)
def test_what_is_stored_after_a_birth_that_waits(tense: Tense, stored: list[str]) -> None:
    waiting = Waiting()
    assert waiting.pass_on(PLC, Tense.FIRST, said("birth"), 0) == []
    assert words(waiting.pass_on(PLC, tense, said("more"), 1)) == stored


def test_others_wait_for_nobody_else() -> None:
    waiting = Waiting()
    waiting.pass_on(PLC, Tense.FIRST, said("birth"), 0)
    assert words(waiting.pass_on(TANK, Tense.NOW, said("level"), 1)) == ["level"]
    assert words(waiting.let_go_all(NodeName("plant", "other"))) == []
    assert words(waiting.let_go_all(NODE)) == ["birth"]


def test_a_birth_waits_as_long_as_history_comes_and_a_little_longer() -> None:
    waiting = Waiting()
    assert waiting.seconds_left(0) is None
    waiting.pass_on(PLC, Tense.FIRST, said("birth"), SECOND)
    assert waiting.seconds_left(2 * SECOND) == 1.0
    waiting.pass_on(PLC, Tense.HISTORY, said("old"), 2 * SECOND)
    assert words(waiting.due(3 * SECOND)) == []
    assert waiting.seconds_left(3 * SECOND) == 1.0
    assert words(waiting.due(4 * SECOND)) == ["birth"]
    assert waiting.seconds_left(9 * SECOND) is None


def test_a_clock_that_is_set_back_holds_nothing_for_long() -> None:
    waiting = Waiting()
    waiting.pass_on(PLC, Tense.FIRST, said("birth"), 1000 * SECOND)
    assert waiting.seconds_left(SECOND) == 2.0
    assert words(waiting.due(SECOND)) == ["birth"]


def test_what_waits_is_bounded_and_a_copy_goes_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparkplug_waiting, "MOST_HELD", 1)
    waiting = Waiting()
    assert waiting.pass_on(PLC, Tense.FIRST, said("birth"), 0) == []
    assert words(waiting.pass_on(TANK, Tense.FIRST, said("too much"), 0)) == ["too much"]
    copy = waiting.copy()
    assert words(copy.let_go(PLC)) == ["birth"]
    assert words(waiting.let_go(PLC)) == ["birth"]


@given(
    st.lists(
        st.tuples(st.sampled_from([PLC, TANK, Sender(NODE)]), st.sampled_from(Tense), st.integers(0, SECOND)),
        max_size=40,
    )
)
def test_all_is_stored_once_and_in_the_order_of_each_sender_but_for_history(
    messages: list[tuple[Sender, Tense, int]],
) -> None:
    waiting, now_ns, stored = Waiting(), 0, list[str]()
    for number, (sender, tense, pause_ns) in enumerate(messages):
        now_ns += pause_ns
        stored += words(waiting.due(now_ns))
        stored += words(waiting.pass_on(sender, tense, said(f"{number} {sender.device} {tense.name}"), now_ns))
    stored += words(waiting.let_go_all(NODE))
    assert sorted(int(word.split()[0]) for word in stored) == list(range(len(messages)))
    for device in ("plc", "tank", ""):
        now = [
            int(word.split(" ")[0]) for word in stored if word.split(" ")[1:] in ([device, "NOW"], [device, "FIRST"])
        ]
        assert now == sorted(now)
