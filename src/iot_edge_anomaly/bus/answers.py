"""What the server answers: stored messages, deliveries, and refusals turned into errors that say what to do.

UnavailableError: retry. FencedError: somebody else is the owner. RejectedError: no retry helps. ConfigError: a setting
does not fit the server.
"""

import asyncio
import base64
from collections.abc import Awaitable, Mapping
from typing import Any, NamedTuple, NoReturn

from nats.aio.msg import Msg

from iot_edge_anomaly.core.errors import ConfigError, IotEdgeAnomalyError, RejectedError, UnavailableError

_WRONG_LAST_SEQUENCE = frozenset({10071, 10164})
_TOO_LARGE = 10054
_NO_MESSAGE = 10037
_TO_BE_SET = {
    10047: "the server has too little room for these streams: make quota_mb smaller, or give it more (max_file_store)",
    10074: "the server is alone: set replicas = 1, or make it part of a cluster",
}


class FencedError(IotEdgeAnomalyError):
    """Somebody else wrote this subject first: whoever gets this is not the owner any more."""


class Message(NamedTuple):
    """One stored message."""

    seq: int
    subject: str
    data: bytes


def raise_for(what: str, error: Mapping[str, Any]) -> NoReturn:
    """Raise the error that a refusal of the server stands for."""
    code, text = error.get("err_code", 0), f"{what}: {error.get('description')}"
    if code in _TO_BE_SET:
        raise ConfigError(f"{_TO_BE_SET[code]} ({text})")
    if code in _WRONG_LAST_SEQUENCE:
        raise FencedError(text)
    if code == _TOO_LARGE or error.get("code") in (400, 404):
        raise RejectedError(text)
    raise UnavailableError(text)


async def answered(waiting: Awaitable[Msg]) -> Msg:
    """Wait for an answer with the client, and heed a cancellation that comes along with it.

    `asyncio.wait_for`, which the client waits with, drops such a one before Python 3.12: the task would go on for ever.
    """
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    answer = await waiting
    if task.cancelling() > before:
        raise asyncio.CancelledError
    return answer


def stored(answer: Msg) -> Message:
    """Read a message that was fetched directly."""
    headers = answer.headers or {}
    return Message(int(headers["Nats-Sequence"]), headers["Nats-Subject"], answer.data)


def fetched(what: str, answer: Mapping[str, Any]) -> Message | None:
    """Read what the leader of a stream answered; None where there is no such message."""
    error = answer.get("error")
    if error is not None:
        if error.get("err_code") == _NO_MESSAGE:
            return None
        raise_for(what, error)
    message = answer["message"]
    return Message(int(message["seq"]), message["subject"], base64.b64decode(message.get("data", "")))


def delivered(answer: Msg) -> tuple[Message, int]:
    """Read a delivery: its reply subject ends in stream sequence, consumer sequence, time and pending count."""
    parts = answer.reply.split(".")
    return Message(int(parts[-4]), answer.subject, answer.data), int(parts[-3])
