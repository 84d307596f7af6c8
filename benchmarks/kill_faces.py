"""Kill console, views, historian and sinks at random while alarms are raised; then prove that nobody can tell.

    python -m benchmarks.kill_faces [--kills 40] [--seconds 180]
    python -m benchmarks.kill_faces --kills 8 --seconds 30 --sabotage drop-notification     # must fail

The whole system runs as `up` runs it. Assets send readings over HTTP, some beyond a limit; a person acknowledges,
judges and shelves. Alarms go to a webhook that refuses some calls and hangs up on others, and to MQTT topics of another
broker. All the while one of the four processes after the other is ended by SIGKILL. Then, at rest:

- the view database equals one that is built from the streams from scratch, row by row, and so do the tables of history;
- both targets were told of every transition of every alarm at least once, under its own id, in order for each alarm,
  and of nothing else; the retained topics hold the last one;
- the console answers, and shows the alarms that are open.
"""

import argparse
import asyncio
import contextlib
import os
import random
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from benchmarks.alarm_targets import Listener, Notified, Webhook, mqtt_broker, notified, retained
from benchmarks.console_look import open_alarms_shown
from benchmarks.faulty_faces import TARGETS
from benchmarks.faulty_roles import with_fault
from benchmarks.own_ports import own_ports
from benchmarks.rebuilds import at_rest, differences, rebuilt, transitions, waits_for
from benchmarks.results import write
from benchmarks.steady_plant import LEARN_ROWS, PRIME_ROWS, TENANT, settings, steady_plant
from benchmarks.told_right import misheard, open_alarms, wrong_topics

from iot_edge_anomaly.app import plan as plans
from iot_edge_anomaly.app.all_in_one import Running, running
from iot_edge_anomaly.app.plan import Plan, Ports
from iot_edge_anomaly.app.settings import load
from iot_edge_anomaly.component.sink import Posting
from iot_edge_anomaly.observability.logging import configure_logging
from iot_edge_anomaly.resilience.beside import beside
from iot_edge_anomaly.resilience.supervise import ProcessSpec
from iot_edge_anomaly.security.principal import owner
from iot_edge_anomaly.security.tokens import token_store
from iot_edge_anomaly.storage.database import view_database

VICTIMS = ("console", "views", "historian", "sinks")
PROBES_A_SECOND = 8
ACT_SECONDS = 0.4
REST_SECONDS = 3.0
PATIENCE_SECONDS = 120.0


class Targets(NamedTuple):
    """Who is told of alarms."""

    webhook: Webhook
    listener: Listener
    mqtt_port: int

    def heard(self) -> dict[str, list[Notified]]:
        """Return what each of them heard, in order."""
        return {"webhook": list(self.webhook.heard), "mqtt": [notified(said) for _, said in self.listener.heard]}


def write_settings(path: Path, targets: Targets) -> None:
    """No ticks: when the last reading is worked in, the streams are at rest."""
    path.write_text(f"""{own_ports()}{settings(on_delay_rows=1)}
[ticks]
seconds = 0
[history]
flush_seconds = 1
[[sink]]
type = "webhook"
name = "maintenance-system"
url = "http://127.0.0.1:{targets.webhook.port}/alarms"
replay_from_start = true
[[sink]]
type = "mqtt"
name = "scada"
port = {targets.mqtt_port}
replay_from_start = true
""")


async def measure(options: argparse.Namespace) -> tuple[list[str], dict[str, Any]]:
    """Run the system in the storm; return complaints and figures."""
    with tempfile.TemporaryDirectory(prefix="kill-faces-") as name:
        folder = Path(name)
        async with _targets(folder) as targets:
            config = folder / "faces.toml"
            write_settings(config, targets)
            wanted = Plan(load(config), folder / "data", config)
            async with running(wanted, _roles(options.sabotage)) as system:
                with _logs_on_failure(wanted.data_dir):
                    storm = await _storm(system, options)
                    wrong, figures = await _look(system, wanted.data_dir, targets, options)
    return wrong, {**storm, **figures, "complaints": wrong, "sabotage": options.sabotage}


@contextlib.asynccontextmanager
async def _targets(folder: Path) -> AsyncIterator[Targets]:
    async with mqtt_broker(folder) as port:
        webhook, listener = Webhook(), await asyncio.to_thread(Listener, port, "alarms/event", "control-room")
        try:
            yield Targets(webhook, listener, port)
        finally:
            webhook.close()
            listener.close()


@contextlib.contextmanager
def _logs_on_failure(data_dir: Path) -> Iterator[None]:
    """Show what the faces logged last when a run fails: the folder is gone a moment later."""
    try:
        yield
    except BaseException:
        for victim in VICTIMS:
            log = data_dir / "logs" / f"{victim}.log"
            print(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}", file=sys.stderr)
        raise


def _roles(sabotage: list[str]) -> Callable[[Plan, Ports], Iterable[ProcessSpec]]:
    faults = {TARGETS[mode]: mode for mode in sabotage}

    def roles(wanted: Plan, ports: Ports) -> Iterator[ProcessSpec]:
        for spec in plans.roles(wanted, ports):
            yield with_fault(spec, faults.get(spec.role), "benchmarks.faulty_faces")

    return roles


async def _storm(system: Running, options: argparse.Namespace) -> dict[str, Any]:
    """Let the plant send and a person act while faces are killed; return once the streams are at rest."""
    acts: Counter[str] = Counter()
    async with steady_plant(system, options.assets, options.seed, PROBES_A_SECOND) as plant:
        await plant.prime(options.history_rows, PATIENCE_SECONDS)
        async with beside(plant.feed(), _act(plant.client, acts, options.seed)):
            kills = await _kill(system, options)
        await at_rest(system.bus, system.address.partitions, REST_SECONDS, PATIENCE_SECONDS)
    if plant.refused:
        raise RuntimeError(f"a request was not taken: {plant.refused[0]}")
    return {"kills": dict(kills), "acts": dict(acts), "values_sent": plant.values_in}


async def _act(client: httpx.AsyncClient, acts: Counter[str], seed: int) -> None:
    """Do what a person does with an alarm that is open, again and again until cancelled."""
    chosen = random.Random(seed)
    while True:
        await asyncio.sleep(ACT_SECONDS)
        alarms = (await client.get("/v1/alarms")).raise_for_status().json()["alarms"]
        if not alarms:
            continue
        alarm, act = chosen.choice(alarms), chosen.choice(("acknowledge", "judge", "shelve"))
        body: dict[str, Any] = {}
        path = f"/v1/alarms/{alarm['id']}/acknowledge"
        if act == "judge":
            path, body = f"/v1/alarms/{alarm['id']}/feedback", {"right": chosen.random() < 0.5, "note": "looked"}
        elif act == "shelve":
            order = {"asset": alarm["asset"], "condition": alarm["condition"], "duration": "3s", "reason": "known"}
            path, body = "/v1/shelving", order
        answer = await client.post(path, json=body or None)
        acts[act if answer.status_code == 202 else f"{act}: {answer.status_code}"] += 1


async def _kill(system: Running, options: argparse.Namespace) -> Counter[str]:
    """Kill one face after another, whenever it pleases, each as often as the others."""
    chosen, kills = random.Random(options.seed), Counter[str]()
    victims = [VICTIMS[number % len(VICTIMS)] for number in range(options.kills)]
    chosen.shuffle(victims)
    for number, victim in enumerate(victims, start=1):
        await asyncio.sleep(chosen.uniform(0, 2 * options.seconds / options.kills))
        pid = await _pid(system, victim)
        os.kill(pid, signal.SIGKILL)
        kills[victim] += 1
        print(f"  kill {number}/{options.kills}: {victim}", flush=True)
    for victim in VICTIMS:
        await _pid(system, victim)
    return kills


async def _pid(system: Running, role: str) -> int:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            pid = next(info.pid for info in system.supervisor.processes() if info.role == role)
            if pid is not None:
                return pid
            await asyncio.sleep(0.02)


async def _look(
    system: Running, data_dir: Path, targets: Targets, options: argparse.Namespace
) -> tuple[list[str], dict[str, Any]]:
    """Hold everything that is left against the streams."""
    partitions = system.address.partitions
    alarms = await transitions(system.bus, partitions)
    wrong = await _late(system, data_dir, targets, alarms, options.settle)
    heard = targets.heard()
    for target, said in heard.items():
        wrong += misheard(target, said, alarms)
    wrong += [f"webhook: {targets.webhook.wrong_ids} ids differ"] if targets.webhook.wrong_ids else []
    wrong += wrong_topics((await retained(targets.mqtt_port, f"alarms/{TENANT}/#")).values(), alarms)
    still_open = list(open_alarms(alarms).values())
    link = f"{system.console_url}/sign-in?token={token_store(data_dir).create_sign_in(owner(), timedelta(minutes=5))}"
    wrong += await open_alarms_shown(str(system.console_url), link, still_open)
    built = await rebuilt(system.bus, partitions, data_dir.parent / "rebuilt", PATIENCE_SECONDS)
    wrong += differences((view_database(data_dir), data_dir / "history"), built)
    wrong += [] if alarms and still_open else ["no alarm was raised, or none is open: there is nothing to compare"]
    return wrong, {
        "transitions": len(alarms),
        "alarms": len({posting.event.alarm_id for posting in alarms}),
        "open_at_the_end": len(still_open),
        "told": {target: len(said) for target, said in heard.items()},
        "repeats": {target: len(said) - len({one.id for one in said}) for target, said in heard.items()},
        "lost": 0 if not wrong else None,
    }


async def _late(
    system: Running, data_dir: Path, targets: Targets, alarms: list[Posting], settle_seconds: float
) -> list[str]:
    """Wait until every face has come to the end of the streams; return which did not in time."""
    kept = view_database(data_dir), data_dir / "history"
    wanted = {posting.id for posting in alarms}
    waits = {
        **await waits_for(system.bus, system.address.partitions, *kept),
        "the webhook": _until_told(lambda: targets.heard()["webhook"], wanted),
        "the MQTT topic": _until_told(lambda: targets.heard()["mqtt"], wanted),
    }
    done = await asyncio.gather(
        *(asyncio.wait_for(wait, settle_seconds) for wait in waits.values()), return_exceptions=True
    )
    failed = [error for error in done if isinstance(error, BaseException) and not isinstance(error, TimeoutError)]
    if failed:
        raise failed[0]
    return [f"{name} never came to the end" for name, error in zip(waits, done, strict=True) if error is not None]


async def _until_told(heard: Callable[[], list[Notified]], wanted: set[str]) -> None:
    while wanted - {said.id for said in heard()}:
        await asyncio.sleep(0.2)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=180, help="over which the kills are spread, about")
    parser.add_argument("--assets", type=int, default=40)
    parser.add_argument("--history-rows", type=int, default=LEARN_ROWS + PRIME_ROWS, help="of each asset, before")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--settle", type=float, default=60, help="seconds to wait for what is missing")
    parser.add_argument("--keep-figures", choices=("yes", "no"), default="yes", help="write docs/results")
    parser.add_argument("--sabotage", choices=sorted(TARGETS), nargs="+", default=[])
    options = parser.parse_args(arguments)
    configure_logging("kill_faces", "error")
    began = time.monotonic()
    wrong, figures = asyncio.run(measure(options))
    figures["seconds"] = round(time.monotonic() - began, 1)
    if not options.sabotage and options.keep_figures == "yes":
        write("kill_faces", figures, options.seed)
    print("\n".join(wrong) if wrong else f"nobody can tell: {figures}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
