"""Signing in and out: plain pages that need no script."""

from html import escape
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from iot_edge_anomaly.console.gate import SIGN_IN, own_page
from iot_edge_anomaly.console.plain_page import plain_page
from iot_edge_anomaly.console.sessions import COOKIE, SESSION_LIFETIME, Sessions

USED_UP = "That token is not valid any more. A sign-in link works once, for 15 minutes; an access token until revoked."


def sign_in_routes(sessions: Sessions) -> APIRouter:
    """Return the routes that open and close sessions, and the one that says the page is alive."""
    routes = APIRouter()

    @routes.get("/healthz")
    def health() -> Response:
        return PlainTextResponse("ok")

    @routes.get(SIGN_IN)
    def by_link(request: Request, token: str = "", wanted: str = "/") -> Response:
        return _enter(sessions, token, wanted, request) if token else _page(wanted)

    @routes.post(SIGN_IN)
    def by_form(request: Request, token: Annotated[str, Form()] = "", wanted: Annotated[str, Form()] = "/") -> Response:
        return _enter(sessions, token, wanted, request)

    @routes.post("/sign-out")
    def leave(request: Request) -> Response:
        sessions.close(request.cookies[COOKIE])
        answer = RedirectResponse(SIGN_IN, 303)
        answer.delete_cookie(COOKIE)
        return answer

    return routes


def _enter(sessions: Sessions, token: str, wanted: str, request: Request) -> Response:
    session = sessions.open(token)
    if session is None:
        return _page(wanted, USED_UP, 403)
    answer = RedirectResponse(own_page(wanted), 303)
    answer.set_cookie(
        COOKIE,
        session,
        max_age=int(SESSION_LIFETIME.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return answer


def _page(wanted: str, problem: str = "", status: int = 200) -> Response:
    said = f'<p class="problem" role="alert">{escape(problem)}</p>' if problem else ""
    return plain_page(
        "Sign in",
        f"""<form method="post" action="{SIGN_IN}"><label for="token">Sign in with a token</label>{said}
<input id="token" name="token" type="password" autocomplete="off" autofocus required spellcheck="false">
<input name="wanted" type="hidden" value="{escape(wanted)}">
<button class="primary" type="submit">Sign in</button></form>
<p class="hint">The program prints a sign-in link when it starts. The owner's token lies in the data folder, in
<code>security/owner.token</code>.</p>""",
        status,
    )
