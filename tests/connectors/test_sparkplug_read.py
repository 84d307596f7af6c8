"""What becomes of a message of an edge node: readings, values set aside, marks of the dead, a request for births."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sparkplug_nodes import (  # type: ignore[import-not-found]
    BOOLEAN,
    INT8,
    INT32,
    INT64,
    STRING,
    metric,
    payload,
)

from iot_edge_anomaly.connectors.sparkplug import SparkplugSettings
from iot_edge_anomaly.connectors.sparkplug_gathered import MOST_RECORDS
from iot_edge_anomaly.connectors.sparkplug_names import BY_DEVICE, Names
from iot_edge_anomaly.connectors.sparkplug_nodes import Memory, NodeName
from iot_edge_anomaly.connectors.sparkplug_read import Message, Taken, take
from iot_edge_anomaly.connectors.sparkplug_waiting import Sender, Tense
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.messages import Batch, Quality, SourceIdle

NOW_MS = 1_795_500_000_000
NOW = NOW_MS * 10**6
NAMES = Names("acme", BY_DEVICE)
NODE = NodeName("plant", "press-4")
GOOD, UNCERTAIN = int(Quality.GOOD), int(Quality.UNCERTAIN)


class Wire:
    """A connector's memory, and an edge node that counts."""

    def __init__(self, names: Names = NAMES) -> None:
        self.memory = Memory()
        self.names = names
        self.seq = 0
        self.now = NOW

    def says(self, verb: str, metrics: Sequence[bytes], device: str = "plc", **more: Any) -> Taken:
        counts = verb != "NDEATH" and "seq" not in more
        self.seq = 0 if verb == "NBIRTH" else self.seq
        content = payload(metrics, time_ms=NOW_MS, **({"seq": self.seq} if counts else {"seq": more.pop("seq", None)}))
        self.seq = (self.seq + counts) % 256
        topic = f"spBv1.0/plant/{verb}/press-4" + (f"/{device}" if verb[0] == "D" else "")
        self.now += 1
        return take(self.memory, self.names, Message(topic, content, self.now, **more))

    def is_born(self) -> None:
        self.says("NBIRTH", [metric("bdSeq", 3, INT64), metric("Node Control/Rebirth", False, BOOLEAN)])
        self.says(
            "DBIRTH",
            [
                metric("Hall/Flow", 1.5, alias=1),
                metric("Count", 7, INT8, alias=2),
                metric("State", b"on", STRING, alias=3),
                metric("Device Control/Reboot", False, BOOLEAN, alias=4),
            ],
        )


def of(value: Any, alias: int, datatype: int = 10, **more: Any) -> bytes:
    return bytes(metric(value=value, alias=alias, datatype=datatype, says_type=False, **more))


def readings(taken: Taken) -> list[tuple[str, int, str, float, int]]:
    found = []
    for batch in batches(taken):
        names = [batch.sensors[number] for number in batch.sensor_indices()]
        columns = zip(batch.times().tolist(), names, batch.values().tolist(), batch.qualities().tolist(), strict=True)
        found += [(str(batch.key), *row) for row in columns]
    return found


def batches(taken: Taken) -> list[Batch]:
    return [item for item in taken.items if isinstance(item, Batch)]


def aside(taken: Taken) -> list[tuple[str, str]]:
    return [(record.sensor, record.reason) for batch in batches(taken) for record in batch.set_aside]


def test_births_define_and_data_names_by_alias() -> None:
    wire = Wire()
    born = wire.says("NBIRTH", [metric("bdSeq", 3, INT64), metric("Load", 0.5, alias=9)])
    assert readings(born) == [("acme/plant/press-4", NOW, "Load", 0.5, GOOD)]
    device = wire.says("DBIRTH", [metric("Hall/Flow", 1.5, alias=1), metric("Count", 7, INT8, alias=2)])
    assert [(row[0], row[2], row[3]) for row in readings(device)] == [
        ("acme/plant/press-4/plc", "Hall/Flow", 1.5),
        ("acme/plant/press-4/plc", "Count", 7.0),
    ]
    data = wire.says("DDATA", [of(0xFF, 2, INT8, time_ms=NOW_MS - 5), metric("Hall/Flow", 2.5, says_type=False)])
    assert readings(data) == [
        ("acme/plant/press-4/plc", NOW - 5_000_000, "Count", -1.0, GOOD),
        ("acme/plant/press-4/plc", NOW, "Hall/Flow", 2.5, GOOD),
    ]
    node = wire.says("NDATA", [of(0.75, 9)])
    assert readings(node) == [("acme/plant/press-4", NOW, "Load", 0.75, GOOD)]
    assert not any(taken.asks or taken.lost or taken.stranger for taken in (born, device, data, node))
    assert [taken.tense for taken in (born, device, data)] == [Tense.FIRST, Tense.FIRST, Tense.NOW]


def test_an_alias_of_one_device_says_nothing_of_another() -> None:
    wire = Wire()
    wire.is_born()
    wire.says("DBIRTH", [metric("Level", 4.0, alias=1)], "tank")
    assert readings(wire.says("DDATA", [of(5.0, 1)], "tank"))[0][:3:2] == ("acme/plant/press-4/tank", "Level")
    assert readings(wire.says("DDATA", [of(5.0, 1)]))[0][2] == "Hall/Flow"


def test_commands_and_bd_seq_are_no_readings() -> None:
    wire = Wire()
    wire.is_born()
    taken = wire.says("DDATA", [of(True, 4, BOOLEAN), metric("Node Control/Next", True, BOOLEAN)])
    assert (list(taken.items), taken.stranger) == ([], "")


def test_text_and_null_are_set_aside_and_the_rest_is_taken() -> None:
    wire = Wire()
    wire.is_born()
    taken = wire.says("DDATA", [of(b"off", 3, STRING), of(None, 1, null=True), of(3, 2, INT8), b"\xff"])
    assert [row[2:4] for row in readings(taken)] == [("Count", 3.0)]
    assert aside(taken) == [
        ("State", "it is no number but String"),
        ("Hall/Flow", "it is null: the edge node has no value for it"),
        ("", "it is no metric of Sparkplug B"),
    ]
    assert b"off" in batches(taken)[0].set_aside[0].raw


def test_before_its_birth_a_node_is_asked_and_what_names_itself_is_read() -> None:
    wire = Wire()
    taken = wire.says("DDATA", [of(1.0, 1), metric("Flow", 2.0), metric("Count", 3, INT32, says_type=False)])
    assert (taken.asks, taken.sender, taken.lost) == (True, Sender(NODE, "plc"), 0)
    assert [row[2:] for row in readings(taken)] == [("Flow", 2.0, GOOD)]
    assert aside(taken) == [
        ("alias 1", "no birth is known that says what its alias stands for"),
        ("Count", "its datatype is not known: neither it nor a birth says it"),
    ]
    assert not wire.says("DDATA", [of(1.0, 1)]).asks, "once, and not again at once"
    wire.now += 6 * 10**9
    assert wire.says("DDATA", [of(1.0, 1)]).asks
    wire.is_born()
    after = wire.says("DDATA", [of(1.0, 1)])
    assert (after.asks, [row[2:] for row in readings(after)]) == (False, [("Hall/Flow", 1.0, GOOD)])


def test_a_birth_of_a_device_before_that_of_its_node_is_read_and_makes_us_ask() -> None:
    wire = Wire()
    taken = wire.says("DBIRTH", [metric("Flow", 2.0, alias=1)], seq=1)
    assert (taken.asks, [row[2:] for row in readings(taken)]) == (True, [("Flow", 2.0, GOOD)])
    assert [row[2:] for row in readings(wire.says("DDATA", [of(3.0, 1)], seq=2))] == [("Flow", 3.0, UNCERTAIN)]


def test_behind_a_gap_values_named_by_alias_are_uncertain_until_the_next_birth() -> None:
    wire = Wire()
    wire.is_born()
    wire.seq += 3
    taken = wire.says("DDATA", [of(9.0, 1), metric("Count", 5, INT8), of(1.0, 1, quality=0)])
    assert (taken.lost, taken.asks) == (3, True)
    assert [row[3:] for row in readings(taken)] == [(9.0, UNCERTAIN), (5.0, GOOD), (1.0, 0)]
    assert readings(wire.says("DDATA", [of(9.5, 1)]))[0][4] == UNCERTAIN
    wire.is_born()
    assert readings(wire.says("DDATA", [of(9.5, 1)]))[0][4] == GOOD


def test_an_unknown_alias_or_device_makes_us_ask() -> None:
    for metrics, device in (([of(1.0, 77)], "plc"), ([metric("New", 1.0)], "plc"), ([metric("A", 1.0)], "other")):
        wire = Wire()
        wire.is_born()
        taken = wire.says("DDATA", metrics, device)
        assert taken.asks
        assert len(readings(taken)) + len(aside(taken)) == 1


def test_the_dead_have_no_value_and_nobody_waits_for_them() -> None:
    wire = Wire()
    wire.is_born()
    old = wire.says("NDEATH", [metric("bdSeq", 2, INT64)])
    assert (list(old.items), old.is_old_death) == ([], True)
    wire.says("DDATA", [of(1.0, 1)])
    dead = wire.says("NDEATH", [metric("bdSeq", 3, INT64)])
    (batch, idle) = dead.items
    assert isinstance(batch, Batch)
    assert (batch.sensors, batch.qualities().tolist()) == (("Hall/Flow", "Count"), [0, 0])
    assert all(math.isnan(value) for value in batch.values())
    assert batch.times().tolist() == [wire.now] * 2
    assert idle == SourceIdle("acme", "plant/press-4/plc", "sparkplug", wire.now)
    assert list(wire.says("NDEATH", [metric("bdSeq", 3, INT64)]).items) == [], "once"
    assert wire.says("DDATA", [of(1.0, 1)]).asks


def test_a_dead_device_is_marked_and_its_node_lives_on() -> None:
    wire = Wire()
    wire.is_born()
    dead = wire.says("DDEATH", [])
    assert [row[2] for row in readings(dead)] == ["Hall/Flow", "Count"]
    assert not dead.asks
    assert not wire.says("NDATA", []).asks
    assert wire.says("DDATA", [of(1.0, 1)]).asks


def test_history_is_taken_with_its_own_time() -> None:
    wire = Wire()
    wire.is_born()
    hour = 3_600_000
    only = wire.says("DDATA", [of(0.5, 1, historical=True, time_ms=NOW_MS - hour)])
    assert (only.tense, wire.says("DDATA", [of(3.0, 1), of(0.5, 1, historical=True)]).tense) == (
        Tense.HISTORY,
        Tense.MIXED,
    )
    taken = wire.says("DDATA", [of(1.0, 1, historical=True, time_ms=NOW_MS - hour), of(2.0, 1, historical=True)])
    assert [row[1] for row in readings(taken)] == [NOW - hour * 10**6]
    assert aside(taken) == [("Hall/Flow", "it is historical, and does not say of when")]


def test_times_are_of_the_metric_or_the_payload_or_the_receipt() -> None:
    wire = Wire()
    wire.is_born()
    taken = wire.says("DDATA", [of(1.0, 1, time_ms=NOW_MS - 1), of(2.0, 1), of(3.0, 1, time_ms=0)])
    assert [row[1] for row in readings(taken)] == [NOW - 10**6, NOW]
    far = wire.says("DDATA", [of(1.0, 1, time_ms=NOW_MS + 61_000), of(1.0, 1, time_ms=(1 << 64) - 1)])
    assert aside(taken) == [("Hall/Flow", "time is before the year 2000")]
    assert aside(far) == [("Hall/Flow", "time is more than 60 s in the future")] * 2
    content = payload([metric("Flow", 1.0)])
    timeless = take(wire.memory, NAMES, Message("spBv1.0/plant/NDATA/press-4", content, NOW + 77))
    assert readings(timeless)[0][1] == NOW + 77


@pytest.mark.parametrize(
    ("topic", "content", "key", "words"),
    [
        ("spBv1.0/plant/DDATA/press-4/plc", b"rubbish", "acme/plant/press-4/plc", "no payload"),
        ("spBv1.0/plant/NDATA/press-4", b"\x12\xff", "acme/plant/press-4", "no payload"),
        ("spBv1.0/plant/NDATA/press-4/plc", b"", "acme/unassigned", "none of Sparkplug B's"),
        ("spBv1.0/plant/DDATA/press-4", b"", "acme/unassigned", "none of Sparkplug B's"),
        ("spBv1.0/plant/NCMD/press-4", b"", "acme/unassigned", "none of Sparkplug B's"),
        ("spBv1.0/plant//press-4", b"", "acme/unassigned", "none of Sparkplug B's"),
        ("plant/DDATA", b"", "acme/unassigned", "none of Sparkplug B's"),
        ("spBv1.0/plant/NDATA/" + "x" * 600, b"", "acme/unassigned", "more than 512"),
        (f"spBv1.0/plant/NDATA/{'x' * 300}", b"\x12\xff", "acme/unassigned", "no payload"),
    ],
)
def test_garbage_is_set_aside_whole(topic: str, content: bytes, key: str, words: str) -> None:
    taken = take(Memory(), NAMES, Message(topic, content, NOW))
    (batch,) = batches(taken)
    assert str(batch.key) == key
    assert words in batch.set_aside[0].reason
    assert words in taken.stranger
    assert batch.set_aside[0].raw == content[:1024]


def test_what_is_retained_is_no_news() -> None:
    content = payload([metric("Flow", 1.0, alias=1)], time_ms=NOW_MS, seq=0)
    memory = Memory()
    taken = take(memory, NAMES, Message("spBv1.0/plant/NBIRTH/press-4", content, NOW, is_retained=True))
    assert "retained" in taken.stranger
    assert memory.of(NODE).devices == {}


def test_a_message_that_comes_again_is_read_and_moves_nothing() -> None:
    wire = Wire()
    wire.is_born()
    wire.says("DDATA", [of(1.0, 1)])
    again = wire.says("DDATA", [of(1.0, 1)], seq=2, is_repeat=True)
    assert [row[2:] for row in readings(again)] == [("Hall/Flow", 1.0, GOOD)]
    assert (again.lost, again.asks) == (0, False)
    assert not wire.says("DDATA", [of(2.0, 1)]).asks


def test_ten_thousand_metrics_in_a_birth_are_known_by_their_aliases() -> None:
    wire = Wire()
    wire.says("NBIRTH", [metric("bdSeq", 3, INT64)])
    many = range(10_000)
    born = wire.says(
        "DBIRTH", [metric(f"Area {number % 40}/Tag {number}", float(number), alias=number) for number in many]
    )
    assert [row[3] for row in readings(born)] == [float(number) for number in many]
    assert max(len(batch.values()) for batch in batches(born)) <= 2_000
    data = wire.says("DDATA", [of(-float(number), number) for number in many])
    assert [row[2:4] for row in readings(data)] == [(f"Area {number % 40}/Tag {number}", -number) for number in many]


def test_much_that_is_set_aside_is_counted_and_bounded() -> None:
    wire = Wire()
    taken = wire.says("DDATA", [of(1.0, number) for number in range(5_000)])
    (batch,) = batches(taken)
    assert (len(batch.set_aside), batch.accepted) == (MOST_RECORDS + 1, 5_000)


def test_folders_of_names_may_be_assets() -> None:
    wire = Wire(Names("acme", "{node}/{device}/{folder}"))
    wire.says("NBIRTH", [])
    born = wire.says(
        "DBIRTH", [metric("Hall 2/Pump/Flow", 1.0, alias=1), metric("Load", 2.0), metric("x/" + "y" * 200, 1.0)]
    )
    assert [(row[0], row[2]) for row in readings(born)] == [
        ("acme/press-4/plc/Hall 2/Pump", "Flow"),
        ("acme/press-4/plc", "Load"),
    ]
    assert "more than 128" in aside(born)[0][1]
    assert readings(wire.says("DDATA", [of(2.0, 1)]))[0][0] == "acme/press-4/plc/Hall 2/Pump"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"tenant": "a/b"}, "cannot be a tenant"),
        ({"tenant": ""}, "cannot be a tenant"),
        ({"port": 0}, "port"),
        ({"groups": ()}, "say which groups"),
        ({"groups": ("a/#",)}, "cannot be a group id"),
        ({"host_id": "a/b"}, "cannot be a host id"),
        ({"asset": "plant"}, "names no part of an asset"),
        ({"asset": "{group}/{nod}"}, "{nod} is no part of a name"),
        ({"asset": "{group}/{node"}, "a brace too many or too few"),
        ({"asset": "{group}/{node}\n"}, "control character"),
    ],
)
def test_settings_that_cannot_work_say_what_to_write(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SparkplugSettings(**{"tenant": "acme", **wrong})


def test_settings_say_what_to_subscribe_to() -> None:
    assert SparkplugSettings(tenant="acme", groups=("a",), host_id="me").subscriptions() == (
        "spBv1.0/a/NBIRTH/+",
        "spBv1.0/a/NDATA/+",
        "spBv1.0/a/NDEATH/+",
        "spBv1.0/a/DBIRTH/+/+",
        "spBv1.0/a/DDATA/+/+",
        "spBv1.0/a/DDEATH/+/+",
        "spBv1.0/STATE/me",
    )
    ours, theirs = SparkplugSettings(tenant="acme"), SparkplugSettings(tenant="acme", groups=("a",))
    assert ours.session() != theirs.session()
    assert SparkplugSettings(tenant="acme", client_id="mine").session() == "mine"


TOPICS = st.one_of(
    st.text(max_size=40),
    st.builds(
        "/".join,
        st.lists(
            st.sampled_from(["spBv1.0", "plant", "NBIRTH", "DDATA", "NDEATH", "DBIRTH", "DDEATH", "NDATA", "x"]),
            max_size=6,
        ),
    ),
)
METRICS = st.builds(
    lambda name, alias, datatype, number, null: metric(
        name, number, datatype, alias=alias, null=null, says_type=datatype != 5
    ),
    st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=8)),
    st.one_of(st.none(), st.integers(0, 4)),
    st.sampled_from([1, 4, 5, 9, 10, 11]),
    st.integers(-100, 100),
    st.booleans(),
)
CONTENTS = st.one_of(
    st.binary(max_size=100),
    st.builds(payload, st.lists(METRICS, max_size=6), time_ms=st.just(NOW_MS), seq=st.integers(0, 300)),
)


@given(st.lists(st.tuples(TOPICS, CONTENTS, st.booleans(), st.booleans()), max_size=12))
def test_whatever_comes_is_taken_or_set_aside(messages: list[tuple[str, bytes, bool, bool]]) -> None:
    memory = Memory()
    for number, (topic, content, retained, repeat) in enumerate(messages):
        taken = take(memory, NAMES, Message(topic, content, NOW + number, retained, repeat))
        for batch in batches(taken):
            assert batch.tenant == "acme"
            assert len(batch.times()) == len(batch.values()) == len(batch.qualities())
        if taken.stranger:
            assert sum(batch.accepted for batch in batches(taken)) == 1


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20), st.text(max_size=300))
def test_any_names_are_placed_or_refused(group: str, node: str, device: str, name: str) -> None:
    names = Names("acme", "{group}/{node}/{device}/{folder}")
    assert names.asset(group, node, device).tenant == "acme"
    try:
        key, sensor = names.place(group, node, device, name)
    except RejectedError:
        return
    assert key.tenant == "acme"
    assert sensor
