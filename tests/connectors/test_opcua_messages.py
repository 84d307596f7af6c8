"""What a server says of changes is read, set aside or refused, whatever bytes it is made of."""

import struct
import tracemalloc
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_edge_anomaly.core.errors import UnavailableError

ua = pytest.importorskip("asyncua", reason="no asyncua here; run: make setup").ua
from asyncua.ua.ua_binary import struct_to_binary  # noqa: E402

from iot_edge_anomaly.connectors.opcua_buffer import CarefulBuffer  # noqa: E402
from iot_edge_anomaly.connectors.opcua_calls import GoneError, RefusedError  # noqa: E402
from iot_edge_anomaly.connectors.opcua_messages import (  # noqa: E402
    LAST_NUMBER,
    after,
    distance,
    numbers_from,
    read_again,
    read_published,
)

NOW = datetime(2026, 11, 30, 6, tzinfo=UTC)


def published(*data: object, sequence: int = 5, available: tuple[int, ...] = (4, 5)) -> bytes:
    response = ua.PublishResponse()
    response.Parameters.SubscriptionId = 77
    response.Parameters.AvailableSequenceNumbers = list(available)
    response.Parameters.NotificationMessage.SequenceNumber = sequence
    response.Parameters.NotificationMessage.NotificationData = list(data)
    return bytes(struct_to_binary(response))


def changes(*values: object) -> object:
    items = [
        ua.MonitoredItemNotification(ClientHandle=number, Value=ua.DataValue(value, SourceTimestamp=NOW))
        for number, value in enumerate(values, 1)
    ]
    return ua.DataChangeNotification(MonitoredItems=items)


SOUND = published(changes(1.5, True, [1, 2, 3], "text", b"bytes"))


def test_values_are_told_by_the_number_of_their_point() -> None:
    answer = read_published(CarefulBuffer(SOUND))
    assert (answer.subscription, answer.sequence, answer.available) == (77, 5, [4, 5])
    assert answer.notification is not None
    assert [(number, value.Value.Value) for number, value in answer.notification.values] == [
        (0, 1.5),
        (1, True),
        (2, [1, 2, 3]),
        (3, "text"),
        (4, b"bytes"),
    ]


def test_a_message_without_data_says_only_what_comes_next() -> None:
    answer = read_published(CarefulBuffer(published(sequence=9)))
    assert (answer.sequence, answer.notification) == (9, None)


def test_one_that_cannot_be_read_is_kept_as_it_came_under_its_number() -> None:
    answer = read_published(CarefulBuffer(SOUND[:-7]))
    assert (answer.subscription, answer.sequence) == (77, 5)
    assert answer.notification is not None
    assert answer.notification.values == ()
    assert answer.notification.unread in SOUND


def test_the_end_of_a_subscription_is_told() -> None:
    ended = ua.StatusChangeNotification(Status=ua.StatusCode(ua.UInt32(ua.StatusCodes.BadTimeout)))
    with pytest.raises(GoneError, match="has ended the subscription: BadTimeout"):
        read_published(CarefulBuffer(published(ended)))


def test_a_bad_result_is_a_refusal() -> None:
    response = ua.PublishResponse()
    response.ResponseHeader.ServiceResult = ua.StatusCode(ua.UInt32(ua.StatusCodes.BadOutOfMemory))
    with pytest.raises(RefusedError, match="BadOutOfMemory"):
        read_published(CarefulBuffer(bytes(struct_to_binary(response))))


def test_another_message_than_was_asked_for_once_more_is_none() -> None:
    response = ua.RepublishResponse()
    assert read_again(CarefulBuffer(bytes(struct_to_binary(response))), 5) is None
    response.NotificationMessage.SequenceNumber = 5
    response.NotificationMessage.NotificationData = [changes(1.5)]
    content = bytes(struct_to_binary(response))
    assert len(read_again(CarefulBuffer(content), 5).values) == 1  # type: ignore[union-attr]
    assert read_again(CarefulBuffer(content), 6) is None
    assert read_again(CarefulBuffer(content[:-3]), 5).unread  # type: ignore[union-attr]


NULLS, TEXTS, MATRIX = 0x80, 0x8C, 0xC1
"""How an array of nulls, of texts, and a matrix of truth values begin."""


@pytest.mark.parametrize(
    "lie",
    [
        bytes([NULLS]) + b"\xff\xff\xff\x7f",
        bytes([TEXTS]) + b"\xff\xff\xff\x7f" + b"\xfc\xff\xff\xff" * 4,
        (bytes([MATRIX]) + b"\x01\x00\x00\x00\x01" + b"\x01\x00\x00\x00\x40\x42\x0f\x00") * 50,
    ],
    ids=["a billion nulls", "lengths that lead back", "matrices of a million"],
)
def test_a_message_that_lies_about_its_size_costs_no_more_than_its_bytes(lie: bytes) -> None:
    several = b"\x98" + b"\x32\x00\x00\x00" if lie[0] == MATRIX else b""
    marked = published(changes(1234.5))
    sound = b"\x0b" + struct.pack("<d", 1234.5)
    assert sound in marked
    tracemalloc.start()
    _reads_or_refuses(marked.replace(sound, several + lie))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 5e6


@given(st.binary(max_size=200))
def test_noise_is_an_answer_or_an_outage(noise: bytes) -> None:
    _reads_or_refuses(noise)


@given(st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.integers(0, 255)), max_size=8), st.integers(0, len(SOUND)))
def test_a_broken_message_is_an_answer_or_an_outage(broken: list[tuple[int, int]], end: int) -> None:
    content = bytearray(SOUND)
    for at, byte in broken:
        content[at] = byte
    _reads_or_refuses(bytes(content[:end]))
    _reads_or_refuses(bytes(content))


def _reads_or_refuses(content: bytes) -> None:
    for read in (read_published, lambda buffer: read_again(buffer, 5)):
        try:
            read(CarefulBuffer(content))
        except UnavailableError:
            continue


@given(st.integers(1, LAST_NUMBER), st.integers(0, 100))
def test_numbers_go_round_without_a_zero(first: int, count: int) -> None:
    numbers = numbers_from(first, count + 1)
    assert 0 not in numbers
    assert numbers[0] == first
    assert all(after(one) == other for one, other in pairwise(numbers))
    assert distance(first, numbers[-1]) == count
    assert distance(numbers[-1], first) == -count
