"""The rules that the sink tells are those of the full path, and every subject that the load names has them."""

from collections import Counter

from holdfast.v1 import ledger_sync_service_pb2 as wire
from holdfast_bench import governed
from holdfast_sidecar import rule_messages


def told(*subjects: str) -> wire.RulesUpdate:
    wants = [wire.RulesWant(account_id="a", subject=subject) for subject in subjects]
    return governed.rules_update(wire.RulesRequest(request_id=7, wants=wants))


def test_the_full_path_is_four_subjects_three_budgets_and_a_rate_limit() -> None:
    update = told(governed.agent_of("12"))
    account, *subjects = update.nodes
    assert update.request_id == 7
    assert (account.subject, account.HasField("account")) == ("", True)
    assert [node.subject for node in subjects] == ["org", "org/team", "org/team/user-12", "org/team/user-12/agent"]
    assert sum(len(node.budgets) for node in subjects) == 3
    assert sum(len(node.rate_limits) for node in subjects) == 1
    assert len(governed.DIMENSIONS) == 4
    assert {budget.calendar_id for node in subjects for budget in node.budgets} == {update.calendars[0].calendar_id}


def test_members_of_groups_have_a_budget_each_and_their_groups_none() -> None:
    update = told(governed.member_of("1", "1"), governed.member_of("1", "1001"))
    assert {node.subject: len(node.budgets) for node in update.nodes} == {
        "": 0,
        "group-1": 0,
        "group-1/member-1": 1,
        "group-1/member-1001": 1,
    }


def test_what_is_told_is_what_a_sidecar_takes_and_each_limit_has_an_id_of_its_own() -> None:
    update = told(governed.agent_of("1"), governed.agent_of("2"), governed.member_of("3", "4"))
    nodes = [rule_messages.subject_rules(node) for node in update.nodes]
    assert len({node.subject for node in nodes}) == len(nodes)
    ids = Counter(budget.budget_id for node in nodes for budget in node.budgets)
    ids.update(limit.limit_id for node in nodes for limit in node.rate_limits)
    assert set(ids.values()) == {1}
    calendar = rule_messages.calendar(update.calendars[0])
    assert len(calendar.starts_unix_ms) > 40, "it lasts longer than any benchmark"
