"""Messages that the pipeline fails on by a mistake of its own: set aside whole, so that the partition goes on.

| a step fails on | then |
|---|---|
| several messages | recover, and take one message a step |
| one message | note it and recover: from now on its readings are records set aside, with the failure as reason |
| one that is set aside already | FatalError: a person is needed |

The pipeline is pure: whoever works through the same input fails on the same message, and sets aside the same.
"""

from collections.abc import Sequence

import msgspec
import structlog

from iot_edge_anomaly.core.errors import FatalError, IotEdgeAnomalyError
from iot_edge_anomaly.core.messages import Batch, Envelope, SetAside
from iot_edge_anomaly.observability.signals import Level, Signal

log = structlog.get_logger(__name__)

QUARANTINED = Signal("readings_quarantined", "the pipeline fails on a message; its readings are set aside", Level.ERROR)


class StepFailedError(IotEdgeAnomalyError):
    """The pipeline made a mistake: what it was given cannot be taken back, so recover."""


class Quarantine:
    """The messages of a partition that are set aside, by their sequence."""

    def __init__(self) -> None:
        self._reasons: dict[int, str] = {}

    def admit(self, envelope: Envelope) -> Envelope:
        """Return a message as it is to be worked in."""
        reason = self._reasons.get(envelope.seq)
        return envelope if reason is None else set_aside(envelope, reason)

    def blame(self, envelopes: Sequence[Envelope], error: Exception) -> StepFailedError:
        """Note a failure; where it was on one message, that one is set aside from now on."""
        reason = f"working it in failed: {type(error).__name__}: {error}"
        if len(envelopes) == 1:
            seq = envelopes[0].seq
            if seq in self._reasons:
                raise FatalError(f"message {seq} cannot be worked in even when set aside: {reason}") from error
            self._reasons[seq] = reason
            items = sorted({type(item).__name__ for item in envelopes[0].items})
            QUARANTINED.emit(seq=seq, items=items, error=reason, exc_info=error)
        return StepFailedError(reason)


def set_aside(envelope: Envelope, reason: str) -> Envelope:
    """Return a message whose batches hold nothing but one record set aside each; of other items nothing comes."""
    return Envelope(
        tuple(_refused(item, reason) for item in envelope.items if isinstance(item, Batch)),
        envelope.seq,
    )


def _refused(batch: Batch, reason: str) -> Batch:
    record = SetAside(-1, "", reason, b"", batch.accepted)
    nothing = {"sensors": (), "time_ns": b"", "sensor": b"", "value": b"", "quality": b""}
    return msgspec.structs.replace(batch, **nothing, set_aside=(record,))
