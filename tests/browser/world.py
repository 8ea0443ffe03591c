"""A ledger that has a past: accounts, grants, rules, a month of debits, hosts that decide. All real, and seeded."""

import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import grpc
from holdfast.v1 import decision_pb2 as rules
from holdfast.v1 import enforcement_service_pb2 as spend
from holdfast.v1 import governance_service_pb2 as governance
from holdfast.v1 import ledger_service_pb2 as pb
from holdfast.v1 import ledger_sync_service_pb2 as sync
from holdfast.v1 import meter_pb2 as metering
from holdfast.v1 import metering_service_pb2 as metering_service
from holdfast.v1 import usage_service_pb2 as usage
from holdfast.v1.enforcement_service_pb2_grpc import EnforcementServiceStub
from holdfast.v1.governance_service_pb2_grpc import GovernanceServiceStub
from holdfast.v1.ledger_service_pb2_grpc import LedgerServiceStub
from holdfast.v1.metering_service_pb2_grpc import MeteringServiceStub
from holdfast.v1.usage_service_pb2_grpc import UsageServiceStub

from tests.scenarios.world import CHANNEL_OPTIONS, START_TIMEOUT_S, Server, wait_until

CREDIT = 1_000_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
HISTORY_DAYS = 30
DEBITS_A_DAY = 36
COUNT_TIMEOUT_S = 240.0
"""Time until the usage store has started and counted the past, on a machine that is busy: all tests wait for it."""
MODELS = {"gpt-5": 5, "claude-sonnet-5": 4, "gpt-5-mini": 3, "gemini-3-flash": 2, "llama-4-70b": 1}
FEATURES = {"chat": 5, "search": 3, "summaries": 2, "agents": 1}
REGIONS = {"eu-west-1": 3, "us-east-1": 2}
SUBJECTS = {"research/ana": 3, "research/bo": 2, "product/chat-bot": 4, "product/mails": 2, "support": 1}
FORMULA = '=HYPERLINK("http://example.com","open")'
"""A value of a dimension that a spreadsheet would take for a formula."""
OLD_HOST = "host-2"
EVENT_COUNT = 5
FIRST_SEQUENCE = 1_000_000
"""Above what the old host sent by itself."""


class ConsoleWorld:
    """A ledger with its usage store and console, a sidecar that is connected and one that is gone."""

    def __init__(self, folder: Path, *ledger_flags: str) -> None:
        self.folder = folder
        self.ledger = Server("ledger", [], folder / "ledger.log")
        self.http_address = Server("ledger", [], folder / "unused.log").address
        self.ledger._flags = ["--listen", self.ledger.address, "--http-listen", self.http_address]
        self.ledger._flags += ["--database", str(folder / "ledger.db"), "--metrics-port", "0"]
        self.ledger._flags += ["--usage-store", str(folder / "usage"), *ledger_flags]
        self.sidecars = [self._sidecar("host-1"), self._sidecar(OLD_HOST)]
        self.channel = grpc.insecure_channel(self.ledger.address, options=CHANNEL_OPTIONS)
        self.stub = LedgerServiceStub(self.channel)
        self.rules = GovernanceServiceStub(self.channel)
        self.history_total = 0

    def _sidecar(self, sidecar_id: str) -> Server:
        server = Server("sidecar", [], self.folder / f"{sidecar_id}.log")
        server._flags = ["--folder", str(self.folder / sidecar_id), "--listen-tcp", server.address]
        server._flags += ["--sidecar-id", sidecar_id, "--ledger-target", self.ledger.address]
        server._flags += ["--metrics-address", "off"]
        return server

    @property
    def url(self) -> str:
        """Where the console is."""
        return f"http://{self.http_address}"

    def begin(self) -> None:
        """Starts everything and seeds it."""
        self.ledger.start()
        make_accounts(self)
        make_rules(self)
        for sidecar in self.sidecars:
            sidecar.start()
        for sidecar in self.sidecars:
            self._wait_until_deciding(sidecar)
        self.sidecars[1].stop()
        self.history_total = replay_history(self)
        report_events(self)
        decide(self)
        wait_until(self._is_counted, COUNT_TIMEOUT_S)

    def _is_counted(self) -> bool:
        """Whether all that acme used is in the figures."""
        now_ms = int(time.time() * 1_000)
        request = usage.QueryUsageRequest(
            account_id="acme", start_unix_ms=now_ms - 40 * DAY_MS, end_unix_ms=now_ms + DAY_MS
        )
        ask = UsageServiceStub(self.channel).QueryUsage
        request.measure = usage.USAGE_MEASURE_CREDITS
        try:
            spent: int = ask(request).total
        except grpc.RpcError:
            return False  # the usage store is still starting
        request.measure = usage.USAGE_MEASURE_QUANTITY
        request.filters.add(key="meter", operator=usage.FILTER_OPERATOR_IN, values=["mails-sent"])
        return spent == self.balance().spent_total and ask(request).total == EVENT_COUNT

    def answers_questions(self, token: str) -> bool:
        """Whether the usage store is up; until then the console says that it is not, and the browser complains."""
        now_ms = int(time.time() * 1_000)
        request = usage.QueryUsageRequest(start_unix_ms=now_ms - DAY_MS, end_unix_ms=now_ms)
        request.measure = usage.USAGE_MEASURE_CREDITS
        try:
            UsageServiceStub(self.channel).QueryUsage(request, metadata=[("authorization", f"Bearer {token}")])
        except grpc.RpcError:
            return False
        return True

    def _wait_until_deciding(self, sidecar: Server) -> None:
        with grpc.insecure_channel(sidecar.address, options=CHANNEL_OPTIONS) as channel:
            check = EnforcementServiceStub(channel).Check

            def decides() -> bool:
                try:
                    return bool(check(spend.CheckRequest(account_id="acme"), timeout=2).verdict)
                except grpc.RpcError:
                    return False

            wait_until(decides, START_TIMEOUT_S)

    def balance(self, account_id: str = "acme", pool_id: str = "general") -> pb.PoolBalance:
        """A pool's figures at the ledger."""
        answer: pb.GetPoolResponse = self.stub.GetPool(pb.GetPoolRequest(account_id=account_id, pool_id=pool_id))
        return answer.balance

    def token(self, credential_id: str, role: str = "administrator", account_id: str = "") -> str:
        """Makes a credential in the database itself, as the first one of all is made; returns its token."""
        code = "import sys; from holdfast.cli import main; sys.exit(main())"
        command = [sys.executable, "-c", code, "ledger", "credential", "--id", credential_id]
        command += ["--database", str(self.folder / "ledger.db"), "--role", role, "--account", account_id]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        (token,) = re.findall(r"hf_\S+", done.stdout)
        return str(token)

    def end(self) -> None:
        """Leaves nothing running, and no files."""
        self.channel.close()
        for server in (*self.sidecars, self.ledger):
            server.end()
        shutil.rmtree(self.folder / "usage", ignore_errors=True)


def make_accounts(world: ConsoleWorld) -> None:
    """Three customers with their pools and grants."""
    names = {"acme": "Acme Robotics", "globex": "Globex & Söhne", "initech": "Initech"}
    for account_id, name in names.items():
        account = pb.Account(account_id=account_id, display_name=name)
        request = pb.CreateAccountRequest(account=account)
        world.stub.CreateAccount(request, wait_for_ready=True, timeout=START_TIMEOUT_S)
    allowance = rules.Policy(
        partition_mode=rules.PARTITION_MODE_ALLOWANCE, partition_overdraft_limit=50 * CREDIT, partition_after_ms=30_000
    )
    for account_id, pool_id, policy in (
        ("acme", "general", allowance),
        ("acme", "research", rules.Policy()),
        ("globex", "general", rules.Policy()),
        ("initech", "general", rules.Policy()),
    ):
        pool = pb.Pool(account_id=account_id, pool_id=pool_id, policy=policy)
        world.stub.CreatePool(pb.CreatePoolRequest(pool=pool))
    now_ms = int(time.time() * 1_000)
    paid, promotional = pb.GRANT_CATEGORY_PAID, pb.GRANT_CATEGORY_PROMOTIONAL
    for account_id, grant_id, amount, category, cost, expires_ms in (
        ("acme", "welcome", 500, promotional, 0, now_ms + 20 * DAY_MS),
        ("acme", "invoice-1042", 4_000, paid, 40_000, now_ms + 300 * DAY_MS),
        ("acme", "invoice-1077", 2_500, paid, 25_000, now_ms + 340 * DAY_MS),
        ("globex", "invoice-1051", 3_000, paid, 36_000, 0),
        ("initech", "trial", 100, promotional, 0, now_ms + 10 * DAY_MS),
    ):
        grant = pb.Grant(
            grant_id=grant_id, account_id=account_id, pool_id="general", amount=amount * CREDIT, category=category,
            cost_amount=cost, cost_currency="USD" if cost else "", expires_at_unix_ms=expires_ms,
            effective_at_unix_ms=0 if account_id == "initech" else now_ms - (HISTORY_DAYS + 2) * DAY_MS,
            metadata={"product": "assistant" if account_id == "acme" else "api", "invoice": grant_id},
        )  # fmt: skip
        world.stub.CreateGrant(pb.CreateGrantRequest(grant=grant))


def make_rules(world: ConsoleWorld) -> None:
    """Subjects, budgets and limits of one account."""
    subjects = [governance.Subject(subject=path) for path in ("research", "product", *SUBJECTS)]
    world.rules.SetSubjects(governance.SetSubjectsRequest(account_id="acme", subjects=subjects))
    month = governance.Period(unit=governance.PERIOD_UNIT_MONTH)
    budgets = [
        governance.Budget(
            budget_id=budget_id, subject=subject, limit_amount=limit * CREDIT, currency="credits", period=month,
            action=sync.BUDGET_ACTION_HARD,
        )
        for budget_id, subject, limit in (
            ("company", "", 5_000),
            ("research-month", "research", 60),
            ("ana-month", "research/ana", 8),
            ("chat-bot-month", "product/chat-bot", 400),
        )
    ]  # fmt: skip
    world.rules.SetBudgets(governance.SetBudgetsRequest(account_id="acme", budgets=budgets))
    limit = sync.RateLimitRule(limit_id="mails", unit=sync.RATE_UNIT_REQUESTS, amount=2, per_ms=60_000, burst=2)
    world.rules.SetRateLimits(
        governance.SetRateLimitsRequest(
            account_id="acme", rate_limits=[governance.RateLimit(subject="product/mails", rule=limit)]
        )
    )


def replay_history(world: ConsoleWorld) -> int:
    """Posts a month of debits that the old host had not sent; returns what acme's come to."""
    chance = random.Random(6)
    now_ms = int(time.time() * 1_000)
    debits: list[sync.Debit] = []
    for place in range(HISTORY_DAYS * DEBITS_A_DAY):
        days_ago = HISTORY_DAYS - place // DEBITS_A_DAY
        settled_ms = now_ms - days_ago * DAY_MS + chance.randrange(DAY_MS - HOUR_MS)
        dimensions = {
            "model": _pick(chance, MODELS), "feature": _pick(chance, FEATURES), "region": _pick(chance, REGIONS),
        }  # fmt: skip
        if place == 7:
            dimensions["feature"] = FORMULA
        tokens = chance.randrange(2_000, 60_000)
        debit = sync.Debit(
            sequence=FIRST_SEQUENCE + place, epoch=1, pool_id="general", operation_id=f"past-{place:05}",
            account_id="globex" if place % 6 == 5 else "acme", subject=_pick(chance, SUBJECTS),
            amount=tokens * chance.randrange(20, 90), settled_at_unix_ms=settled_ms,
            dimensions=[sync.Dimension(key=key, value=dimensions[key]) for key in sorted(dimensions)],
            quantities={"input": tokens, "output": tokens // 4},
        )  # fmt: skip
        if debit.account_id == "globex":
            debit.subject = ""
        debits.append(debit)
    for start in range(0, len(debits), 500):
        request = pb.ReplayDebitsRequest(sidecar_id=OLD_HOST, debits=debits[start : start + 500])
        results = world.stub.ReplayDebits(request).results
        assert {result.outcome for result in results} == {pb.REPLAY_OUTCOME_POSTED}
    return sum(debit.amount for debit in debits if debit.account_id == "acme")


def _pick(chance: random.Random, weights: dict[str, int]) -> str:
    return chance.choices(list(weights), list(weights.values()))[0]


def report_events(world: ConsoleWorld) -> None:
    """Counts mails of one account by a meter."""
    meter = metering.Meter(
        meter_id="mails-sent", event_type="mail.sent", aggregation=metering.AGGREGATION_COUNT, unit="mails"
    )
    MeteringServiceStub(world.channel).SetMeter(metering_service.SetMeterRequest(meter=meter))
    now_ms = int(time.time() * 1_000)
    events = [
        usage.UsageEvent(
            id=f"mail-{place}", source="mailer", type="mail.sent", time_unix_ms=now_ms - place * HOUR_MS,
            account_id="acme", subject="product/mails", dimensions={"template": "welcome"},
        )
        for place in range(EVENT_COUNT)
    ]  # fmt: skip
    answer = UsageServiceStub(world.channel).ReportEvents(usage.ReportEventsRequest(events=events))
    assert answer.accepted_count == EVENT_COUNT


def decide(world: ConsoleWorld) -> None:
    """Has the connected host allow and deny, each reason for a cause."""
    with grpc.insecure_channel(world.sidecars[0].address, options=CHANNEL_OPTIONS) as channel:
        stub = EnforcementServiceStub(channel)
        for place, (account_id, subject, credits_asked) in enumerate(
            [
                *[("acme", "product/chat-bot", 2)] * 12,
                *[("acme", "research/ana", 3)] * 4,
                *[("acme", "product/mails", 1)] * 4,
                ("initech", "", 5_000),
                ("globex", "", 4),
            ]
        ):
            request = spend.ChargeRequest(
                operation_id=f"live-{place:03}", account_id=account_id, subject=subject,
                delta=credits_asked * CREDIT, dimensions={"model": "gpt-5", "feature": "chat"},
            )  # fmt: skip
            stub.Charge(request, timeout=START_TIMEOUT_S)
        hold = spend.ReserveRequest(operation_id="hold-1", account_id="acme", amount=7 * CREDIT, ttl_ms=600_000)
        stub.Reserve(hold, timeout=START_TIMEOUT_S)
