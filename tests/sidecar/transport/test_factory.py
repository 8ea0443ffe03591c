"""Which transport is chosen, and that falling back is said once."""

import importlib.util
import logging

import pytest
from holdfast_sidecar.transport.factory import open_transport
from holdfast_sidecar.transport.portable import PortableTransport

from tests.sidecar.transport.conftest import needs_native
from tests.sidecar.transport.harness import CONFIG


@needs_native
def test_the_native_transport_is_taken_where_it_is_built(caplog: pytest.LogCaptureFixture) -> None:
    from holdfast_sidecar.transport.native import NativeTransport

    transport = open_transport(CONFIG)
    transport.close(0)
    assert isinstance(transport, NativeTransport)
    assert caplog.records == []


def test_the_portable_transport_is_taken_where_it_is_not_and_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with caplog.at_level(logging.INFO, "holdfast_sidecar"):
        transport = open_transport(CONFIG)
    transport.close(0)
    assert isinstance(transport, PortableTransport)
    [record] = caplog.records
    assert "native transport is not built" in record.getMessage()
    assert "\n" not in record.getMessage()


def test_the_portable_transport_can_be_asked_for_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    transport = open_transport(CONFIG, "portable")
    transport.close(0)
    assert isinstance(transport, PortableTransport)
    assert caplog.records == []
