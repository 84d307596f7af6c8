"""A connection to the bus. `nats-py` is used in this room and nowhere else."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from iot_edge_anomaly.bus.answers import Message, answered, fetched, raise_for, stored
from iot_edge_anomaly.bus.follower import FETCH_MESSAGES, Follower, end_quietly
from iot_edge_anomaly.bus.settings import BusAddress
from iot_edge_anomaly.core.errors import RejectedError, UnavailableError

log = structlog.get_logger(__name__)

REQUEST_SECONDS = 5.0
HEADER_BYTES = 1024
"""Room for headers: the server counts them, the client does not, and what exceeds both ends the connection."""

_END_OF_BATCH = frozenset({"204", "404"})
RECONNECT_SECONDS = 0.1


class Bus:
    """An open connection. Reconnects by itself for as long as it is open; calls made meanwhile fail or wait."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.reconnects = 0

    @property
    def is_connected(self) -> bool:
        """Whether the server can be reached right now."""
        return bool(self._client.is_connected)

    @property
    def max_payload_bytes(self) -> int:
        """The largest message that the server takes, room for its headers left out."""
        return int(self._client.max_payload) - HEADER_BYTES

    async def publish(
        self,
        subject: str,
        payload: bytes,
        *,
        message_id: str | None = None,
        expected_last_subject_seq: int | None = None,
        expected_stream: str | None = None,
    ) -> int:
        """Store a message and return its sequence in the stream.

        `message_id`: the stream stores one message a such id within two minutes, and answers a repeat with the
        sequence of the first. `expected_last_subject_seq`: fence; raises FencedError if another message of this
        subject was stored since. Raises UnavailableError when the server is down, full or slow: the message may have
        been stored all the same.
        """
        headers: dict[str, str] = {}
        if message_id is not None:
            headers["Nats-Msg-Id"] = message_id
        if expected_last_subject_seq is not None:
            headers["Nats-Expected-Last-Subject-Sequence"] = str(expected_last_subject_seq)
        if expected_stream is not None:
            headers["Nats-Expected-Stream"] = expected_stream
        answer = json.loads((await self._request(subject, payload, headers or None)).data)
        if "error" in answer:
            raise_for(subject, answer["error"])
        return int(answer["seq"])

    async def last(self, stream: str, subject: str) -> Message | None:
        """Return the newest message of a subject."""
        return await self._get(stream, {"last_by_subj": subject})

    async def first(self, stream: str, subject: str, from_seq: int = 0) -> Message | None:
        """Return the oldest message of a subject at or after a sequence."""
        return await self._get(stream, {"seq": max(from_seq, 1), "next_by_subj": subject})

    @property
    def _is_clustered(self) -> bool:
        """Whether direct reads may be answered by a server that lags behind what was acknowledged."""
        return bool(self._client._server_info.get("cluster"))

    async def _get(self, stream: str, query: Mapping[str, Any]) -> Message | None:
        if self._is_clustered:
            return await self._get_from_leader(stream, query)
        answer = await self._request(f"$JS.API.DIRECT.GET.{stream}", json.dumps(query).encode())
        headers = answer.headers or {}
        if headers.get("Status"):
            if headers["Status"] == "404":
                return None
            raise UnavailableError(f"reading {stream} failed: {headers.get('Description', headers['Status'])}")
        return stored(answer)

    async def _get_from_leader(self, stream: str, query: Mapping[str, Any]) -> Message | None:
        answer = await self._request(f"$JS.API.STREAM.MSG.GET.{stream}", json.dumps(query).encode())
        return fetched(f"reading {stream}", json.loads(answer.data))

    async def read(
        self, stream: str, subject: str, from_seq: int, *, max_messages: int = FETCH_MESSAGES, max_bytes: int = 8 << 20
    ) -> list[Message]:
        """Return stored messages of a subject from a sequence on, in order; empty at the end. Needs no consumer.

        In a cluster any server answers, with what it has: without a hole, but its end may come early. So that the end
        is the end, the leader is asked there.
        """
        query = {"seq": max(from_seq, 1), "next_by_subj": subject, "batch": max_messages, "max_bytes": max_bytes}
        inbox = self._client.new_inbox()
        subscription = await self._client.subscribe(inbox)
        found: list[Message] = []
        try:
            await self._client.publish(f"$JS.API.DIRECT.GET.{stream}", json.dumps(query).encode(), reply=inbox)
            while True:
                answer = await answered(subscription.next_msg(REQUEST_SECONDS))
                status = (answer.headers or {}).get("Status")
                if status in _END_OF_BATCH:
                    return found if found or not self._is_clustered else await self._read_from_leader(stream, query)
                if status:
                    raise UnavailableError(f"reading {stream} failed: {(answer.headers or {}).get('Description')}")
                found.append(stored(answer))
        except (nats.errors.Error, TimeoutError) as error:
            raise UnavailableError(f"reading {stream} failed: {error or 'no answer'}") from error
        finally:
            await end_quietly(subscription)

    async def _read_from_leader(self, stream: str, query: Mapping[str, Any]) -> list[Message]:
        one = {"seq": query["seq"], "next_by_subj": query["next_by_subj"]}
        message = await self._get_from_leader(stream, one)
        return [] if message is None else [message]

    async def purge(self, stream: str, subject: str, below_seq: int) -> int:
        """Delete the messages of a subject below a sequence; return how many."""
        answer = await self._api(f"STREAM.PURGE.{stream}", {"filter": subject, "seq": below_seq})
        return int(answer["purged"])

    async def purge_subject(self, stream: str, subject: str) -> None:
        """Delete all messages of a subject, or of all subjects that match."""
        await self._api(f"STREAM.PURGE.{stream}", {"filter": subject})

    async def subjects(self, stream: str, pattern: str) -> dict[str, int]:
        """Return the subjects that match, and how many messages each has."""
        found: dict[str, int] = {}
        while True:
            query = {"subjects_filter": pattern, "offset": len(found)}
            info = await self._api(f"STREAM.INFO.{stream}", query)
            found |= info["state"].get("subjects") or {}
            if len(found) >= int(info.get("total", 0)):
                return found

    async def ensure_bucket(self, bucket: str, history: int, replicas: int = 1) -> None:
        """Create a key-value bucket in the layout that every NATS client knows (ADR-8 of NATS)."""
        await self.ensure_stream(
            {
                "name": f"KV_{bucket}",
                "subjects": [f"$KV.{bucket}.>"],
                "max_msgs_per_subject": history,
                "storage": "file",
                "discard": "new",
                "num_replicas": replicas,
                "allow_direct": True,
                "allow_rollup_hdrs": True,
                "deny_delete": True,
            }
        )

    async def get_key(self, bucket: str, key: str) -> tuple[bytes, int] | None:
        """Return the value of a key and its revision."""
        found = await self.last(f"KV_{bucket}", f"$KV.{bucket}.{key}")
        return None if found is None else (found.data, found.seq)

    async def put_key(self, bucket: str, key: str, value: bytes, *, revision: int | None = None) -> int:
        """Write a key and return its new revision.

        With `revision`, only if the key still has that one (0: does not exist); raises FencedError otherwise.
        """
        return await self.publish(f"$KV.{bucket}.{key}", value, expected_last_subject_seq=revision)

    async def keys(self, bucket: str, pattern: str = ">") -> list[str]:
        """Return the keys of a bucket that match a subject pattern."""
        prefix = f"$KV.{bucket}."
        return sorted(key.removeprefix(prefix) for key in await self.subjects(f"KV_{bucket}", prefix + pattern))

    async def versions(self, bucket: str, key: str) -> list[tuple[bytes, int]]:
        """Return the values of a key that its bucket still has and their revisions, oldest first."""
        found: list[tuple[bytes, int]] = []
        while messages := await self.read(f"KV_{bucket}", f"$KV.{bucket}.{key}", found[-1][1] + 1 if found else 0):
            found += [(message.data, message.seq) for message in messages]
        return found

    async def entries(self, bucket: str, pattern: str = ">") -> dict[str, tuple[bytes, int]]:
        """Return value and revision of every key of a bucket that matches, the one that was written first in front."""
        prefix, seq = f"$KV.{bucket}.", 0
        found: dict[str, tuple[bytes, int]] = {}
        while messages := await self.read(f"KV_{bucket}", f"{prefix}{pattern}", seq + 1):
            for message in messages:
                key, seq = message.subject.removeprefix(prefix), message.seq
                found.pop(key, None)
                found[key] = (message.data, seq)
        return found

    async def delete_key(self, bucket: str, key: str) -> None:
        """Forget a key and its history."""
        await self.purge_subject(f"KV_{bucket}", f"$KV.{bucket}.{key}")

    async def account_info(self) -> dict[str, Any]:
        """Return what JetStream says of this account: storage used and allowed."""
        return await self._api("INFO", {})

    async def stream_info(self, stream: str, *, deleted_details: bool = False) -> dict[str, Any]:
        """Return the server's own description of a stream. Raises RejectedError where there is none.

        With `deleted_details`, `state.deleted` lists the sequences that are missing between the first and the last.
        """
        return await self._api(f"STREAM.INFO.{stream}", {"deleted_details": True} if deleted_details else {})

    async def ensure_stream(self, config: Mapping[str, Any]) -> None:
        """Create a stream, or bring an existing one to this configuration."""
        name = config["name"]
        try:
            await self.stream_info(name)
        except RejectedError:
            await self._api(f"STREAM.CREATE.{name}", config)
        else:
            await self._api(f"STREAM.UPDATE.{name}", config)

    def follow(self, stream: str, subject: str, from_seq: int = 0) -> Follower:
        """Return a reader that waits for new messages of a subject, from a sequence on."""
        return Follower(self, stream, subject, from_seq)

    async def _api(self, call: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads((await self._request(f"$JS.API.{call}", json.dumps(body).encode())).data)
        if "error" in answer:
            raise_for(call, answer["error"])
        return answer

    async def _request(self, subject: str, payload: bytes, headers: dict[str, str] | None = None) -> Msg:
        if len(payload) > self.max_payload_bytes:
            raise RejectedError(f"a message for {subject} has {len(payload)} bytes, larger than the server takes")
        try:
            return await answered(self._client.request(subject, payload, timeout=REQUEST_SECONDS, headers=headers))
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise UnavailableError(f"the bus does not answer ({subject}): {error or 'time-out'}") from error


@asynccontextmanager
async def connect(
    address: BusAddress, name: str = "iot-edge-anomaly", wait_seconds: float = 10.0
) -> AsyncIterator[Bus]:
    """Open a connection for the time of the block. Raises UnavailableError if the server cannot be reached in time."""
    bus: Bus | None = None
    refusals: dict[str, None] = {}

    async def lost() -> None:
        _fail_requests(client)
        if bus is not None:
            log.warning("bus lost; reconnecting", url=_shown(address.url))

    async def back() -> None:
        if bus is not None:
            bus.reconnects += 1
            log.info("bus is back", url=_shown(address.url))

    async def quiet(error: Exception) -> None:
        log.debug("bus", error=str(error))
        if bus is None:
            refusals[str(error)] = None

    client = Client()
    try:
        async with asyncio.timeout(wait_seconds):
            await client.connect(
                address.url.split(","),
                user=address.user,
                password=address.password,
                name=name,
                connect_timeout=2,
                max_reconnect_attempts=-1,
                reconnect_time_wait=RECONNECT_SECONDS,  # type: ignore[arg-type]  # any number will do
                pending_size=64 << 20,
                disconnected_cb=lost,
                reconnected_cb=back,
                error_cb=quiet,
            )
    except (nats.errors.Error, OSError, TimeoutError) as error:
        await client.close()
        why = str(error) or "; ".join(refusals) or "time-out"
        raise UnavailableError(f"the bus at {_shown(address.url)} cannot be reached: {why}") from error
    bus = Bus(client)
    try:
        yield bus
    finally:
        bus = None
        await client.close()


def _fail_requests(client: Client) -> None:
    """Fail what waits for an answer of a server that is gone, at once and not after the time-out."""
    for answer in list(client._resp_map.values()):
        if not answer.done():
            answer.set_exception(nats.errors.StaleConnectionError())
            answer.exception()  # one that nobody waits for any more is no complaint


def _shown(url: str) -> str:
    """Return an address without the credentials it may hold."""
    return url.rpartition("@")[2]
