"""Sparkplug B payloads: protocol buffers become values, a request becomes bytes. Pure.

The fields stand in a table here. What holds further messages, such as a metric, is declared as bytes and read one at a
time: one that is broken spoils no other, nothing nests, and how much one payload may take is known beforehand. Fields
that are not in the table are passed over.
"""

from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from iot_edge_anomaly.core.errors import RejectedError

MAX_BYTES = 4 << 20
MAX_METRICS = 50_000
MOST_NAME = 400
"""Characters of a metric's name that are kept: no longer one can be a sensor, whatever part of it names the asset."""

REBIRTH = "Node Control/Rebirth"
BOOLEAN = 11

_F = descriptor_pb2.FieldDescriptorProto
_BYTES, _BOOL, _UINT32, _UINT64 = _F.TYPE_BYTES, _F.TYPE_BOOL, _F.TYPE_UINT32, _F.TYPE_UINT64
_FLOAT, _DOUBLE = _F.TYPE_FLOAT, _F.TYPE_DOUBLE


class _Field(NamedTuple):
    name: str
    number: int
    kind: int
    is_repeated: bool = False
    is_value: bool = False
    """One of several of which a message has one at most."""


_TABLE = {
    "Payload": (
        _Field("timestamp", 1, _UINT64),
        _Field("metrics", 2, _BYTES, is_repeated=True),
        _Field("seq", 3, _UINT64),
        _Field("body", 5, _BYTES),
    ),
    "Metric": (
        _Field("name", 1, _BYTES),
        _Field("alias", 2, _UINT64),
        _Field("timestamp", 3, _UINT64),
        _Field("datatype", 4, _UINT32),
        _Field("is_historical", 5, _BOOL),
        _Field("is_null", 7, _BOOL),
        _Field("properties", 9, _BYTES),
        _Field("int_value", 10, _UINT32, is_value=True),
        _Field("long_value", 11, _UINT64, is_value=True),
        _Field("float_value", 12, _FLOAT, is_value=True),
        _Field("double_value", 13, _DOUBLE, is_value=True),
        _Field("boolean_value", 14, _BOOL, is_value=True),
        _Field("string_value", 15, _BYTES, is_value=True),
        _Field("bytes_value", 16, _BYTES, is_value=True),
        _Field("dataset_value", 17, _BYTES, is_value=True),
        _Field("template_value", 18, _BYTES, is_value=True),
    ),
    "PropertySet": (_Field("keys", 1, _BYTES, is_repeated=True), _Field("values", 2, _BYTES, is_repeated=True)),
    "PropertyValue": (
        _Field("is_null", 2, _BOOL),
        _Field("int_value", 3, _UINT32, is_value=True),
        _Field("long_value", 4, _UINT64, is_value=True),
    ),
}


def _message_types() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="sparkplug", package="sparkplug", syntax="proto2")
    for name, fields in _TABLE.items():
        message = file.message_type.add(name=name)
        if any(field.is_value for field in fields):
            message.oneof_decl.add(name="value")
        for field in fields:
            label = _F.LABEL_REPEATED if field.is_repeated else _F.LABEL_OPTIONAL
            entry = message.field.add(name=field.name, number=field.number, type=field.kind, label=label)
            if field.is_value:
                entry.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"sparkplug.{name}")) for name in _TABLE}


_TYPES = _message_types()
_Payload, _Metric = _TYPES["Payload"], _TYPES["Metric"]
_PropertySet, _PropertyValue = _TYPES["PropertySet"], _TYPES["PropertyValue"]


class Metric(NamedTuple):
    """A metric as it came. `kind`: the field its value stood in, empty: it has none; `raw`: all of it, as bytes."""

    name: str | None
    alias: int | None
    time_ms: int | None
    datatype: int
    is_historical: bool
    is_null: bool
    kind: str
    value: Any
    quality: int | None
    raw: bytes
    trouble: str = ""
    """Why it cannot be read at all; then all but `raw` says nothing."""


class Payload(NamedTuple):
    """A payload as it came."""

    time_ms: int | None
    seq: int | None
    metrics: tuple[Metric, ...]


def decode(content: bytes) -> Payload:
    """Read a payload. Raises RejectedError when it is none, or more than is taken at once."""
    if len(content) > MAX_BYTES:
        raise RejectedError(f"a payload of {len(content)} bytes is larger than the {MAX_BYTES} that are read at once")
    try:
        payload = _Payload.FromString(content)
    except DecodeError:
        raise RejectedError("it is no payload of Sparkplug B") from None
    if len(payload.metrics) > MAX_METRICS:
        raise RejectedError(f"more than {MAX_METRICS} metrics at once: send them in several payloads")
    if not payload.metrics and payload.body:
        raise RejectedError("its metrics stand in a compressed body: turn compression off at the edge node")
    metrics = tuple([_metric(raw) for raw in payload.metrics])
    return Payload(_given(payload, "timestamp"), _given(payload, "seq"), metrics)


def rebirth_request(now_ms: int) -> bytes:
    """Return the payload that asks an edge node for its births."""
    metric = _Metric(name=REBIRTH.encode(), timestamp=now_ms, datatype=BOOLEAN, boolean_value=True)
    request: bytes = _Payload(timestamp=now_ms, metrics=[metric.SerializeToString()]).SerializeToString()
    return request


def _metric(raw: bytes) -> Metric:
    try:
        metric = _Metric.FromString(raw)
        name = metric.name.decode()[:MOST_NAME] if metric.HasField("name") else None
        quality = _quality(metric.properties) if metric.HasField("properties") else None
    except DecodeError:
        return _broken(raw, "it is no metric of Sparkplug B")
    except UnicodeDecodeError:
        return _broken(raw, "its name is no UTF-8")
    kind = metric.WhichOneof("value") or ""
    return Metric(
        name,
        _given(metric, "alias"),
        _given(metric, "timestamp"),
        metric.datatype,
        metric.is_historical,
        metric.is_null,
        kind,
        getattr(metric, kind) if kind else None,
        quality,
        raw,
    )


def _broken(raw: bytes, trouble: str) -> Metric:
    return Metric(None, None, None, 0, False, False, "", None, None, raw, trouble)


def _quality(properties: bytes) -> int | None:
    """Return the property that is called Quality, as it stands there."""
    said = _PropertySet.FromString(properties)
    for key, raw in zip(said.keys, said.values, strict=False):
        if key == b"Quality":
            value = _PropertyValue.FromString(raw)
            kind = value.WhichOneof("value")
            return None if value.is_null or kind is None else int(getattr(value, kind))
    return None


def _given(message: Any, field: str) -> int | None:
    return int(getattr(message, field)) if message.HasField(field) else None
