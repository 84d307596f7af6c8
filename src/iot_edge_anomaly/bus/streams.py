"""The streams and buckets, and their subjects."""

from typing import Any

from iot_edge_anomaly.bus.connection import Bus
from iot_edge_anomaly.core.errors import ConfigError, RejectedError

READINGS = "READINGS"
OUTCOMES = "OUTCOMES"
BLOBS = "BLOBS"
MQTT_MESSAGES = "$MQTT_msgs"
"""Where the server itself keeps MQTT messages of QoS 1 for the sessions that want them."""

CHECKPOINTS = "checkpoints"
CONFIGURATION = "configuration"
CAPSULES = "capsules"
LEDGER = "ledger"
LEASES = "leases"
SINKS = "sinks"
BUCKETS = {CHECKPOINTS: 4, CONFIGURATION: 64, CAPSULES: 1, LEDGER: 1, LEASES: 1, SINKS: 64}
"""Key-value buckets and how many versions of a key each keeps."""

ASSET_RULES = "assets"
"""The key of the asset rules in force, in the bucket of configurations."""

_DUPLICATE_WINDOW_NS = 120 * 1_000_000_000


def readings_subject(partition: int) -> str:
    """Return where what comes in to a partition is stored."""
    return f"readings.{partition}"


def outcomes_subject(partition: int) -> str:
    """Return where what a partition concluded is stored."""
    return f"outcomes.{partition}"


async def ensure_streams(bus: Bus, partitions: int, quota_bytes: int, replicas: int = 1) -> None:
    """Create what is missing. Raises ConfigError when the store was made with another number of partitions, or when
    the server has no room for the quota or is no cluster for the replicas.

    READINGS gets half of the quota and refuses what exceeds it (a janitor makes room); so does OUTCOMES with three
    eighths: what was acknowledged is never dropped, not by a smaller quota either. The rest is for blobs and buckets.
    """
    known = await _known_partitions(bus)
    if known is not None and known != partitions:
        raise ConfigError(
            f"this store was created with {known} partitions, the configuration says {partitions}; "
            f"set partitions = {known}, or start with an empty data folder"
        )
    shared: dict[str, Any] = {
        "storage": "file",
        "discard": "new",
        "num_replicas": replicas,
        "allow_direct": True,
        "duplicate_window": _DUPLICATE_WINDOW_NS,
    }
    metadata = {"metadata": {"partitions": str(partitions)}}
    await bus.ensure_stream(
        {"name": READINGS, "subjects": ["readings.*"], "max_bytes": quota_bytes // 2, **shared, **metadata}
    )
    await bus.ensure_stream(
        {"name": OUTCOMES, "subjects": ["outcomes.*"], "max_bytes": 3 * quota_bytes // 8, **shared, **metadata}
    )
    await bus.ensure_stream({"name": BLOBS, "subjects": ["blobs.>"], "max_msgs_per_subject": 1, **shared})
    for bucket, history in BUCKETS.items():
        await bus.ensure_bucket(bucket, history, replicas)


async def _known_partitions(bus: Bus) -> int | None:
    try:
        info = await bus.stream_info(READINGS)
    except RejectedError:
        return None
    return int(info["config"].get("metadata", {}).get("partitions", 0)) or None
