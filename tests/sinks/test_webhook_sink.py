"""The webhook against a real server that fails, hangs, redirects and echoes; signatures as a stranger checks them."""

import asyncio
import base64
import http.server
import threading
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import msgspec
import pytest
from certificates import make_certificate  # type: ignore[import-not-found]
from http_target import HttpServer  # type: ignore[import-not-found]
from postings import posting, postings  # type: ignore[import-not-found]
from sink_targets import secret  # type: ignore[import-not-found]

from free_ports import free_port  # type: ignore[import-not-found]
from iot_edge_anomaly.component.sink import DeferredError, Posting
from iot_edge_anomaly.core.errors import ConfigError, IotEdgeAnomalyError, RejectedError, UnavailableError
from iot_edge_anomaly.security.secrets import Secret
from iot_edge_anomaly.sinks.webhook import WebhookSettings, signature, webhook
from iot_edge_anomaly.sinks.wording import AlarmMessage, message


@pytest.fixture
def server() -> Iterator[HttpServer]:
    running = HttpServer()
    running.start()
    yield running
    running.stop()


def settings(server: HttpServer, **more: object) -> WebhookSettings:
    url = f"http://127.0.0.1:{server.port}/alarms?key=query-secret-4711"
    return WebhookSettings(**{"name": "cmms", "url": url, "timeout_seconds": 5.0, **more})  # type: ignore[arg-type]


def deliver(wanted: WebhookSettings, *batch: Posting) -> None:
    async def scenario() -> None:
        async with webhook(wanted) as sink:
            await sink.deliver(batch or postings(1))

    asyncio.run(scenario())


def test_a_call_is_a_cloud_event_that_holds_the_alarm(server: HttpServer) -> None:
    one = posting(17, 2, by="anna")
    deliver(settings(server), one)
    (call,) = server.taken
    assert call.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    event = dict(call.event)
    assert msgspec.convert(event.pop("data"), AlarmMessage) == message(one)
    assert event == {
        "specversion": "1.0",
        "id": one.id,
        "source": "iot-edge-anomaly/acme/site-1/hall%202/pump-7",
        "type": "iot-edge-anomaly.alarm.raise",
        "subject": "acme/site-1/hall 2/pump-7",
        "time": "2026-01-01T00:00:17.123Z",
        "datacontenttype": "application/json",
    }


def test_a_repeat_has_the_same_id_and_a_signature_of_its_own_time(server: HttpServer, tmp_path: Path) -> None:
    wanted = settings(server, secrets=(secret(tmp_path, "new", "new-secret"), secret(tmp_path, "old", "old-secret")))
    deliver(wanted)
    deliver(wanted)
    first, second = server.taken
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == first.event["id"]
    for call in (first, second):
        assert call.is_signed_with("new-secret")
        assert call.is_signed_with("old-secret"), "while secrets are exchanged both hold"
        assert not call.is_signed_with("other-secret")
        call.body += b" "
        assert not call.is_signed_with("new-secret")


def test_a_secret_in_the_form_of_standard_webhooks_is_the_bytes_it_stands_for(
    server: HttpServer, tmp_path: Path
) -> None:
    written = "whsec_" + base64.b64encode(b"these-bytes").decode()
    deliver(settings(server, secrets=(secret(tmp_path, "standard", written),)))
    assert server.taken[0].is_signed_with("these-bytes")
    with pytest.raises(ConfigError, match="base64"):
        deliver(settings(server, secrets=(secret(tmp_path, "broken", "whsec_?"),)))


def test_a_signature_is_what_the_specification_says() -> None:
    """The example of the Standard Webhooks specification's own test suite."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_without_a_secret_nothing_is_signed_and_a_token_is_sent(server: HttpServer, tmp_path: Path) -> None:
    deliver(settings(server, token=secret(tmp_path, "token", "bearer-4711")))
    assert "webhook-signature" not in server.taken[0].headers
    assert server.taken[0].headers["authorization"] == "Bearer bearer-4711"


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (200, None),
        (202, None),
        (204, None),
        (302, DeferredError),
        (307, DeferredError),
        (400, RejectedError),
        (401, DeferredError),
        (403, DeferredError),
        (404, DeferredError),
        (408, DeferredError),
        (409, RejectedError),
        (410, ConfigError),
        (413, RejectedError),
        (422, RejectedError),
        (425, DeferredError),
        (429, DeferredError),
        (500, DeferredError),
        (503, DeferredError),
        (599, DeferredError),
    ],
)
def test_what_an_answer_means(
    status: int, meaning: type[IotEdgeAnomalyError] | None, server: HttpServer, tmp_path: Path
) -> None:
    server.answer = lambda call: (status, {"location": f"http://127.0.0.1:{server.port}/elsewhere"})
    wanted = settings(server, token=secret(tmp_path, "token", "bearer-4711"))
    if meaning is None:
        deliver(wanted)
    else:
        with pytest.raises(meaning, match=str(status)) as caught:
            deliver(wanted)
        assert type(caught.value) is meaning
        assert "4711" not in str(caught.value), "neither what was sent nor what a careless target echoes"
    assert [call.path for call in server.calls] == ["/alarms?key=query-secret-4711"], "no redirect is followed"


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [("17", 17, 17), ("0", 0, 0), ("soon", 0, 0), ("-5", 0, 0), ("", 0, 0), ("9" * 400, float("inf"), float("inf"))],
)
def test_a_wish_to_wait_is_passed_on(header: str, least: float, most: float, server: HttpServer) -> None:
    server.answer = lambda call: (429, {"retry-after": header})
    with pytest.raises(DeferredError) as caught:
        deliver(settings(server))
    assert least <= caught.value.after_seconds <= most


def test_a_wish_to_wait_may_be_a_date(server: HttpServer) -> None:
    server.answer = lambda call: (503, {"retry-after": formatdate(4_102_444_800, usegmt=True)})
    with pytest.raises(DeferredError) as caught:
        deliver(settings(server))
    assert caught.value.after_seconds > 1e7


def test_a_target_that_hangs_is_an_outage(server: HttpServer) -> None:
    server.hangs.set()
    with pytest.raises(UnavailableError, match="no answer in time"):
        deliver(settings(server, timeout_seconds=0.2))


def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    class Endless(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"x" * 65536)
            except OSError:
                pass

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Endless) as endless:
        endless.daemon_threads = True
        threading.Thread(target=endless.serve_forever, args=(0.02,), daemon=True).start()
        deliver(WebhookSettings(name="x", url=f"http://127.0.0.1:{endless.server_port}/", timeout_seconds=30.0))
        endless.shutdown()


def test_a_certificate_is_verified(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    server = HttpServer(made.server())
    server.start()
    try:
        wanted = WebhookSettings(name="cmms", url=f"https://127.0.0.1:{server.port}/", timeout_seconds=5.0)
        with pytest.raises(UnavailableError, match="certificate"):
            deliver(wanted)
        assert server.calls == []
        deliver(msgspec.structs.replace(wanted, ca_file=str(made.certificate)))
        assert len(server.taken) == 1
    finally:
        server.stop()


def test_a_certificate_file_that_cannot_be_used_is_a_mistake_in_the_settings(
    server: HttpServer, tmp_path: Path
) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    for name in ("no.pem", "missing.pem"):
        with pytest.raises(ConfigError, match=name):
            deliver(settings(server, ca_file=str(tmp_path / name)))


def test_a_secret_that_is_not_there_is_a_mistake_in_the_settings(server: HttpServer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="missing"):
        deliver(settings(server, secrets=(Secret(file=str(tmp_path / "missing")),)))


@pytest.mark.parametrize(
    "url",
    ["", "example.com/alarms", "ftp://example.com/", "http://", "http://user:word@example.com/", "http://[::1/"],
)
def test_an_address_that_cannot_be_one_is_told_at_once(url: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="url must"):
        msgspec.convert({"type": "webhook", "name": "x", "url": url}, WebhookSettings)
