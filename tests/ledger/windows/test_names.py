"""What is the name of a window, and of which."""

import pytest
from holdfast_ledger.errors import InvalidArgument
from holdfast_ledger.store.window_rows import WindowKind
from holdfast_ledger.windows.names import WindowName, check_leased_id, parse


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("b\x1f0", WindowName("b", WindowKind.BUDGET, 0)),
        ("b\x1f1800000000000", WindowName("b", WindowKind.BUDGET, 1_800_000_000_000)),
        ("ü/ö \x20\x1fc", WindowName("ü/ö \x20", WindowKind.CONCURRENCY)),
        ("b\x1fr", WindowName("b", WindowKind.RATE)),
        (f"{'b' * 128}\x1fr", WindowName("b" * 128, WindowKind.RATE)),
    ],
)
def test_a_name_is_taken_apart(name: str, expected: WindowName) -> None:
    assert parse(name) == expected
    check_leased_id("pool_id", name)


@pytest.mark.parametrize(
    "name",
    [
        "\x1fc", "b\x1f", "b\x1fx", "b\x1f00", "b\x1f01", "b\x1f-1", "b\x1f+1", "b\x1f1.5", "b\x1f1\x1fc", "b\n\x1fc",
        "b\x1fc\n", "b\x1f\uff11", f"b\x1f{10**15}", f"{'b' * 129}\x1fc",
    ],
)  # fmt: skip
def test_what_looks_like_one_and_is_none_is_refused(name: str) -> None:
    assert parse(name) is None
    with pytest.raises(InvalidArgument):
        check_leased_id("pool_id", name)


def test_pools_keep_their_names() -> None:
    assert parse("general") is None
    check_leased_id("pool_id", "general")
    check_leased_id("pool_id", "")
