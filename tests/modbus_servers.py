"""Modbus TCP servers of tests: a real one (pymodbus) in a process of its own, one that says what a test wants, a proxy.

The values of the real one are bytes that a test packed itself: neither side converts with the other's code.
"""

import contextlib
import json
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from free_ports import free_port  # type: ignore[import-not-found]

PROGRAM = Path(__file__).with_name("modbus_program.py")
BITS = ("coil", "discrete")

Content = dict[str, dict[int, bytes]]
"""What a unit holds: by kind and first address registers as they go over the wire, or a byte (0, 1) a bit."""


class Server(AbstractContextManager["Server"]):
    """A pymodbus server on `port`; `mute` makes units silent, `asked` counts requests by unit."""

    def __init__(self, folder: Path, units: dict[int, Content], *, is_gateway: bool = False) -> None:
        """Take what each unit holds; a gateway answers for units that are not there, others are silent then."""
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        held = {
            unit: {
                kind: {at: list(held) if kind in BITS else _registers(held) for at, held in blocks.items()}
                for kind, blocks in kinds.items()
            }
            for unit, kinds in units.items()
        }
        (folder / "units.json").write_text(json.dumps({"port": self.port, "gateway": is_gateway, "units": held}))
        self.mute()

    def start(self) -> "Server":
        with (self.folder / "modbus.log").open("ab") as log:
            self._process = subprocess.Popen([sys.executable, PROGRAM, self.folder], stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                alive = self._process.poll() is None and time.monotonic() < deadline
                assert alive, (self.folder / "modbus.log").read_text()
                time.sleep(0.02)
            else:
                return self

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def mute(self, *units: int) -> None:
        """Make these units, and no others, silent."""
        written = self.folder / "muted.new"
        written.write_text(json.dumps(units))
        written.replace(self.folder / "muted")

    def asked(self) -> Counter[int]:
        """Return how many requests came for each unit."""
        asked = self.folder / "asked"
        return Counter(asked.read_bytes()) if asked.exists() else Counter()

    def __exit__(self, *_: object) -> None:
        self.kill()


def _registers(content: bytes) -> list[int]:
    return list(struct.unpack(f">{len(content) // 2}H", content))


class _Listener(AbstractContextManager["_Listener"]):
    """Listens on `port`, and serves each connection in a thread until the block ends."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.connections = 0
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._listen)]
        self._threads[0].start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                self.connections += 1
                self._serve_in_a_thread(client)

    def _serve_in_a_thread(self, client: socket.socket) -> None:
        self._open.append(client)
        thread = threading.Thread(target=self._serve, args=(client,))
        self._threads.append(thread)
        thread.start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            self.serve(client)

    def serve(self, client: socket.socket) -> None:
        raise NotImplementedError

    def __exit__(self, *_: object) -> None:
        for each in (self._socket, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(10)


class Speaker(_Listener):
    """Answers each question by what `speak` makes of it: the number of the question, the unit, and what it asks."""

    def __init__(self, speak: Callable[[int, int, bytes], bytes]) -> None:
        self._speak = speak
        self.questions = 0
        super().__init__()

    def serve(self, client: socket.socket) -> None:
        while header := client.recv(7, socket.MSG_WAITALL):
            number, _, following, unit = struct.unpack(">HHHB", header)
            asked = client.recv(following - 1, socket.MSG_WAITALL)
            self.questions += 1
            client.sendall(self._speak(number, unit, asked))


def frame(number: int, unit: int, content: bytes) -> bytes:
    return struct.pack(">HHHB", number, 0, len(content) + 1, unit) + content


def registers_for(asked: bytes) -> bytes:
    """Answer a question for registers as a device would that holds the address of each in it."""
    function, address, count = struct.unpack(">BHH", asked)
    return struct.pack(f">BB{count}H", function, 2 * count, *range(address, address + count))


class Proxy(_Listener):
    """Hands on between a client and a server; after `freeze` nothing more on the connections that are open."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._frozen_below = 0
        super().__init__()

    def freeze(self) -> None:
        self._frozen_below = self.connections

    def serve(self, client: socket.socket) -> None:
        number = self.connections
        server = socket.create_connection(("127.0.0.1", self._to))
        self._open.append(server)
        back = threading.Thread(target=self._hand_on, args=(server, client, number))
        self._threads.append(back)
        back.start()
        self._hand_on(client, server, number)

    def _hand_on(self, giver: socket.socket, taker: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError):
            while data := giver.recv(4096):
                if number > self._frozen_below:
                    taker.sendall(data)
        if number > self._frozen_below:
            with contextlib.suppress(OSError):
                taker.shutdown(socket.SHUT_RDWR)
