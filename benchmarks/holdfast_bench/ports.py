"""Ports for servers that start later than their address is told, or again on it after they were killed."""

import itertools
import random
import socket
from pathlib import Path

_FIRST = 10_000
_GIVEN_AWAY = Path("/proc/sys/net/ipv4/ip_local_port_range")


def _candidates() -> list[int]:
    """Returns ports that the kernel gives to nobody who names none, in an order of this process's own."""
    end = int(_GIVEN_AWAY.read_text(encoding="ascii").split()[0])
    ports = list(range(_FIRST, end)) or list(range(end, 65_536))
    random.SystemRandom().shuffle(ports)
    return ports


_next = itertools.cycle(_candidates())


def unused_port() -> int:
    """Returns a port of 127.0.0.1 that nobody has, and that nobody else in this process is given."""
    while True:
        port = next(_next)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
