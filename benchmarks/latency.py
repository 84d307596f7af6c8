"""How long after a reading is durable its alarm is committed, at half load.

    python -m benchmarks.latency [--seconds 60] [--rate VALUES_PER_SECOND]
    python -m benchmarks.latency --seconds 10 --rate 20000 --sabotage slow       # must fail

A real broker (power-safe: it syncs before it answers) and a real worker process; the generator stores batches of 10
rows of 10 sensors through the group commit that every connector and the gateway use. First the load that can be borne
is measured: as much as comes out while 1,000 batches are under way. Then batches are sent at an even pace: half of the
100,000 values a second that are the pipeline's bar, and half of what was borne.

The moment measured: some batches carry one row beyond a limit, followed by one more row. That following row closes the
cell (ordered source, lateness 0: what a user sets as lateness comes on top), so the alarm may be raised from the moment
at which the batch is acknowledged as durable. The clock runs from that acknowledgement until a follower of OUTCOMES has
the commit with the alarm decoded. Both ends are in this process; the time of the commit in between is the broker's.

Fails when p99 is 100 ms or more, or when an alarm never came.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
from benchmarks.faulty_roles import MODES, with_fault
from benchmarks.limit_breakers import ROWS, SENSORS, Batches
from benchmarks.results import write

from iot_edge_anomaly.app import plan as plans
from iot_edge_anomaly.app.all_in_one import Running, running
from iot_edge_anomaly.app.plan import Plan, Ports
from iot_edge_anomaly.app.settings import load
from iot_edge_anomaly.bus.codec import decode_commit
from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.intake import GroupCommit, open_intake
from iot_edge_anomaly.bus.streams import CHECKPOINTS, OUTCOMES, outcomes_subject
from iot_edge_anomaly.core.messages import Batch
from iot_edge_anomaly.observability.logging import configure_logging
from iot_edge_anomaly.resilience.supervise import ProcessSpec

BAR_P99_MS = 100.0
HALF_OF_THE_BAR = 50_000.0
UNDER_WAY = 1_000
SATURATED_SECONDS = 10.0
LAST_ALARM_SECONDS = 15.0
VALUES = ROWS * len(SENSORS)


class Seen(NamedTuple):
    """An alarm as the follower met it: when (this process's wall clock), and in which message of OUTCOMES."""

    at: float
    seq: int


class Plant:
    """Sends batches and follows what comes of them."""

    def __init__(self, bus: Bus, intake: GroupCommit, batches: Batches) -> None:
        self._bus, self._intake, self._batches = bus, intake, batches
        self.values_out = self.values_in = 0
        self.forget()

    def forget(self) -> None:
        """Begin a new measurement."""
        self.sent: dict[tuple[str, int], float] = {}
        self.acknowledged: dict[tuple[str, int], float] = {}
        self.seen: dict[tuple[str, int], Seen] = {}
        self.checkpoints: list[float] = []

    async def follow(self, partition: int) -> None:
        """Note every alarm of a partition, and count values."""
        follower = self._bus.follow(OUTCOMES, outcomes_subject(partition))
        while True:
            for message in await follower.fetch(1.0):
                commit = decode_commit(message.data)
                for outcome in commit.assets:
                    self.values_out += sum(count.accepted for count in outcome.counts)
                    for event in outcome.alarms:
                        if event.event in ("raise", "re-raise"):
                            self.seen.setdefault((str(outcome.key), event.time_ns), Seen(time.time(), message.seq))

    async def follow_checkpoints(self) -> None:
        """Note when the worker wrote checkpoints."""
        follower = self._bus.follow(f"KV_{CHECKPOINTS}", f"$KV.{CHECKPOINTS}.>")
        while True:
            self.checkpoints += [time.time() for _ in await follower.fetch(1.0)]

    async def send(self, *, breaks_limit: bool = False) -> None:
        """Store the next batch; return once it is durable."""
        batch, alarm_ns = self._batches.next(breaks_limit=breaks_limit)
        self.values_in += VALUES
        if not breaks_limit:
            await self._intake.accept([batch])
            return
        await self._probe(batch, (str(batch.key), alarm_ns))

    async def _probe(self, batch: Batch, name: tuple[str, int]) -> None:
        self.sent[name] = time.time()
        await self._intake.accept([batch])
        self.acknowledged[name] = time.time()

    async def saturate(self, seconds: float) -> float:
        """Send as fast as values come out again; return values a second."""
        start, out_at_start = time.monotonic(), self.values_out
        async with asyncio.TaskGroup() as tasks:
            while time.monotonic() - start < seconds:
                room = UNDER_WAY - (self.values_in - self.values_out) // VALUES
                for _ in range(max(room, 0)):
                    tasks.create_task(self.send())
                await asyncio.sleep(0.002)
            rate = (self.values_out - out_at_start) / (time.monotonic() - start)
        await self.settled()
        return rate

    async def pace(self, seconds: float, values_per_second: float, alarms_per_second: float) -> None:
        """Send at an even pace, some batches with a row beyond a limit."""
        batches_per_second = values_per_second / VALUES
        every = max(round(batches_per_second / alarms_per_second), 1)
        start, total = time.monotonic(), int(seconds * batches_per_second)
        number = 0
        async with asyncio.TaskGroup() as tasks:
            while number < total:
                due = min(int((time.monotonic() - start) * batches_per_second), total)
                for number in range(number + 1, due + 1):  # noqa: B020 - goes on where it was
                    tasks.create_task(self.send(breaks_limit=number % every == 0))
                await asyncio.sleep(0.001)
        await self.settled()

    async def settled(self) -> None:
        """Wait until everything sent has come out, or does not any more."""
        deadline = time.monotonic() + LAST_ALARM_SECONDS
        while self.values_out < self.values_in and time.monotonic() < deadline:
            await asyncio.sleep(0.05)

    async def figures(self) -> dict[str, Any]:
        """Return latencies in ms, and where they come from."""
        committed = {name: await _stored_at(self._bus, seen.seq) for name, seen in self.seen.items()}
        found = [name for name in self.acknowledged if name in self.seen]
        from_ack = {name: self.seen[name].at - self.acknowledged[name] for name in found}
        slow = [name for name in found if from_ack[name] * 1e3 >= BAR_P99_MS]
        return {
            "alarms": len(found),
            "alarms_that_never_came": len(self.acknowledged) - len(found),
            "acknowledged_to_seen": _spread(from_ack.values()),
            "sent_to_seen": _spread(self.seen[name].at - self.sent[name] for name in found),
            "parts": {
                "sent_to_acknowledged": _spread(self.acknowledged[name] - self.sent[name] for name in found),
                "acknowledged_to_committed": _spread(committed[name] - self.acknowledged[name] for name in found),
                "committed_to_seen": _spread(self.seen[name].at - committed[name] for name in found),
            },
            "over_the_bar": len(slow),
            "over_the_bar_while_a_checkpoint_was_written": sum(map(self._meets_checkpoint, slow)),
            "checkpoints": len(self.checkpoints),
        }

    def _meets_checkpoint(self, name: tuple[str, int]) -> bool:
        start, end = self.acknowledged[name], self.seen[name].at
        return any(start <= at <= end for at in self.checkpoints)


def _spread(seconds: Iterable[float]) -> dict[str, float]:
    """Return percentiles in ms."""
    values = np.array(list(seconds)) * 1e3
    if not len(values):
        return {}
    cuts = {f"p{cut}": round(float(np.percentile(values, cut)), 2) for cut in (50, 95, 99)}
    return {**cuts, "max": round(float(values.max()), 2)}


async def _stored_at(bus: Bus, seq: int) -> float:
    """Return when the broker stored a commit."""
    answer = await bus._request(f"$JS.API.DIRECT.GET.{OUTCOMES}", f'{{"seq": {seq}}}'.encode())
    stamp = (answer.headers or {})["Nats-Time-Stamp"]
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")


def _roles(sabotage: str | None) -> Callable[[Plan, Ports], Iterable[ProcessSpec]]:
    def roles(wanted: Plan, ports: Ports) -> Iterator[ProcessSpec]:
        for spec in plans.roles(wanted, ports):
            if spec.role == "worker":
                yield with_fault(spec, sabotage)

    return roles


def _cpu_seconds(system: Running) -> Counter[str]:
    used = Counter({"generator": sum(psutil.Process().cpu_times()[:2])})
    for info in system.supervisor.processes():
        if info.pid is not None:
            used[info.role] = sum(psutil.Process(info.pid).cpu_times()[:2])
    return used


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run the system and return figures."""
    with tempfile.TemporaryDirectory(prefix="latency-") as folder:
        config = Path(folder) / "latency.toml"
        batches = Batches(options.assets, options.seed)
        config.write_text(batches.settings())
        wanted = Plan(load(config), Path(folder), config)
        async with (
            running(wanted, _roles(options.sabotage)) as system,
            connect(system.address) as bus,
            open_intake(bus, system.address.partitions) as intake,
            asyncio.TaskGroup() as tasks,
        ):
            await batches.activate_models(bus, intake)
            plant = Plant(bus, intake, batches)
            followers = [tasks.create_task(plant.follow(p)) for p in range(system.address.partitions)]
            followers.append(tasks.create_task(plant.follow_checkpoints()))
            await asyncio.gather(*(plant.send() for _ in range(options.assets)))
            await plant.settled()
            loads = {"as_told": options.rate} if options.rate else await _loads(plant)
            runs = {name: await _at(load, plant, system, options) for name, load in loads.items()}
            for follower in followers:
                follower.cancel()
    return {"seconds": options.seconds, "assets": options.assets, "lateness_seconds": 0, "loads": runs}


async def _loads(plant: Plant) -> dict[str, float]:
    borne = await plant.saturate(SATURATED_SECONDS)
    return {"half_of_the_bar": HALF_OF_THE_BAR, "half_of_what_is_borne": borne / 2}


async def _at(load: float, plant: Plant, system: Running, options: argparse.Namespace) -> dict[str, Any]:
    plant.forget()
    before, began = _cpu_seconds(system), time.monotonic()
    await plant.pace(options.seconds, load, options.alarms_per_second)
    elapsed, after = time.monotonic() - began, _cpu_seconds(system)
    used = {role: round((after[role] - before[role]) / elapsed, 2) for role in after}
    return {"values_per_second": round(load), "cores_used": used, **await plant.figures()}


def complaints(name: str, figures: dict[str, Any]) -> list[str]:
    """Return what is wrong with a run; nothing means the bar is met."""
    wrong = []
    if figures["alarms_that_never_came"] or not figures["alarms"]:
        wrong.append(f"{figures['alarms_that_never_came']} alarms never came, {figures['alarms']} came")
    if (p99 := figures["acknowledged_to_seen"].get("p99", 0.0)) >= BAR_P99_MS:
        wrong.append(f"p99 {p99} ms is not below {BAR_P99_MS:g} ms")
    return [f"{name}: {what}" for what in wrong]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=0, help="values a second to send; 0: both half loads")
    parser.add_argument("--alarms-per-second", type=float, default=10)
    parser.add_argument("--assets", type=int, default=40)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--keep-figures", choices=("yes", "no"), default="yes", help="write docs/results")
    parser.add_argument("--sabotage", choices=sorted(MODES), default=None)
    options = parser.parse_args(arguments)
    configure_logging("latency", "error")
    figures = asyncio.run(measure(options))
    wrong = [what for name, run in figures["loads"].items() for what in complaints(name, run)]
    figures |= {"bar_p99_ms": BAR_P99_MS, "met": not wrong, "complaints": wrong}
    print(figures)
    if options.sabotage is None and options.keep_figures == "yes":
        write("latency", figures, options.seed)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
