"""What may be said of every sink, whatever its type: its name, and which transitions it gets."""

from fnmatch import fnmatchcase
from typing import Annotated

import msgspec
from msgspec import Meta

from iot_edge_anomaly.alarms.transitions import Event
from iot_edge_anomaly.component.sink import Posting
from iot_edge_anomaly.core.outcomes import Priority

NAME = "What the sink is called; how far it has come is kept under this name, so do not change it lightly."


class SinkSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What all sinks share."""

    name: Annotated[str, Meta(description=NAME, min_length=1)]
    match: Annotated[
        str,
        Meta(
            description="Full names of the assets whose alarms go there, `tenant/…/asset`; `*` stands for anything.",
            examples=["acme/site-1/*"],
            min_length=1,
        ),
    ] = "*"
    priorities: Annotated[
        tuple[Priority, ...], Meta(description="Alarms of these alone; empty: of all.", examples=[["high", "medium"]])
    ] = ()
    events: Annotated[
        tuple[Event, ...],
        Meta(description="What happens to an alarm is told for these alone; empty: for all.", examples=[["raise"]]),
    ] = ()
    replay_from_start: Annotated[
        bool,
        Meta(description="Whether a new sink begins with the oldest alarm that is kept, and not at the present."),
    ] = False

    def wants(self, posting: Posting) -> bool:
        """Tell whether this is for the sink."""
        return (
            fnmatchcase(str(posting.key), self.match)
            and (not self.priorities or posting.event.priority in self.priorities)
            and (not self.events or posting.event.event in self.events)
        )
