"""Following a subject of a stream: in order, each message once, through restarts of the server."""

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from iot_edge_anomaly.bus.answers import Message, answered, delivered
from iot_edge_anomaly.core.errors import UnavailableError

if TYPE_CHECKING:
    from iot_edge_anomaly.bus.connection import Bus

FETCH_MESSAGES = 256
PULL_SECONDS = 30.0
HEARTBEAT_SECONDS = 2.0
_HEARTBEAT = "100"
_CONFLICT = "409"


class Follower:
    """Reads a subject in order, each message once, through restarts of the server; waits for new ones.

    A pull consumer that keeps no state on disk: what was delivered last is known here. A gap in the consumer's own
    count, a reconnect or silence makes it start anew behind the last message seen.
    """

    def __init__(self, bus: "Bus", stream: str, subject: str, from_seq: int) -> None:
        self._bus = bus
        self._stream = stream
        self._subject = subject
        self._next_seq = max(from_seq, 1)
        self._consumer = ""
        self._inbox: Subscription | None = None
        self._reconnects = -1
        self._delivered = 0
        self._outstanding = 0
        self._silent_after = 0.0

    async def fetch(self, wait_seconds: float, max_messages: int = FETCH_MESSAGES) -> list[Message]:
        """Return what is there, waiting for the first message at most so long; empty when none came.

        Raises UnavailableError while the server cannot be reached.
        """
        now = asyncio.get_running_loop().time
        deadline = now() + wait_seconds
        found: list[Message] = []
        try:
            while not found and (left := deadline - now()) > 0:
                if self._inbox is None or self._reconnects != self._bus.reconnects or now() > self._silent_after:
                    await self._open()
                if self._outstanding == 0:
                    await self._ask(max_messages)
                await self._collect(found, max_messages, left)
        except nats.errors.Error as error:
            self._inbox = None
            raise UnavailableError(f"following {self._stream} failed: {error or type(error).__name__}") from error
        return found

    async def close(self) -> None:
        """Let go of the consumer."""
        if self._inbox is not None:
            inbox, self._inbox = self._inbox, None
            await end_quietly(inbox)

    async def _open(self) -> None:
        await self.close()
        self._reconnects = self._bus.reconnects
        inbox = self._bus._client.new_inbox()
        self._consumer = f"follow-{inbox.rpartition('.')[2]}"
        config = {
            "name": self._consumer,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._next_seq,
            "ack_policy": "none",
            "filter_subject": self._subject,
            "inactive_threshold": _nanoseconds(60),
            "mem_storage": True,
            "num_replicas": 1,
        }
        call = f"CONSUMER.CREATE.{self._stream}.{self._consumer}.{self._subject}"
        await self._bus._api(call, {"stream_name": self._stream, "config": config})
        self._inbox = await self._bus._client.subscribe(inbox)
        self._delivered = self._outstanding = 0
        self._heard()

    async def _ask(self, max_messages: int) -> None:
        assert self._inbox is not None
        query = {
            "batch": max_messages,
            "expires": _nanoseconds(PULL_SECONDS),
            "idle_heartbeat": _nanoseconds(HEARTBEAT_SECONDS),
        }
        call = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}"
        await self._bus._client.publish(call, json.dumps(query).encode(), reply=self._inbox.subject)
        self._outstanding = max_messages

    async def _collect(self, found: list[Message], max_messages: int, wait_seconds: float) -> None:
        assert self._inbox is not None
        try:
            answer = await answered(self._inbox.next_msg(wait_seconds))
        except (nats.errors.TimeoutError, TimeoutError):
            return
        while True:
            self._heard()
            status = (answer.headers or {}).get("Status")
            if status is None:
                if not self._take(answer, found):
                    return
            elif status != _HEARTBEAT:
                self._outstanding = 0
                if status == _CONFLICT:
                    await self.close()
                return
            if len(found) >= max_messages or self._inbox.pending_msgs == 0:
                return
            answer = await answered(self._inbox.next_msg(wait_seconds))

    def _take(self, answer: Msg, found: list[Message]) -> bool:
        message, count = delivered(answer)
        if count != self._delivered + 1:
            self._silent_after = 0.0
            return False
        self._delivered = count
        self._outstanding = max(self._outstanding - 1, 0)
        self._next_seq = message.seq + 1
        found.append(message)
        return True

    def _heard(self) -> None:
        self._silent_after = asyncio.get_running_loop().time() + 3 * HEARTBEAT_SECONDS


async def end_quietly(subscription: Subscription) -> None:
    """End a subscription, or forget it where its connection is gone."""
    with contextlib.suppress(nats.errors.Error):
        await subscription.unsubscribe()


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
