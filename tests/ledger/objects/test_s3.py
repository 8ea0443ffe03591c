"""A real S3 endpoint on this machine: listing, conditional reads, dead letters, faults of the network."""

import contextlib
import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3  # type: ignore[import-untyped]  # it has no types
import pytest
from holdfast_ledger.objects.config import Source
from holdfast_ledger.objects.opening import open_source
from holdfast_ledger.store.interface import Store
from holdfast_ledger.store.object_rows import ObjectState
from moto.server import ThreadedMotoServer

from tests.ledger.objects.harness import CSV_HEADER, NOW_MS, Shop, csv_rows, names


@dataclass
class Bucket:
    """A bucket and how to reach it."""

    client: Any
    endpoint: str

    def put(self, key: str, text: str | bytes) -> None:
        """Writes an object."""
        self.client.put_object(Bucket="usage", Key=key, Body=text.encode() if isinstance(text, str) else text)

    def every_key(self) -> list[str]:
        """All keys."""
        return [one["Key"] for one in self.client.list_objects_v2(Bucket="usage").get("Contents", [])]

    def options(self) -> dict[str, str]:
        """Of a source."""
        return {
            "endpoint": self.endpoint,
            "region": "us-east-1",
            "access_key_id": "env:TEST_KEY",
            "secret_access_key": "env:TEST_SECRET",
        }


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """An S3 service."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """An empty bucket."""
    monkeypatch.setenv("TEST_KEY", "key")
    monkeypatch.setenv("TEST_SECRET", "secret")
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret"
    )
    client.create_bucket(Bucket="usage")
    made = Bucket(client, endpoint)
    yield made
    for key in made.every_key():
        client.delete_object(Bucket="usage", Key=key)
    client.delete_bucket(Bucket="usage")
    client.close()


def shop_of(store: Store, bucket: Bucket, **settings: object) -> Shop:
    values = {"name": "s3", "url": "s3://usage/in", "options": bucket.options(), **settings}
    source = Source(**values)  # type: ignore[arg-type]
    return Shop(store, source, open_source(source))


def test_objects_of_a_bucket_count_once(store: Store, bucket: Bucket) -> None:
    """Below the URL's prefix, where the pattern matches; a replaced one counts as a new one."""
    bucket.put("in/day=1/a.csv", CSV_HEADER + csv_rows(0, 3))
    bucket.put("in/day=1/b.csv.gz", gzip.compress((CSV_HEADER + csv_rows(3, 3)).encode()))
    bucket.put("in/day=1/notes.txt", "nothing")
    bucket.put("in/day=2/c.csv", CSV_HEADER + csv_rows(6, 1))
    bucket.put("elsewhere/d.csv", CSV_HEADER + csv_rows(7, 1))
    place = shop_of(store, bucket, pattern="day=1/*")
    assert {row.path for row in place.take_all()} == {"day=1/a.csv", "day=1/b.csv.gz"}
    assert place.take_all() == []
    assert place.ids() == names("e", range(6))
    bucket.put("in/day=1/a.csv", CSV_HEADER + csv_rows(0, 3))
    assert place.take_all() == [], "the same content again is nothing new"
    bucket.put("in/day=1/a.csv", CSV_HEADER + csv_rows(0, 4))
    assert [row.row_count for row in place.take_all()] == [4]


def test_dead_letters_go_beside_their_object(store: Store, bucket: Bucket) -> None:
    """Into the bucket, where they are no objects of the source."""
    bucket.put("in/a.csv", CSV_HEADER + csv_rows(0, 1) + "bad\n")
    place = shop_of(store, bucket)
    assert [row.bad_count for row in place.take_all()] == [1]
    assert len([key for key in bucket.every_key() if key.startswith("in/a.csv.bad/")]) == 1
    assert place.take_all() == []


def test_dead_letters_go_where_they_are_said_to(store: Store, bucket: Bucket) -> None:
    """Below the source's name."""
    bucket.put("in/a.csv", CSV_HEADER + "bad\n")
    place = shop_of(store, bucket, dead_letter_url="s3://usage/dead", dead_letter_options=bucket.options())
    place.take_all()
    assert [key for key in bucket.every_key() if key.startswith("dead/s3/a.csv.bad/")]


def test_an_object_that_is_replaced_after_the_listing_is_not_read_as_the_old_one(store: Store, bucket: Bucket) -> None:
    """The read asks for the version that was listed."""
    bucket.put("in/a.csv", CSV_HEADER + csv_rows(0, 1))
    place = shop_of(store, bucket)
    assert not place.listed()
    bucket.put("in/a.csv", CSV_HEADER + csv_rows(5, 1))
    states = [(row.state, row.error) for row in place.take_all()]
    assert [state for state, _ in states] == [ObjectState.FAILED, ObjectState.DONE]
    assert "deleted or replaced" in states[0][1]
    assert place.ids() == ["e5"]


def test_a_bucket_that_is_not_there_is_told(store: Store, bucket: Bucket) -> None:
    """By the listing; nothing else stops."""
    place = shop_of(store, bucket, url="s3://nothing-here/in")
    assert "NoSuchBucket" in place.listed()
    with store.reading() as reader:
        assert "NoSuchBucket" in reader.object_sources()[0].listing_error


class Flaky:
    """Passes connections on to a service; told to, it cuts them after so many bytes, and then takes no more."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.cut_after_bytes = 0
        self.is_down = False
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._start(self._accept)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def close(self) -> None:
        """Cuts everything."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        for one in self._sockets:
            self._cut(one)
        for thread in self._threads[1:]:
            thread.join()
        for one in (*self._sockets, self._listener):
            one.close()

    def _cut(self, one: socket.socket) -> None:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._sockets.append(near)
                if self.is_down:
                    self._cut(near)
                    continue
                far = socket.create_connection(("127.0.0.1", self._port))
                self._sockets.append(far)
                self._start(self._pass, near, far, False)
                self._start(self._pass, far, near, True)

    def _pass(self, source: socket.socket, sink: socket.socket, may_cut: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while chunk := source.recv(65_536):
                passed += len(chunk)
                if may_cut and self.cut_after_bytes and passed > self.cut_after_bytes:
                    self.is_down = True
                    break
                sink.sendall(chunk)
        for one in (source, sink):
            self._cut(one)


@pytest.fixture
def flaky(endpoint: str) -> Iterator[Flaky]:
    """A way to the service that can be cut."""
    made = Flaky(int(endpoint.rpartition(":")[2]))
    yield made
    made.close()


def test_a_network_that_breaks_off_is_tried_again(store: Store, bucket: Bucket, flaky: Flaky) -> None:
    """Later; what came before it broke counts once."""
    bucket.put("in/a.csv", CSV_HEADER + csv_rows(0, 60_000, "m" * 250))
    options = {**bucket.options(), "endpoint": flaky.url}
    place = shop_of(store, bucket, options=options)
    assert not place.listed()
    flaky.cut_after_bytes = 10_000_000
    row = place.taker.take_next([place.opened])
    assert row is not None
    assert (row.state, row.due_at_ms > NOW_MS, bool(row.error)) == (ObjectState.PENDING, True, True)
    assert 0 < row.row_count < 60_000
    flaky.cut_after_bytes, flaky.is_down = 0, False
    place.now_ms += 60_000
    row = place.taker.take_next([place.opened])
    assert row is not None
    assert (row.state, row.row_count) == (ObjectState.DONE, 60_000)
    assert place.ids() == names("e", range(60_000))
