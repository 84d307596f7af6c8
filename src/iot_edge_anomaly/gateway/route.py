"""What a route is, and how a request becomes a call of its function: the one path that every request takes."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import falcon.asgi
import msgspec

from iot_edge_anomaly.gateway.idempotency import Answers, KeptAnswer, Scope
from iot_edge_anomaly.gateway.limits import RateLimits
from iot_edge_anomaly.gateway.problems import ProblemError
from iot_edge_anomaly.gateway.telemetry import SECONDS
from iot_edge_anomaly.security.principal import ForbiddenError, Permission, Principal
from iot_edge_anomaly.security.tokens import TokenStore

JSON = "application/json"
MESSAGE_PACK = ("application/msgpack", "application/x-msgpack", "application/vnd.msgpack")

Responder = Callable[..., Awaitable[None]]


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A route without parameters."""


class Text(msgspec.Struct, frozen=True):
    """An answer that is no JSON document of ours."""

    media_type: str
    body: bytes


class Raw(msgspec.Struct, frozen=True):
    """A body as it came, for a function that decodes it itself."""

    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was authenticated, allowed and decoded. `principal` is nobody on a public route."""

    principal: Principal
    parameters: Any
    body: Any
    received_ns: int


class Route(NamedTuple):
    """A line of the route table: what is served and what is documented.

    `permission` None: public. `parameters` is a struct whose fields stand in the path where the template names them,
    else in the query. `body` None: takes none; `Raw`: decoded by `act` and documented as `documented_body`.
    """

    method: str
    path: str
    summary: str
    act: Callable[[Any, Call], Awaitable[msgspec.Struct]]
    answer: type[msgspec.Struct]
    permission: Permission | None = Permission.READ
    parameters: type[msgspec.Struct] = Nothing
    body: type[msgspec.Struct] | None = None
    documented_body: Any = None
    status: int = 200


class Access(NamedTuple):
    """Who gets in, how often, how much they may send, and what was answered to them."""

    tokens: TokenStore
    limits: RateLimits
    answers: Answers
    max_body_bytes: int


_NOBODY = Principal("nobody", frozenset(), frozenset())
_encoder = msgspec.json.Encoder()
_Body = TypeVar("_Body")


def responder_of(route: Route, services: Callable[[], object], access: Access) -> Responder:
    """Return the function that answers requests to a route."""
    observe = SECONDS.labels(route.path).observe
    status_line = falcon.code_to_http_status(route.status)

    async def respond(req: falcon.asgi.Request, resp: falcon.asgi.Response, **in_path: str) -> None:
        started = time.perf_counter()
        principal = _NOBODY if route.permission is None else _admit(route.permission, req, resp, access)
        content = b"" if route.body is None else await _read(req, access.max_body_bytes)
        scope = _scope(route, req, principal)
        if scope is not None and (kept := access.answers.begin(scope, content)) is not None:
            resp.status, resp.data, resp.content_type = kept.status, kept.body, JSON
            resp.set_header("Idempotent-Replayed", "true")
            return
        try:
            answer = await route.act(services(), _call(route, req, principal, in_path, content))
        except BaseException:
            if scope is not None:
                access.answers.abandon(scope)
            raise
        if type(answer) is Text:
            resp.status, resp.content_type, resp.data = status_line, answer.media_type, answer.body
        else:
            resp.status, resp.content_type, resp.data = status_line, JSON, _encoder.encode(answer)
        if scope is not None:
            access.answers.finish(scope, KeptAnswer(route.status, resp.data))
        observe(time.perf_counter() - started)

    return respond


def _admit(permission: Permission, req: falcon.asgi.Request, resp: falcon.asgi.Response, access: Access) -> Principal:
    credentials = req.auth or ""
    if credentials[:7].lower() != "bearer ":
        raise _unauthorized("send the header Authorization: Bearer TOKEN")
    principal = access.tokens.verify(credentials[7:])
    if principal is None:
        raise _unauthorized("this token is unknown, revoked or expired; get a new one")
    resp.set_header("RateLimit-Policy", access.limits.policy)
    resp.set_header("RateLimit", access.limits.take(principal.name))
    if permission not in principal.permissions:
        raise ForbiddenError(f"{principal.name!r} lacks the permission {permission.value!r}")
    return principal


def _unauthorized(detail: str) -> ProblemError:
    return ProblemError(401, "unauthorized", "No valid token", detail, {"WWW-Authenticate": "Bearer"})


async def _read(req: falcon.asgi.Request, limit: int) -> bytes:
    announced = req.content_length
    if announced is not None and announced > limit:
        raise _too_large(limit)
    content = await req.stream.read(limit + 1)
    if len(content) > limit:
        raise _too_large(limit)
    if announced is not None and len(content) < announced:
        raise ProblemError(400, "rejected", "Cut short", f"{len(content)} of {announced} bytes came")
    return content


def _too_large(limit: int) -> ProblemError:
    return ProblemError(
        413, "too-large", "Too large", f"a body may have {limit} bytes (gateway.max_body_bytes); send it in parts"
    )


def _scope(route: Route, req: falcon.asgi.Request, principal: Principal) -> Scope | None:
    if route.method != "POST":
        return None
    key = req.get_header("Idempotency-Key")
    return None if key is None else (principal, req.path, key)


def _call(
    route: Route, req: falcon.asgi.Request, principal: Principal, in_path: dict[str, str], content: bytes
) -> Call:
    parameters: Any = None
    if route.parameters is not Nothing or req.query_string:
        parameters = _converted({**req.params, **in_path}, route.parameters)
    body: Any = None
    if route.body is Raw:
        body = Raw(content, media_type(req))
    elif route.body is not None:
        body = _decoded(content, media_type(req), route.body)
    return Call(principal, parameters, body, time.time_ns())


def media_type(req: falcon.asgi.Request) -> str:
    """Return the media type of the body without its parameters; JSON when none is given."""
    given = req.content_type
    if given is None or given == JSON:
        return JSON
    return given.partition(";")[0].strip().lower()


def _converted(given: dict[str, Any], shape: type[_Body]) -> _Body:
    try:
        return msgspec.convert(given, shape, strict=False)
    except msgspec.ValidationError as error:
        raise ProblemError(400, "rejected", "Unusable parameter", str(error)) from error


def _decoded(content: bytes, media: str, shape: type[_Body]) -> _Body:
    try:
        if media == JSON:
            return msgspec.json.decode(content, type=shape)
        if media in MESSAGE_PACK:
            return msgspec.msgpack.decode(content, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(400, "rejected", "Unusable body", str(error)) from error
    raise unsupported(media)


def unsupported(media: str) -> ProblemError:
    """Return a 415."""
    return ProblemError(
        415, "media-type", "Unknown media type", f"{media[:80]!r} is not understood; send {JSON} or {MESSAGE_PACK[0]}"
    )
