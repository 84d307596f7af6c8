"""What the edge role and its broker need: memory and processor time for 100 sensors at 1 Hz over MQTT.

    python -m benchmarks.edge [--minutes 10] [--messages device sensor]
    python -m benchmarks.edge --minutes 0.5 --messages device --sabotage leak       # must fail

Ten devices of ten sensors publish at QoS 1, first each device one message a second (`device`), then in a second run
every value as a message of its own (`sensor`). Memory is PSS (what is shared with other processes is counted in parts;
RSS counts it whole) from `/proc/PID/smaps_rollup`, summed over `iot-edge-anomaly run edge` (connectors, pipeline,
trainer) and its NATS server, at the end; processor time is that of both after the first ten seconds. Each asset
learns its model from five minutes of rows, and is scored with it for the rest of the time.

Fails at 100 MB, at 4 KB of state a sensor, when what was sent is not what was taken in, where a model is not learned in
time, and where a message a device costs 5 % of a core.
"""

import argparse
import asyncio
import json
import math
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import psutil
from benchmarks.faulty_roles import MODES, with_fault
from benchmarks.results import write

from iot_edge_anomaly.app import plan as plans
from iot_edge_anomaly.app.all_in_one import Running, running
from iot_edge_anomaly.app.plan import Plan, Ports
from iot_edge_anomaly.app.settings import load
from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.checkpoint import load_states, read_checkpoint
from iot_edge_anomaly.bus.ledger import reconcile
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.observability.logging import configure_logging
from iot_edge_anomaly.resilience.supervise import ProcessSpec
from iot_edge_anomaly.security.devices import Device, create_device

DEVICES = 10
SENSORS = 10
TENANT = "bench"
BAR_MB = 100.0
BAR_CORE_SHARE = 0.05
BAR_STATE_BYTES = 4096
SETTLE_SECONDS = 10.0
SAMPLE_SECONDS = 5.0
PARTS = ("edge", "broker")
LEARNED_MINUTES = 8
"""By then every asset has learned its model."""

SETTINGS = """
[console]
enabled = false
[bus]
memory_mb = 24
[[asset]]
match = "*"
learn_rows = 300
"""


class Station:
    """Ten devices; each publishes its sensors once a second."""

    def __init__(self, devices: list[Device], port: int, seed: int, *, separately: bool) -> None:
        self._random = random.Random(seed)
        self._separately = separately
        self._clients = [_connected(device, port) for device in devices]

    async def publish(self, seconds: float) -> int:
        """Publish for so long; return how many values were sent."""
        start, sent = time.monotonic(), 0
        while (due := time.monotonic() - start) < seconds:
            for number, client in enumerate(self._clients):
                sent += self._publish(client, number)
            await asyncio.sleep(max(int(due) + 1 - (time.monotonic() - start), 0))
        return sent

    def _publish(self, client: mqtt.Client, number: int) -> int:
        topic, now = f"ingress/{TENANT}/site/area/line/pump-{number}", round(time.time(), 3)
        values = {f"sensor-{sensor}": round(self._random.gauss(20 + sensor, 1), 3) for sensor in range(SENSORS)}
        if not self._separately:
            client.publish(topic, json.dumps({"time": now, **values}), qos=1)
            return SENSORS
        for sensor, value in values.items():
            client.publish(f"{topic}/{sensor}", json.dumps({"time": now, "value": value}), qos=1)
        return SENSORS

    def close(self) -> None:
        """Disconnect."""
        for client in self._clients:
            client.disconnect()
            client.loop_stop()


def _connected(device: Device, port: int) -> mqtt.Client:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=device.user)
    client.username_pw_set(device.user, device.password)
    client.connect("127.0.0.1", port)
    client.loop_start()
    return client


def memory_mb(pid: int, kind: str = "Pss") -> float:
    """Return the memory of a process: `Pss` or `Rss`."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith(f"{kind}:")) / 1024


class Meter:
    """Reads memory and processor time of both processes."""

    def __init__(self, system: Running) -> None:
        pids = {info.role: info.pid for info in system.supervisor.processes()}
        self._processes = {part: psutil.Process(pids[part]) for part in PARTS}
        self._cpu: list[tuple[float, dict[str, float]]] = []
        self.peak_mb = 0.0

    def pss_mb(self) -> dict[str, float]:
        found = {part: memory_mb(process.pid) for part, process in self._processes.items()}
        self.peak_mb = max(self.peak_mb, sum(found.values()))
        return found

    def rss_mb(self) -> float:
        return sum(memory_mb(process.pid, "Rss") for process in self._processes.values())

    def cpu_seconds(self) -> dict[str, float]:
        return {part: sum(process.cpu_times()[:2]) for part, process in self._processes.items()}

    async def watch(self) -> None:
        while True:
            self.pss_mb()
            self._cpu.append((time.monotonic(), self.cpu_seconds()))
            await asyncio.sleep(SAMPLE_SECONDS)

    def share(self, last_seconds: float = math.inf) -> dict[str, float]:
        """Return the share of a core that each part used in the time watched, or at its end."""
        end, after = time.monotonic(), self.cpu_seconds()
        start, before = next((at, used) for at, used in self._cpu if end - at <= last_seconds)
        return {part: round((after[part] - before[part]) / (end - start), 4) for part in PARTS}


def _roles(sabotage: str | None) -> Callable[[Plan, Ports], Iterable[ProcessSpec]]:
    def roles(wanted: Plan, ports: Ports) -> Iterator[ProcessSpec]:
        connectors = next(spec for spec in plans.roles(wanted, ports) if spec.role == "connectors")
        argv = tuple("edge" if argument == "connectors" else argument for argument in connectors.argv)
        yield with_fault(replace(connectors, role="edge", argv=argv), sabotage)

    return roles


async def measure(options: argparse.Namespace, *, separately: bool) -> dict[str, Any]:
    """Run the system and return figures."""
    with tempfile.TemporaryDirectory(prefix="edge-") as folder:
        data_dir = Path(folder)
        devices = [create_device(data_dir, f"device-{number}", TENANT) for number in range(DEVICES)]
        config = data_dir / "edge.toml"
        config.write_text(SETTINGS)
        async with running(Plan(load(config), data_dir, config), _roles(options.sabotage)) as system:
            station, meter = (
                Station(devices, system.ports.mqtt, options.seed, separately=separately),
                Meter(system),
            )
            sent = await station.publish(SETTLE_SECONDS)
            watch = asyncio.create_task(meter.watch())
            sent += await station.publish(options.minutes * 60 - SETTLE_SECONDS)
            share, last_minute = meter.share(), meter.share(60 + SAMPLE_SECONDS)
            memory, rss_mb = meter.pss_mb(), meter.rss_mb()
            watch.cancel()
            accepted, used = await _taken_in(system, sent)
            station.close()
            state_bytes, learned = await _state(system)
    return {
        "minutes": options.minutes,
        "sensors": DEVICES * SENSORS,
        "messages_a_second": DEVICES * (SENSORS if separately else 1),
        "pss_mb": {part: round(size, 1) for part, size in memory.items()},
        "pss_mb_together": round(sum(memory.values()), 1),
        "rss_mb_together": round(rss_mb, 1),
        "pss_mb_peak": round(meter.peak_mb, 1),
        "core_share": share,
        "core_share_last_minute": last_minute,
        "core_share_together": round(sum(share.values()), 4),
        "state_bytes_a_sensor": state_bytes,
        "assets_with_a_model": learned,
        "values_sent": sent,
        "values_taken_in": accepted,
        "values_used": used,
    }


async def _taken_in(system: Running, sent: int) -> tuple[int, int]:
    """Return how many values were taken in, repeats among them, and used; once all were or no more come.

    Who sends at QoS 1 without numbers may be taken in more than once, never used more than once.
    """
    deadline, accepted, used = time.monotonic() + 10, 0, 0
    while accepted < sent and time.monotonic() < deadline:
        await asyncio.sleep(0.5)
        try:
            balance = await reconcile(system.bus, system.address.partitions)
        except UnavailableError:
            continue
        accepted = sum(line.accepted for line in balance.lines)
        used = sum(line.used + line.held for line in balance.lines)
    return accepted, used


async def _state(system: Running) -> tuple[int | None, int]:
    """Return the bytes of checkpointed state a sensor, and how many models are in use (None, 0: no checkpoint yet)."""
    size = assets = models = 0
    for partition in range(system.address.partitions):
        checkpoint = await read_checkpoint(system.bus, Blobs(system.bus), partition)
        states = await load_states(Blobs(system.bus), checkpoint.assets)
        assets += len(states)
        size += sum(map(len, states.values()))
        models += sum(b"sha256:" in state for state in states.values())
    return (size // (assets * SENSORS) if assets else None), models


def complaints(mode: str, figures: dict[str, Any]) -> list[str]:
    """Return what is wrong with a run; nothing means the bars are met."""
    wrong = []
    if figures["pss_mb_together"] >= BAR_MB:
        wrong.append(f"{figures['pss_mb_together']} MB are not below {BAR_MB:g} MB")
    if mode == "device" and figures["core_share_together"] >= BAR_CORE_SHARE:
        wrong.append(f"{figures['core_share_together']:.1%} of a core is not below {BAR_CORE_SHARE:.0%}")
    if (figures["state_bytes_a_sensor"] or 0) > BAR_STATE_BYTES:
        wrong.append(f"{figures['state_bytes_a_sensor']} bytes of state a sensor are more than {BAR_STATE_BYTES}")
    if figures["minutes"] >= LEARNED_MINUTES and figures["assets_with_a_model"] < DEVICES:
        wrong.append(f"only {figures['assets_with_a_model']} of {DEVICES} assets have a model")
    sent, taken_in, used = (figures[f"values_{what}"] for what in ("sent", "taken_in", "used"))
    if not used <= sent <= taken_in:
        wrong.append(f"{sent} values were sent, {taken_in} taken in, {used} used")
    return [f"a message a {mode}: {what}" for what in wrong]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--messages", choices=("device", "sensor"), nargs="+", default=["device", "sensor"])
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--keep-figures", choices=("yes", "no"), default="yes", help="write docs/results")
    parser.add_argument("--sabotage", choices=sorted(MODES), default=None)
    options = parser.parse_args(arguments)
    configure_logging("edge", "error")
    found = {mode: asyncio.run(measure(options, separately=mode == "sensor")) for mode in options.messages}
    wrong = [what for mode, figures in found.items() for what in complaints(mode, figures)]
    bars = {"pss_mb": BAR_MB, "core_share": BAR_CORE_SHARE, "state_bytes_a_sensor": BAR_STATE_BYTES}
    figures = {"a_message_a": found, "bars": bars, "met": not wrong, "complaints": wrong}
    print(figures)
    if options.sabotage is None and options.keep_figures == "yes":
        write("edge", figures, options.seed)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
