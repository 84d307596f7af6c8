"""What the server answers: stored messages, deliveries, and refusals turned into errors that say what to do.

UnavailableError: retry. FencedError: somebody else is the owner. RejectedError: no retry helps.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

from nats.aio.msg import Msg

from iot_edge_anomaly.core.errors import IotEdgeAnomalyError, RejectedError, UnavailableError

_WRONG_LAST_SEQUENCE = frozenset({10071, 10164})
_TOO_LARGE = 10054


class FencedError(IotEdgeAnomalyError):
    """Somebody else wrote this subject first: whoever gets this is not the owner any more."""


class Message(NamedTuple):
    """One stored message."""

    seq: int
    subject: str
    data: bytes


def raise_for(what: str, error: Mapping[str, Any]) -> NoReturn:
    """Raise the error that a refusal of the server stands for."""
    code, text = error.get("err_code"), f"{what}: {error.get('description')}"
    if code in _WRONG_LAST_SEQUENCE:
        raise FencedError(text)
    if code == _TOO_LARGE or error.get("code") in (400, 404):
        raise RejectedError(text)
    raise UnavailableError(text)


def stored(answer: Msg) -> Message:
    """Read a message that was fetched directly."""
    headers = answer.headers or {}
    return Message(int(headers["Nats-Sequence"]), headers["Nats-Subject"], answer.data)


def delivered(answer: Msg) -> tuple[Message, int]:
    """Read a delivery: its reply subject ends in stream sequence, consumer sequence, time and pending count."""
    parts = answer.reply.split(".")
    return Message(int(parts[-4]), answer.subject, answer.data), int(parts[-3])
