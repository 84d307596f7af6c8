"""How long after the start of the demo the first explained alarm is committed: what `make run` shows a person.

    python -m benchmarks.first_alarm

From the start of `iot-edge-anomaly up --demo` in an empty folder, packages installed, until an alarm with its reason
and its contributors is in the stream.
"""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.results import write

from iot_edge_anomaly.bus.codec import decode_commit
from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.settings import address_file, read_address
from iot_edge_anomaly.bus.streams import OUTCOMES, outcomes_subject
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.core.outcomes import AlarmEvent
from iot_edge_anomaly.observability.logging import configure_logging

BAR_SECONDS = 60
PATIENCE_SECONDS = 150.0


async def first_alarm(data_dir: Path) -> AlarmEvent:
    """Return the first alarm that is raised in a system that is about to start."""
    while not address_file(data_dir).exists():
        await asyncio.sleep(0.05)
    address = read_address(data_dir)
    async with connect(address, wait_seconds=30) as bus:
        found: asyncio.Queue[AlarmEvent] = asyncio.Queue()
        followers = [asyncio.create_task(_follow(bus, partition, found)) for partition in range(address.partitions)]
        event = await found.get()
        for follower in followers:
            follower.cancel()
        return event


async def _follow(bus: Bus, partition: int, found: "asyncio.Queue[AlarmEvent]") -> None:
    follower = bus.follow(OUTCOMES, outcomes_subject(partition))
    while True:
        try:
            messages = await follower.fetch(1.0)
        except UnavailableError:  # the streams are about to be made
            await asyncio.sleep(0.05)
            continue
        for message in messages:
            for outcome in decode_commit(message.data).assets:
                for event in outcome.alarms:
                    if event.event == "raise" and event.reason and event.contributors:
                        found.put_nowait(event)


async def measure() -> dict[str, object]:
    """Start the demo and wait."""
    with tempfile.TemporaryDirectory(prefix="first-alarm-") as folder:
        command = [sys.executable, "-m", "iot_edge_anomaly.cli.main", "up", "--demo", "--data-dir", folder]
        began = time.monotonic()
        up = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                event = await first_alarm(Path(folder))
            seconds = time.monotonic() - began
        finally:
            up.send_signal(signal.SIGTERM)
            up.wait(60)
    return {"seconds": round(seconds, 1), "condition": event.condition, "reason": event.reason}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep-figures", choices=("yes", "no"), default="yes", help="write docs/results")
    options = parser.parse_args(arguments)
    configure_logging("first_alarm", "error")
    figures = asyncio.run(measure())
    seconds = figures["seconds"]
    assert isinstance(seconds, float)
    figures |= {"bar_seconds": BAR_SECONDS, "met": seconds < BAR_SECONDS}
    print(figures)
    if options.keep_figures == "yes":
        write("first_alarm", figures)
    return 0 if figures["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
