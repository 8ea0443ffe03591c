"""Histories written by hand, for findings whose seeds make other histories as the code under test changes."""

from holdfast.v1 import meter_pb2

from tests.simulation.clock import MS
from tests.simulation.events import EventsPlan
from tests.simulation.mutants import applied
from tests.simulation.patching import replaced
from tests.simulation.plan import FAIL_OPEN, STRICT, Action, Knobs, Plan, PoolPlan
from tests.simulation.rules import HARD, BudgetPlan, RulesPlan
from tests.simulation.window_checks import WindowChecks
from tests.simulation.world import Outcome, run

HOUR_MS = 1_500
KNOBS = Knobs(
    host_count=2,
    replica_count=1,
    pools=(PoolPlan("pool-0", 1_000, STRICT, 0, FAIL_OPEN, 0, 0),),
    validity_ms=600,
    heartbeat_ms=100,
    max_ttl_ms=600,
    slack_ms=100,
    sweep_ms=50,
    allowance_validity_ms=1_200,
    recall_timeout_ms=100,
    snapshot_ms=50,
    window=4_096,
    post_debits=1_024,
    batch_debits=1_000,
    lease_wait_ms=250,
    horizon_ms=1_000,
    idle_ms=40,
    denied_retry_ms=100,
    retention_count=10_000,
    outcome_ms=600_000,
    outcome_limit=1_000_000,
    backoff_max_ms=100,
    welcome_ms=1_000,
    delay_us=(100, 200),
    commit_us=(50, 60),
    drifts_ppm=(0, 0, 0),
    ledger_drift_ppm=0,
    durabilities=("host", "host", "host"),
)
HOURLY = BudgetPlan("b0", "org", HARD, False, 100, "", "", 0, 740)
"""Its hours begin 740 ms after the run does, and every 1.5 s from there."""


def charge(amount: int, at_ms: int, number: int) -> Action:
    """A charge at the first host, at a time after the hosts have started."""
    return Action(at_ms * MS, number, "charge", (0, 0, amount, 0, "org/team", ""))


TOKENS = meter_pb2.Meter(
    meter_id="tokens",
    event_type="call",
    aggregation=meter_pb2.AGGREGATION_SUM,
    quantity="tokens",
    pool_id="pool-0",
    price_amount=2,
)


def of_events(*actions: Action) -> Outcome:
    """Runs actions under one meter for three seconds."""
    return run(Plan(0, KNOBS, 3_000 * MS, actions, RulesPlan(), EventsPlan((TOKENS,))))


def history(budget: BudgetPlan, *actions: Action) -> Outcome:
    """Runs actions under one budget for three seconds."""
    return run(Plan(0, KNOBS, 3_000 * MS, actions, RulesPlan(HOUR_MS, budgets=(budget,))))


def test_let_on_in_the_round_in_which_the_host_dies() -> None:
    """A host that is cut off lets on what it has no rights to, and dies before anyone could look."""
    actions = (
        charge(5, 100, 1),
        Action(300 * MS, 2, "stall", (2_000,)),
        Action(1_300 * MS, 3, "crash", (0, "after_reply", 1, 200)),
        charge(8, 1_310, 4),
    )
    outcome = history(HOURLY, *actions)
    assert outcome.ok, outcome.violation
    told = outcome.history.text()
    assert "c4 8 -> debited 8" in told
    assert "dies in a round" in told
    with replaced(WindowChecks, "_is_lenient", lambda *_: False):
        assert "passes its rights of 'b0" in history(HOURLY, *actions).violation


def test_given_back_while_the_rule_is_gone() -> None:
    """A rule is deleted while rights to its rolling window are idle, and comes back after they were given back."""
    rolling = BudgetPlan("b0", "org", HARD, False, 1_000, "", "", 60, 740)
    outcome = history(rolling, charge(35, 1_000, 1), Action(1_020 * MS, 2, "rule_away", (0, 200)))
    assert outcome.ok, outcome.violation
    told = outcome.history.text()
    assert "c1 35 -> debited 35" in told
    assert "operator sets BudgetPlan" in told
    with replaced(WindowChecks, "_untaken", lambda *_: 0):
        again = history(rolling, charge(35, 1_000, 1), Action(1_020 * MS, 2, "rule_away", (0, 200)))
        assert "host-0 has" in again.violation


def test_an_event_that_two_hosts_were_told_with_other_content() -> None:
    """The first arrival counts, and cost nothing; the other host's debit is given back, though it was the only one."""
    actions = (
        Action(500 * MS, 1, "tell", (1, 0, 0)),
        Action(1_200 * MS, 2, "tell", (0, 0, 5)),
    )
    outcome = of_events(*actions)
    assert outcome.ok, outcome.violation
    assert outcome.history.text().count("e0  -> accepted 1") == 2
    with applied("debit-named-by-events-alone"):
        assert "comes to 10, what counts of it costs 0" in of_events(*actions).violation


def test_an_event_taken_back_before_its_debit_is_posted() -> None:
    """What sends debits is stuck: the ledger knows the event and that it is void before it has what it cost."""
    actions = (
        Action(300 * MS, 1, "tell", (0, 9, 1)),
        Action(600 * MS, 2, "hush", (0, 1_500)),
        Action(700 * MS, 3, "tell", (0, 0, 5)),
        Action(1_000 * MS, 4, "untell", (1, 0)),
    )
    outcome = of_events(*actions)
    assert outcome.ok, outcome.violation
    with applied("corrections-given-up"):
        assert "comes to 10, what counts of it costs 0" in of_events(*actions).violation


def test_a_host_that_dies_with_its_events_pushed() -> None:
    """It does not know that the ledger has them, and pushes them again, with later ones: they count once."""
    actions = (
        Action(500 * MS, 1, "crash", (0, "after_events_pushed", 1, 200)),
        Action(600 * MS, 2, "tell", (0, 0, 5)),
        Action(900 * MS, 3, "tell", (0, 1, 7)),
        Action(910 * MS, 4, "tell", (0, 0, 5)),
    )
    outcome = of_events(*actions)
    assert outcome.ok, outcome.violation
    assert "dies with its events pushed" in outcome.history.text()
