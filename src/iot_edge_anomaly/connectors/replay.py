"""Send a CSV file to a gateway as numbered batches: what is sent twice, by a retry or another run, counts once."""

import http.client
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import stamina
import structlog

from iot_edge_anomaly.connectors.csv_blocks import Block, blocks, source_of
from iot_edge_anomaly.connectors.times import time_ns
from iot_edge_anomaly.core.errors import ConfigError, RejectedError, UnavailableError

TIMEOUT_SECONDS = 30.0
FIRST_RETRY_SECONDS = 10.0
"""A gateway that never answered is taken for a wrong address after this."""

RETRY_SECONDS = 300.0
log = structlog.get_logger(__name__)
_TRY_AGAIN = frozenset((408, 425, 429, 500, 502, 503, 504))

Progress = Callable[[int], None]
"""Called with the number of rows that are durable so far."""


def replay_csv(
    path: Path,
    asset: str,
    url: str,
    token: str,
    speed: float | None = None,
    progress: Progress = lambda _: None,
    row_seconds: float = 1.0,
) -> int:
    """Post a file to `<url>/v1/readings`; return how many values were taken in.

    `speed` 1 keeps the pace of the file's times, 10 is ten times as fast, None as fast as it goes. Where its time is a
    count of rows, they are `row_seconds` apart. Raises ConfigError when it is no CSV with times,
    UnavailableError when the gateway stays away (RETRY_SECONDS), RejectedError when it refuses the file.
    """
    source = source_of(path)
    gateway = _Gateway(url, token)
    accepted = 0
    try:
        for block in _paced(blocks(path, row_seconds), speed):
            payload = {"asset": asset, "source": source, "sequence": block.sequence, "rows": block.rows}
            accepted += gateway.post(msgspec.json.encode(payload))
            progress(block.first + len(block.rows))
    finally:
        gateway.close()
    return accepted


class _Receipt(msgspec.Struct):
    accepted: int


class _Problem(msgspec.Struct):
    detail: str


class _Gateway:
    """One connection to a gateway, opened again when it is lost."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"{url!r} is no address of a gateway; for example http://127.0.0.1:8080")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
        self._url = url
        self._patience = FIRST_RETRY_SECONDS
        self._path = f"{parts.path.rstrip('/')}/v1/readings"
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def post(self, body: bytes) -> int:
        """Send one payload until it is answered."""
        for attempt in stamina.retry_context(
            on=UnavailableError, attempts=None, timeout=self._patience, wait_initial=0.2, wait_max=10.0
        ):
            with attempt:
                accepted = self._post(body)
        self._patience = RETRY_SECONDS
        return accepted

    def _post(self, body: bytes) -> int:
        try:
            self._connection.request("POST", self._path, body, self._headers)
            answer = self._connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise UnavailableError(f"no answer from the gateway at {self._url}: {error}") from error
        if answer.status in _TRY_AGAIN:
            raise UnavailableError(f"the gateway answers {answer.status}: {_detail(said)}")
        if answer.status != 202:
            raise RejectedError(f"the gateway answers {answer.status}: {_detail(said)}")
        return msgspec.json.decode(said, type=_Receipt).accepted

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def _detail(said: bytes) -> str:
    try:
        return msgspec.json.decode(said, type=_Problem).detail
    except msgspec.MsgspecError:
        return said[:300].decode(errors="replace")


def _say_once(details: stamina.instrumentation.RetryDetails) -> None:
    """Tell that the gateway is waited for; not at every attempt, and not what was to be sent."""
    if details.retry_num == 1:
        log.warning("waiting for the gateway", why=str(details.caused_by))


stamina.instrumentation.set_on_retry_hooks([_say_once])


def _paced(found: Iterator[Block], speed: float | None) -> Iterator[Block]:
    """Hold each block back until its first row is due."""
    began, first_ns = time.monotonic(), None
    for block in found:
        at_ns = _time_of(block)
        if speed is not None and at_ns is not None:
            first_ns = at_ns if first_ns is None else first_ns
            time.sleep(max(0.0, began + (at_ns - first_ns) / 1e9 / speed - time.monotonic()))
        yield block


def _time_of(block: Block) -> int | None:
    try:
        return time_ns(block.rows[0].get("time"))
    except RejectedError:
        return None
