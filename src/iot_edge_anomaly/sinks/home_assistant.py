"""Discovery messages of Home Assistant: an alarm becomes a binary sensor of its asset by itself. Pure."""

import hashlib

import msgspec

from iot_edge_anomaly.component.sink import Posting

MEANING = "{{ 'ON' if value_json.active else 'OFF' }}"


def discovery(prefix: str, state_topic: str, status_topic: str, posting: Posting) -> tuple[str, bytes]:
    """Return the topic and the content of the message that makes a binary sensor of an alarm.

    Source: MQTT discovery and the MQTT binary sensor in the documentation of Home Assistant.
    """
    asset = str(posting.key)
    device, alarm = _identity(asset), _identity(f"{asset}\0{posting.event.condition}")
    content = {
        "name": posting.event.condition.replace(":", " "),
        "unique_id": alarm,
        "device_class": "problem",
        "state_topic": state_topic,
        "value_template": MEANING,
        "json_attributes_topic": state_topic,
        "availability_topic": status_topic,
        "qos": 1,
        "device": {"identifiers": [device], "name": asset, "manufacturer": "iot-edge-anomaly"},
        "origin": {"name": "iot-edge-anomaly"},
    }
    return f"{prefix}/binary_sensor/{device}/{alarm}/config", msgspec.json.encode(content)


def _identity(name: str) -> str:
    return f"iea-{hashlib.blake2b(name.encode(), digest_size=8).hexdigest()}"
