"""What the view database can be told."""

from typing import Annotated

import msgspec
from msgspec import Meta

from iot_edge_anomaly.bus.streams import OUTCOMES

READER = "views"
"""Who writes the view database, and reserves what it has not written yet."""

READS = (OUTCOMES,)


class ViewsSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of alarms, verdicts and days for people to ask for."""

    keep_days: Annotated[
        int,
        Meta(
            description="For so long after their last change; alarms for 30 days at least, for sinks may yet have to "
            "hand them on, and open ones for as long as they are open.",
            ge=1,
            le=36_500,
        ),
    ] = 400
