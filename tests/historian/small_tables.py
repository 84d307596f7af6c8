"""Tables written without a server: messages as the streams would bring them."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path

from historian_world import PARTITIONS, commit, items

from iot_edge_anomaly.bus.answers import Message
from iot_edge_anomaly.bus.codec import encode_commit, encode_items
from iot_edge_anomaly.bus.streams import OUTCOMES, READINGS
from iot_edge_anomaly.historian.gathered import Gathered
from iot_edge_anomaly.historian.schema import SCHEMAS
from iot_edge_anomaly.historian.store import Store
from iot_edge_anomaly.historian.upkeep import Upkeep

CREATED = {READINGS: "2026-11-24T10:00:00Z", OUTCOMES: "2026-11-24T10:00:01Z"}
FOR_EVER = timedelta(36_500)


def store(folder: Path, upkeep: Upkeep | None = None, created: Mapping[str, str] = CREATED) -> Store:
    return Store(folder, dict.fromkeys(SCHEMAS, upkeep or Upkeep(FOR_EVER)), created, PARTITIONS)


def gathered(opened: Store, numbers: Iterable[int]) -> Gathered:
    """What is gathered of these messages by a historian that has opened the tables and reads on."""
    found = Gathered(opened.written())
    for number in numbers:
        for partition in range(PARTITIONS):
            seq = PARTITIONS * number + partition + 1
            for stream, data in (
                (READINGS, encode_items(items(partition, number))),
                (OUTCOMES, encode_commit(commit(partition, number))),
            ):
                if seq > opened.positions(stream)[partition]:
                    found.add(stream, partition, Message(seq, "", data))
    return found
