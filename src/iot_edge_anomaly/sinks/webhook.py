"""A webhook: one POST a transition, a CloudEvent (1.0, structured JSON), signed after Standard Webhooks.

| header | holds |
|---|---|
| `webhook-id` | the same at every attempt: a repeat is known by it |
| `webhook-timestamp` | Unix seconds of the attempt |
| `webhook-signature` | of each secret, with spaces between: `v1,` and base64 of HMAC-SHA256 over `id.timestamp.body` |

Sources: CloudEvents 1.0.2, HTTP protocol binding and JSON format; Standard Webhooks 1.0.
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote, urlsplit

import anyio
import msgspec
from msgspec import Meta

from iot_edge_anomaly.component.sink import DeferredError, Posting, Sink, SinkSpec
from iot_edge_anomaly.core.errors import ConfigError, RejectedError, UnavailableError
from iot_edge_anomaly.security.secrets import Secret
from iot_edge_anomaly.security.trust import trust
from iot_edge_anomaly.sinks.settings import NAME, SinkSettings
from iot_edge_anomaly.sinks.wording import message, moment

if TYPE_CHECKING:
    import httpx

MOST_ANSWER_BYTES = 64 << 10
MISCONFIGURED_PAUSE_SECONDS = 30.0

_RETRIED = frozenset({408, 425, 429})
_OF_THE_TARGET = frozenset({401, 403, 404, 405, 407})
"""Whether these come does not depend on the alarm: all would be lost on a mistake in the settings or at the target."""

_PREFIX = "whsec_"


class WebhookSettings(SinkSettings, frozen=True, kw_only=True, tag_field="type", tag="webhook"):
    """An HTTP address that each transition is posted to, signed, as a CloudEvent."""

    name: Annotated[str, Meta(description=NAME, examples=["maintenance-system"], min_length=1)]
    url: Annotated[
        str,
        Meta(
            description="Where to; http is for networks that you trust.", examples=["https://cmms.plant.local/alarms"]
        ),
    ]
    secrets: Annotated[
        tuple[Secret, ...],
        Meta(
            description="What it is signed with; while a secret is exchanged the new one and the old one.",
            examples=[[{"env": "WEBHOOK_SECRET"}]],
        ),
    ] = ()
    token: Annotated[
        Secret | None,
        Meta(description="Sent as `Authorization: Bearer`.", examples=[{"file": "/run/secrets/webhook-token"}]),
    ] = None
    ca_file: Annotated[
        str | None,
        Meta(description="Whom to trust, for https; none: as is usual.", examples=["/etc/ssl/plant-ca.pem"]),
    ] = None
    timeout_seconds: Annotated[float, Meta(description="How long the whole call may take.", gt=0.0, le=300.0)] = 10.0

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            fits = False
        if not fits:
            raise ValueError('url must read like "https://host/path"')
        if parts.username is not None or parts.password is not None:
            raise ValueError("url must hold no password: say the token instead, by reference")

    @property
    def shown(self) -> str:
        """The address as it may be told: without what a query may hold."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}{parts.path}"


def signing_key(secret: str) -> bytes:
    """Return the key that a secret stands for: base64 behind `whsec_`, as Standard Webhooks has it, else as it is.

    Raises ConfigError for a secret that begins so and is no base64.
    """
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ConfigError(f"a webhook secret that begins with {_PREFIX} must go on in base64") from error


def signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Sign a call.

    >>> signature(b"secret", "0-1-0-A1", 1767225600, b"{}")
    'v1,CD4fNZtc2F/+alf+Cto5MztIZQ/P0MrzM7ahUCnKuA8='
    """
    signed = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def cloud_event(posting: Posting) -> bytes:
    """Return the body."""
    said = message(posting)
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": posting.id,
            "source": f"iot-edge-anomaly/{quote(said.asset)}",
            "type": f"iot-edge-anomaly.alarm.{said.event}",
            "subject": said.asset,
            "time": moment(posting.event.time_ns),
            "datacontenttype": "application/json",
            "data": said,
        }
    )


class Webhook:
    """Posts, and reads what the answer means."""

    def __init__(self, settings: WebhookSettings, client: "httpx.AsyncClient") -> None:
        self._settings = settings
        self._client = client
        self._keys = [signing_key(secret.resolve()) for secret in settings.secrets]
        self._token = settings.token.resolve() if settings.token else None

    async def deliver(self, postings: Sequence[Posting]) -> None:
        """Post one after the other; of none nothing is known, for every request would be an event."""
        for posting in postings:
            await self._post(posting)

    async def _post(self, posting: Posting) -> None:
        import httpx

        body = cloud_event(posting)
        try:
            with anyio.fail_after(self._settings.timeout_seconds):
                status, wait = await self._answer(body, self._headers(posting.id, body))
        except (httpx.HTTPError, TimeoutError) as error:
            why = str(error) or "no answer in time"
            raise UnavailableError(f"{self._settings.shown} cannot be reached: {why}") from error
        _judge(self._settings.shown, status, wait)

    async def _answer(self, body: bytes, headers: dict[str, str]) -> tuple[int, float]:
        async with self._client.stream("POST", self._settings.url, content=body, headers=headers) as response:
            read = 0
            async for chunk in response.aiter_raw():
                read += len(chunk)
                if read > MOST_ANSWER_BYTES:
                    break
            return response.status_code, _seconds(response.headers.get("retry-after", ""), time.time())

    def _headers(self, message_id: str, body: bytes) -> dict[str, str]:
        now = int(time.time())
        headers = {
            "content-type": "application/cloudevents+json; charset=utf-8",
            "user-agent": "iot-edge-anomaly",
            "webhook-id": message_id,
            "webhook-timestamp": str(now),
        }
        if self._keys:
            headers["webhook-signature"] = " ".join(signature(key, message_id, now, body) for key in self._keys)
        if self._token:
            headers["authorization"] = f"Bearer {self._token}"
        return headers


def _judge(where: str, status: int, wait: float) -> None:
    """Raise what an answer means. What the target writes is not repeated: it may hold what was sent to it."""
    if 200 <= status < 300:
        return
    said = f"{where} answers {status} {_phrase(status)}"
    if status == HTTPStatus.GONE:
        raise ConfigError(f"{said}: it wants nothing more; take the sink out of the configuration, or change its url")
    if status in _OF_THE_TARGET:
        raise DeferredError(f"{said}: check url, token and secrets", MISCONFIGURED_PAUSE_SECONDS)
    if 300 <= status < 400:
        raise DeferredError(f"{said}: redirects are not followed; name the final url", MISCONFIGURED_PAUSE_SECONDS)
    if status in _RETRIED or not 400 <= status < 500:
        raise DeferredError(said, wait)
    raise RejectedError(said)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _seconds(retry_after: str, now: float) -> float:
    """Read the header Retry-After: seconds, or a date. What is neither is no wish."""
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        return max(parsedate_to_datetime(retry_after).timestamp() - now, 0.0)
    except (ValueError, OverflowError):
        return 0.0


@asynccontextmanager
async def webhook(settings: WebhookSettings) -> AsyncIterator[Sink]:
    """Keep a connection for the time of the block.

    The library is loaded here: every role reads the settings of sinks, and the edge has no room for it.
    """
    import httpx

    async with httpx.AsyncClient(
        verify=trust(settings.ca_file), follow_redirects=False, timeout=settings.timeout_seconds
    ) as client:
        yield Webhook(settings, client)


SPEC = SinkSpec("webhook", WebhookSettings, webhook, most=1, can_check=False)
