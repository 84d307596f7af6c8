"""Frames are read whatever comes: a frame, not enough yet, or rubbish that is told; never more, never a crash."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_edge_anomaly.connectors.modbus_frames import (
    LONGEST_CONTENT,
    Frame,
    RefusedError,
    answer,
    question,
    take_frame,
)
from iot_edge_anomaly.connectors.modbus_plan import Request
from iot_edge_anomaly.core.errors import RejectedError

HOLDING = Request("holding", 107, 3, ())
COILS = Request("coil", 19, 19, ())


def test_questions_are_those_of_the_standard() -> None:
    """Section 6 of the application protocol, with a header of the messaging guide."""
    assert question(0x1501, 0xFF, HOLDING) == bytes.fromhex("1501 0000 0006 ff 03 006b 0003")
    assert question(1, 2, COILS) == bytes.fromhex("0001 0000 0006 02 01 0013 0013")
    assert question(2, 2, Request("discrete", 196, 22, ()))[7:] == bytes.fromhex("02 00c4 0016")
    assert question(3, 2, Request("input", 8, 1, ()))[7:] == bytes.fromhex("04 0008 0001")


def test_answers_are_those_of_the_standard() -> None:
    assert answer(bytes.fromhex("03 06 022b 0000 0064"), HOLDING) == bytes.fromhex("022b 0000 0064")
    assert answer(bytes.fromhex("01 03 cd 6b 05"), COILS) == bytes.fromhex("cd 6b 05")
    with pytest.raises(RefusedError, match=r"illegal data address \(code 2\)"):
        answer(bytes.fromhex("83 02"), HOLDING)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "something else"),
        ("03", "-1 bytes instead of 6"),
        ("04 06 022b 0000 0064", "something else"),
        ("81 02", "something else"),
        ("83", "something else"),
        ("83 02 00", "something else"),
        ("03 04 022b 0000", "4 bytes instead of 6"),
        ("03 06 022b 0000", "4 bytes instead of 6"),
        ("03 04 022b 0000 0064", "6 bytes instead of 6"),
        ("03 08 022b 0000 0064 0000", "8 bytes instead of 6"),
    ],
)
def test_what_is_no_answer_to_the_question_is_told(content: str, words: str) -> None:
    with pytest.raises(RejectedError, match=words):
        answer(bytes.fromhex(content), HOLDING)


def test_frames_are_taken_off_as_they_come() -> None:
    whole = struct.pack(">HHHB", 7, 0, 3, 9) + b"\x83\x0b"
    received = bytearray()
    for byte in whole[:-1]:
        received.append(byte)
        assert take_frame(received) is None
    received += whole[-1:] + whole
    assert take_frame(received) == take_frame(received) == Frame(7, 9, b"\x83\x0b")
    assert (take_frame(received), received) == (None, b"")


@pytest.mark.parametrize("header", ["0001 0001 0003 01", "0001 0000 0002 01", "0001 0000 00ff 01", "0001 0000 ffff 01"])
def test_what_no_device_may_send_is_rubbish(header: str) -> None:
    with pytest.raises(RejectedError, match="no Modbus TCP"):
        take_frame(bytearray.fromhex(header))


@given(st.lists(st.binary(max_size=600), max_size=8))
def test_any_bytes_are_frames_or_wait_or_rubbish(pieces: list[bytes]) -> None:
    received = bytearray()
    for piece in pieces:
        received += piece
        try:
            while frame := take_frame(received):
                assert 2 <= len(frame.content) <= LONGEST_CONTENT
        except RejectedError:
            return
        assert len(received) < 7 + LONGEST_CONTENT, "what waits is less than a frame"


@given(
    st.sampled_from(("holding", "input", "coil", "discrete")),
    st.integers(1, 125),
    st.one_of(st.binary(max_size=260), st.binary(max_size=3)),
)
def test_any_content_is_the_answer_or_told_not_to_be(kind: str, count: int, content: bytes) -> None:
    request = Request(kind, 0, count, ())  # type: ignore[arg-type]
    try:
        found = answer(content, request)
    except RejectedError:
        return
    assert len(found) == ((count + 7) // 8 if request.is_of_bits else 2 * count)
