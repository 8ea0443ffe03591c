"""What a question may say, by table: each mistake is refused with its field."""

from typing import Any

import pytest
from holdfast.v1 import usage_service_pb2 as api
from holdfast_ledger.access.caller import ANYONE, Caller, Role
from holdfast_ledger.errors import InvalidArgument, PermissionDenied
from holdfast_ledger.queries.keys import Key
from holdfast_ledger.queries.question import digest_of, page_size_of, question_of, scope_of

from tests.ledger.queries.setting import DAY_MS, START_MS, asked

IN, EXISTS = api.FILTER_OPERATOR_IN, api.FILTER_OPERATOR_EXISTS


def filters(*said: dict[str, Any]) -> dict[str, Any]:
    """Fields of a question with filters, by default on the meter."""
    default: dict[str, Any] = {"key": "meter", "operator": IN, "values": ["x"]}
    return {"filters": [api.UsageFilter(**(default | one)) for one in said]}


@pytest.mark.parametrize(
    ("said", "field", "told"),
    [
        ({"measure": 0}, "measure", "none of"),
        ({"measure": 9}, "measure", "none of"),
        ({"end_unix_ms": START_MS}, "end_unix_ms", "not after the start"),
        ({"start_unix_ms": START_MS + 2 * DAY_MS}, "end_unix_ms", "not after the start"),
        ({"start_unix_ms": -1}, "start_unix_ms", "not in"),
        ({"end_unix_ms": 2**62}, "end_unix_ms", "not in"),
        ({"granularity": 12}, "granularity", "none that there is"),
        ({"granularity": 1, "end_unix_ms": START_MS + 365 * DAY_MS}, "granularity", "more than 10000 steps"),
        ({"granularity": 2, "start_unix_ms": 0, "end_unix_ms": 7_000_000_000_000}, "granularity", "10000 steps"),
        ({"time_zone": "Mars/Base"}, "time_zone", "'Mars/Base'"),
        ({"time_zone": "../../etc/passwd"}, "time_zone", "IANA"),
        ({"group_by": ["x"] * 17}, "group_by", "17 keys"),
        ({"group_by": ["x", "y", "x"]}, "group_by[2]", "already"),
        ({"group_by": ["model", "dimension:model"]}, "group_by[1]", "already"),
        ({"group_by": [""]}, "group_by[0]", "1..138 bytes"),
        ({"group_by": ["dimension:"]}, "group_by[0]", "no dimension"),
        ({"group_by": ["x" * 139]}, "group_by[0]", "bytes"),
        ({"group_by": ["grant"]}, "group_by[0]", "QUANTITY is not kept by it"),
        ({"group_by": ["meter"], "measure": 2}, "group_by[0]", "CREDITS is not kept by it"),
        (filters({"key": "currency"}), "filters[0].key", "not kept by it"),
        (filters({}, {"operator": 0}), "filters[1].operator", "none of"),
        (filters({"operator": 77}), "filters[0].operator", "none of"),
        (filters({"values": []}), "filters[0].values", "0 values"),
        (filters({"values": ["x"] * 1_001}), "filters[0].values", "1001 values"),
        (filters({"operator": EXISTS}), "filters[0].values", "EXISTS"),
        (filters({"values": ["y", "x" * 1_025]}), "filters[0].values[1]", "longer"),
        (filters(*[{}] * 33), "filters", "33 filters"),
        (filters(*[{"values": ["x" * 100] * 700}] * 2), "filters", "longer than"),
        ({"top": -1}, "top", "not in"),
        ({"top": 1_001}, "top", "not in"),
        ({"account_id": "x" * 200}, "account_id", "longer"),
    ],
)
def test_mistakes_are_refused_with_their_field(said: dict[str, Any], field: str, told: str) -> None:
    """And in words."""
    with pytest.raises(InvalidArgument) as fault:
        question_of(asked(**said), ANYONE)
    assert fault.value.metadata["field"] == field
    assert told in fault.value.message


@pytest.mark.parametrize(("said", "size"), [(0, 1_000), (1, 1), (10_000, 10_000)])
def test_page_sizes(said: int, size: int) -> None:
    """A thousand unless told."""
    assert page_size_of(asked(page_size=said)) == size


@pytest.mark.parametrize("said", [-1, 10_001])
def test_page_sizes_out_of_range(said: int) -> None:
    """Are refused."""
    with pytest.raises(InvalidArgument):
        page_size_of(asked(page_size=said))


@pytest.mark.parametrize(
    ("of", "asked_for", "scope"), [("", "", ""), ("", "a", "a"), ("a", "", "a"), ("a", "a", "a"), ("a", "b", None)]
)
def test_whose_rows_may_be_read(of: str, asked_for: str, scope: str | None) -> None:
    """A caller of one account asks for that one or for none; another one is refused."""
    caller = Caller("c", Role.READER, of)
    if scope is None:
        with pytest.raises(PermissionDenied):
            scope_of(caller, asked_for)
    else:
        assert scope_of(caller, asked_for) == scope


def test_keys_are_read_as_callers_name_them() -> None:
    """A dimension that is named as a built-in key has a prefix, and only that."""
    for name, key in (
        ("account", Key("account", is_dimension=False)),
        ("dimension:account", Key("account", is_dimension=True)),
        ("model", Key("model", is_dimension=True)),
    ):
        assert (Key.named(name), str(key)) == (key, name)
    assert Key.named("dimension:model") == Key.named("model")


def test_a_question_is_named_by_all_that_it_says_but_the_page() -> None:
    """And by the account whose rows are read."""
    base = digest_of(asked(), "a")
    assert digest_of(asked(page_size=5, page_token="x"), "a") == base
    assert digest_of(asked(account_id="a"), "a") == base
    for other in ({"top": 1}, {"time_zone": "UTC"}, {"previous_year": True}, {"group_by": ["x"]}):
        assert digest_of(asked(**other), "a") != base
    assert digest_of(asked(), "") != base
