"""What a connector is, and what it may call."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from iot_edge_anomaly.core.clock import Clock
from iot_edge_anomaly.core.messages import Item


class Intake(Protocol):
    """Where connectors and operations hand in what is to be stored in READINGS, in order, before they acknowledge."""

    async def accept(self, items: Sequence[Item]) -> None:
        """Return once every item is durable in its partition; items of one call stay in order and together.

        Raises UnavailableError when the bus is down, slow or full: then nothing may be acknowledged, and the same
        items may be handed in again (what was stored after all is found to be a repeat by its identity). A connector
        that accepts nothing says that its source is reached, although it has sent nothing yet.
        """
        ...


class Connector(Protocol):
    """One attempt to bring readings in. The runner retries, backs off, measures and reports; a connector does not."""

    async def run(self, intake: Intake, clock: Clock) -> None:
        """Connect and take in readings until cancelled.

        Acknowledges towards the source only after `accept` returned. Raises UnavailableError when the source is
        gone or the intake refuses (the runner starts another attempt), ConfigError when no retry can help.
        """
        ...


class ConnectorSpec(NamedTuple):
    """A connector's line in the catalog.

    `settings` is a frozen struct tagged with `name`; `create` touches no network.
    """

    name: str
    settings: type[msgspec.Struct]
    create: Callable[..., Connector]
