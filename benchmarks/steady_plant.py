"""A plant that sends at its own pace: every asset one row a second over HTTP, many assets a request, some alarms.

Now and then one row is beyond a limit. The row that follows a second later closes its grid cell (ordered source,
lateness 0): from the moment at which that one is sent the alarm may come.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import msgspec
import numpy as np

from iot_edge_anomaly.app.all_in_one import Running
from iot_edge_anomaly.bus.codec import decode_commit
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import OUTCOMES, outcomes_subject
from iot_edge_anomaly.core.outcomes import AssetOutcome, Phase
from iot_edge_anomaly.resilience.beside import beside

TENANT = "bench"
SENSORS = tuple(f"sensor-{number}" for number in range(10))
LIMIT = 1_000.0
SLOTS = 10
"""So many requests carry the rows of one second."""

PRIME_ROWS = 100
"""So many rows more than a model learns from make sure that it is learned."""

PRIME_REQUEST_ROWS = 5_000
"""Rows in a request that brings history."""

PRIME_AHEAD_VALUES = 1_000_000

PROBED_SHARE = 0.1
LEARN_ROWS = 600

Name = tuple[str, int]
"""An asset and the time of its row beyond the limit."""


class Sent(NamedTuple):
    """A request: when it was sent, how long its answer took, how many values it brought."""

    at: float
    seconds: float
    values: int


class Alarm(NamedTuple):
    """An alarm that was provoked: when the row that allows it was sent, and how long it took to be seen."""

    at: float
    seconds: float


class SteadyPlant:
    """Sends rows and follows what becomes of them. `client` speaks to the gateway."""

    def __init__(self, client: httpx.AsyncClient, assets: int, seed: int, probes_a_second: int) -> None:
        self.client = client
        self.names = [f"{TENANT}/site-{n // 100}/area-{n // 25 % 4}/line-{n // 5 % 5}/pump-{n}" for n in range(assets)]
        self._values = _swinging(4_096, seed)
        self._probes_a_second = probes_a_second
        self._sequence = 0
        self._breached: dict[int, int] = {}
        self._closing: dict[Name, float] = {}
        self._seen: dict[Name, float] = {}
        self._calibrated: set[str] = set()
        self.values_in = self.values_out = 0
        self.alarm_ids: deque[str] = deque(maxlen=20)
        self.refused: list[str] = []
        self.requests: list[Sent] = []

    async def follow(self, bus: Bus, partition: int) -> None:
        """Note what comes out of a partition."""
        follower = bus.follow(OUTCOMES, outcomes_subject(partition))
        while True:
            for message in await follower.fetch(1.0):
                for outcome in decode_commit(message.data).assets:
                    self._note(outcome, time.time())

    def _note(self, outcome: AssetOutcome, now: float) -> None:
        self.values_out += sum(count.accepted for count in outcome.counts)
        if outcome.phase is Phase.CALIBRATED:
            self._calibrated.add(str(outcome.key))
        for event in outcome.alarms:
            if event.event in ("raise", "re-raise"):
                self._seen.setdefault((str(outcome.key), event.time_ns), now)
                self.alarm_ids.append(event.alarm_id)

    async def prime(self, rows: int, patience_seconds: float) -> None:
        """Bring history up to now, and wait until it is worked in and learned from. Raises TimeoutError.

        All of an asset at once: what its model learns from then lies close together in the stream, and is soon read.
        """
        until, many = int(time.time()), max(PRIME_REQUEST_ROWS // rows, 1)
        for first in range(0, len(self.names), SLOTS * many):
            groups = range(first, min(first + SLOTS * many, len(self.names)), many)
            self._sequence += 1
            await asyncio.gather(*(self._bring(group, many, range(until - rows, until)) for group in groups))
            while self.values_in - self.values_out > PRIME_AHEAD_VALUES:
                await asyncio.sleep(0.05)
        async with asyncio.timeout(patience_seconds):
            while not self._is_settled(rows):
                await asyncio.sleep(0.2)

    async def _bring(self, first: int, many: int, times: range) -> None:
        assets = range(first, min(first + many, len(self.names)))
        await self._post(assets, times, self._sequence, keep=False)

    def _is_settled(self, rows: int) -> bool:
        learned = rows < LEARN_ROWS + PRIME_ROWS or len(self._calibrated) == len(self.names)
        return self.values_out >= self.values_in and learned

    async def feed(self) -> None:
        """Send a row of every asset each second, until cancelled."""
        start, turn = time.time(), 0
        async with asyncio.TaskGroup() as tasks:
            while True:
                await asyncio.sleep(max(start + turn / SLOTS - time.time(), 0))
                second, slot = divmod(turn, SLOTS)
                self._sequence += slot == 0
                times = range(int(start) + second, int(start) + second + 1)
                tasks.create_task(self._post(range(slot, len(self.names), SLOTS), times, self._sequence))
                turn += 1

    async def _post(self, assets: range, times: range, sequence: int, *, keep: bool = True) -> None:
        breaching = self._breaching(assets, times) if keep else set()
        payloads = [self._payload(asset, times, sequence, breaches=asset in breaching) for asset in assets]
        values, at = len(assets) * len(times) * len(SENSORS), time.time()
        self.values_in += values
        for asset in assets:
            if keep and (breached := self._breached.pop(asset, None)) is not None:
                self._closing[self.names[asset], breached] = at
        self._breached |= dict.fromkeys(breaching, times[-1] * 1_000_000_000)
        try:
            answer = await self.client.post("/v1/readings", content=msgspec.json.encode(payloads), headers=JSON)
        except httpx.TransportError as error:
            self.refused.append(repr(error))
            return
        if answer.status_code != 202:
            self.refused.append(f"{answer.status_code} {answer.text[:200]}")
        elif keep:
            self.requests.append(Sent(at, time.time() - at, values))

    def _breaching(self, assets: range, times: range) -> set[int]:
        """Return which of the assets break a limit in this second; each that is chosen for it has its turn."""
        often = self._probes_a_second
        probed = max(int(len(self.names) * PROBED_SHARE), 2 * often)
        turns = {(times[0] * often + number) % probed for number in range(often)}
        return turns.intersection(assets)

    def _payload(self, asset: int, times: range, sequence: int, *, breaches: bool) -> dict[str, Any]:
        rows = []
        for at in times:
            values = self._values[(at + 97 * asset) % len(self._values)]
            rows.append({"time": at, **dict(zip(SENSORS, values, strict=True))})
        if breaches:
            rows[-1][SENSORS[0]] = LIMIT + 1
        head = {"asset": self.names[asset], "source": "plc", "epoch": 1, "sequence": sequence}
        return {**head, "rows": rows}

    def alarms(self) -> list[Alarm]:
        """Return the alarms that came."""
        return [Alarm(at, self._seen[name] - at) for name, at in self._closing.items() if name in self._seen]

    def missing(self, last_seconds: float) -> int:
        """Return how many alarms have not come that were due before the last seconds."""
        due = [name for name, at in self._closing.items() if time.time() - at > last_seconds]
        return sum(name not in self._seen for name in due)


JSON = {"Content-Type": "application/json"}


@asynccontextmanager
async def steady_plant(system: Running, assets: int, seed: int, probes_a_second: int) -> AsyncIterator[SteadyPlant]:
    """Connect a plant to a system for the time of the block, and follow what comes of it."""
    headers = {"Authorization": f"Bearer {system.owner_token.read_text().strip()}"}
    url = f"http://127.0.0.1:{system.ports.gateway}"
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
        plant = SteadyPlant(client, assets, seed, probes_a_second)
        partitions = range(system.address.partitions)
        async with beside(*(plant.follow(system.bus, partition) for partition in partitions)):
            yield plant


def settings(on_delay_rows: int = 3) -> str:
    """Return how the assets are treated: one limit, no lateness, the defaults for the rest."""
    return f"""
[[asset]]
match = "{TENANT}/*"
lateness_seconds = 0
on_delay_rows = {on_delay_rows}
off_delay_rows = 1
learn_rows = {LEARN_ROWS}
[asset.sensors.{SENSORS[0]}]
title = "Flow"
unit = "m³/h"
high_limit = {LIMIT}
"""


def _swinging(rows: int, seed: int) -> list[list[float]]:
    swing = np.sin(np.arange(rows) / 9)[:, None] * np.linspace(0.5, 2, len(SENSORS))
    noise = np.random.default_rng(seed).normal(size=(rows, len(SENSORS))) * 0.1
    values: list[list[float]] = np.round(20 + swing + noise, 4).tolist()
    return values
