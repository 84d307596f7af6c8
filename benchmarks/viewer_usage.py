"""What the roles of a system and those who look at it take of memory and processors."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import numpy as np
import psutil
from benchmarks.edge import memory_mb

from iot_edge_anomaly.app.all_in_one import Running

Span = tuple[float, float]
"""From when to when."""

Seen = list[tuple[float, float]]
"""A figure and when it was read."""


class Usage:
    """Reads memory of the roles (PSS), and processor time of them and of the viewers."""

    def __init__(self, system: Running, viewers: Mapping[str, int]) -> None:
        self._system = system
        self._viewers = viewers
        self.memory: dict[str, Seen] = {}
        self._cpu: dict[str, Seen] = {}

    async def watch(self, seconds: float) -> None:
        """Look again and again, until cancelled."""
        while True:
            self.look()
            for role, pid in self._roles().items():
                self.memory.setdefault(role, []).append((time.time(), sum(memory_mb(one.pid) for one in _family(pid))))
            await asyncio.sleep(seconds)

    def look(self) -> None:
        """Note the processor time of all processes, and under `machine` that of all that runs here, others too."""
        everything = psutil.cpu_times()
        busy = sum(everything) - everything.idle - everything.iowait - everything.guest - everything.guest_nice
        self._cpu.setdefault("machine", []).append((time.time(), busy))
        for name, pid in (self._roles() | {**self._viewers}).items():
            times = [one.cpu_times() for one in _family(pid)]
            self._cpu.setdefault(name, []).append((time.time(), sum(spent.user + spent.system for spent in times)))

    def core_shares(self, spans: Sequence[Span]) -> dict[str, float]:
        """Return what each took of one core, over some spans together."""
        length = sum(end - start for start, end in spans)
        return {name: round(sum(_spent(seen, *span) for span in spans) / length, 4) for name, seen in self._cpu.items()}

    def _roles(self) -> dict[str, int]:
        return {info.role: info.pid for info in self._system.supervisor.processes() if info.pid is not None}


def _family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def _spent(seen: Seen, start: float, end: float) -> float:
    """Return the processor time that went by in a span."""
    times, spent = zip(*seen, strict=True)
    return float(np.diff(np.interp((start, end), times, spent))[0])
