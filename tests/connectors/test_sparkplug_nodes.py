"""What is remembered of an edge node: the table as it stands, and a machine of states against a simple model."""

from itertools import pairwise, product

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from iot_edge_anomaly.connectors import sparkplug_nodes
from iot_edge_anomaly.connectors.sparkplug_nodes import (
    TURNS,
    Born,
    Definition,
    Event,
    Heard,
    Memory,
    Node,
    NodeName,
    Said,
    Standing,
    Turn,
    Verb,
    asked,
    born,
    hear,
    is_due,
    meet_stranger,
)
from iot_edge_anomaly.connectors.sparkplug_payload import decode
from iot_edge_anomaly.core.errors import RejectedError

SECOND = 10**9
UNBORN, ALIVE, DOUBTFUL = Standing
SELF_EVIDENT = {(UNBORN, Event.GAP), (UNBORN, Event.REPEAT), (UNBORN, Event.OLD_DEATH)}
"""Of a node without a birth nothing is known that a number or a session could be held against."""


def some(*names: str) -> Born:
    return born((number, Definition(name, 10)) for number, name in enumerate(names))


def alive(following: int = 1, bd_seq: int = 7) -> Node:
    node = hear(Node(), Said(Verb.NBIRTH, seq=0, bd_seq=bd_seq, born=some("a"))).node
    node = hear(node, Said(Verb.DBIRTH, "plc", seq=1, born=some("b", "c"))).node
    return msgspec.structs.replace(node, following=following)


BEFORE = {
    UNBORN: Node(),
    ALIVE: alive(),
    DOUBTFUL: msgspec.structs.replace(alive(), standing=DOUBTFUL),
}
SAID = {
    Event.BIRTH: Said(Verb.NBIRTH, seq=0, bd_seq=8, born=some("a")),
    Event.NEXT: Said(Verb.DDATA, "plc", seq=1),
    Event.GAP: Said(Verb.DDATA, "plc", seq=4),
    Event.REPEAT: Said(Verb.DDATA, "plc", seq=255, is_repeat=True),
    Event.DEATH: Said(Verb.NDEATH, bd_seq=7),
    Event.OLD_DEATH: Said(Verb.NDEATH, bd_seq=6),
}


def test_the_table_is_whole() -> None:
    assert set(TURNS) == set(product(Standing, Event))


@pytest.mark.parametrize(("standing", "event"), sorted(set(product(Standing, SAID)) - SELF_EVIDENT, key=str))
def test_each_row_of_the_table_holds(standing: Standing, event: Event) -> None:
    heard = hear(BEFORE[standing], SAID[event])
    assert heard.event is event
    assert Turn(heard.node.standing, heard.asks) == TURNS[standing, event]
    assert heard.lost == (3 if event is Event.GAP else 0)


@pytest.mark.parametrize("standing", Standing)
def test_a_stranger_makes_us_ask(standing: Standing) -> None:
    node, asks = meet_stranger(BEFORE[standing])
    assert asks
    assert node.standing is (UNBORN if standing is UNBORN else DOUBTFUL)


def test_numbers_begin_anew_after_255() -> None:
    node = alive(following=255)
    for seq, following in ((255, 0), (0, 1), (1, 2)):
        heard = hear(node, Said(Verb.DDATA, "plc", seq=seq))
        assert (heard.event, heard.lost, heard.node.following) == (Event.NEXT, 0, following)
        node = heard.node
    assert hear(alive(following=250), Said(Verb.NDATA, seq=2)).lost == 8


def test_a_message_without_a_number_counts_for_nothing() -> None:
    for seq in (None, 256, 1 << 60):
        heard = hear(alive(following=9), Said(Verb.DDATA, "plc", seq=seq))
        assert (heard.event, heard.node.following, heard.lost) == (Event.NEXT, 9, 0)
    assert hear(Node(), Said(Verb.NBIRTH, born=some("a"))).node.following == 1


def test_a_death_is_forgetting() -> None:
    assert hear(alive(), SAID[Event.DEATH]).node == Node()
    assert hear(alive(), SAID[Event.OLD_DEATH]).node == alive()
    early = hear(Node(), Said(Verb.DBIRTH, "plc", seq=1, born=some("b"))).node
    assert set(early.devices) == {"plc"}
    assert hear(early, Said(Verb.NDEATH, bd_seq=3)).node.devices == {}


def test_the_death_of_a_device_leaves_the_others() -> None:
    node = hear(alive(following=2), Said(Verb.DDEATH, "plc", seq=2)).node
    assert (set(node.devices), node.size, node.standing) == ({""}, 1, ALIVE)
    assert hear(alive(following=2), Said(Verb.DDEATH, "unheard of", seq=2)).node.size == 3


def test_a_birth_of_the_node_makes_its_devices_unborn() -> None:
    assert set(hear(alive(), SAID[Event.BIRTH]).node.devices) == {""}


def test_requests_for_births_come_at_growing_pauses_and_never_end() -> None:
    node, now_ns, times = Node(), 1, list[int]()
    for _ in range(20_000):
        if is_due(node, now_ns):
            node = asked(node, now_ns)
            times.append(now_ns // SECOND)
            node = hear(node, SAID[Event.BIRTH]).node  # it answers, and the trouble goes on all the same
        now_ns += SECOND // 4
    pauses = [after - before for before, after in pairwise(times)]
    assert pauses[:7] == [5, 10, 20, 40, 80, 160, 320]
    assert set(pauses[7:]) == {320}


def test_after_calm_a_request_is_the_first_again() -> None:
    node = asked(asked(Node(), SECOND), 7 * SECOND)
    assert not is_due(node, 16 * SECOND)
    assert asked(node, 1000 * SECOND).asks == 1
    assert is_due(asked(Node(), 1000 * SECOND), SECOND), "a clock that was set back delays nothing"


def test_what_is_kept_in_mind_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparkplug_nodes, "MOST_NODES", 3)
    monkeypatch.setattr(sparkplug_nodes, "MOST_METRICS", 5)
    monkeypatch.setattr(sparkplug_nodes, "MOST_DEVICES", 2)
    memory, small = Memory(), hear(Node(), SAID[Event.BIRTH]).node
    for number in range(10):
        memory.keep(NodeName("plant", str(number)), small if number < 3 else Node())
        if number == 2:
            memory.keep(NodeName("plant", "1"), asked(Node(), SECOND))
    assert memory.of(NodeName("plant", "1")) == Node(), "the one without births made room"
    memory.keep(NodeName("plant", "9"), small)
    with pytest.raises(RejectedError, match="more than 3 edge nodes"):
        memory.keep(NodeName("plant", "one too many"), Node())
    memory.keep(NodeName("plant", "2"), Node())
    memory.keep(NodeName("plant", "9"), Node())
    memory.keep(NodeName("plant", "0"), alive())
    with pytest.raises(RejectedError, match="more than 5 metrics"):
        memory.keep(NodeName("plant", "2"), alive())
    memory.keep(NodeName("plant", "0"), Node())
    memory.keep(NodeName("plant", "2"), alive())
    with pytest.raises(RejectedError, match="more than 2 devices"):
        hear(alive(), Said(Verb.DBIRTH, "one too many", seq=2))


def test_a_copy_goes_its_own_way_and_births_can_be_forgotten() -> None:
    memory, name = Memory(), NodeName("plant", "press-4")
    memory.keep(name, asked(alive(), SECOND))
    copy = memory.copy()
    copy.keep(name, Node())
    assert memory.of(name).devices
    assert memory.without_births().of(name) == Node(asked_ns=SECOND, asks=1)


def test_a_metric_is_found_by_its_name_or_its_alias() -> None:
    known = born([(5, Definition("a", 10)), (None, Definition("b", 10))])
    by_alias, by_name, stranger = decode(b"\x12\x02\x10\x05\x12\x03\x0a\x01b\x12\x02\x10\x06").metrics
    assert known.find(by_alias) == Definition("a", 10)
    assert known.find(by_name) == Definition("b", 10)
    assert known.find(stranger) is None


class Plant(RuleBasedStateMachine):
    """An edge node that counts, loses messages and dies, over a wire that hands messages on as they are, or loses them.

    The model knows what really happened: how many messages were lost since the last birth that arrived.
    """

    def __init__(self) -> None:
        super().__init__()
        self.node = Node()
        self.seq = 0
        self.session = 0
        self.is_born = False
        self.lost = 0
        self.devices: set[str] = set()

    def say(self, said: Said) -> Heard:
        heard = hear(self.node, said)
        self.node = heard.node
        return heard

    def next_seq(self) -> int:
        seq, self.seq = self.seq, (self.seq + 1) % 256
        return seq

    @rule(new_session=st.booleans(), devices=st.sets(st.sampled_from("abc")))
    def bear(self, new_session: bool, devices: set[str]) -> None:
        self.session += new_session
        self.seq, self.lost, self.is_born = 0, 0, True
        heard = self.say(Said(Verb.NBIRTH, seq=self.next_seq(), bd_seq=self.session, born=some("x")))
        assert not heard.asks
        self.devices = set(devices)
        for device in sorted(devices):
            assert not self.say(Said(Verb.DBIRTH, device, seq=self.next_seq(), born=some("y"))).asks

    @rule(count=st.integers(1, 600))
    def lose(self, count: int) -> None:
        self.seq = (self.seq + count) % 256
        self.lost += count

    @rule(device=st.sampled_from("abc"))
    def speak(self, device: str) -> None:
        heard = self.say(Said(Verb.DDATA, device, seq=self.next_seq()))
        assert heard.lost == (self.lost % 256 if self.is_born else 0)
        doubts = self.node.standing is not ALIVE
        assert heard.asks is doubts
        if heard.lost:
            assert doubts
        self.lost = 0

    @rule(back=st.integers(1, 100))
    def say_again(self, back: int) -> None:
        before = self.node
        heard = self.say(Said(Verb.NDATA, seq=(self.node.following - back) % 256, is_repeat=True))
        assert (self.node == before, heard.lost) == (True, 0) or not self.is_born

    @rule()
    def old_death(self) -> None:
        before = self.node
        self.say(Said(Verb.NDEATH, bd_seq=self.session + 1000))
        if self.is_born:
            assert self.node == before

    @rule()
    def die(self) -> None:
        self.say(Said(Verb.NDEATH, bd_seq=self.session))
        self.is_born, self.lost = False, 0
        self.devices.clear()

    @invariant()
    def what_is_born_is_what_was_said(self) -> None:
        assert (self.node.standing is UNBORN) is not self.is_born
        assert set(self.node.devices) - {""} == self.devices
        assert self.node.size == sum(len(known.by_name) for known in self.node.devices.values())
        assert 0 <= self.node.following < 256


TestPlant = Plant.TestCase
TestPlant.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
