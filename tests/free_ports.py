"""Ports for servers of tests: below those that the kernel gives to connections, so that none is taken meanwhile."""

import random
import socket


def free_port() -> int:
    """Return a port that nobody listens on."""
    while True:
        port = random.randint(10_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
