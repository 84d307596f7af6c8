"""One decoder under a coverage-guided fuzzer: `python -m benchmarks.fuzz_targets NAME CORPUS SECONDS`.

Each target is a function of bytes that feeds a decoder as its connector does. What a decoder may raise is what its
connector handles; anything else ends the process with a traceback, as does an input that takes longer than the time
limit. Run by `benchmarks.fuzz_decoders`; atheris (libFuzzer) has to be installed.
"""

import sys
from collections.abc import Callable, Iterable
from typing import NamedTuple

import atheris  # type: ignore[import-not-found]

with atheris.instrument_imports(include=["iot_edge_anomaly", "asyncua.ua.ua_binary"]):
    from asyncua import ua
    from asyncua.ua.ua_binary import struct_to_binary

    from iot_edge_anomaly.bus.codec import decode_commit, decode_envelope, encode_items
    from iot_edge_anomaly.connectors.modbus_frames import HEADER, answer, question, take_frame
    from iot_edge_anomaly.connectors.modbus_numbers import reading_of, reading_of_bit
    from iot_edge_anomaly.connectors.modbus_plan import Request, plan
    from iot_edge_anomaly.connectors.modbus_settings import ModbusPoint
    from iot_edge_anomaly.connectors.mqtt import Received, read_message
    from iot_edge_anomaly.connectors.opcua_buffer import CarefulBuffer
    from iot_edge_anomaly.connectors.opcua_intake import told_of
    from iot_edge_anomaly.connectors.opcua_messages import read_again, read_published
    from iot_edge_anomaly.connectors.opcua_points import Point
    from iot_edge_anomaly.connectors.opcua_values import Numbers, batches_of
    from iot_edge_anomaly.connectors.payload import decode_http
    from iot_edge_anomaly.connectors.sparkplug_names import BY_DEVICE, Names
    from iot_edge_anomaly.connectors.sparkplug_nodes import Memory
    from iot_edge_anomaly.connectors.sparkplug_read import Message, take
    from iot_edge_anomaly.connectors.topics import NamespaceTopics
    from iot_edge_anomaly.core.errors import FatalError, RejectedError, UnavailableError
    from iot_edge_anomaly.core.messages import Batch, Item, Tick, batch_of
    from iot_edge_anomaly.core.names import AssetKey

NOW_NS = 1_795_500_000_000_000_000
SLOWEST_SECONDS = 2
MOST_MB = 1024
LONGEST_INPUT = 4096
SABOTAGE = "sabotage"


class Target(NamedTuple):
    """A decoder, and inputs that it understands, to start from."""

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


def http(data: bytes) -> None:
    """A body of POST /v1/readings, JSON or MessagePack by its first byte."""
    media = "application/json" if data[:1] < b"\x80" else "application/msgpack"
    try:
        _sound(decode_http(data, media, received_ns=NOW_NS))
    except RejectedError:
        return


def mqtt(data: bytes) -> None:
    """A topic and a payload; nothing of it may be refused: what cannot be read is set aside."""
    topic, _, content = data.partition(b"\n")
    received = Received(f"plant/{topic.decode('utf-8', 'replace')}", content, bool(topic[:1] == b"r"), NOW_NS)
    _sound([read_message(_TOPICS, received)[0]])


def sparkplug(data: bytes) -> None:
    """Several messages of one edge node, one after the other, cut where the input says."""
    memory, count = Memory(), 0
    while data and count < 8:
        kind, size, rest = data[0], int.from_bytes(data[1:3], "big"), data[3:]
        content, data, count = rest[:size], rest[size:], count + 1
        topic = f"spBv1.0/plant/{_VERBS[kind % len(_VERBS)]}/press-4{'/plc' if kind & 8 else ''}"
        taken = take(memory, _NAMES, Message(topic, content, NOW_NS + count, bool(kind & 16), bool(kind & 32)))
        _sound(item for item in taken.items if isinstance(item, Batch))


def modbus(data: bytes) -> None:
    """What a device sends back, in pieces, while a question is open."""
    received = bytearray(data[1:])
    request = _REQUESTS[data[0] % len(_REQUESTS)] if data else _REQUESTS[0]
    try:
        while frame := take_frame(received):
            content = answer(frame.content, request)
            for point in request.points:
                first = point.address - request.address
                if request.is_of_bits:
                    reading_of_bit(point, content, first)
                else:
                    reading_of(point, content[2 * first : 2 * (first + point.end - point.address)])
    except RejectedError:
        return


def opcua(data: bytes) -> None:
    """The answer of a server that is asked what changed, or to say so once more."""
    for read in (lambda content: read_published(content).notification, lambda content: read_again(content, 5)):
        try:
            found = read(CarefulBuffer(data))
        except UnavailableError:
            continue
        if found is not None:
            told = [told_of(_POINT, value) for _, value in found.values]
            _sound(batches_of(told, Numbers("opcua", 1), NOW_NS))


def stream(data: bytes) -> None:
    """A message of the streams: damaged, or of another version."""
    for read in (lambda: decode_envelope(data, 1), lambda: decode_commit(data)):
        try:
            read()
        except (RejectedError, FatalError):
            continue


def sabotage(data: bytes) -> None:
    """A decoder that forgets one case: the fuzzer must find it."""
    if len(data) > 3 and data[0] == 0x42 and data[1] > 0x80 and data[2] == data[3]:
        raise KeyError("nobody thought of this")


def _sound(batches: Iterable[Batch]) -> None:
    """Check what must hold of every batch that is handed in, whatever came."""
    for batch in batches:
        count = len(batch.values())
        assert len(batch.times()) == len(batch.sensor_indices()) == len(batch.qualities()) == count
        assert batch.accepted >= count
        assert all(0 <= number < len(batch.sensors) for number in batch.sensor_indices().tolist())


_TOPICS = NamespaceTopics("plant")
_NAMES = Names("acme", BY_DEVICE)
_VERBS = ("NBIRTH", "DBIRTH", "NDATA", "DDATA", "NDEATH", "DDEATH", "NCMD", "?")
_POINTS = (
    ModbusPoint(sensor="speed", kind="holding", address=0, type="uint16"),
    ModbusPoint(sensor="flow", kind="holding", address=2, type="float32"),
    ModbusPoint(sensor="run", kind="coil", address=5),
    ModbusPoint(sensor="sum", kind="input", address=9, type="int64"),
)
_REQUESTS: tuple[Request, ...] = tuple(plan(_POINTS, 10))


def _answers() -> tuple[bytes, ...]:
    """Return the right answer to each question, with which question it is of before it."""
    found = []
    for number, request in enumerate(_REQUESTS):
        size = (request.size + 7) // 8 if request.is_of_bits else 2 * request.size
        content = bytes([question(1, 1, request)[HEADER.size], size]) + bytes(range(size))
        found.append(bytes([number]) + HEADER.pack(1, 0, len(content) + 1, 1) + content)
    return tuple(found)


_POINT = Point(ua.NodeId(ua.Int32(1), ua.Int16(2)), AssetKey("acme", "s/p"), "flow")


def _changes() -> tuple[bytes, ...]:
    """Return sound answers: one of changes, one that a subscription has ended, one of changes that comes once more."""
    values = (1.5, True, [1, 2, 3], "text", b"bytes", [[1.0], [2.0]], None)
    items = [ua.MonitoredItemNotification(ClientHandle=n, Value=ua.DataValue(v)) for n, v in enumerate(values, 1)]
    found = []
    for data in (ua.DataChangeNotification(items), ua.StatusChangeNotification()):
        told, again = ua.PublishResponse(), ua.RepublishResponse()
        for message in (told.Parameters.NotificationMessage, again.NotificationMessage):
            message.SequenceNumber, message.NotificationData = 5, [data]
        found += [bytes(struct_to_binary(told)), bytes(struct_to_binary(again))]
    return tuple(found)


_ROWS = (
    b'{"asset": "acme/s/p", "source": "plc", "epoch": "1", "sequence": 42, '
    b'"rows": [{"time": "2026-11-24T06:00:00Z", "a": 1.5}]}'
)
_METRIC = bytes.fromhex("12110a04466c6f7710071800200a50008d0000c03f")
_BIRTH = b"\x08\x80\xd0\xf5\xad\x9f\x34" + _METRIC + b"\x18\x00"

_ITEMS: tuple[Item, ...] = (
    batch_of(AssetKey("acme", "s/p"), "plc", [(NOW_NS, "a", 1.5), (NOW_NS, "b", 2.5)], received_ns=NOW_NS, sequence=7),
    Tick(NOW_NS),
)

TARGETS: dict[str, Target] = {
    "http": Target(http, (_ROWS, b"[" + _ROWS + b"]", b"\x81\xa5asset\xa3a/b")),
    "mqtt": Target(
        mqtt, (b"acme/s/p\n" + _ROWS, b"acme/s/p/flow\n1.5", b'acme/s/p\n{"a": {"value": 1, "quality": "bad"}}')
    ),
    "sparkplug": Target(
        sparkplug,
        (
            b"\x00" + len(_BIRTH).to_bytes(2, "big") + _BIRTH + b"\x02" + len(_BIRTH).to_bytes(2, "big") + _BIRTH,
            b"\x04\x00\x00",
        ),
    ),
    "modbus": Target(modbus, _answers()),
    "opcua": Target(opcua, _changes()),
    "stream": Target(stream, (encode_items(_ITEMS), encode_items(_ITEMS[1:]))),
    SABOTAGE: Target(sabotage, (b"\x42\x00\x00\x00",)),
}


def main() -> None:
    name, corpus, seconds = sys.argv[1:4]
    options = [
        f"-max_total_time={seconds}",
        f"-timeout={SLOWEST_SECONDS}",
        f"-rss_limit_mb={MOST_MB}",
        f"-max_len={LONGEST_INPUT}",
        "-print_final_stats=1",
        f"-artifact_prefix={corpus}/",
        corpus,
    ]
    atheris.Setup([sys.argv[0], *options], TARGETS[name].run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
