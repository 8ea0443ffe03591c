"""Each contract test runs over both transports; the native one only where it is built."""

from collections.abc import Iterator

import pytest

from tests.sidecar.transport.harness import NATIVE_IS_BUILT, Kind, Open

needs_native = pytest.mark.skipif(not NATIVE_IS_BUILT, reason="the native module is not built")


@pytest.fixture(params=[pytest.param("native", marks=needs_native), "portable"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """The transport under test."""
    name: Kind = request.param
    return name


@pytest.fixture
def open_one(kind: Kind) -> Iterator[Open]:
    """Opens transports of the kind under test."""
    opener = Open(kind)
    yield opener
    opener.close_all()
