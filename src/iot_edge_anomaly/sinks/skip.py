"""Pass over the one event that a sink is stuck at, from another process than the one that runs it.

The place of the sink is moved on where it is stored, and only if nobody has moved it since it was read; the runner
looks there again before every attempt, and while it waits for the next one.
"""

from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.observability.health import State
from iot_edge_anomaly.sinks.health import SinkHealth, Stuck
from iot_edge_anomaly.sinks.places import Place, Places, Refusal

WHY = "skipped by a person"


async def skip(bus: Bus, health: SinkHealth, now: float) -> Refusal:
    """Pass over what a sink is stuck at; return what is kept of it. `now` is in Unix seconds.

    Raises RejectedError where it is stuck at nothing, UnavailableError where it has moved on in this moment.
    """
    stuck = _stuck(health)
    places = Places(bus, health.name, from_start=False)
    to = Place(stuck.position, stuck.number)
    if await places.of(stuck.partition) >= to:
        raise RejectedError(f"sink {health.name!r} has gone on meanwhile: nothing was skipped")
    await places.store(stuck.partition, to)
    refusal = Refusal(f"{WHY}; last error: {health.last_error}", now, stuck.message)
    await places.refuse(refusal)
    return refusal


def _stuck(health: SinkHealth) -> Stuck:
    if health.state is not State.DOWN:
        raise RejectedError(f"sink {health.name!r} is {health.state.value}: it is stuck at nothing")
    if health.stuck is None:
        raise RejectedError(f"sink {health.name!r} is down, but not at an event: {health.last_error}")
    return health.stuck
