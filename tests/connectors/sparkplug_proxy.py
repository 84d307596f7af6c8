"""A wire between a client and a broker that a test may freeze: both ends stay open, and nothing passes any more."""

import contextlib
import socket
import threading
from types import TracebackType


class Wire:
    """Listens on `port` and passes everything on to `target`, as long as it is not frozen."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._frozen = threading.Event()
        self._ends: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.connections = 0

    def __enter__(self) -> "Wire":
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        for end in (self._server, *self._ends):
            end.close()

    def freeze(self) -> None:
        """Let nothing pass on the connections there are; new ones are as good as ever."""
        self._frozen.set()
        self._frozen = threading.Event()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self.connections += 1
                broker = socket.create_connection(("127.0.0.1", self._target))
                self._ends += [client, broker]
                for source, sink in ((client, broker), (broker, client)):
                    threading.Thread(target=_pass_on, args=(source, sink, self._frozen), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket, frozen: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while content := source.recv(65_536):
            if frozen.is_set():
                return
            sink.sendall(content)
        if not frozen.is_set():
            sink.shutdown(socket.SHUT_WR)
