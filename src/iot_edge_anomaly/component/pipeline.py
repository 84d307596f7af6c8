"""What the exactly-once processor expects of a pipeline: a pure function over a state it can store and read back."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, TypeVar

from iot_edge_anomaly.component.detector import Detector
from iot_edge_anomaly.core.messages import Envelope
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AssetOutcome

State = TypeVar("State")

SourceName = tuple[str, str, str]
"""Tenant, asset and source."""


class Dump(NamedTuple):
    """A state in bytes: what the partition shares, and each asset that changed since the last dump."""

    shared: bytes
    assets: dict[AssetKey, bytes]


class Pipeline(Protocol[State]):
    """No clock, no I/O, no randomness. A state is consumed by what it is given to: go on with the one returned."""

    def new_state(self) -> State:
        """Return the state before the first message."""
        ...

    def step(
        self, state: State, envelopes: Sequence[Envelope], models: Mapping[str, Detector]
    ) -> tuple[State, tuple[AssetOutcome, ...]]:
        """Work through messages in order. `models` holds every digest that state and messages name.

        Raises OverloadError where the rows of several messages take more memory than a step may: the state is consumed,
        reload it and give fewer. Of a single message what is beyond is left out, and a notice `rows-dropped` says so.
        """
        ...

    def models_of(self, state: State) -> set[str]:
        """Return the digests of the models in use."""
        ...

    def dump(self, state: State) -> Dump:
        """Return what changed since the last dump, and forget that it did."""
        ...

    def load(self, shared: bytes, assets: Mapping[AssetKey, bytes]) -> State:
        """Read a state back. Raises FatalError when it was written by a newer version."""
        ...

    def dump_asset(self, state: State, key: AssetKey) -> bytes | None:
        """Return one asset's part; None where it is not known."""
        ...

    def needed_from(self, state: State) -> int | None:
        """Return the oldest input sequence that is still needed to learn from; None if none is."""
        ...

    def awaited(self, state: State) -> set[SourceName]:
        """Return the sources that grid cells wait for: those that have sent and were not said to be idle since."""
        ...
