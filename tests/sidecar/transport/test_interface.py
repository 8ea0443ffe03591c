"""The configuration refuses what no transport could serve."""

import dataclasses

import pytest

from tests.sidecar.transport.harness import CONFIG


def test_a_configuration_needs_an_address() -> None:
    with pytest.raises(ValueError, match="tcp_address"):
        dataclasses.replace(CONFIG, tcp_address=None)


def test_a_configuration_needs_a_method() -> None:
    with pytest.raises(ValueError, match="no methods"):
        dataclasses.replace(CONFIG, methods=())


@pytest.mark.parametrize("value", [0, -1])
def test_every_limit_is_positive(value: int) -> None:
    limits = [field.name for field in dataclasses.fields(CONFIG) if isinstance(getattr(CONFIG, field.name), int)]
    assert len(limits) == 11
    for name in limits:
        with pytest.raises(ValueError, match=name):
            dataclasses.replace(CONFIG, **{name: value})  # type: ignore[arg-type]  # by field name
