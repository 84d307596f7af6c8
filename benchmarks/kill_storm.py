"""Kill worker, connectors and broker at random while MQTT and HTTP senders write; then prove that nothing is lost.

    python -m benchmarks.kill_storm --kills 20 --readings 200000
    python -m benchmarks.kill_storm --kills 6 --readings 20000 --sabotage drop-one     # must fail

Two real systems run: one undisturbed, one in the storm. Checked: what the senders were told is stored is used, once,
by their own ledger; the books balance; every score and every alarm equals the undisturbed run's to the bit.
"""

import argparse
import asyncio
import contextlib
import os
import random
import secrets
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from benchmarks.results import write
from benchmarks.sabotage import MODES
from benchmarks.storm_senders import (
    ROWS_PER_BATCH,
    SENSORS,
    TENANT,
    Ledger,
    Progress,
    order,
    send_http,
    send_mqtt,
    series,
)

from iot_edge_anomaly.app import plan as plans
from iot_edge_anomaly.app.all_in_one import Running, running
from iot_edge_anomaly.app.plan import Plan, Ports
from iot_edge_anomaly.app.settings import load
from iot_edge_anomaly.bus.blobs import Blobs
from iot_edge_anomaly.bus.codec import decode_commit
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.intake import open_intake
from iot_edge_anomaly.bus.ledger import Balance, reconcile
from iot_edge_anomaly.bus.streams import OUTCOMES, outcomes_subject
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.core.messages import ModelActivated
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.detection.catalog import detector_spec
from iot_edge_anomaly.observability.logging import configure_logging
from iot_edge_anomaly.registry.artefact import TrainingFacts, pack
from iot_edge_anomaly.resilience.supervise import ProcessSpec
from iot_edge_anomaly.security.devices import create_device

ASSETS = 10
VICTIMS = ("worker", "connectors", "broker")
SETTLE_SECONDS = 40.0


@dataclass(frozen=True)
class Wish:
    """What to run."""

    kills: int
    batches: int
    seed: int
    settle_seconds: float
    sabotage: str | None = None

    @property
    def phase_batches(self) -> int:
        """Batches an asset sends before all of them must be worked in: a multiple of what is swapped."""
        return max(self.batches // 8 // 4 * 4, 4)

    @property
    def lateness_seconds(self) -> int:
        """A row a second: disorder within a phase is not late."""
        return (self.phase_batches + 1) * ROWS_PER_BATCH

    @property
    def readings(self) -> int:
        return ASSETS * self.batches * ROWS_PER_BATCH * len(SENSORS)


@dataclass(frozen=True)
class Found:
    """What a run left behind."""

    rows: dict[str, tuple[bytes, ...]]
    alarms: dict[str, list[bytes]]
    balance: Balance
    ledgers: list[Ledger]
    kills: dict[str, int]
    seconds: float
    overlaps: int


def write_settings(path: Path, lateness_seconds: int) -> None:
    """No ticks, no page, ports of its own; disorder within a phase stays within the lateness."""
    path.write_text(f"""
[bus]
quota_mb = 1024
port = {_free_port()}
mqtt_port = {_free_port()}
[gateway]
port = {_free_port()}
[console]
enabled = false
[ticks]
seconds = 0
[[asset]]
match = "{TENANT}/*"
lateness_seconds = {lateness_seconds}
silence_seconds = 0
""")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def assets() -> list[AssetKey]:
    return [AssetKey(TENANT, f"site/area/line/asset-{number}") for number in range(ASSETS)]


async def run_once(wish: Wish, *, disturbed: bool) -> Found:
    """Run a system, send everything, wait until it is worked in, and read what came of it."""
    with tempfile.TemporaryDirectory(prefix="kill-storm-") as folder:
        data_dir = Path(folder)
        devices = [create_device(data_dir, f"sender-{number}", TENANT) for number in range(ASSETS // 2)]
        config = data_dir / "storm.toml"
        write_settings(config, wish.lateness_seconds)
        wanted = Plan(load(config), data_dir, config)
        async with running(wanted, _roles(wish.sabotage if disturbed else None)) as system:
            await _activate_models(system.bus, system.address.partitions, wish.seed)
            ledgers, progress = [Ledger(key) for key in assets()], Progress()
            began = time.monotonic()
            senders = _senders(wish, ledgers, progress, system, devices, disturbed=disturbed)
            with senders, _logs_on_failure(data_dir):
                phases = asyncio.create_task(_phases(system, wish, ledgers, progress))
                kills = await _storm(system, wish, progress, senders) if disturbed else {}
                await senders.finished()
                await phases
            seconds = time.monotonic() - began
            rows, alarms, overlaps = await _outcomes(system.bus, system.address.partitions)
            balance = await reconcile(system.bus, system.address.partitions)
            return Found(rows, alarms, balance, ledgers, kills, seconds, overlaps)


@contextlib.contextmanager
def _logs_on_failure(data_dir: Path) -> Iterator[None]:
    """Show what the roles logged last when a run fails: the folder is gone a moment later."""
    try:
        yield
    except BaseException:
        for log in sorted((data_dir / "logs").glob("*.log")):
            print(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}", file=sys.stderr)
        raise


def _roles(sabotage: str | None) -> Callable[[Plan, Ports], Iterable[ProcessSpec]]:
    def roles(wanted: Plan, ports: Ports) -> Iterator[ProcessSpec]:
        for spec in plans.roles(wanted, ports):
            if spec.role == "trainer":
                continue
            yield _sabotaged(spec, sabotage) if sabotage else spec
            if sabotage == "skip-fence" and spec.role == "worker":
                yield replace(_sabotaged(spec, sabotage), role="worker-2")

    return roles


def _sabotaged(spec: ProcessSpec, mode: str) -> ProcessSpec:
    argv = list(spec.argv)
    where = argv.index("iot_edge_anomaly.cli.main")
    argv[where : where + 1] = ["benchmarks.sabotage", mode]
    root = str(Path(__file__).resolve().parents[1])
    return replace(spec, argv=tuple(argv), env={**(spec.env or os.environ), "PYTHONPATH": root})


async def _activate_models(bus: Bus, partitions: int, seed: int) -> None:
    async with open_intake(bus, partitions) as intake:
        for number, key in enumerate(assets()):
            detector = detector_spec("linear").fit(
                series(number, 60, seed + 1)[:190], SENSORS, rows_per_week=604_800.0, false_alarms_per_week=1.0
            )
            digest = await Blobs(bus).put(pack(detector, TrainingFacts(190, 1.0, 1.0)))
            await intake.accept([ModelActivated(key.tenant, key.asset, digest, 1)])


class _Threads:
    """The senders, a thread each; the first failure is raised."""

    def __init__(self, work: list[Callable[[], None]]) -> None:
        self._failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._guard, args=(one,), daemon=True) for one in work]

    def __enter__(self) -> "_Threads":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - handed to the main thread
            self._failures.append(error)

    @property
    def is_running(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    async def finished(self) -> None:
        while self.is_running:
            await asyncio.sleep(0.05)
        if self._failures:
            raise self._failures[0]


def _senders(wish, ledgers, progress, system: Running, devices, *, disturbed: bool) -> _Threads:  # type: ignore[no-untyped-def]
    token = system.owner_token.read_text().strip()
    work: list[Callable[[], None]] = []
    for number, ledger in enumerate(ledgers):
        values = series(number, wish.batches, wish.seed)
        numbers = order(wish.batches, wish.seed + number, disturbed=disturbed)
        if number < len(devices):
            device = devices[number]
            work.append(
                lambda a=(ledger, values, numbers, system.ports.mqtt, device.user, device.password, progress): (
                    send_mqtt(*a)
                )
            )
        else:
            work.append(lambda a=(ledger, values, numbers, system.ports.gateway, token, progress): send_http(*a))
    return _Threads(work)


async def _storm(system: Running, wish: Wish, progress: Progress, senders: _Threads) -> dict[str, int]:
    """Kill one victim after another, spread over the sending."""
    chosen, total = random.Random(wish.seed), ASSETS * wish.batches
    victims = [VICTIMS[number % len(VICTIMS)] for number in range(wish.kills)]
    chosen.shuffle(victims)
    kills = dict.fromkeys(VICTIMS, 0)
    for number, victim in enumerate(victims):
        while progress.done < (number + 0.5) / wish.kills * total * 0.95 and senders.is_running:
            await asyncio.sleep(0.005)
        while not _kill(system, victim):
            await asyncio.sleep(0.01)
        kills[victim] += 1
        print(f"  kill {number + 1}/{wish.kills}: {victim}, {progress.done}/{total} batches acknowledged", flush=True)
    return kills


def _kill(system: Running, role: str) -> bool:
    """Kill the process of a role; return False where it is down just now."""
    pid = next((info.pid for info in system.supervisor.processes() if info.role == role), None)
    if pid is None:
        return False
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


async def _phases(system: Running, wish: Wish, ledgers: list[Ledger], progress: Progress) -> None:
    """Let the senders go on phase by phase, each once the one before is acknowledged and worked in."""
    patience = wish.settle_seconds
    for start in range(0, wish.batches, wish.phase_batches):
        stop = min(start + wish.phase_batches, wish.batches)
        progress.allow(stop)
        while progress.done < stop * ASSETS:
            await asyncio.sleep(0.02)
        if not await _settled(system, ledgers, patience):
            patience = min(patience, 1.0)  # something is missing for good: the rest need not wait for it


async def _settled(system: Running, ledgers: list[Ledger], seconds: float) -> bool:
    """Wait until all that was acknowledged is worked in; False when it stays away for too long."""
    wanted = sum(sum(ledger.acknowledged.values()) for ledger in ledgers)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            balance = await reconcile(system.bus, system.address.partitions)
        except UnavailableError:
            balance = None
        if balance is not None and _kept(balance) >= wanted:
            return True
        await asyncio.sleep(0.1)
    return False


def _kept(balance: Balance) -> int:
    return sum(line.used + line.held for line in balance.lines)


async def _outcomes(bus: Bus, partitions: int) -> tuple[dict[str, tuple[bytes, ...]], dict[str, list[bytes]], int]:
    parts: dict[str, list[list[bytes]]] = {}
    alarms: dict[str, list[bytes]] = {}
    overlaps = 0
    for partition in range(partitions):
        position, committed = 0, 0
        while messages := await bus.read(OUTCOMES, outcomes_subject(partition), position + 1):
            position = messages[-1].seq
            for message in messages:
                commit = decode_commit(message.data)
                overlaps += commit.first_seq <= committed
                committed = max(committed, commit.last_seq)
                for outcome in commit.assets:
                    name = str(outcome.key)
                    alarms.setdefault(name, []).extend(msgspec.msgpack.encode(event) for event in outcome.alarms)
                    if outcome.rows is not None:
                        r = outcome.rows
                        columns = (r.time_ns, r.value, r.score, r.expected, r.contribution, r.quality)
                        for part, column in zip(parts.setdefault(name, [[] for _ in columns]), columns, strict=True):
                            part.append(column)
    return {name: tuple(map(b"".join, columns)) for name, columns in parts.items()}, alarms, overlaps


def complaints(calm: Found, storm: Found) -> list[str]:
    """Return everything that is wrong; nothing means the promise held."""
    wrong: list[str] = []
    lines = {line.asset: line for line in storm.balance.lines}
    if not storm.balance.is_balanced:
        wrong.append(f"the books do not balance: {[line for line in storm.balance.lines if not line.is_balanced]}")
    for ledger in storm.ledgers:
        name, told = str(ledger.key), sum(ledger.acknowledged.values())
        line = lines.get(name)
        if line is None or line.used + line.held != told:
            kept = 0 if line is None else line.used + line.held
            wrong.append(f"{name}: {told} values were acknowledged, {kept} are used")
        if line is not None and (line.late or line.set_aside or line.gaps):
            wrong.append(f"{name}: late {line.late}, set aside {line.set_aside}, gaps {line.gaps}")
    if storm.overlaps:
        wrong.append(f"{storm.overlaps} commits stand for input that was committed before")
    wrong += [f"{name}: the rows differ from the undisturbed run" for name in _different(calm.rows, storm.rows)]
    wrong += [f"{name}: the alarms differ from the undisturbed run" for name in _different(calm.alarms, storm.alarms)]
    if not any(calm.alarms.values()):
        wrong.append("the undisturbed run raised no alarm: there is nothing to compare")
    return wrong


def _different(one: dict, other: dict) -> list[str]:  # type: ignore[type-arg]
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


async def storm(wish: Wish) -> tuple[list[str], dict[str, object]]:
    """Run both, compare; return complaints and figures."""
    print(f"undisturbed run: {wish.readings} readings of {ASSETS} assets ...", flush=True)
    calm = await run_once(wish, disturbed=False)
    print(f"storm: {wish.kills} kills{f', sabotage {wish.sabotage}' if wish.sabotage else ''} ...", flush=True)
    disturbed = await run_once(wish, disturbed=True)
    wrong = complaints(calm, disturbed)
    figures = {
        "readings_acknowledged": sum(sum(ledger.acknowledged.values()) for ledger in disturbed.ledgers),
        "readings_taken_in": sum(line.accepted for line in disturbed.balance.lines),
        "used": sum(line.used for line in disturbed.balance.lines),
        "held_for_open_cells": sum(line.held for line in disturbed.balance.lines),
        "duplicates_found": sum(line.duplicate for line in disturbed.balance.lines),
        "lost": 0 if not wrong else None,
        "alarm_events": sum(map(len, disturbed.alarms.values())),
        "kills": disturbed.kills,
        "seconds_undisturbed": round(calm.seconds, 1),
        "seconds_storm": round(disturbed.seconds, 1),
        "complaints": wrong,
        "sabotage": wish.sabotage,
    }
    return wrong, figures


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--readings", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--settle", type=float, default=SETTLE_SECONDS, help="seconds to wait for what is missing")
    parser.add_argument("--keep-figures", choices=("yes", "no"), default="yes", help="write docs/results")
    parser.add_argument("--sabotage", choices=sorted(MODES), default=None)
    chosen = parser.parse_args(arguments)
    batches = -(-chosen.readings // (ASSETS * ROWS_PER_BATCH * len(SENSORS)))
    configure_logging("storm", "error")
    wrong, figures = asyncio.run(storm(Wish(chosen.kills, batches, chosen.seed, chosen.settle, chosen.sabotage)))
    if chosen.sabotage is None and chosen.keep_figures == "yes":
        write("kill_storm", figures, chosen.seed)
    print("\n".join(wrong) if wrong else f"conservation holds: {figures}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
