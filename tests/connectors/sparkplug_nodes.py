"""Edge nodes that speak Sparkplug B with paho, in this process or one of their own; the bytes are written by hand.

So what they say is no mirror of what the connector reads it with. Run as a program it reads commands from its standard
input, one a line, and tells on its standard output what it was asked and what it measured.
"""

import itertools
import json
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64 = range(1, 9)
FLOAT, DOUBLE, BOOLEAN, STRING, DATETIME = range(9, 14)
DATASET, TEMPLATE = 16, 19
REBIRTH = b"Node Control/Rebirth"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def whole(field: int, number: int) -> bytes:
    return varint(field << 3) + varint(number)


def piece(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def value_field(datatype: int, value: Any) -> bytes:
    if datatype in (INT8, INT16, INT32, UINT8, UINT16, UINT32):
        return whole(10, int(value) & 0xFFFFFFFF)
    if datatype in (INT64, UINT64, DATETIME):
        return whole(11, int(value) & 0xFFFFFFFFFFFFFFFF)
    if datatype == FLOAT:
        return varint(12 << 3 | 5) + struct.pack("<f", value)
    if datatype == DOUBLE:
        return varint(13 << 3 | 1) + struct.pack("<d", value)
    if datatype == BOOLEAN:
        return whole(14, int(bool(value)))
    return piece({STRING: 15, DATASET: 17, TEMPLATE: 18}.get(datatype, 16), value)


def quality_of(code: int) -> bytes:
    """A PropertySet with the property Quality, an Int32."""
    return piece(1, b"Quality") + piece(2, whole(1, INT32) + whole(3, code & 0xFFFFFFFF))


def metric(
    name: str | None = None,
    value: Any = None,
    datatype: int = DOUBLE,
    *,
    alias: int | None = None,
    time_ms: int | None = None,
    says_type: bool = True,
    historical: bool = False,
    null: bool = False,
    quality: int | None = None,
) -> bytes:
    parts = [b"" if name is None else piece(1, name.encode())]
    parts.append(b"" if alias is None else whole(2, alias))
    parts.append(b"" if time_ms is None else whole(3, time_ms))
    parts.append(whole(4, datatype) if says_type else b"")
    parts.append(whole(5, 1) if historical else b"")
    parts.append(whole(7, 1) if null else b"")
    parts.append(b"" if quality is None else piece(9, quality_of(quality)))
    parts.append(b"" if value is None else value_field(datatype, value))
    return b"".join(parts)


def payload(metrics: Sequence[bytes] = (), *, time_ms: int | None = None, seq: int | None = None) -> bytes:
    head = b"" if time_ms is None else whole(1, time_ms)
    return head + b"".join(piece(2, one) for one in metrics) + (b"" if seq is None else whole(3, seq))


class Measured(NamedTuple):
    """A reading that an edge node made."""

    device: str
    metric: str
    time_ms: int
    value: float


class EdgeNode:
    """An edge node with devices whose metrics are numbers; it gives aliases, counts, and is born again when asked.

    With a `host_id` it only speaks while that host is online, and keeps what it measures until then.
    """

    def __init__(
        self,
        port: int,
        devices: Mapping[str, Sequence[str]],
        *,
        group: str = "plant",
        node: str = "press-4",
        host_id: str = "",
        qos: int = 0,
        first_alias: int = 1,
        bd_seq: int = 0,
    ) -> None:
        self.group, self.node, self.host_id, self.qos, self.bd_seq = group, node, host_id, qos, bd_seq
        self.measured: list[Measured] = []
        self.births = 0
        self.asked = 0
        self._devices = {device: list(metrics) for device, metrics in devices.items()}
        names = [(device, name) for device, metrics in self._devices.items() for name in metrics]
        self._alias = dict(zip(names, itertools.count(first_alias), strict=False))
        self._latest: dict[tuple[str, str], float] = dict.fromkeys(names, 0.0)
        self._kept: list[Measured] = []
        self._seq = 0
        self._is_wanted = not host_id
        self._is_born = False
        self._at_ms: int | None = None
        self._lock = threading.RLock()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=f"{group}-{node}", protocol=MQTTv311)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._connected
        self._client.on_message = self._told
        self._client.on_disconnect = self._cut_off
        self._set_will()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    @property
    def wanted(self) -> bool:
        """Whether what it measures is wanted now."""
        return self._is_wanted

    def topic(self, verb: str, device: str = "") -> str:
        return f"spBv1.0/{self.group}/{verb}/{self.node}" + (f"/{device}" if device else "")

    def measure(self, device: str, values: Mapping[str, float], time_ms: int | None = None) -> None:
        """Measure values, and publish them or keep them for later; its clock stands still at a time that is given."""
        with self._lock:
            self._at_ms = time_ms
            at = now_ms() if time_ms is None else time_ms
            made = [Measured(device, name, at, value) for name, value in values.items()]
            self.measured += made
            for one in made:
                self._latest[one.device, one.metric] = one.value
            if self._is_wanted and self._is_born:
                self._publish_data(device, made, historical=False)
            else:
                self._kept += made

    def lose(self, messages: int = 1) -> None:
        """Count on as if so many messages had been published."""
        with self._lock:
            self._seq = (self._seq + messages) % 256

    def bear(self) -> None:
        """Publish all births, then what was kept."""
        with self._lock:
            self.births += 1
            self._is_born = True
            self._seq = 0
            said = [metric("bdSeq", self.bd_seq, INT64), metric(REBIRTH.decode(), False, BOOLEAN)]
            self.publish("NBIRTH", "", [*said, *self._born("")])
            for device in self._devices:
                if device:
                    self.publish("DBIRTH", device, self._born(device))
            kept, self._kept = self._kept, []
            for one in kept:
                self._publish_data(one.device, [one], historical=True)

    def publish(self, verb: str, device: str, metrics: Sequence[bytes], *, seq: int | None = None) -> None:
        """Publish a message with the next number, or any."""
        with self._lock:
            content = payload(metrics, time_ms=now_ms(), seq=self._seq if seq is None else seq)
            self._client.publish(self.topic(verb, device), content, qos=self.qos)
            self._seq = (self._seq + 1) % 256 if seq is None else self._seq

    def publish_raw(self, topic: str, content: bytes, *, retain: bool = False) -> None:
        self._client.publish(topic, content, qos=1, retain=retain).wait_for_publish(10)

    def die(self, bd_seq: int | None = None) -> None:
        """Publish a death, as the broker would: of this session or another."""
        said = [metric("bdSeq", self.bd_seq if bd_seq is None else bd_seq, INT64)]
        self.publish_raw(self.topic("NDEATH"), payload(said, time_ms=now_ms()))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _set_will(self) -> None:
        will = payload([metric("bdSeq", self.bd_seq, INT64)], time_ms=now_ms())
        self._client.will_set(self.topic("NDEATH"), will, qos=1)

    def _connected(self, client: Client, *_: object) -> None:
        topics = [(self.topic("NCMD"), 1)]
        if self.host_id:
            topics.append((f"spBv1.0/STATE/{self.host_id}", 1))
        client.subscribe(topics)
        if not self.host_id:
            self.bear()

    def _cut_off(self, *_: object) -> None:
        self._is_born = False

    def _told(self, _: Client, __: object, message: Any) -> None:
        if message.topic.startswith("spBv1.0/STATE/"):
            with self._lock:
                was_wanted, self._is_wanted = self._is_wanted, bool(json.loads(message.payload)["online"])
                if self._is_wanted and not was_wanted:
                    self.bear()
        elif REBIRTH in message.payload:
            self.asked += 1
            if self._is_wanted:
                self.bear()

    def _born(self, device: str) -> list[bytes]:
        at = now_ms() if self._at_ms is None else self._at_ms + 1
        return [
            metric(name, self._latest[device, name], alias=self._alias[device, name], time_ms=at)
            for name in self._devices.get(device, ())
        ]

    def _publish_data(self, device: str, made: Sequence[Measured], *, historical: bool) -> None:
        said = [
            metric(
                value=one.value,
                alias=self._alias[device, one.metric],
                time_ms=one.time_ms,
                says_type=False,
                historical=historical,
            )
            for one in made
        ]
        self.publish("DDATA" if device else "NDATA", device, said)


@contextmanager
def edge_node(port: int, devices: Mapping[str, Sequence[str]], **more: Any) -> Iterator[EdgeNode]:
    node = EdgeNode(port, devices, **more)
    try:
        yield node
    finally:
        node.close()


class NodeProcess:
    """An edge node in a process of its own: it measures on command, and may be killed."""

    def __init__(self, port: int, devices: Mapping[str, Sequence[str]], **more: Any) -> None:
        said = json.dumps({"port": port, "devices": devices, **more})
        self._process = subprocess.Popen(
            [sys.executable, __file__, said], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def tell(self, command: str, *arguments: Any) -> Any:
        """Have the node do something, and return what came of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([command, *arguments]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def main() -> None:
    said = json.loads(sys.argv[1])
    node = EdgeNode(said.pop("port"), said.pop("devices"), **said)
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        match command:
            case "births" | "asked" | "measured" | "wanted":
                answer = getattr(node, command)
            case _:
                answer = getattr(node, command)(*arguments)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
