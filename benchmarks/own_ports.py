"""Ports that no other system on this machine uses, below those that the kernel gives to connections."""

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


def own_ports() -> str:
    """Return the tables of a configuration file that give each part a port of its own."""
    ports = [free_port() for _ in range(4)]
    return """[bus]
port = {}
mqtt_port = {}
[gateway]
port = {}
[console]
port = {}
""".format(*ports)
