"""A running system under input that nobody would send on purpose: each is an error or a record that says why."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from small_system import SmallSystem, eventually, small_system  # type: ignore[import-not-found]

from iot_edge_anomaly.security.devices import create_device

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]

NAMES = [
    "p.1",
    "p 1",
    "*",
    ">",
    "p.*.>",
    "🔥 pump",
    "..",
    "ü" * 60,
    "%2F",
    "a\\b",
    "'; drop",
    "<script>",
    "$SYS",
    "#",
    "+",
]
BAD_NAMES = ["", "acme", "acme/", "/x", "acme//x", "acme/" + "x" * 5_000, "acme/\x00", "\ud800"]
ROW = {"time": "2026-01-01T00:00:00Z", "flow": 1.0}
ODD_ROWS: list[tuple[str, Any]] = [
    ("NaN", {"flow": "NAN"}),
    ("inf", {"flow": "-INFINITY"}),
    ("1e308", {"flow": 1e308}),
    ("1970", {"time": 0, "flow": 1.0}),
    ("2100", {"time": "2100-01-01T00:00:00Z", "flow": 1.0}),
    ("year 9999", {"time": "9999-12-31T23:59:59+14:00", "flow": 1.0}),
    ("no time", {"time": "tomorrow", "flow": 1.0}),
    ("text", {"flow": "warm"}),
    ("list", {"flow": [1, 2]}),
    ("no object", [1, 2]),
    ("long sensor", {"s" * 5_000: 1.0}),
    ("empty sensor", {"": 1.0}),
    ("misspelt", {"timestmap": 1_795_500_000, "flow": 1.0}),
]
BODIES = [
    b"",
    b"{",
    b"\xff\xfe{}",
    b'{"asset": "acme/\xff", "rows": []}',
    b"[" * 100_000,
    b'{"asset": "acme/x", "rows": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    b"null",
    b"[]",
    b"\x00" * 1_000,
    b'{"asset": 1, "rows": []}',
    b'{"asset": "acme/x", "rows": {}}',
    b'{"asset": "acme/x", "rows": [], "sequence": -1}',
    b'{"asset": "acme/x", "rows": [], "sequence": 1e400}',
    b'{"asset": "acme/x", "rows": [], "epoch": "x"}',
]


class Plant:
    """The system, its owner, and a device of acme's that publishes at QoS 1."""

    def __init__(self, system: SmallSystem, client: httpx.Client, device: Client) -> None:
        self.system, self.client, self.device = system, client, device
        self.processes = self._processes()

    def _processes(self) -> dict[str, int]:
        return {one["role"]: one["pid"] for one in self.client.get("/v1/status").json()["processes"]}

    def is_unharmed(self) -> bool:
        alive = self._processes() == self.processes
        return (
            alive and self.client.post("/v1/readings", json={"asset": "acme/alive", "rows": [ROW]}).status_code == 202
        )

    def set_aside(self) -> int:
        return sum(r["count"] for r in self.client.get("/v1/set-aside?limit=1000").json()["set_aside"])

    def publish(self, topic: str, payload: bytes) -> None:
        self.device.publish(topic, payload, qos=1).wait_for_publish(30)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "plant").mkdir(mode=0o700)
    made = create_device(folder / "plant", "device-1", "acme")
    with small_system(folder) as system, system.client() as client:
        device = Client(CallbackAPIVersion.VERSION2, client_id="device-1")
        device.username_pw_set(made.user, made.password)
        device.connect("127.0.0.1", system.mqtt_port)
        device.loop_start()
        yield Plant(system, client, device)
        device.disconnect()
        device.loop_stop()


def test_any_name_that_can_be_told_apart_is_an_asset_of_its_own(plant: Plant) -> None:
    for name in NAMES:
        answer = plant.client.post("/v1/readings", json={"asset": f"acme/{name}", "rows": [{**ROW, name: 2.0}]})
        assert answer.status_code == 202, (name, answer.text)
        assert answer.json()["set_aside"] == []
    wanted = {f"acme/{name}" for name in NAMES}
    eventually(lambda: wanted <= {one["asset"] for one in plant.client.get("/v1/assets").json()["assets"]})
    for name in NAMES:
        found = plant.client.get("/v1/alarms", params={"asset": f"acme/{name}"})
        assert (found.status_code, found.json()["alarms"]) == (200, [])
    assert plant.is_unharmed()


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: repr(name[:12]))
def test_a_name_that_is_none_is_refused_with_a_reason(plant: Plant, name: str) -> None:
    body = json.dumps({"asset": name, "rows": [ROW]}).encode()
    answer = plant.client.post("/v1/readings", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert 10 < len(answer.json()["detail"]) < 1_000
    assert plant.is_unharmed()


@pytest.mark.parametrize(("what", "row"), ODD_ROWS, ids=[what for what, _ in ODD_ROWS])
def test_an_odd_row_is_set_aside_and_listed_whichever_way_it_comes(plant: Plant, what: str, row: Any) -> None:
    text = json.dumps([row]).replace('"NAN"', "NaN").replace('"-INFINITY"', "-Infinity")
    before = plant.set_aside()
    body = f'{{"asset": "acme/odd", "rows": {text}}}'.encode()
    answer = plant.client.post("/v1/readings", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 202
    (record,) = answer.json()["set_aside"]
    assert len(record["reason"]) > 5
    plant.publish("ingress/acme/odd", text.encode())
    eventually(lambda: plant.set_aside() >= before + 2)
    assert plant.is_unharmed()


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:24]))
def test_a_body_that_is_none_is_refused_over_http_and_kept_over_mqtt(plant: Plant, body: bytes) -> None:
    for media in ("application/json", "application/msgpack"):
        answer = plant.client.post("/v1/readings", content=body, headers={"Content-Type": media})
        assert answer.status_code == 400, answer.text
        assert answer.json()["detail"]
    before = plant.set_aside()
    plant.publish("ingress/acme/broken", body)
    eventually(lambda: plant.set_aside() > before or body in (b"[]",))
    assert plant.is_unharmed()


def test_ten_megabytes_are_refused(plant: Plant) -> None:
    large = b'{"asset": "acme/a", "rows": [' + b" " * 10_000_000 + b"]}"
    answer = plant.client.post("/v1/readings", content=large, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert "max_body_bytes" in answer.json()["detail"]
    address = (urlsplit(plant.system.url).hostname, plant.system.port)
    with socket.create_connection(address, 10) as liar:  # says nothing of its length, and never stops
        token = plant.client.headers["authorization"]
        head = f"POST /v1/readings HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nTransfer-Encoding: chunked\r\n\r\n"
        try:
            liar.sendall(head.encode())
            for _ in range(100):
                liar.sendall(b"20000\r\n" + b" " * 0x20000 + b"\r\n")
        except OSError:
            pass  # hung up on, as it should be
    other = Client(CallbackAPIVersion.VERSION2, client_id="large")
    other.username_pw_set(plant.device.username, plant.device.password)
    other.connect("127.0.0.1", plant.system.mqtt_port)
    other.loop_start()
    other.publish("ingress/acme/large", b"9" * 10_000_000, qos=1)
    eventually(plant.is_unharmed)
    other.loop_stop()
    plant.publish("ingress/acme/after", b'{"flow": 1}')


def test_five_thousand_sensors_are_taken_and_one_more_is_refused(plant: Plant) -> None:
    row = {f"s{number}": 1.0 for number in range(5_000)}
    taken = plant.client.post("/v1/readings", json={"asset": "acme/wide", "rows": [row]})
    assert (taken.status_code, taken.json()["accepted"]) == (202, 5_000)
    refused = plant.client.post("/v1/readings", json={"asset": "acme/wide", "rows": [{**row, "s": 1.0}]})
    assert refused.status_code == 400
    assert "5000 sensors" in refused.json()["detail"]
    assert plant.is_unharmed()


def test_slow_and_idle_connections_leave_room_for_others(plant: Plant) -> None:
    address = ("127.0.0.1", plant.system.port)
    with ExitStack() as stack:
        held = [stack.enter_context(socket.create_connection(address, 10)) for _ in range(400)]
        for number, slow in enumerate(held):
            if number % 2:
                slow.sendall(b"POST /v1/readings HTTP/1.1\r\nHost: x\r\nX-")
        for _ in range(5):
            for slow in held[1::2]:
                slow.sendall(b"a")
            with plant.system.client() as fresh:
                assert fresh.get("/healthz").status_code == 200
    assert plant.is_unharmed()


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Bomb: " + b"a" * 2_000_000 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(20_000)) + b"\r\n",
        b"GET /" + b"a" * 2_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00" + b"\x00" * 600,
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=["large header", "many headers", "long path", "TLS", "negative length", "two lengths"],
)
def test_a_header_bomb_is_refused_or_hung_up_on(plant: Plant, head: bytes) -> None:
    with socket.create_connection(("127.0.0.1", plant.system.port), 10) as bomber:
        try:
            bomber.sendall(head)
            bomber.shutdown(socket.SHUT_WR)
            answer = bomber.recv(4096)
        except OSError:
            answer = b""
    assert not answer or answer.split()[1][:1] in (b"2", b"4"), answer[:200]
    assert plant.is_unharmed()


def test_wrong_tokens_are_all_refused_and_cost_the_others_nothing(plant: Plant) -> None:
    wrong = ["-", "x", "iea_1_2", "iea_" + "a" * 100_000, plant.client.headers["authorization"][7:-1] + "!"]
    with httpx.Client(base_url=plant.system.url, timeout=30) as stranger:
        for number in range(500):
            token = wrong[number % len(wrong)]
            answer = stranger.get("/v1/assets", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code in ((401,) if len(token) < 10_000 else (400, 401, 431))
            if answer.status_code == 401:
                assert answer.headers["www-authenticate"] == "Bearer"
    assert plant.is_unharmed()


def test_everything_adds_up(plant: Plant) -> None:
    sent = plant.client.post("/v1/readings", json={"asset": "acme/sum", "rows": [{**ROW, "x": "warm"}, {"x": 1.0}]})
    assert sent.json()["accepted"] == 3

    def balance() -> dict[str, Any]:
        return dict(plant.client.get("/v1/reconcile").json())

    eventually(lambda: any(line["asset"] == "acme/sum" and line["accepted"] == 3 for line in balance()["lines"]))
    eventually(lambda: balance()["is_balanced"])
    assert plant.is_unharmed()
