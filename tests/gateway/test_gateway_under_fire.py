"""What the gateway promises while parts of it are stopped or killed."""

import asyncio
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from gateway_system import System, eventually, running  # type: ignore[import-not-found]
from plant_of_two_tenants import PUMP, commit_end_of, commit_outcomes  # type: ignore[import-not-found]

from iot_edge_anomaly.bus.connection import connect
from iot_edge_anomaly.bus.streams import OUTCOMES, outcomes_subject
from iot_edge_anomaly.core.messages import Acknowledge
from iot_edge_anomaly.gateway.serve import command
from iot_edge_anomaly.gateway.settings import GatewaySettings
from iot_edge_anomaly.security.tokens import token_store

pytestmark = pytest.mark.server
ASSET = "acme/site/pump-1"


def numbered(sequence: int) -> dict[str, object]:
    row = {"time": "2026-11-24T06:00:00Z", "flow": float(sequence)}
    return {"asset": ASSET, "source": "plc", "epoch": 1, "sequence": sequence, "rows": [row]}


class Sender(threading.Thread):
    """Sends numbered readings until told to stop; remembers what was acknowledged and every other status."""

    def __init__(self, client: httpx.Client, numbers: Iterator[int]) -> None:
        super().__init__()
        self.client = client
        self.numbers = numbers
        self.acknowledged: list[int] = []
        self.refused: list[httpx.Response] = []
        self.ended = threading.Event()

    def run(self) -> None:
        for number in self.numbers:
            if self.ended.is_set():
                return
            try:
                response = self.client.post("/v1/readings", json=numbered(number))
            except httpx.TransportError:
                continue  # no answer: nothing was promised
            if response.status_code == 202:
                self.acknowledged.append(number)
            else:
                self.refused.append(response)


def test_a_killed_broker_means_503_and_nothing_acknowledged_is_missing(own_system: System) -> None:
    senders = [Sender(own_system.client(), iter(range(start, 10**6, 4))) for start in range(4)]
    for sender in senders:
        sender.start()
    eventually(lambda: all(len(sender.acknowledged) > 20 for sender in senders))
    own_system.kill_broker()
    eventually(lambda: any(response.status_code == 503 for sender in senders for response in list(sender.refused)))
    before = {id(sender): len(sender.acknowledged) for sender in senders}
    assert httpx.get(f"{own_system.url}/readyz").status_code == 503
    assert httpx.get(f"{own_system.url}/healthz").status_code == 200
    own_system.start_broker()
    eventually(lambda: all(len(sender.acknowledged) > before[id(sender)] + 20 for sender in senders))
    for sender in senders:
        sender.ended.set()
        sender.join()
    refused = [response for sender in senders for response in sender.refused]
    assert {response.status_code for response in refused} <= {503, 429}
    assert all(int(response.headers["retry-after"]) >= 1 for response in refused)
    assert httpx.get(f"{own_system.url}/readyz").status_code == 200
    stored = {batch.sequence for batch in own_system.batches(ASSET)}
    assert {number for sender in senders for number in sender.acknowledged} <= stored
    told = [line for line in own_system.log().splitlines() if "over HTTP" in line]
    assert len(told) == 2, "an outage is told once when it begins and once when it ends"


def test_a_polite_stop_answers_what_is_under_way(own_system: System) -> None:
    senders = [Sender(own_system.client(), iter(range(start, 10**6, 4))) for start in range(4)]
    for sender in senders:
        sender.start()
    eventually(lambda: all(len(sender.acknowledged) > 20 for sender in senders))
    assert own_system.gateway is not None
    own_system.gateway.terminate()
    assert own_system.gateway.wait(20) == 0
    for sender in senders:
        sender.ended.set()
        sender.join()
    assert all(sender.refused == [] for sender in senders)
    stored = {batch.sequence for batch in own_system.batches(ASSET)}
    assert {number for sender in senders for number in sender.acknowledged} <= stored
    own_system.start_gateway()
    assert own_system.client().post("/v1/readings", json=numbered(10**6)).status_code == 202


def test_the_worker_ends_with_its_parent_and_the_parent_with_its_worker(own_system: System) -> None:
    worker = own_system.worker()
    assert own_system.gateway is not None
    own_system.gateway.kill()
    own_system.gateway.wait(10)
    eventually(lambda: not psutil.pid_exists(worker.pid) or worker.status() == psutil.STATUS_ZOMBIE)
    own_system.start_gateway()
    os.kill(own_system.worker().pid, signal.SIGKILL)
    eventually(lambda: own_system.gateway is not None and own_system.gateway.poll() is not None)


def test_a_gateway_without_a_bus_ends_and_says_why(tmp_path: Path) -> None:
    system = System(tmp_path, GatewaySettings())
    argv, env = command(tmp_path, system.settings)
    ended = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0
    assert "no system runs in" in ended.stdout + ended.stderr


def test_too_many_requests_are_told_to_wait(tmp_path: Path) -> None:
    for system in running(tmp_path, GatewaySettings(requests_per_second=1, burst=3)):
        with system.client(name="eager") as eager, system.client(name="modest") as modest:
            answers = [eager.post("/v1/readings", json=numbered(number)) for number in range(5)]
            refused = [answer for answer in answers if answer.status_code == 429]
            assert refused
            assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
            assert modest.post("/v1/readings", json=numbered(9)).status_code == 202


def test_a_damaged_token_file_closes_the_door_until_it_is_mended(own_system: System) -> None:
    tokens = own_system.data_dir / "security" / "tokens.json"
    with own_system.client() as client:
        intact = tokens.read_bytes()
        tokens.write_bytes(b"{")
        eventually(lambda: client.post("/v1/readings", json=numbered(1)).status_code == 503)
        refused = client.post("/v1/readings", json=numbered(1))
        assert "tokens" not in refused.text, "where things are is nothing for strangers"
        assert "tokens.json" in own_system.log()
        tokens.write_bytes(intact)
        eventually(lambda: client.post("/v1/readings", json=numbered(1)).status_code == 202)


def test_a_revoked_token_is_refused_without_a_restart(own_system: System) -> None:
    store = token_store(own_system.data_dir)
    with own_system.client(name="plc-7") as client:
        assert client.post("/v1/readings", json=numbered(1)).status_code == 202
        (record,) = [record for record in store.records() if record.name == "plc-7"]
        assert store.revoke(record.id)
        eventually(lambda: client.post("/v1/readings", json=numbered(2)).status_code == 401)


def open_alarms(client: httpx.Client) -> list[str]:
    return [alarm["id"] for alarm in client.get("/v1/alarms").json()["alarms"]]


def test_acts_are_refused_while_the_broker_is_down_and_the_plant_is_followed_after(own_system: System) -> None:
    with own_system.client() as client:
        asyncio.run(commit_outcomes(own_system.address, ""))
        eventually(lambda: open_alarms(client) == ["Anew", "Apress"])
        own_system.kill_broker()
        eventually(lambda: httpx.get(f"{own_system.url}/readyz").status_code == 503)
        for path in ("/v1/alarms/Anew/acknowledge", "/v1/new-normal", "/v1/reconcile"):
            method, body = ("GET", None) if path == "/v1/reconcile" else ("POST", {"asset": str(PUMP)})
            assert client.request(method, path, json=body).status_code == 503
        for path in ("/v1/alarms", "/v1/assets", f"/v1/scores?asset={PUMP}"):
            assert client.get(path).status_code == 503, "what may be out of date is not told"
        own_system.start_broker()
        eventually(lambda: client.post("/v1/alarms/Anew/acknowledge").status_code == 202)
        asyncio.run(commit_end_of(own_system.address, PUMP, "new"))
        eventually(lambda: open_alarms(client) == ["Apress"])
        assert [type(item) for item in own_system.stored()] == [Acknowledge]


def test_a_commit_of_a_newer_program_is_told_and_readings_are_taken_all_the_same(own_system: System) -> None:
    async def publish() -> None:
        async with connect(own_system.address) as bus:
            await bus.publish(outcomes_subject(0), b"\xc8", expected_stream=OUTCOMES)

    asyncio.run(publish())
    with own_system.client() as client:
        eventually(lambda: client.get("/readyz").status_code == 503)
        for path in ("/readyz", "/v1/assets", "/v1/alarms"):
            refused = client.get(path)
            assert refused.status_code == 503
            assert "upgrade it" in refused.json()["detail"]
        assert client.post("/v1/readings", json=numbered(1)).status_code == 202
