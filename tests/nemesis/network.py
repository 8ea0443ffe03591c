"""The network between the hosts: namespaces of the kernel where the machine allows them, else TCP proxies.

Both ways are behind `Network`. In a namespace each host has its own interface on one bridge, and what is cut is dropped
as frames: a permanent neighbour entry of the sender names a hardware address that nobody has, so that one direction
between two hosts falls silent and the other goes on, with iproute2 alone. Through proxies a cut stalls the bytes
of one direction of each connection.
"""

import contextlib
import json
import os
import shutil
import subprocess
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from holdfast_bench.ports import unused_port

from tests.nemesis.proxy import ProxyProcess

CONSOLE = "console"
"""Where the test itself runs: it reaches every host, and nothing cuts it off."""
NAMESPACES = Path("/run/netns")
PREFIX = "holdfast"
NOBODY = "02:00:00:00:00:01"
"""A hardware address that no interface has."""


class Network(ABC):
    """Hosts by name, and what passes between them."""

    kind: str

    def __init__(self) -> None:
        self._cuts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def cut(self, source: str, destination: str) -> None:
        """Nothing from `source` reaches `destination` any more; the other direction goes on."""
        with self._lock:
            self._cuts[source, destination] += 1
            if self._cuts[source, destination] == 1:
                self._cut(source, destination)

    def heal(self, source: str, destination: str) -> None:
        """Undoes one `cut`; what is cut twice is healed twice."""
        with self._lock:
            self._cuts[source, destination] -= 1
            if self._cuts[source, destination] == 0:
                self._heal(source, destination)

    @abstractmethod
    def prefix(self, host: str) -> list[str]:
        """What goes before a command to run it on a host; it becomes the command, so the process id is the same."""

    @abstractmethod
    def address(self, host: str, port: int) -> str:
        """The "host:port" on which a host's server listens, by a port number that names the service."""

    @abstractmethod
    def route(self, source: str, destination: str, port: int) -> str:
        """The "host:port" by which `source` reaches that server."""

    @abstractmethod
    def sent_bytes(self, host: str) -> int:
        """All that a host has put on the wire for other hosts."""

    @abstractmethod
    def close(self) -> None:
        """Leaves nothing behind."""

    @abstractmethod
    def _cut(self, source: str, destination: str) -> None: ...

    @abstractmethod
    def _heal(self, source: str, destination: str) -> None: ...

    def part(self, one: Sequence[str], other: Sequence[str]) -> None:
        """Cuts both directions between every pair of the two sides."""
        for a, b in _pairs(one, other):
            self.cut(a, b)

    def join(self, one: Sequence[str], other: Sequence[str]) -> None:
        """Undoes `part`."""
        for a, b in _pairs(one, other):
            self.heal(a, b)


class Namespaces(Network):
    """Each host in a network namespace of its own, on a bridge in a namespace of its own."""

    kind = "network namespaces"

    def __init__(self, hosts: Sequence[str]) -> None:
        """Makes them. Raises `OSError` or `subprocess.CalledProcessError` where the machine does not allow it."""
        super().__init__()
        if shutil.which("ip") is None or shutil.which("nsenter") is None:
            raise OSError("iproute2 or util-linux is not installed")
        _remove_leftovers()
        self._base = f"{PREFIX}-{os.getpid()}-"
        # Runs beside one another must not share the subnet that the console has an address in.
        self._subnet = f"10.{64 + os.getpid() % 128}.{os.getpid() // 128 % 256}"
        self._numbers = {host: number for number, host in enumerate(hosts, 1)}
        try:
            self._make()
        except BaseException:
            self.close()
            raise

    def prefix(self, host: str) -> list[str]:
        return ["nsenter", f"--net={NAMESPACES / self._name(host)}"]

    def address(self, host: str, port: int) -> str:
        return f"{self._ip(host)}:{port}"

    def route(self, source: str, destination: str, port: int) -> str:
        return self.address(destination, port)

    def _cut(self, source: str, destination: str) -> None:
        entry = [self._ip(destination), "lladdr", NOBODY, "dev", "eth0", "nud", "permanent"]
        _ip("-n", self._name(source), "neigh", "replace", *entry)

    def _heal(self, source: str, destination: str) -> None:
        _ip("-n", self._name(source), "neigh", "del", self._ip(destination), "dev", "eth0")

    def sent_bytes(self, host: str) -> int:
        (link,) = json.loads(_ip("-n", self._name(host), "-s", "-j", "link", "show", "eth0"))
        return int(link["stats64"]["tx"]["bytes"])

    def close(self) -> None:
        _remove(self._base)

    def _make(self) -> None:
        switch = self._name("switch")
        lines = [f"netns add {switch}", *(f"netns add {self._name(host)}" for host in self._numbers)]
        lines += [f"-n {switch} link add bridge type bridge forward_delay 0", f"-n {switch} link set bridge up"]
        for host, number in self._numbers.items():
            name = self._name(host)
            lines += [
                f"-n {switch} link add port{number} type veth peer name eth0 netns {name}",
                f"-n {switch} link set port{number} master bridge up",
                f"-n {name} address add {self._ip(host)}/24 dev eth0",
                f"-n {name} link set lo up",
                f"-n {name} link set eth0 up",
            ]
        console = f"hf{os.getpid()}"
        lines += [
            f"link add {console} type veth peer name console netns {switch}",
            f"-n {switch} link set console master bridge up",
            f"address add {self._subnet}.254/24 dev {console}",
            f"link set {console} up",
        ]
        for line in lines:
            _ip(*line.split())

    def _name(self, host: str) -> str:
        return self._base + host

    def _ip(self, host: str) -> str:
        return f"{self._subnet}.{self._numbers[host]}"


class Proxies(Network):
    """Every host is this one; each link between two of them goes through a proxy."""

    kind = "TCP proxies"

    def __init__(self) -> None:
        super().__init__()
        self._proxy = ProxyProcess()
        self._addresses: dict[tuple[str, int], str] = {}
        self._links: dict[tuple[str, str, int], str] = {}

    def prefix(self, host: str) -> list[str]:
        return []

    def address(self, host: str, port: int) -> str:
        if (host, port) not in self._addresses:
            self._addresses[host, port] = f"127.0.0.1:{unused_port()}"
        return self._addresses[host, port]

    def route(self, source: str, destination: str, port: int) -> str:
        target = self.address(destination, port)
        if CONSOLE in {source, destination} or source == destination:
            return target
        key = (source, destination, port)
        if key not in self._links:
            self._links[key] = f"127.0.0.1:{self._proxy.open(_link(*key), '127.0.0.1:0', target)}"
        return self._links[key]

    def _cut(self, source: str, destination: str) -> None:
        self._stall(source, destination, stalled=True)

    def _heal(self, source: str, destination: str) -> None:
        self._stall(source, destination, stalled=False)

    def slow(self, source: str, destination: str, delay_ms: int, bytes_per_s: int = 0) -> None:
        """Delays each chunk between the two, and bounds the bytes a second; zeros undo it."""
        for key in self._links:
            if {source, destination} == set(key[:2]):
                self._proxy.set(_link(*key), delay_ms=delay_ms, bytes_per_s=bytes_per_s)

    def sent_bytes(self, host: str) -> int:
        up = sum(self._proxy.traffic(_link(*key)).up_bytes for key in self._links if key[0] == host)
        return up + sum(self._proxy.traffic(_link(*key)).down_bytes for key in self._links if key[1] == host)

    def close(self) -> None:
        self._proxy.close()

    def _stall(self, source: str, destination: str, *, stalled: bool) -> None:
        for key in self._links:
            if key[:2] == (source, destination):
                self._proxy.set(_link(*key), stall_up=stalled)
            elif key[:2] == (destination, source):
                self._proxy.set(_link(*key), stall_down=stalled)


def make_network(hosts: Sequence[str], *, forced: str = "") -> Network:
    """Namespaces if the machine makes them, else proxies; `forced` "proxies" does not try."""
    if forced == "proxies":
        return Proxies()
    try:
        return Namespaces(hosts)
    except (OSError, subprocess.CalledProcessError):
        if forced:
            raise
        return Proxies()


def _link(source: str, destination: str, port: int) -> str:
    return f"{source}>{destination}:{port}"


def _pairs(one: Sequence[str], other: Sequence[str]) -> list[tuple[str, str]]:
    return [pair for a in one for b in other for pair in ((a, b), (b, a))]


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=30).stdout


def _remove(base: str) -> None:
    """Removes namespaces by the beginning of their name; their interfaces, and the console's, go with them."""
    for path in NAMESPACES.glob(f"{base}*"):
        with contextlib.suppress(subprocess.CalledProcessError):
            _ip("netns", "del", path.name)


def _remove_leftovers() -> None:
    """Removes what runs left behind whose process is no more."""
    for path in NAMESPACES.glob(f"{PREFIX}-*"):
        pid = path.name.split("-")[1]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            _remove(f"{PREFIX}-{pid}-")
