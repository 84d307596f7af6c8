"""What has happened since the last checkpoint: the input, and the alarms whose capsules must be sealed first."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from iot_edge_anomaly.core.messages import Envelope, ModelActivated
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.core.outcomes import AlarmEvent, AssetOutcome

CHECKPOINT_SECONDS = 10.0
CHECKPOINT_AFTER_ALARM_SECONDS = 1.0
CHECKPOINT_MESSAGES = 5_000
CHECKPOINT_BYTES = 32 << 20


@dataclass
class Since:
    """Grows from checkpoint to checkpoint; times are of the monotonic clock, in seconds, 0: not yet."""

    envelopes: list[Envelope] = field(default_factory=list)
    alarms: list[tuple[AssetKey, AlarmEvent, int]] = field(default_factory=list)
    began_at: float = 0.0
    alarm_at: float = 0.0
    size: int = 0

    def remember(self, envelopes: Sequence[Envelope], size: int, outcomes: Sequence[AssetOutcome], now: float) -> None:
        """Add the messages of a step, their size in bytes, and the alarms it raised, each with its last message."""
        self.began_at = self.began_at or now
        self.envelopes += envelopes
        self.size += size
        for outcome in outcomes:
            raised = [alarm for alarm in outcome.alarms if alarm.event == "raise"]
            self.alarms += [(outcome.key, alarm, envelopes[-1].seq) for alarm in raised]
            if raised:
                self.alarm_at = self.alarm_at or now

    def is_due(self, now: float) -> bool:
        """Tell whether it is time for a checkpoint: soon after an alarm, or when a replay would take long."""
        return bool(self.envelopes) and (
            now - self.began_at > CHECKPOINT_SECONDS
            or (self.alarm_at > 0 and now - self.alarm_at > CHECKPOINT_AFTER_ALARM_SECONDS)
            or len(self.envelopes) > CHECKPOINT_MESSAGES
            or self.size > CHECKPOINT_BYTES
        )


def activated(envelopes: Sequence[Envelope]) -> set[str]:
    """Return the digests of the models that messages bring into use."""
    return {item.digest for envelope in envelopes for item in envelope.items if isinstance(item, ModelActivated)}
