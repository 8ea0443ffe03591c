"""Settings are checked where they are given."""

from typing import Any

import holdfast
import pytest
from holdfast.core.settings import DEFAULT_TARGET, Settings

from tests.client.conftest import Caller, MakeClient, Sidecar


@pytest.mark.parametrize(
    "target", ["/run/s.sock", "unix:", "localhost", "localhost:", ":50051", "http://localhost:50051", "host:70000"]
)
@pytest.mark.parametrize("kind", [holdfast.Client, holdfast.AsyncClient])
def test_a_target_that_names_nothing_is_refused(kind: type[holdfast.Client], target: str) -> None:
    with pytest.raises(ValueError, match=r"unix:/path.*host:port"):
        kind(target)


@pytest.mark.parametrize("settings", [{"timeout_ms": 0}, {"retries": -1}, {"on_unavailable": "ignore"}])
def test_a_setting_out_of_range_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        holdfast.Client("localhost:1", **settings)


def test_a_choice_of_the_call_is_checked_too(make_client: MakeClient, sidecar: Sidecar) -> None:
    sidecar.stop()
    unknown: Any = "ignore"
    with pytest.raises(ValueError, match="on_unavailable"):
        make_client(retries=0).check("acme", on_unavailable=unknown)


def test_a_timeout_of_the_call_is_checked(caller: Caller) -> None:
    with pytest.raises(ValueError, match="timeout_ms"):
        caller.check("acme", timeout_ms=0)


def test_argument_environment_default_in_this_order(monkeypatch: pytest.MonkeyPatch) -> None:
    def target(given: str | None) -> str:
        return Settings.of(given, 1, 0, "raise").target

    monkeypatch.delenv("HOLDFAST_SIDECAR", raising=False)
    assert target(None) == DEFAULT_TARGET
    monkeypatch.setenv("HOLDFAST_SIDECAR", "127.0.0.1:50051")
    assert target(None) == "127.0.0.1:50051"
    assert target("[::1]:9000") == "[::1]:9000"


def test_a_retry_never_passes_the_deadline() -> None:
    """Delays grow up to a bound, half of each random; past the deadline or the last try there is none."""
    settings = Settings.of("localhost:1", 1_000, 3, "raise")
    missing = holdfast.Unavailable("gone")
    delays = [settings.retry_delay_s(missing, attempt, 60) for attempt in (1, 2, 3, 4)]
    for low, delay in zip((0.0125, 0.025, 0.05), delays[:3], strict=True):
        assert delay is not None
        assert low <= delay <= 2 * low
    assert delays[3] is None
    assert settings.retry_delay_s(missing, 1, 0.001) is None
    assert settings.retry_delay_s(holdfast.DeadlineExceeded("late"), 1, 60) is None
    assert settings.retry_delay_s(holdfast.Internal("broken"), 1, 60) is None


def test_operation_ids_are_unique_and_sort_by_time() -> None:
    made = [holdfast.new_operation_id() for _ in range(1_000)]
    assert len(set(made)) == 1_000
    assert {len(name) for name in made} == {32}
    assert [name[:12] for name in made] == sorted(name[:12] for name in made)
