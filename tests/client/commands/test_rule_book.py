"""What the ledger says of a request's entries is told by their names."""

import pytest
from holdfast.commands.rule_book import BUDGETS, CONCURRENCY_LIMITS, RATE_CARDS, RATE_LIMITS, field_at_fault
from holdfast.errors import InvalidArgument
from holdfast.v1 import governance_service_pb2 as pb
from holdfast.v1 import ledger_sync_service_pb2 as sync_pb


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("budgets[1].share_bps", "budget b: share_bps"),
        ("budgets[0].period.unit", "budget a: period.unit"),
        ("budgets[1]", "budget b"),
        ("budgets[7].share_bps", "budgets[7].share_bps"),
        ("rules.time_zone", "rules.time_zone"),
        ("", ""),
    ],
)
def test_a_number_becomes_the_entrys_name(field: str, told: str) -> None:
    error = InvalidArgument("x", metadata={"field": field})
    assert field_at_fault(error, ["budget a", "budget b"]) == told


def test_ids_are_found_in_entries_and_in_their_rules() -> None:
    assert BUDGETS.id_of(pb.Budget(budget_id="b")) == "b"
    assert RATE_LIMITS.id_of(pb.RateLimit(rule=sync_pb.RateLimitRule(limit_id="r"))) == "r"
    limit = pb.ConcurrencyLimit(rule=sync_pb.ConcurrencyLimitRule(limit_id="c"))
    assert CONCURRENCY_LIMITS.id_of(limit) == "c"


def test_what_has_no_account_is_set_one_a_call() -> None:
    assert (RATE_CARDS.batch_size, BUDGETS.batch_size) == (1, 1_000)
