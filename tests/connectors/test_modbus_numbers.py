"""What stands in registers is read as what it is, in each order of bytes; what is no number is told."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modbus_readings import CODES, ORDERS, SAMPLES, on_the_wire  # type: ignore[import-not-found]

from iot_edge_anomaly.connectors.modbus_numbers import REGISTERS, reading_of, reading_of_bit
from iot_edge_anomaly.connectors.modbus_settings import ModbusPoint
from iot_edge_anomaly.core.errors import RejectedError


def point(**said: object) -> ModbusPoint:
    return ModbusPoint(sensor="x", address=0, **said)  # type: ignore[arg-type]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("read_as", SAMPLES)
def test_every_type_in_every_order(read_as: str, order: str) -> None:
    value = SAMPLES[read_as]
    written = struct.pack(">" + {**CODES, "float64": "d"}[read_as], value)
    assert reading_of(point(type=read_as, order=order), on_the_wire(written, order)) == value


def test_the_orders_are_those_of_their_letters() -> None:
    for order in ORDERS:
        assert on_the_wire(b"ABCD", order).decode() == order
    number = struct.unpack(">I", b"ABCD")[0]
    for order in ORDERS:
        assert reading_of(point(type="uint32", order=order), order.encode()) == number


def test_a_bit_of_a_register() -> None:
    for bit in range(16):
        told = [reading_of(point(type="bool", bit=bit), struct.pack(">H", 1 << other)) for other in range(16)]
        assert told == [float(other == bit) for other in range(16)]
    assert reading_of(point(type="bool", bit=0, order="DCBA"), b"\x01\x00") == 1.0


def test_a_coil() -> None:
    coil = point(kind="coil")
    assert [reading_of_bit(coil, b"\x05\x01", number) for number in range(9)] == [1, 0, 1, 0, 0, 0, 0, 0, 1]


def test_scale_and_offset() -> None:
    assert reading_of(point(type="int16", scale=0.1, offset=-40.0), struct.pack(">h", 615)) == pytest.approx(21.5)
    assert reading_of_bit(point(kind="coil", scale=-1.0, offset=1.0), b"\x01", 0) == 0.0


@pytest.mark.parametrize(
    ("said", "raw", "wanted"),
    [
        ({"type": "int16", "no_value": (-32768.0,)}, b"\x80\x00", None),
        ({"type": "int16", "no_value": (-32768.0,)}, b"\x80\x01", -32767.0),
        ({"type": "uint16", "no_value": (65533.0, 65535.0)}, b"\xff\xfe", None),
        ({"type": "uint16", "no_value": (65533.0, 65535.0)}, b"\xff\xfc", 65532.0),
        ({"type": "uint16", "no_value": (0.0,), "offset": 5.0}, b"\x00\x00", None),
        ({"type": "float32", "no_value": (-9999.0, -9998.0)}, struct.pack(">f", -9998.5), None),
    ],
)
def test_what_means_no_value_is_none(said: dict[str, object], raw: bytes, wanted: float | None) -> None:
    assert reading_of(point(**said), raw) == wanted


@pytest.mark.parametrize(
    ("said", "raw", "words"),
    [
        ({"type": "float32"}, struct.pack(">f", math.nan), "no number"),
        ({"type": "float32"}, b"\x7f\xa0\x00\x00", "no number"),
        ({"type": "float64"}, struct.pack(">d", -math.inf), "infinite"),
        ({"type": "float64"}, struct.pack(">d", 1e301), "beyond"),
        ({"type": "float64", "scale": 1e200}, struct.pack(">d", 1e200), "beyond"),
        ({"type": "float64", "scale": 1e300, "offset": -1e300}, struct.pack(">d", 1e300), "beyond"),
    ],
)
def test_what_is_no_number_is_rejected(said: dict[str, object], raw: bytes, words: str) -> None:
    with pytest.raises(RejectedError, match=words):
        reading_of(point(**said), raw)


@given(st.data())
def test_any_bytes_are_a_reading_or_none_or_told_to_be_no_number(data: st.DataObject) -> None:
    read_as = data.draw(st.sampled_from(list(REGISTERS)))
    size = 2 * REGISTERS[read_as]
    finite = st.floats(-1e300, 1e300).filter(bool)
    said = point(
        type=read_as,
        order=data.draw(st.sampled_from(list(ORDERS))),
        bit=data.draw(st.integers(0, 15)) if read_as == "bool" else 0,
        scale=data.draw(finite),
        offset=data.draw(finite),
        no_value=data.draw(st.sampled_from([(), (0.0,), (0.0, 1.0)])),
    )
    try:
        value = reading_of(said, data.draw(st.binary(min_size=size, max_size=size)))
    except RejectedError:
        return
    assert value is None or (type(value) is float and abs(value) <= 1e300)
