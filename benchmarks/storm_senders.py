"""Senders of the kill storm: numbered batches over MQTT and HTTP, each with a ledger of what was acknowledged.

A sender keeps a window of unacknowledged batches, sends every tenth twice and some out of order, and sends again, with
the same number, whatever was not acknowledged.
"""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection, HTTPException

import numpy as np
import paho.mqtt.client as mqtt

from iot_edge_anomaly.core.names import AssetKey

TENANT = "storm"
SENSORS = ("flow", "pressure", "power", "speed", "vibration")
ROWS_PER_BATCH = 10
WINDOW = 8
T0 = 1_767_225_600
RETRY_SECONDS = 0.05
PATIENCE_SECONDS = 300.0


@dataclass
class Ledger:
    """What one sender was told is stored: batch number to count of values."""

    key: AssetKey
    acknowledged: dict[int, int] = field(default_factory=dict)
    sent_twice: int = 0


def series(asset: int, batches: int, seed: int) -> np.ndarray:
    """Return the readings of an asset: a swinging plant with a fault now and then."""
    rng = np.random.default_rng([seed, asset])
    rows = batches * ROWS_PER_BATCH
    swing = np.sin(np.arange(rows) / 7 + asset) + np.sin(np.arange(rows) / 3)
    values = np.stack([10 + swing, 3 + 0.3 * swing, 20 + 2 * swing, 1400 + 30 * swing, 2 + 0.1 * swing], axis=1)
    values += rng.normal(size=values.shape) * np.array([0.1, 0.03, 0.2, 3.0, 0.05])
    for start in range(rows // 3, rows - 60, rows // 3):
        values[start : start + 60, 1] += 1.0
    return values


def payload(key: AssetKey, number: int, values: np.ndarray) -> bytes:
    """Return batch `number` of a series as JSON."""
    first = number * ROWS_PER_BATCH
    rows = [
        {"time": T0 + first + row, **dict(zip(SENSORS, map(float, line), strict=True))}
        for row, line in enumerate(values[first : first + ROWS_PER_BATCH])
    ]
    return json.dumps({"asset": str(key), "source": "sender", "epoch": 1, "sequence": number, "rows": rows}).encode()


def order(batches: int, seed: int, *, disturbed: bool) -> Iterator[int]:
    """Yield batch numbers: in order, or with every tenth twice and neighbours swapped now and then."""
    chosen = random.Random(seed)
    for start in range(0, batches, 4):
        group = list(range(start, min(start + 4, batches)))
        if disturbed and chosen.random() < 0.3:
            chosen.shuffle(group)
        for number in group:
            yield number
            if disturbed and number % 10 == 9:
                yield number


class Progress:
    """How many batches all senders together have had acknowledged, and how far each may go.

    A sender stops at the end of each phase until all that was acknowledged has been worked in: so disorder, by
    whatever was killed, stays within a phase, as it does in a plant that sends at the pace of its own clock.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.done = 0
        self.allowed = 0

    def add(self) -> None:
        with self._changed:
            self.done += 1

    def allow(self, below: int) -> None:
        """Let every sender go on to batches below a number."""
        with self._changed:
            self.allowed = below
            self._changed.notify_all()

    def await_turn(self, number: int) -> None:
        """Return once batch `number` may be sent."""
        with self._changed:
            if not self._changed.wait_for(lambda: number < self.allowed, PATIENCE_SECONDS):
                raise TimeoutError(f"batch {number} was never allowed: what came before was not worked in")


def send_http(
    ledger: Ledger, values: np.ndarray, numbers: Iterator[int], port: int, token: str, progress: Progress
) -> None:
    """Post batch after batch; again, with the same number, until it is acknowledged."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    for number in numbers:
        progress.await_turn(number)
        body = payload(ledger.key, number, values)
        while not _post(connection, body, token):
            if time.monotonic() > deadline:
                raise TimeoutError(f"batch {number} of {ledger.key} was never acknowledged")
            time.sleep(RETRY_SECONDS)
        _note(ledger, number, progress)


def _post(connection: HTTPConnection, body: bytes, token: str) -> bool:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        connection.request("POST", "/v1/readings", body, headers)
        answer = connection.getresponse()
        said = answer.read()
    except (OSError, HTTPException):
        connection.close()
        return False
    if answer.status not in {202, 429, 503}:
        raise RuntimeError(f"the gateway says {answer.status}: {said[:300]!r}")
    return answer.status == 202


def send_mqtt(
    ledger: Ledger,
    values: np.ndarray,
    numbers: Iterator[int],
    port: int,
    user: str,
    password: str,
    progress: Progress,
) -> None:
    """Publish with QoS 1 in a window; paho sends again after a reconnect what has no PUBACK."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=user, clean_session=False)
    client.username_pw_set(user, password)
    client.reconnect_delay_set(0.05, 0.5)
    client.max_inflight_messages_set(WINDOW)
    acknowledged = threading.Condition()
    waiting: dict[int, int] = {}
    early: set[int] = set()

    def on_publish(_client: mqtt.Client, _data: object, mid: int, *_: object) -> None:
        with acknowledged:
            number = waiting.pop(mid, None)
            if number is None:
                early.add(mid)
            else:
                _note(ledger, number, progress)
            acknowledged.notify()

    client.on_publish = on_publish
    _until(lambda: _connects(client, port), "the broker never answered")
    client.loop_start()
    topic = f"ingress/{ledger.key}"
    try:
        for number in numbers:
            progress.await_turn(number)
            with acknowledged:
                if not acknowledged.wait_for(partial(_has_room, waiting, number), PATIENCE_SECONDS):
                    raise TimeoutError(f"batches {sorted(waiting.values())} of {ledger.key} were never acknowledged")
            sent = client.publish(topic, payload(ledger.key, number, values), qos=1)
            with acknowledged:
                if sent.mid in early:
                    early.discard(sent.mid)
                    _note(ledger, number, progress)
                else:
                    waiting[sent.mid] = number
        with acknowledged:
            if not acknowledged.wait_for(lambda: not waiting, PATIENCE_SECONDS):
                raise TimeoutError(f"batches {sorted(waiting.values())} of {ledger.key} were never acknowledged")
    finally:
        client.disconnect()
        client.loop_stop()


def _has_room(waiting: dict[int, int], number: int) -> bool:
    return len(waiting) < WINDOW and number - min(waiting.values(), default=number) < WINDOW


def _connects(client: mqtt.Client, port: int) -> bool:
    try:
        client.connect("127.0.0.1", port, keepalive=10)
    except OSError:
        return False
    return True


def _until(holds: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(complaint)
        time.sleep(RETRY_SECONDS)


def _note(ledger: Ledger, number: int, progress: Progress) -> None:
    if number in ledger.acknowledged:
        ledger.sent_twice += 1
        return
    ledger.acknowledged[number] = ROWS_PER_BATCH * len(SENSORS)
    progress.add()
