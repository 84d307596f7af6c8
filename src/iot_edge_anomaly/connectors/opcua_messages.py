"""What an OPC UA server answers when it is asked what changed: read with care, for a server may send anything."""

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

from asyncua import ua
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary

from iot_edge_anomaly.connectors.opcua_calls import UNREADABLE, GoneError, RefusedError, name_of, understood
from iot_edge_anomaly.connectors.rows import RAW_BYTES

LAST_NUMBER = 0xFFFFFFFF
"""After it notifications are counted from 1 on; there is no 0."""


class Notification(NamedTuple):
    """What the server told at once: values by the number of their point; `unread`: bytes that make no sense."""

    sequence: int
    values: Sequence[tuple[int, Any]]
    unread: bytes = b""


class Answer(NamedTuple):
    """What a publish response says. Without a notification it only tells the number of the one that comes next."""

    subscription: int
    sequence: int
    available: Sequence[int]
    notification: Notification | None


def read_published(content: Any) -> Answer:
    """Read a publish response; of one that makes no sense only how it begins, so that it can be set aside."""
    whole = content.copy()
    try:
        response = struct_from_binary(ua.PublishResponse, content)
        response.ResponseHeader.ServiceResult.check()
        result = response.Parameters
        notification = _notification(result.NotificationMessage)
        sequence = int(result.NotificationMessage.SequenceNumber)
        available = [int(number) for number in result.AvailableSequenceNumbers or ()]
        return Answer(int(result.SubscriptionId), sequence, available, notification)
    except ua.UaStatusCodeError as error:
        raise RefusedError(
            f"the OPC UA server refuses to tell what changed: {name_of(error.code)}", error.code
        ) from error
    except UNREADABLE:
        return _read_beginning(whole)


def read_again(content: Any, sequence: int) -> Notification | None:
    """Read the answer to a request for a notification once more; None when it is not that one."""
    whole = content.copy()
    try:
        response = struct_from_binary(ua.RepublishResponse, content)
        response.ResponseHeader.ServiceResult.check()
        found = _notification(response.NotificationMessage)
    except ua.UaStatusCodeError:
        return None
    except UNREADABLE:
        return Notification(sequence, (), bytes(whole.read(len(whole)))[:RAW_BYTES])
    return found if found is not None and found.sequence == sequence else None


def after(sequence: int) -> int:
    """Return the number that follows.

    >>> after(1), after(LAST_NUMBER)
    (2, 1)
    """
    return 1 if sequence >= LAST_NUMBER else sequence + 1


def distance(first: int, second: int) -> int:
    """Return how many numbers the second is behind the first; negative: it is before.

    >>> distance(5, 8), distance(8, 5), distance(LAST_NUMBER, 2)
    (3, -3, 2)
    """
    steps = (second - first) % LAST_NUMBER
    return steps if steps <= LAST_NUMBER // 2 else steps - LAST_NUMBER


def numbers_from(first: int, count: int) -> list[int]:
    """Return so many numbers, in order.

    >>> numbers_from(LAST_NUMBER - 1, 3)
    [4294967294, 4294967295, 1]
    """
    return [(first + step - 1) % LAST_NUMBER + 1 for step in range(count)]


def _notification(message: Any) -> Notification | None:
    """Return the values of a message; None where it has no data. Raises GoneError when it says that it is the last."""
    if not message.NotificationData:
        return None
    values = list[tuple[int, Any]]()
    for data in message.NotificationData:
        if isinstance(data, ua.DataChangeNotification):
            values += [(int(item.ClientHandle) - 1, item.Value) for item in data.MonitoredItems or ()]
        elif isinstance(data, ua.StatusChangeNotification):
            raise GoneError(f"the OPC UA server has ended the subscription: {name_of(int(data.Status.value))}")
    return Notification(int(message.SequenceNumber), values)


def _read_beginning(content: Any) -> Answer:
    with understood("what changed"):
        nodeid_from_binary(content)
        struct_from_binary(ua.ResponseHeader, content)
        rest = bytes(content.read(len(content)))
        subscription, count = struct.unpack_from("<Ii", rest)
        at = 8 + 4 * max(count, 0)
        (sequence,) = struct.unpack_from("<I", rest, at + 1)
        return Answer(subscription, sequence, (), Notification(sequence, (), rest[at:][:RAW_BYTES]))
