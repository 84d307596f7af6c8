"""Roles with a fault built in, to show that the kill storm finds it: `python -m benchmarks.sabotage MODE run ROLE ...`.

drop-one: a connector acknowledges a batch that it never stored. double-one: a worker takes a repeat for new.
skip-fence: commits carry no fence, and leases are ignored. lose-tail: a connector acknowledges before the store did.
"""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.intake import GroupCommit
from iot_edge_anomaly.bus.lease import Lease
from iot_edge_anomaly.cli.main import main
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.core.messages import Batch, Item
from iot_edge_anomaly.pipeline.identity import Identity, Verdict

SENT_ONCE = 4
"""The last digit of a batch that senders do not send twice."""

LATE_SECONDS = 0.5


def drop_one() -> None:
    accept, dropped = GroupCommit.accept, False

    async def dropping(self: GroupCommit, items: Sequence[Item]) -> None:
        nonlocal dropped
        kept = list(items)
        for item in items:
            if not dropped and isinstance(item, Batch) and item.sequence % 10 == SENT_ONCE:
                dropped = True
                kept.remove(item)
        if kept:
            await accept(self, kept)

    GroupCommit.accept = dropping  # type: ignore[method-assign]


def double_one() -> None:
    judge, repeats = Identity.judge, 0

    def doubling(self: Identity, epoch: int, sequence: int) -> Verdict:
        nonlocal repeats
        verdict = judge(self, epoch, sequence)
        repeats += verdict is Verdict.DUPLICATE
        return Verdict.NEW if verdict is Verdict.DUPLICATE and repeats == 1 else verdict

    Identity.judge = doubling  # type: ignore[method-assign]


def skip_fence() -> None:
    publish = Bus.publish

    async def unfenced(self: Bus, subject: str, payload: bytes, **options: Any) -> int:
        if subject.startswith("outcomes."):
            options.pop("expected_last_subject_seq", None)
        return await publish(self, subject, payload, **options)

    async def always(_self: Lease) -> bool:
        return True

    Bus.publish = unfenced  # type: ignore[method-assign]
    Lease.hold = always  # type: ignore[method-assign]


def lose_tail() -> None:
    accept = GroupCommit.accept
    pending: set[asyncio.Task[None]] = set()

    async def later(self: GroupCommit, items: Sequence[Item]) -> None:
        await asyncio.sleep(LATE_SECONDS)
        while True:
            try:
                return await accept(self, items)
            except UnavailableError:
                await asyncio.sleep(0.1)

    async def at_once(self: GroupCommit, items: Sequence[Item]) -> None:
        task = asyncio.create_task(later(self, items))
        pending.add(task)
        task.add_done_callback(pending.discard)

    GroupCommit.accept = at_once  # type: ignore[method-assign]


MODES = {"drop-one": drop_one, "double-one": double_one, "skip-fence": skip_fence, "lose-tail": lose_tail}

if __name__ == "__main__":
    mode = sys.argv.pop(1)
    if sys.argv[2] in {"worker", "connectors"}:
        MODES[mode]()
    main()
