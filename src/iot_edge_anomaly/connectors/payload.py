"""Payloads become batches: JSON or MessagePack, over HTTP or MQTT. Pure.

A row is an object: `time` or `timestamp` (none: when it was received) and a value a sensor. A value is a number, true
or false, or `{"value": 1.5, "quality": "uncertain"}`. Anything else is set aside, by value, and the rest is taken.
Further keys of a payload are left alone; one that is nearly one of ours (`sequnce`) is refused, see `misspelt.py`.
"""

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from iot_edge_anomaly.connectors.misspelt import is_meant_for, meant, refuse_misspelt
from iot_edge_anomaly.connectors.rows import RAW_BYTES, Columns
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.messages import UNNUMBERED, Batch, SetAside
from iot_edge_anomaly.core.names import AssetKey, sensor_name

MAX_ROWS = 10_000
MAX_COUNT = (1 << 63) - 1
"""The largest epoch and sequence."""

_JSON = "application/json"
FIRST_OF_MESSAGE_PACK = 0x80
_ONE_VALUE = ("value", "quality", "time", "timestamp")
_PAYLOAD = ("asset", "source", "epoch", "sequence", "rows")
_UNREADABLE = (msgspec.MsgspecError, RecursionError, ValueError, TypeError)

_known_key = lru_cache(maxsize=16_384)(AssetKey.parse)
_known_source = lru_cache(maxsize=16_384)(sensor_name)


class _Numbered(msgspec.Struct, forbid_unknown_fields=True):
    rows: list[Any]
    source: str = ""
    epoch: int | str = 0
    sequence: int | None = None
    asset: str = ""


class _Payload(_Numbered, kw_only=True):
    asset: str


_Payloads = _Payload | list[_Payload]

_http_json = msgspec.json.Decoder(_Payloads)
_http_message_pack = msgspec.msgpack.Decoder(_Payloads)
_message_json = msgspec.json.Decoder()
_message_message_pack = msgspec.msgpack.Decoder()


def decode_http(content: bytes, media_type: str, *, received_ns: int) -> tuple[Batch, ...]:
    """Read one payload or a list of them. Raises RejectedError when any of it is unusable as a whole."""
    try:
        if media_type == _JSON:
            found = _read_json(_http_json.decode, content, _Payloads)
        else:
            found = _http_message_pack.decode(content)
    except msgspec.ValidationError as error:
        found = _without_strange_keys(content, media_type, error)
    except _UNREADABLE as error:
        raise RejectedError(f"cannot read the payload: {_said(error)}") from error
    payloads = found if isinstance(found, list) else [found]
    if not payloads:
        raise RejectedError("the list of payloads is empty")
    if sum(len(payload.rows) for payload in payloads) > MAX_ROWS:
        raise RejectedError(f"more than {MAX_ROWS} rows at once: send them in several requests")
    return tuple([_batch(_known_key(payload.asset), payload, "http", received_ns) for payload in payloads])


def _without_strange_keys(content: bytes, media_type: str, error: msgspec.ValidationError) -> Any:
    """Read payloads again that hold keys of somebody else. Raises RejectedError when that is not what is wrong."""
    if "unknown field" not in str(error):
        raise RejectedError(f"cannot read the payload: {_said(error)}") from error
    try:
        document = _decoded(content) if media_type == _JSON else _message_message_pack.decode(content)
        return msgspec.convert(_known_keys(document), _Payloads)
    except _UNREADABLE as wrong:
        raise RejectedError(f"cannot read the payload: {_said(wrong)}") from wrong


def _known_keys(document: Any) -> Any:
    if isinstance(document, list):
        return [_known_keys(one) for one in document]
    if not isinstance(document, dict):
        return document
    refuse_misspelt(document, _PAYLOAD)
    return {name: value for name, value in document.items() if name in _PAYLOAD}


def decode_message(
    content: bytes, key: AssetKey, sensor: str | None, source: str, *, received_ns: int, retained: bool = False
) -> Batch:
    """Read an MQTT message: a value, an object of values, a list of rows, or numbered rows.

    A message that cannot be used becomes a batch without readings, which keeps its first bytes. `sensor` is what the
    topic names; without it a single value is called `value`. A `retained` message comes again at every connect: a
    row of it without a time is set aside, for it may be old.
    """
    try:
        payload = _as_rows(_decoded(content), sensor)
        if payload.asset and _known_key(payload.asset) != key:
            raise RejectedError(f"the message says it is of {payload.asset!r}, its topic of {str(key)!r}")
        return _batch(key, payload, source, received_ns, needs_time=retained)
    except _UNREADABLE as error:
        return unusable(content, key, source, f"cannot read the message: {_said(error)}", received_ns=received_ns)
    except RejectedError as error:
        return unusable(content, key, source, str(error), received_ns=received_ns)


def unusable(content: bytes, key: AssetKey, source: str, reason: str, *, received_ns: int) -> Batch:
    """Return a batch that holds nothing but a message set aside, so that it is durable, listed and counted."""
    record = SetAside(-1, "", reason, content[:RAW_BYTES])
    return Columns(received_ns, [record]).batch(key, source, 0, UNNUMBERED)


def is_one_value(content: bytes) -> bool:
    """Tell whether a message is a single value, so that its topic ends in a sensor rather than an asset."""
    try:
        found = _decoded(content)
    except _UNREADABLE:
        return True
    return not isinstance(found, list) and (not isinstance(found, dict) or _means_one_value(found))


def _decoded(content: bytes) -> Any:
    """No JSON begins with a byte of 0x80 or more; every MessagePack map, list, float and larger integer does."""
    if content and content[0] >= FIRST_OF_MESSAGE_PACK:
        return _message_message_pack.decode(content)
    return _read_json(_message_json.decode, content, Any)


def _read_json(decode: Callable[[bytes], Any], content: bytes, shape: Any) -> Any:
    """Read JSON; where it is none, also what half the world writes: NaN, Infinity, numbers beyond a float.

    Raises what `decode` raised when it is not that either.
    """
    try:
        return decode(content)
    except msgspec.MsgspecError as error:
        try:
            found = json.loads(content.decode(), parse_int=_whole)
        except ValueError:
            raise error from None
        return msgspec.convert(found, shape)


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < 20 else float(digits)


def _names_one_value(document: dict[str, Any]) -> bool:
    return "value" in document and all(name in _ONE_VALUE for name in document)


def _means_one_value(document: dict[str, Any]) -> bool:
    """Tell whether this is a single value, also one whose keys are misspelt."""
    return is_meant_for(document, _ONE_VALUE) and any(
        name == "value" or meant(name, ("value",)) is not None for name in document
    )


def _as_rows(document: Any, sensor: str | None) -> _Numbered:
    if isinstance(document, dict) and isinstance(document.get("rows"), list):
        return msgspec.convert(_known_keys(document), _Numbered)
    if isinstance(document, list):
        return _Numbered(document)
    if sensor in ("time", "timestamp"):
        raise RejectedError(f"a sensor cannot be called {sensor!r}")
    if not isinstance(document, dict):
        return _Numbered([{sensor or "value": document}])
    if _means_one_value(document):
        refuse_misspelt(document, _ONE_VALUE)
    if sensor is not None and _names_one_value(document):
        time = document.pop("timestamp", None)
        time = document.pop("time", time)
        return _Numbered([{"time": time, sensor: document}])
    return _Numbered([document])


def _batch(key: AssetKey, payload: _Numbered, source: str, received_ns: int, *, needs_time: bool = False) -> Batch:
    if len(payload.rows) > MAX_ROWS:
        raise RejectedError(f"more than {MAX_ROWS} rows at once: send them in several messages")
    columns = Columns(received_ns, needs_time=needs_time)
    for number, row in enumerate(payload.rows):
        columns.add(number, row)
    sequence = UNNUMBERED if payload.sequence is None else _counted(payload.sequence, "sequence")
    named = payload.source or source
    return columns.batch(key, _source(named), _counted(payload.epoch, "epoch"), sequence)


def _source(name: str) -> str:
    try:
        return _known_source(name)
    except RejectedError as error:
        raise RejectedError(f"source: {error}") from error


def _counted(given: int | str, what: str) -> int:
    if isinstance(given, str):
        if not (given.isascii() and given.isdigit() and len(given) < 20):
            raise RejectedError(f"{what} is no whole number: {given[:40]!r}")
        given = int(given)
    if 0 <= given <= MAX_COUNT:
        return given
    raise RejectedError(f"{what} must be from 0 to 2^63 - 1")


def _said(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
