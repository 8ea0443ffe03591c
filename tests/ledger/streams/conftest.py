"""One broker for all tests of streams; each test has topics of its own."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.kafka.broker import Broker, obstacle


@pytest.fixture(scope="package")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A real broker."""
    if reason := obstacle():
        pytest.skip(reason)
    result = Broker(tmp_path_factory.mktemp("kafka"))
    yield result
    result.stop()


@pytest.fixture
def prefix() -> str:
    """Begins the names of a test's topics."""
    return f"t{uuid4().hex[:12]}"
