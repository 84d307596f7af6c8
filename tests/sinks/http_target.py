"""A real HTTP server that takes webhooks, checks their signatures as a stranger would, and misbehaves on demand."""

import base64
import hashlib
import hmac
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from free_ports import free_port  # type: ignore[import-not-found]


class Call:
    def __init__(self, path: str, headers: dict[str, str], body: bytes) -> None:
        self.path, self.headers, self.body = path, headers, body
        self.event = json.loads(body)
        self.at = time.monotonic()

    def is_signed_with(self, secret: str) -> bool:
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        wanted = base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
        found = [part.removeprefix("v1,") for part in self.headers.get("webhook-signature", "").split()]
        return any(hmac.compare_digest(wanted, one) for one in found)


Answer = tuple[int, dict[str, str]]


class HttpServer:
    """`answer` says what is answered to a call; calls that are answered 2xx are kept in `taken`."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.port = free_port()
        self._tls = tls
        self.calls: list[Call] = []
        self.taken: list[Call] = []
        self.answer: Callable[[Call], Answer] = lambda call: (204, {})
        self.hangs = threading.Event()
        self.goes_on = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self._connections: list[socket.socket] = []

    def start(self) -> None:
        target = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                call = Call(self.path, {key.lower(): value for key, value in self.headers.items()}, body)
                target.calls.append(call)
                if target.hangs.is_set():
                    target.goes_on.wait(60)
                    self.close_connection = True
                    return
                status, headers = target.answer(call)
                if 200 <= status < 300:
                    target.taken.append(call)
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                # an echo, as careless servers do: nothing of it may end up in a log
                echo = b"" if status == 204 else json.dumps(call.headers).encode()
                self.send_header("content-length", str(len(echo)))
                self.end_headers()
                self.wfile.write(echo)

            def setup(self) -> None:
                target._connections.append(self.request)
                super().setup()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.goes_on.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._connections.clear()
