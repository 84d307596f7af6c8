"""Two pumps to learn, and what is asked of a trainer."""

import numpy as np

from iot_edge_anomaly.core.messages import Item, batch_of
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AssetOutcome, FitRequest, Phase

NS = 1_000_000_000
T0 = 1_767_225_600 * NS
KEY = AssetKey("acme", "site/pump-1")
OTHER = AssetKey("acme", "site/pump-2")
SENSORS = ("flow", "pressure")


def readings(rows: range, key: AssetKey = KEY, sensors: int = 0) -> list[Item]:
    """A row a second, of flow, pressure and as many sensors more."""
    rng = np.random.default_rng(rows.start)
    batches: list[Item] = []
    for row in rows:
        at_ns, flow = T0 + row * NS, 10 + np.sin(row / 5) + rng.normal() * 0.1
        values = [(at_ns, "flow", flow), (at_ns, "pressure", 0.3 * flow + rng.normal() * 0.05)]
        values += [(at_ns, f"s{number}", rng.normal()) for number in range(sensors)]
        batches.append(batch_of(key, "plc", values, received_ns=at_ns, sequence=row))
    return batches


def asking(
    last_seq: int, first_row: int = 0, last_row: int = 99, key: AssetKey = KEY, first_seq: int = 1
) -> AssetOutcome:
    spans = ((T0 + first_row * NS, T0 + last_row * NS),)
    request = FitRequest(first_seq, last_seq, spans, 1.0, "linear", "first model")
    return AssetOutcome(key.tenant, key.asset, Phase.PROVISIONAL, 1.0, fit_request=request)
