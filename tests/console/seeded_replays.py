"""Replays of the seeded plant: of the learned alarm everything was sealed, of others nothing."""

from seeded_plant import SeededPlant  # type: ignore[import-not-found]

from iot_edge_anomaly.bus.capsule import Match, Replay
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.names import AssetKey
from iot_edge_anomaly.security.principal import Permission, Principal


class SeededReplays:
    def __init__(self, plant: SeededPlant) -> None:
        self._plant = plant

    async def replay(self, by: Principal, key: AssetKey, alarm_id: str) -> Replay:
        by.require(Permission.READ, key.tenant)
        raised = next(one.raised for one in self._plant.alarms[key] if one.raised.alarm_id == alarm_id)
        if raised.condition != "score":
            raise RejectedError(f"alarm {alarm_id} can be listed but not replayed: a storm of alarms, 32 were sealed")
        return Replay(Match.EXACT, raised, raised)
