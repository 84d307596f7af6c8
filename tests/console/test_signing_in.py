import socket
from datetime import timedelta
from html import escape
from pathlib import Path

import anyio
import httpx
import pytest
from console_process import ANNA, ConsoleProcess  # type: ignore[import-not-found]
from seeded_plant import SeededPlant  # type: ignore[import-not-found]

from iot_edge_anomaly.console.serve import run_console
from iot_edge_anomaly.console.sessions import COOKIE, Sessions, session_of
from iot_edge_anomaly.core.clock import ManualClock, SystemClock
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.security.tokens import TokenStore, token_store

PAGE = "/asset/demo/station-1/pumping/line-1/pump-1"


def test_a_sign_in_token_opens_one_session(tmp_path: Path) -> None:
    tokens = token_store(tmp_path)
    sessions = Sessions(tokens)
    token = tokens.create_sign_in(ANNA)
    session = sessions.open(f"  {token}\n")
    assert sessions.principal(session) == ANNA
    assert sessions.open(token) is None


def test_an_access_token_opens_sessions_until_it_is_revoked(tmp_path: Path) -> None:
    tokens = token_store(tmp_path)
    sessions = Sessions(tokens)
    token = tokens.create(ANNA)
    assert sessions.principal(sessions.open(token)) == ANNA
    assert sessions.principal(sessions.open(token)) == ANNA
    tokens.revoke(token.split("_")[1])
    assert sessions.open(token) is None


@pytest.mark.parametrize("token", ["", " ", "iea", "iea__", "iea_x_y", "☃", "a" * 10_000, "../../etc"])
def test_nothing_else_opens_a_session(tmp_path: Path, token: str) -> None:
    assert Sessions(token_store(tmp_path)).open(token) is None


def test_a_session_ends_when_it_is_closed_or_expires(tmp_path: Path) -> None:
    clock = ManualClock(10**18)
    sessions = Sessions(TokenStore(tmp_path / "tokens.json", clock))
    first, second = (sessions.open(TokenStore(tmp_path / "tokens.json", clock).create(ANNA)) for _ in range(2))
    assert first is not None
    sessions.close(first)
    assert sessions.principal(first) is None
    assert sessions.principal(second) == ANNA
    clock.advance(timedelta(hours=13) // timedelta(microseconds=1) * 1000)
    assert sessions.principal(second) is None


@pytest.mark.parametrize("header", ["", "theme=dark", f"{COOKIE}", "a=\x00;;;=", f"{COOKIE}=", "=;" * 1000])
def test_other_cookies_are_no_session(tmp_path: Path, header: str) -> None:
    assert Sessions(token_store(tmp_path)).principal(session_of(header)) is None


@pytest.mark.parametrize("path", ["/", PAGE, "/asset/x", "/_nicegui_ws/socket.io/?EIO=4&transport=polling", "/nowhere"])
def test_whoever_has_not_signed_in_sees_only_the_sign_in_page(console: ConsoleProcess, path: str) -> None:
    answer = httpx.get(console.url + path)
    assert answer.status_code == 303
    assert answer.headers["location"].partition("?")[0] == "/sign-in"
    form = httpx.get(console.url + path, follow_redirects=True)
    assert "Sign in with a token" in form.text
    assert "frame-ancestors 'none'" in form.headers["content-security-policy"]


def test_who_signs_in_comes_to_the_page_that_was_wanted(console: ConsoleProcess) -> None:
    with httpx.Client(base_url=console.url, follow_redirects=True) as browser:
        form = browser.get("/alarms?state=open")
        assert form.url.path == "/sign-in"
        wanted = form.url.params["wanted"]
        assert escape(wanted) in form.text
        token = console.link().partition("token=")[2]
        seen = browser.post("/sign-in", data={"token": token, "wanted": wanted})
    assert str(seen.url) == f"{console.url}/alarms?state=open"


OTHER_SITES = [
    "//evil.example",
    "https://evil.example",
    "/\\evil.example",
    "\\\\evil",
    "javascript:alert(1)",
    "/\t/e",
    "",
]


@pytest.mark.parametrize("wanted", OTHER_SITES)
def test_no_link_leads_to_another_site(console: ConsoleProcess, wanted: str) -> None:
    answer = httpx.get(console.link(), params={"token": console.link().partition("token=")[2], "wanted": wanted})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"


def test_a_link_signs_in_once_and_signing_out_ends_it(console: ConsoleProcess) -> None:
    link = console.link()
    with httpx.Client(base_url=console.url, follow_redirects=True) as browser:
        assert "Overview" in browser.get(link).text
        assert browser.get(PAGE).status_code == 200
        cookie = browser.cookies[COOKIE]
        assert "Sign in with a token" in browser.post("/sign-out").text
    with httpx.Client(base_url=console.url, cookies={COOKIE: cookie}) as copied:
        assert copied.get("/").status_code == 303
    again = httpx.get(link)
    assert again.status_code == 403
    assert "not valid any more" in again.text


def test_the_session_cookie_is_kept_from_scripts(console: ConsoleProcess) -> None:
    said = httpx.get(console.link()).headers["set-cookie"].lower()
    assert "httponly" in said
    assert "samesite=lax" in said


def test_the_form_takes_a_token_too(console: ConsoleProcess) -> None:
    answer = httpx.post(f"{console.url}/sign-in", data={"token": console.tokens.create_sign_in(ANNA)})
    assert answer.status_code == 303
    assert COOKIE in answer.cookies
    assert httpx.post(f"{console.url}/sign-in", data={"token": "<script>"}).status_code == 403
    assert httpx.post(f"{console.url}/sign-in").status_code == 403


def test_other_sites_cannot_act(console: ConsoleProcess) -> None:
    session = httpx.get(console.link()).cookies[COOKIE]
    evil = {"Origin": "https://evil.example", "Cookie": f"{COOKIE}={session}"}
    assert httpx.post(f"{console.url}/sign-out", headers=evil).status_code == 403
    assert _upgrade(console, session, "https://evil.example") == 403
    assert _upgrade(console, "", console.url) == 403
    assert _upgrade(console, session, console.url) == 101


def _upgrade(console: ConsoleProcess, session: str, origin: str) -> int:
    request = (
        "GET /_nicegui_ws/socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{console.port}\r\nOrigin: {origin}\r\nCookie: {COOKIE}={session}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", console.port), timeout=10) as connection:
        connection.sendall(request.encode())
        return int(connection.recv(1000).split()[1])


def test_an_asset_name_that_breaks_the_rules_gets_an_answer(console: ConsoleProcess) -> None:
    with httpx.Client(base_url=console.url, follow_redirects=True) as browser:
        browser.get(console.link())
        for name in ("x", "//", "demo/%F0%9F%92%A7", "a" * 500, "demo/..%2f..%2fetc", "demo/<script>alert(1)</script>"):
            assert browser.get(f"/asset/{name}").status_code in (200, 404)


def test_a_port_in_use_is_said_plainly(tmp_path: Path) -> None:
    plant = SeededPlant(SystemClock())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        async def main() -> None:
            await run_console(plant, plant, token_store(tmp_path), host="127.0.0.1", port=port)

        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}"):
            anyio.run(main)


def test_the_console_stops_on_sigterm_while_a_page_is_open(own_console: ConsoleProcess) -> None:
    httpx.get(own_console.link(), follow_redirects=True)
    own_console.process.terminate()
    assert own_console.process.wait(15) in (0, -15)


def test_a_session_opens_no_other_and_ends_with_its_token(tmp_path: Path) -> None:
    tokens = token_store(tmp_path)
    sessions = Sessions(tokens)
    token = tokens.create(ANNA)
    session = sessions.open(token)
    assert session is not None
    assert sessions.open(session) is None
    tokens.revoke(token.split("_")[1])
    assert sessions.principal(session) is None
