"""Rules that an operator applies, on two hosts: caps hold over both, and who is denied is told by which."""

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import holdfast
import pytest
from holdfast.commands import explain, rules

from tests.scenarios.world import ACCOUNT, START_TIMEOUT_S, World, wait_until

LIMIT = 1_000
RULES = f"""
account = "{ACCOUNT}"

[[subjects]]
subject = "team"

[[subjects]]
subject = "team/ann"

[[budgets]]
budget_id = "team-month"
subject = "team"
limit_amount = {LIMIT}
currency = "credits"
period = "month"

[[budgets]]
budget_id = "ann-try"
subject = "team/ann"
limit_amount = 1
currency = "credits"
period = "month"
shadow = true

[[rate_limits]]
limit_id = "ann-bulk"
subject = "team/ann"
unit = "requests"
amount = 1
per_ms = 3_600_000
burst = 1
match = {{ kind = "bulk" }}

[[concurrency_limits]]
limit_id = "team-runs"
subject = "team"
max_count = 2
shared = true
match = {{ kind = "run" }}
"""


@dataclass(frozen=True)
class Hosts:
    """Two hosts under the rules, and a client of each."""

    world: World
    targets: tuple[str, str]
    clients: tuple[holdfast.Client, holdfast.Client]


@pytest.fixture
def hosts(make_world: Callable[..., World], tmp_path: Path) -> Iterator[Hosts]:
    """Two hosts that have heard of the rules."""
    world = make_world()
    world.begin()
    other = world.another_sidecar("other", sidecar_id="host-2")
    other.start()
    world.wait_until_deciding(other.address)
    file = tmp_path / "rules.toml"
    file.write_text(RULES)
    assert rules.main(["apply", str(file), "--ledger", world.ledger.address]) == 0
    targets = (world.sidecar.address, other.address)
    with ExitStack() as stack:
        first, second = (stack.enter_context(holdfast.Client(target, timeout_ms=10_000)) for target in targets)
        for client in (first, second):
            wait_until(functools.partial(denies, client), START_TIMEOUT_S)
        yield Hosts(world, targets, (first, second))


def denies(client: holdfast.Client) -> bool:
    """Whether a host denies more than the budget."""
    return not client.check(ACCOUNT, LIMIT + 1, subject="team")


def until_denied(clients: Iterator[holdfast.Client], act: Callable[[holdfast.Client], object]) -> holdfast.Denied:
    """Acts on the hosts in turn until one is denied for a reason that waiting for the ledger does not change."""
    for client in clients:
        try:
            act(client)
        except holdfast.Denied as denied:
            if denied.denial_reason is not holdfast.Reason.LEASE_TIMEOUT:
                return denied
    raise AssertionError("nobody was denied")


def in_turn(hosts: Hosts) -> Iterator[holdfast.Client]:
    for _ in range(10 * LIMIT):
        yield from hosts.clients


def test_a_budget_is_spent_to_the_last_credit_and_not_further(hosts: Hosts, capsys: pytest.CaptureFixture[str]) -> None:
    """Two hosts spend one budget; the command says which one denies, and the ledger that all of it is used."""
    spent: list[int] = []

    def charge(client: holdfast.Client) -> None:
        spent.append(client.charge(ACCOUNT, 10, subject="team/ann/agent-7").debited_amount)

    denied = until_denied(in_turn(hosts), charge)

    assert sum(spent) == LIMIT
    assert denied.denied_by is not None
    assert (denied.denied_level, denied.denied_by.subject) == ("budget/team-month", "team")
    assert (denied.denied_by.limit_amount, denied.denied_by.left_amount) == (LIMIT, 0)
    assert denied.denied_by.resets_at_unix_ms > 0
    capsys.readouterr()
    for target in hosts.targets:
        arguments = ["--sidecar", target, "--account", ACCOUNT, "--subject", "team/ann", "--amount", "10"]
        assert explain.main(arguments) == 1
        out = capsys.readouterr().out
        assert out.startswith("DENY BUDGET_EXCEEDED: denied by budget/team-month of team: 0 left of 1000")
        assert [line.split()[0] for line in out.splitlines()[4:]] == [
            "subject/team/ann",
            "budget/team-month",
            "budget/ann-try",
            "pool/general",
        ]
        assert "would be BUDGET_EXCEEDED (shadow)" in out

    def shown() -> bool:
        assert rules.main(["show", "--account", ACCOUNT, "--ledger", hosts.world.ledger.address]) == 0
        return "# used 1,000 of 1,000" in capsys.readouterr().out

    wait_until(shown, START_TIMEOUT_S)
    assert hosts.clients[0].charge(ACCOUNT, 10, subject="sales").debited_amount == 10


def test_a_shared_concurrency_limit_counts_the_holds_of_both_hosts(hosts: Hosts) -> None:
    first, second = hosts.clients
    run = {"kind": "run"}
    holds = [client.reserve(ACCOUNT, 5, subject="team/ann", dimensions=run) for client in (first, second)]
    denied = until_denied(in_turn(hosts), lambda client: client.reserve(ACCOUNT, 5, subject="team", dimensions=run))
    assert denied.denial_reason is holdfast.Reason.CONCURRENCY_LIMITED
    assert denied.denied_level == "concurrency_limit/team-runs"
    inner = holds[0].reserve(2)
    assert holds[0].amount == 3
    inner.release()
    holds[0].release()
    with first.reserve(ACCOUNT, 5, subject="team", dimensions=run, operation_id="again") as hold:
        assert hold.amount == 5


def test_a_rate_limit_says_when_and_shadow_mode_denies_nothing(hosts: Hosts) -> None:
    client = hosts.clients[0]
    allowed = client.charge(ACCOUNT, 10, subject="team/ann", dimensions={"kind": "bulk"})
    assert [level.level for level in allowed.shadow_denials] == ["budget/ann-try"]
    with pytest.raises(holdfast.Denied) as caught:
        client.charge(ACCOUNT, 10, subject="team/ann", dimensions={"kind": "bulk"})
    assert caught.value.denial_reason is holdfast.Reason.RATE_LIMITED
    assert caught.value.denied_level == "rate_limit/ann-bulk"
    assert 3_500_000 < caught.value.retry_after_ms <= 3_600_000
