"""What may be said of the historian."""

from typing import Annotated

import msgspec
from msgspec import Meta


class HistorySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The historian: what came in and what was concluded, as Delta tables; it needs the extra `history`."""

    enabled: Annotated[bool, Meta(description="Whether there is one.")] = True
    flush_seconds: Annotated[
        float, Meta(description="How often what was gathered is written, at the latest.", gt=0.0, le=3600.0)
    ] = 60.0
    flush_mb: Annotated[
        int, Meta(description="It is written sooner when so much of the stream was gathered.", ge=1, le=1024)
    ] = 64
    keep_days: Annotated[
        float, Meta(description="For how many days readings and scores are kept.", ge=1.0, le=100_000.0)
    ] = 90.0
    keep_alarm_days: Annotated[
        float, Meta(description="For how many days alarms and corrections are kept.", ge=1.0, le=100_000.0)
    ] = 1095.0
