"""What connectors of tests have put into READINGS."""

from iot_edge_anomaly.bus.codec import decode_envelope
from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.bus.streams import READINGS, readings_subject
from iot_edge_anomaly.core.messages import Batch


async def stored(bus: Bus, partitions: int) -> dict[int, list[float]]:
    """Return the values of each batch by its number; one that stands there twice is the same and counts once."""
    found: dict[int, list[float]] = {}
    for partition in range(partitions):
        following = 0
        while messages := await bus.read(READINGS, readings_subject(partition), following):
            following = messages[-1].seq + 1
            for message in messages:
                for item in decode_envelope(message.data, message.seq).items:
                    assert isinstance(item, Batch)
                    assert found.setdefault(item.sequence, item.values().tolist()) == item.values().tolist()
    return found
