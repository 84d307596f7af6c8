"""How like two alarms are: the angle between what their sensors had a part in."""

import math
from collections.abc import Sequence

from iot_edge_anomaly.core.outcomes import Contributor


def likeness(one: Sequence[Contributor], other: Sequence[Contributor]) -> float:
    """Return the cosine of the shares of two alarms, 0 (no sensor in common) to 1 (the same shares).

    Alarms that name no sensor are alike; those of the same condition are compared, so there it says the rest.

    >>> flow, power = Contributor("flow", 0.6, 1.0, 2.0), Contributor("power", 0.8, 1.0, 2.0)
    >>> likeness([flow, power], [flow])
    0.6
    """
    if not one and not other:
        return 1.0
    shares, others = _shares(one), _shares(other)
    length = math.hypot(*shares.values()) * math.hypot(*others.values())
    product = sum(share * others.get(sensor, 0.0) for sensor, share in shares.items())
    return min(product / length, 1.0) if length > 0 else 0.0


def _shares(contributors: Sequence[Contributor]) -> dict[str, float]:
    return {each.sensor: each.share for each in contributors if math.isfinite(each.share)}
