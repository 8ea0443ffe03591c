"""The uplink against the real ledger in a process of its own, which is killed while debits flow."""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from zlib import decompress

import grpc
import pytest
from holdfast.v1 import decision_pb2 as decision
from holdfast.v1 import governance_service_pb2 as governance
from holdfast.v1 import ledger_service_pb2 as api
from holdfast.v1 import ledger_service_pb2_grpc as api_grpc
from holdfast.v1 import ledger_sync_service_pb2 as sync
from holdfast.v1.governance_service_pb2_grpc import GovernanceServiceStub
from holdfast_sidecar.engine.events import (
    Disconnected,
    Fenced,
    LeaseAsk,
    LeaseStatus,
    LeasesUpdated,
    LeaseWant,
    RulesAsk,
    RulesUpdated,
)

from tests.sidecar.engine.rate_cards import card_content
from tests.sidecar.uplink.host import DEBIT_AMOUNT, PATIENCE_S, Host

GRANTED_AMOUNT = 10**12


class LedgerProcess:
    """`holdfast ledger` on a file of its own; comes back on the same port."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._process: subprocess.Popen[str] | None = None
        self._port = 0

    def start(self) -> str:
        """Starts it and waits until it listens; returns the target."""
        command = [sys.executable, "-m", "holdfast_ledger", "--database", str(self._database)]
        command += ["--listen", f"127.0.0.1:{self._port}", "--heartbeat-interval-ms", "1000"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = re.search(r":(\d+)$", line.strip())
        assert found, f"the ledger said {line!r}"
        self._port = int(found[1])
        return f"127.0.0.1:{self._port}"

    def kill(self) -> None:
        """Ends it as a power cut does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[LedgerProcess]:
    """A ledger, not yet started."""
    process = LedgerProcess(tmp_path / "ledger.sqlite")
    yield process
    process.kill()


def open_wallet(target: str) -> None:
    """Makes the account and pool that the host's debits name, with enough in it."""
    with grpc.insecure_channel(target) as channel:
        service = api_grpc.LedgerServiceStub(channel)
        service.CreateAccount(api.CreateAccountRequest(account=api.Account(account_id="acme")))
        pool = api.Pool(account_id="acme", pool_id="general", currency="credits", currency_exponent=6)
        service.CreatePool(api.CreatePoolRequest(pool=pool))
        grant = api.Grant(
            grant_id="g",
            account_id="acme",
            pool_id="general",
            amount=GRANTED_AMOUNT,
            category=api.GRANT_CATEGORY_PAID,
        )
        service.CreateGrant(api.CreateGrantRequest(grant=grant))


def posted_count(target: str) -> int:
    """Returns how many debits left the pool."""
    with grpc.insecure_channel(target) as channel:
        request = api.GetPoolRequest(account_id="acme", pool_id="general")
        balance = api_grpc.LedgerServiceStub(channel).GetPool(request).balance
    spent_amount: int = GRANTED_AMOUNT - balance.posted
    assert spent_amount % DEBIT_AMOUNT == 0
    return spent_amount // DEBIT_AMOUNT


def settle_in_rounds(host: Host) -> None:
    for _ in range(100):
        host.settle(50)


def test_debits_are_posted_once_through_kills_of_the_ledger(ledger: LedgerProcess) -> None:
    target = ledger.start()
    open_wallet(target)
    with Host(target) as host:
        host.until(lambda: host.epoch > 0)
        for _ in range(3):
            settling = threading.Thread(target=settle_in_rounds, args=(host,))
            settling.start()
            host.until(lambda: host.uplink.statistics().connected and host.acked() > host.last_sequence // 2)
            disconnected_count = host.seen(Disconnected)
            ledger.kill()
            settling.join()
            host.until(lambda count=disconnected_count: host.seen(Disconnected) > count)  # type: ignore[misc]
            ledger.start()
        host.until(lambda: host.acked() == 15_000)
    assert posted_count(target) == 15_000


def test_a_lease_is_asked_for_and_granted(ledger: LedgerProcess) -> None:
    target = ledger.start()
    open_wallet(target)
    ask = LeaseAsk(1, (LeaseWant("acme", "general", 500, 500, 0, 0, 0), LeaseWant("nobody", "general", 1, 1, 0, 0, 0)))
    with Host(target) as host:
        host.until(lambda: host.epoch > 0 and host.uplink.statistics().connected)
        host.settle(0, [ask])
        host.until(lambda: host.seen(LeasesUpdated) >= 1)
    update = next(event for event in host.events if isinstance(event, LeasesUpdated))
    assert update.request_id == 1
    known, unknown = sorted(update.leases, key=lambda lease: lease.account_id)
    assert known.status is LeaseStatus.ACTIVE
    assert known.currency == "credits"
    assert known.granted_total >= 500
    assert unknown.status is LeaseStatus.UNKNOWN_ACCOUNT


def set_rules(target: str) -> None:
    """Gives the account every kind of rule that there is."""
    match = {"feature": "chat"}
    units = (
        governance.PERIOD_UNIT_HOUR,
        governance.PERIOD_UNIT_DAY,
        governance.PERIOD_UNIT_WEEK,
        governance.PERIOD_UNIT_MONTH,
    )
    periods = [governance.Period(unit=unit) for unit in units]
    periods.append(governance.Period(unit=governance.PERIOD_UNIT_ROLLING, rolling_ms=3_600_000))
    budgets = [
        governance.Budget(
            budget_id=f"budget-{number}", subject="research", limit_amount=10, currency="credits", period=period
        )
        for number, period in enumerate(periods)
    ]
    budgets[0].action, budgets[1].shadow, budgets[2].pool_id = sync.BUDGET_ACTION_THROTTLE, True, "general"
    budgets[3].match.update(match)
    rate = sync.RateLimitRule(
        limit_id="r", unit=sync.RATE_UNIT_QUANTITY, meters=["input"], amount=1, per_ms=2, burst=3, shared=True
    )
    slots = sync.ConcurrencyLimitRule(limit_id="c", max_count=4, match=match)
    features = {
        "chat": decision.FeatureValue(enabled=True),
        "seats": decision.FeatureValue(maximum=0),
        "models": decision.FeatureValue(choices=decision.FeatureChoices(values=["gpt-5"])),
    }
    card = governance.RateCard(rate_card_id="models", content=decompress(card_content().content).decode())
    rules = governance.AccountRules(
        time_zone="Australia/Lord_Howe", features=features, rate_card_id="models", deny_unknown_subject=True
    )
    account_id = "acme"
    with grpc.insecure_channel(target) as channel:
        service = GovernanceServiceStub(channel)
        service.SetRateCard(governance.SetRateCardRequest(rate_card=card))
        service.SetAccountRules(governance.SetAccountRulesRequest(account_id=account_id, rules=rules))
        subjects = [governance.Subject(subject=subject) for subject in ("research", "research/ann")]
        service.SetSubjects(governance.SetSubjectsRequest(account_id=account_id, subjects=subjects))
        service.SetBudgets(governance.SetBudgetsRequest(account_id=account_id, budgets=budgets))
        rates = [governance.RateLimit(subject="research/ann", rule=rate)]
        service.SetRateLimits(governance.SetRateLimitsRequest(account_id=account_id, rate_limits=rates))
        limits = [governance.ConcurrencyLimit(subject="", rule=slots)]
        service.SetConcurrencyLimits(
            governance.SetConcurrencyLimitsRequest(account_id=account_id, concurrency_limits=limits)
        )


def test_rules_of_every_kind_are_told_and_understood(ledger: LedgerProcess) -> None:
    """What the ledger tells passes every check of the sidecar's; a path is told as far as it exists."""
    target = ledger.start()
    open_wallet(target)
    set_rules(target)
    long = "research/" + "s" * 500
    paths = (("acme", "research/ann/agent"), ("acme", "sales"), ("nobody", "x"), ("acme", long))
    ask = RulesAsk(1, paths, ("models", "none"))
    with Host(target) as host:
        host.until(lambda: host.epoch > 0 and host.uplink.statistics().connected)
        host.settle(0, [ask])
        host.until(lambda: host.seen(RulesUpdated) == 1)
    (told,) = [event for event in host.events if isinstance(event, RulesUpdated)]
    assert told.refused == ()
    nodes = {node.subject: node for node in told.nodes}
    assert [(node.account_id, node.subject) for node in told.nodes] == [("acme", subject) for subject in nodes]
    assert set(nodes) == {"", "research", "research/ann"}
    assert [nodes[subject].has_children for subject in ("", "research", "research/ann")] == [True, True, False]
    terms = nodes[""].account
    assert terms is not None
    assert terms.features == (("chat", True), ("models", ("gpt-5",)), ("seats", 0))
    assert (terms.deny_unknown_subject, terms.rate_card_id) == (True, "models")
    assert len(nodes["research"].budgets) == 5
    assert {budget.calendar_id for budget in nodes["research"].budgets} - {""} == {
        calendar.calendar_id for calendar in told.calendars
    }
    assert [limit.limit_id for limit in nodes["research/ann"].rate_limits] == ["r"]
    assert [limit.limit_id for limit in nodes[""].concurrency_limits] == ["c"]
    (card,) = told.rate_cards
    assert card.revision == terms.rate_card_revision
    assert card.rates is not None


def test_a_copy_of_the_folder_that_starts_elsewhere_fences_this_one(ledger: LedgerProcess) -> None:
    target = ledger.start()
    open_wallet(target)
    with Host(target) as host:
        host.until(lambda: host.epoch > 0)
        host.settle(5)
        host.until(lambda: host.acked() == 5)
        with Host(target, instance=b"j" * 16) as other:
            other.until(lambda: other.epoch > 0)
            host.until(lambda: host.seen(Fenced) == 1)
        host.thread.join(PATIENCE_S)
    assert host.events[-1] == Fenced("FENCED", host.events[-1].message if isinstance(host.events[-1], Fenced) else "")
    assert other.epoch > host.epoch
