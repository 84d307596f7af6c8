"""Errors as RFC 9457 problems: what is wrong, where, and what to do."""

import secrets

import falcon
import falcon.asgi
import msgspec
import structlog

from iot_edge_anomaly.core.errors import ConfigError, RejectedError, UnavailableError
from iot_edge_anomaly.gateway.telemetry import REFUSED
from iot_edge_anomaly.security.principal import ForbiddenError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 1

log = structlog.get_logger(__name__)


class Problem(msgspec.Struct, frozen=True):
    """The body of an error. `type` names the kind of problem, `instance` this one case (the caller's X-Request-Id)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(self, status: int, kind: str, title: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.title = title
        self.detail = detail
        self.headers = headers or {}


def add_handlers(app: "falcon.asgi.App[falcon.asgi.Request, falcon.asgi.Response]") -> None:
    """Answer every error of the application with a problem."""
    app.add_error_handler(Exception, _unexpected)
    app.add_error_handler(falcon.HTTPError, _framework)
    app.add_error_handler(ConfigError, _misconfigured)
    app.add_error_handler(UnavailableError, _unavailable)
    app.add_error_handler(RejectedError, _rejected)
    app.add_error_handler(ForbiddenError, _forbidden)
    app.add_error_handler(ProblemError, _problem)


def not_found(detail: str) -> ProblemError:
    """Return a 404."""
    return ProblemError(404, "not-found", "There is no such thing", detail)


async def _problem(
    req: falcon.asgi.Request, resp: falcon.asgi.Response, error: ProblemError, _params: dict[str, object]
) -> None:
    instance = f"urn:iot-edge-anomaly:request:{req.get_header('X-Request-Id') or secrets.token_hex(8)}"
    problem = Problem(f"urn:iot-edge-anomaly:problem:{error.kind}", error.title, error.status, error.detail, instance)
    REFUSED.emit(status=error.status, kind=error.kind)
    resp.status = error.status
    resp.content_type = MEDIA_TYPE
    resp.data = msgspec.json.encode(problem)
    resp.set_headers(error.headers)


async def _rejected(
    req: falcon.asgi.Request, resp: falcon.asgi.Response, error: RejectedError, params: dict[str, object]
) -> None:
    await _problem(req, resp, ProblemError(400, "rejected", "The request cannot be used", str(error)), params)


async def _forbidden(
    req: falcon.asgi.Request, resp: falcon.asgi.Response, error: ForbiddenError, params: dict[str, object]
) -> None:
    detail = f"{error}; ask whoever made your token for one that has it"
    await _problem(req, resp, ProblemError(403, "forbidden", "Your token does not allow this", detail), params)


async def _unavailable(
    req: falcon.asgi.Request, resp: falcon.asgi.Response, error: UnavailableError, params: dict[str, object]
) -> None:
    detail = f"{error}; nothing of this request was acknowledged: send it again, as it is"
    problem = ProblemError(503, "unavailable", "Try again shortly", detail, {"Retry-After": str(RETRY_AFTER_SECONDS)})
    await _problem(req, resp, problem, params)


async def _misconfigured(
    req: falcon.asgi.Request, resp: falcon.asgi.Response, error: ConfigError, params: dict[str, object]
) -> None:
    log.error("the gateway cannot work as configured", error=str(error))
    detail = "the gateway cannot work as configured; its log says what to mend"
    await _problem(req, resp, ProblemError(503, "misconfigured", "The gateway needs its operator", detail), params)


async def _framework(
    req: falcon.asgi.Request, resp: falcon.asgi.Response, error: falcon.HTTPError, params: dict[str, object]
) -> None:
    status = error.status_code
    what = {
        404: "there is no such path; /openapi.json lists those there are",
        405: "this path does not take that method; /openapi.json lists those it takes",
    }.get(status, error.description or error.title or "see the title")
    kind = {404: "not-found", 405: "method-not-allowed"}.get(status, "rejected")
    title = falcon.code_to_http_status(status)[4:]
    await _problem(req, resp, ProblemError(status, kind, title, what, dict(error.headers or {})), params)


async def _unexpected(
    req: falcon.asgi.Request, resp: falcon.asgi.Response, error: Exception, params: dict[str, object]
) -> None:
    log.error("a request failed", path=req.path, method=req.method, exc_info=error)
    detail = "a fault of this program, not of your request; the gateway's log has the details"
    await _problem(req, resp, ProblemError(500, "fault", "Internal error", detail), params)
