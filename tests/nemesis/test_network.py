"""Both networks cut one direction or both between two hosts, and heal."""

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.nemesis.network import CONSOLE, Namespaces, Network, Proxies

PORT = 5000
SERVER = """
import socket, sys, threading
def echo(connection):
    while chunk := connection.recv(100):
        print(chunk.decode(), flush=True)
        connection.sendall(chunk)
host, _, port = sys.argv[1].rpartition(":")
listener = socket.create_server((host, int(port)))
print(flush=True)
while True:
    connection, _ = listener.accept()
    threading.Thread(target=echo, args=(connection,), daemon=True).start()
"""
CLIENT = """
import socket, sys
host, _, port = sys.argv[1].rpartition(":")
connection = socket.create_connection((host, int(port)), timeout=5)
for line in sys.stdin:
    connection.settimeout(float(line))
    connection.sendall(b"x")
    try:
        answer = connection.recv(100).decode()
    except TimeoutError:
        answer = ""
    print(answer, flush=True)
"""


@pytest.fixture(params=["namespaces", "proxies"])
def network(request: pytest.FixtureRequest) -> Iterator[Network]:
    made: Network
    if request.param == "proxies":
        made = Proxies()
    else:
        try:
            made = Namespaces(["a", "b", "c"])
        except (OSError, subprocess.CalledProcessError) as fault:
            pytest.skip(f"no network namespaces here: {fault}")
    yield made
    made.close()


class Pair:
    """A server on b, and a client on a that is connected to it."""

    def __init__(self, network: Network) -> None:
        self.server = program(network, "b", SERVER, network.address("b", PORT))
        self.served()
        self.client = program(network, "a", CLIENT, network.route("a", "b", PORT))

    def ask(self, timeout_s: float = 5.0) -> str:
        assert self.client.stdin is not None
        assert self.client.stdout is not None
        self.client.stdin.write(f"{timeout_s}\n")
        self.client.stdin.flush()
        return self.client.stdout.readline().strip()

    def served(self) -> str:
        """The next that the server got; waits for it."""
        assert self.server.stdout is not None
        return self.server.stdout.readline().strip()

    def close(self) -> None:
        for process in (self.server, self.client):
            process.kill()
            process.communicate()


@pytest.fixture
def pair(network: Network) -> Iterator[Pair]:
    made = Pair(network)
    yield made
    made.close()


def program(network: Network, host: str, source: str, *arguments: str) -> subprocess.Popen[str]:
    command = [*network.prefix(host), sys.executable, "-c", source, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_cut_there_lets_nothing_arrive_until_it_heals(network: Network, pair: Pair) -> None:
    assert (pair.ask(), pair.served()) == ("x", "x")
    network.cut("a", "b")
    assert pair.ask(0.3) == ""
    network.heal("a", "b")
    assert pair.ask() in {"x", "xx"}


def test_a_cut_back_lets_requests_through_and_answers_wait(network: Network, pair: Pair) -> None:
    assert (pair.ask(), pair.served()) == ("x", "x")
    network.cut("b", "a")
    assert (pair.ask(0.3), pair.served()) == ("", "x")
    network.heal("b", "a")
    assert pair.ask() in {"x", "xx"}


def test_a_cut_between_two_hosts_leaves_others_alone(network: Network, pair: Pair) -> None:
    network.route("a", "c", PORT)
    network.part(["a"], ["c"])
    assert pair.ask() == "x"
    network.join(["a"], ["c"])
    sent = network.sent_bytes("a")
    assert pair.ask() == "x"
    assert network.sent_bytes("a") > sent


def test_the_console_reaches_a_host_that_is_cut_off(network: Network, pair: Pair) -> None:
    network.part(["a"], ["b"])
    assert pair.ask(0.3) == ""
    host, _, port = network.route(CONSOLE, "b", PORT).rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"y")
        assert connection.recv(1) == b"y"
