"""Faces with a fault built in, to show that a benchmark finds it: `python -m benchmarks.faulty_faces MODE run ROLE`.

slow-page: a page takes a second and a half to build. leak: every page that was built is kept, with 4 MB.
lose-position: the view database notes a second late how far it has come. double-write: history writes some rows twice.
drop-notification: the webhook takes one alarm for delivered that it never posted.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from iot_edge_anomaly.cli.main import main

SLOW_SECONDS = 1.5
LEAK_BYTES = 4 << 20
LATE_SECONDS = 1.0
DROPPED = 5
"""Which delivery of each life of the process is dropped."""


def slow_page() -> None:
    _whenever_a_page_is_built(lambda _: time.sleep(SLOW_SECONDS))


def leak() -> None:
    kept: list[Any] = []
    _whenever_a_page_is_built(lambda visit: kept.append((visit, bytearray(b"x") * LEAK_BYTES)))


def _whenever_a_page_is_built(do: Callable[[Any], None]) -> None:
    from iot_edge_anomaly.console.shell import Visit

    begin = Visit.__init__

    def begin_and_do(self: Visit, *arguments: Any) -> None:
        begin(self, *arguments)
        do(self)

    Visit.__init__ = begin_and_do  # type: ignore[method-assign]


def lose_position() -> None:
    from iot_edge_anomaly.bus.answers import Message
    from iot_edge_anomaly.storage.database import writing
    from iot_edge_anomaly.views import writer

    apply, note = writer.Writer.apply, writer._note
    held_back: list[writer.Reached] = []

    def late(self: writer.Writer, partition: int, messages: Sequence[Message]) -> None:
        apply(self, partition, messages)
        time.sleep(LATE_SECONDS)
        with writing(self._engine) as connection:
            note(connection, held_back.pop())

    writer._note = lambda _connection, reached: held_back.append(reached)
    writer.Writer.apply = late  # type: ignore[method-assign]


def double_write() -> None:
    from iot_edge_anomaly.historian.tables import TableWriter

    append = TableWriter.append

    def twice(self: TableWriter, rows: Any, positions: Mapping[str, int]) -> None:
        append(self, rows, positions)
        append(self, rows, {})

    TableWriter.append = twice  # type: ignore[method-assign]


def drop_notification() -> None:
    from iot_edge_anomaly.component.sink import Posting
    from iot_edge_anomaly.sinks.webhook import Webhook

    deliver, delivered = Webhook.deliver, 0

    async def dropping(self: Webhook, postings: Sequence[Posting]) -> None:
        nonlocal delivered
        delivered += len(postings)
        if delivered != DROPPED:
            await deliver(self, postings)

    Webhook.deliver = dropping  # type: ignore[method-assign]


MODES = {
    "slow-page": slow_page,
    "leak": leak,
    "lose-position": lose_position,
    "double-write": double_write,
    "drop-notification": drop_notification,
}
TARGETS = {"lose-position": "views", "double-write": "historian", "drop-notification": "sinks"}
"""Which role of them the storm of faces sends them into."""

if __name__ == "__main__":
    MODES[sys.argv.pop(1)]()
    main()
