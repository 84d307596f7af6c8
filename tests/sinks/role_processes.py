"""The roles `views` and `sinks` as processes of their own on a real store, which a test fills and kills."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from postings import postings  # type: ignore[import-not-found]
from sink_bus import SinkBus  # type: ignore[import-not-found]

from iot_edge_anomaly.app.faults import as_toml
from iot_edge_anomaly.bus.codec import encode_commit
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.settings import address_file
from iot_edge_anomaly.bus.streams import outcomes_subject
from iot_edge_anomaly.core.outcomes import AssetOutcome, Commit, Phase
from iot_edge_anomaly.resilience.tether import die_with_parent
from iot_edge_anomaly.security.private_file import write_private
from iot_edge_anomaly.sinks.settings import SinkSettings


class RoleProcess:
    """One role, started again under the same name as often as it is killed."""

    def __init__(self, role: str, data_dir: Path, config: Path) -> None:
        self._log = data_dir / f"{role}.log"
        self._command = [sys.executable, "-m", "iot_edge_anomaly.cli.main", "run", role]
        self._command += ["--data-dir", str(data_dir), "--config", str(config)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=environment, preexec_fn=die_with_parent
            )

    def kill(self) -> None:
        """End it as nothing can prepare for."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(20)

    def stop(self) -> int:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(30)

    def log(self) -> str:
        return self._log.read_text(errors="replace")


def prepare(bus: SinkBus, sinks: Sequence[SinkSettings]) -> Path:
    """Write down where the bus is, and the configuration; return that."""
    write_private(address_file(bus.folder), msgspec.json.encode(bus.address))
    config = bus.folder / "plant.toml"
    config.write_text("".join(map(_table, sinks)))
    return config


def _table(settings: SinkSettings) -> str:
    said = {key: value for key, value in msgspec.to_builtins(settings).items() if value is not None}
    return "[[sink]]\n" + "".join(f"{key} = {as_toml(value)}\n" for key, value in said.items())


async def publish_transitions(bus: Bus, partition: int, commit: int, count: int) -> list[str]:
    """Commit so many transitions at once; return the ids that they are handed on under."""
    told = [one._replace(position=commit) for one in postings(count, partition)]
    alarms = [
        (one.key, msgspec.structs.replace(one.event, alarm_id=f"A{partition}-{commit}-{number}"))
        for number, one in enumerate(told)
    ]
    outcomes = tuple(
        AssetOutcome(key.tenant, key.asset, Phase.CALIBRATED, 1.0, alarms=(event,)) for key, event in alarms
    )
    content = encode_commit(Commit(partition, commit, commit, commit * 1_000_000_000, outcomes))
    seq = await bus.publish(outcomes_subject(partition), content)
    return [f"{partition}-{seq}-{number}-{event.alarm_id}" for number, (_, event) in enumerate(alarms)]
