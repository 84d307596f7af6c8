"""What a metric says as a number, and how far it vouches for it. Pure.

| datatypes | become |
|---|---|
| Int8 … Int64, UInt8 … UInt64 | a number; the signed ones stand as two's complement in an unsigned field |
| Float, Double | a number, if it is finite |
| Boolean | 0 or 1 |
| String, DateTime, Text, UUID, DataSet, Bytes, File, Template, arrays | nothing: set aside |
"""

import math

from iot_edge_anomaly.connectors.rows import LARGEST
from iot_edge_anomaly.connectors.sparkplug_payload import BOOLEAN, Metric
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.messages import Quality

FLOAT, DOUBLE = 9, 10
STALE = 500
"""What Sparkplug calls a value that is not the present one any more."""

_INTEGERS = {1: (8, True), 2: (16, True), 3: (32, True), 4: (64, True), 5: (8, False), 6: (16, False), 7: (32, False)}
_INTEGERS[8] = (64, False)
_BITS = {"int_value": 32, "long_value": 64}
_TEXTS = "String DateTime Text UUID DataSet Bytes File Template PropertySet PropertySetList"
_ARRAYS = "Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64 Float Double Boolean String DateTime"
_NO_NUMBERS = dict(enumerate([*_TEXTS.split(), *(f"{kind}Array" for kind in _ARRAYS.split())], start=12))
_FRACTIONS = {FLOAT: "a Float", DOUBLE: "a Double", BOOLEAN: "a Boolean"}
_READ_AS_IS = frozenset(("float_value", "double_value", "boolean_value"))
_FIELDS = {FLOAT: ("float_value", "double_value"), DOUBLE: ("double_value", "float_value"), BOOLEAN: ("boolean_value",)}


def is_numeric(datatype: int) -> bool:
    """Tell whether metrics of this type become readings."""
    return datatype in _INTEGERS or datatype in _FIELDS


def number(metric: Metric, datatype: int) -> float:
    """Return what a metric of this type says (0: the type is not known). Raises RejectedError with the reason."""
    if metric.is_null:
        raise RejectedError("it is null: the edge node has no value for it")
    if datatype == 0:
        if metric.kind not in _READ_AS_IS:
            raise RejectedError("its datatype is not known: neither it nor a birth says it")
    elif not is_numeric(datatype):
        name = _NO_NUMBERS.get(datatype, f"of the unknown type {datatype}")
        raise RejectedError(f"it is no number but {name}")
    if not metric.kind:
        raise RejectedError("it has no value")
    if datatype in _INTEGERS:
        return float(_integer(metric, *_INTEGERS[datatype]))
    if datatype and metric.kind not in _FIELDS[datatype]:
        raise _misfit(metric, datatype)
    value = float(metric.value)
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise RejectedError(f"value is not finite or beyond {LARGEST:g}")
    return value


def quality(metric: Metric) -> int:
    """Return the quality code: of OPC as it is, *stale* as uncertain, one that nobody knows as bad."""
    code = metric.quality
    if code is None:
        return int(Quality.GOOD)
    if code == STALE:
        return int(Quality.UNCERTAIN)
    return code if code < 256 else int(Quality.BAD)


def _integer(metric: Metric, bits: int, signed: bool) -> int:
    """Return a whole number; signed ones may be as wide as their type or as wide as the field they stand in."""
    width = _BITS.get(metric.kind, 0)
    if not width:
        raise _misfit(metric, 0)
    raw, top = int(metric.value), 1 << bits
    if not signed:
        if raw < top:
            return raw
    elif bits > width:
        if raw < 1 << (width - 1):
            return raw
    elif raw >= (1 << width) - (top >> 1):
        return raw - (1 << width)
    elif raw < top:
        return raw - top if raw >= top >> 1 else raw
    raise RejectedError(f"value {raw} does not fit {'a signed' if signed else 'an unsigned'} integer of {bits} bits")


def _misfit(metric: Metric, datatype: int) -> RejectedError:
    what = _FRACTIONS.get(datatype, "an integer")
    return RejectedError(f"its value stands in {metric.kind}, which is no place for {what}")
