"""Nothing is shown to whoever has not signed in; every answer forbids what the page does not need."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from iot_edge_anomaly.console.sessions import Sessions, session_of

SIGN_IN = "/sign-in"
OPEN_PATHS = (SIGN_IN, "/healthz")

READING = ("GET", "HEAD")
LEFT_MEANWHILE = "No response returned."
"""What Starlette's middleware raises when it finds nobody to answer any more."""

SECURITY_HEADERS = {
    # The page compiles its templates in the browser and starts with an inline script: it needs both "unsafe" words.
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; form-action 'self'; base-uri 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


class Gate:
    """ASGI middleware: let the signed in through, send others to the sign-in page, refuse what other sites start."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self._app = app
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or socket."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        else:
            await self._request(scope, receive, _with_security_headers(send))

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in READING and not _is_same_origin(Headers(scope=scope)):
            await PlainTextResponse("this request comes from another site", 403)(scope, receive, send)
        elif scope["path"] in OPEN_PATHS or self._is_signed_in(scope):
            await self._answer(scope, receive, send)
        else:
            await RedirectResponse(sign_in_address(_asked_for(scope)), 303)(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the app answer; a browser that has left meanwhile, for another page, is no error."""
        try:
            await self._app(scope, receive, send)
        except RuntimeError as error:
            if str(error) != LEFT_MEANWHILE:
                raise

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._is_signed_in(scope) and _is_same_origin(Headers(scope=scope)):
            await self._app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    def _is_signed_in(self, scope: Scope) -> bool:
        return self._sessions.principal(session_of(Headers(scope=scope).get("cookie", ""))) is not None


def sign_in_address(wanted: str = "/") -> str:
    """Return where to sign in; from there one comes to the page that was wanted.

    >>> sign_in_address("/alarms?state=open"), sign_in_address("/")
    ('/sign-in?wanted=%2Falarms%3Fstate%3Dopen', '/sign-in')
    """
    return SIGN_IN if wanted == "/" else f"{SIGN_IN}?wanted={quote(wanted, safe='')}"


def own_page(wanted: str) -> str:
    """Return a path that was asked for, or the first page where it would lead to another site.

    >>> own_page("/alarms?state=open"), own_page("//evil.example"), own_page("https://evil.example")
    ('/alarms?state=open', '/', '/')
    """
    is_own = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if is_own and not wanted.startswith(SIGN_IN) else "/"


def _asked_for(scope: Scope) -> str:
    if scope["method"] != "GET" or scope["path"].startswith("/_nicegui"):
        return "/"
    query = scope["query_string"].decode("latin-1")
    return quote(scope["path"]) + (f"?{query}" if query else "")


def _is_same_origin(headers: Headers) -> bool:
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


def _with_security_headers(send: Send) -> Callable[[MutableMapping[str, Any]], Awaitable[None]]:
    async def send_with_headers(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(SECURITY_HEADERS)
        await send(message)

    return send_with_headers
