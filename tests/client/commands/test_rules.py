"""`holdfast rules` against a ledger process: applying a file, applying it again, and reading it back."""

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from holdfast.commands import rules
from holdfast.v1 import ledger_service_pb2 as ledger_pb
from holdfast.v1.ledger_service_pb2_grpc import LedgerServiceStub

from tests.scenarios.world import START_TIMEOUT_S, Server

CARD = """
card_id = "standard"
currency = "credits"

[[versions]]
effective_from = 2026-01-01T00:00:00Z
prices = [{ model = "m", meter = "input", amount = 1, per = 1_000 }]
"""
FILE = """
[rules]
time_zone = "Europe/Berlin"
deny_unknown_subject = true
plan_id = "{account}-plan"
rate_card_id = "{account}-card"
features = {{ seats = 5 }}

[[plans]]
plan_id = "{account}-plan"
features = {{ vision = true, region = ["eu", "us"] }}

[[rate_cards]]
rate_card_id = "{account}-card"
file = "card.toml"

[[subjects]]
subject = "research/ann"

[[subjects]]
subject = "research"
display_name = "Research"

[[budgets]]
budget_id = "share"
subject = "research/ann"
share_bps = 2_500
share_of_budget_id = "month"
currency = "credits"
period = "month"

[[budgets]]
budget_id = "month"
subject = "research"
limit_amount = 5_000_000
currency = "credits"
period = "month"
match = {{ model = "m" }}
alert_bps = [5_000]

[[rate_limits]]
limit_id = "rpm"
subject = "research"
unit = "requests"
amount = 60
per_ms = 60_000
burst = 10

[[concurrency_limits]]
limit_id = "runs"
max_count = 8
shared = true
"""
LINES = [
    "+ plan {account}-plan",
    "+ rate card {account}-card",
    "+ subject research",
    "+ subject research/ann",
    "+ budget month",
    "+ budget share",
    "+ rate limit rpm",
    "+ concurrency limit runs",
]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A ledger process."""
    folder = tmp_path_factory.mktemp("ledger")
    server = Server("ledger", [], folder / "ledger.log")
    server._flags = ["--listen", server.address, "--database", str(folder / "ledger.db"), "--metrics-port", "0"]
    server.start()
    yield server
    server.end()


@pytest.fixture
def account(ledger: Server, request: pytest.FixtureRequest) -> str:
    """An account of the test's own."""
    name = str(request.node.name).removeprefix("test_")[:64]
    with grpc.insecure_channel(ledger.address) as channel:
        request_ = ledger_pb.CreateAccountRequest(account=ledger_pb.Account(account_id=name))
        LedgerServiceStub(channel).CreateAccount(request_, wait_for_ready=True, timeout=START_TIMEOUT_S)
    return name


Apply = Callable[..., list[str]]


@pytest.fixture
def apply(ledger: Server, account: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Apply:
    """Applies a text to the test's account; returns what was printed, a refusal last."""

    def act(text: str, *flags: str, status: int = 0) -> list[str]:
        (tmp_path / "card.toml").write_text(CARD)
        file = tmp_path / "rules.toml"
        file.write_text(textwrap.dedent(text))
        assert rules.main(["apply", str(file), "--ledger", ledger.address, "--account", account, *flags]) == status
        printed = capsys.readouterr()
        return (printed.out + printed.err).splitlines()

    return act


@pytest.fixture
def show(ledger: Server, account: str, capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Prints the rules of the test's account."""

    def act() -> str:
        assert rules.main(["show", "--ledger", ledger.address, "--account", account]) == 0
        return capsys.readouterr().out

    return act


def test_a_file_is_applied_in_an_order_that_the_ledger_takes(apply: Apply, account: str) -> None:
    """Whatever the order in the file: parents before children, budgets before their shares."""
    *lines, count = apply(FILE.format(account=account))
    of_rules = [line for line in lines if line.startswith("~ rules of")]
    assert [line for line in lines if line not in of_rules] == [line.format(account=account) for line in LINES]
    assert len(of_rules) == 1
    assert 'time_zone "UTC" -> "Europe/Berlin"' in of_rules[0]
    assert count == "9 changed"


def test_applied_again_nothing_changes(apply: Apply, account: str) -> None:
    apply(FILE.format(account=account))
    assert apply(FILE.format(account=account)) == ["0 changed"]
    assert apply(FILE.format(account=account), "--prune") == ["0 changed"]


def test_what_differs_is_printed_and_set(apply: Apply, account: str) -> None:
    text = FILE.format(account=account)
    apply(text)
    changed = text.replace("5_000_000", "6_000_000").replace("burst = 10", "burst = 20\nshadow = true")
    assert apply(changed) == [
        "~ budget month: limit_amount 5000000 -> 6000000",
        "~ rate limit rpm: burst 10 -> 20, shadow unset -> true",
        "2 changed",
    ]
    assert apply(changed) == ["0 changed"]


def test_what_is_shown_can_be_applied(apply: Apply, show: Callable[[], str], account: str) -> None:
    apply(FILE.format(account=account))
    shown = show()
    assert f'account = "{account}"' in shown
    assert "# used 0 of 5,000,000, leased 0, until " in shown
    assert "# used 0 of 1,250,000" in shown
    assert apply(shown, "--prune") == ["0 changed"]


def test_a_dry_run_changes_nothing(apply: Apply, show: Callable[[], str], account: str) -> None:
    before = show()
    assert apply(FILE.format(account=account), "--dry-run")[-1] == "9 would change"
    assert show() == before


def test_pruning_deletes_what_the_file_does_not_name(apply: Apply, show: Callable[[], str], account: str) -> None:
    """What depends on others goes first; plans and cards stay, since other accounts may have them."""
    apply(FILE.format(account=account))
    assert apply('[[subjects]]\nsubject = "sales"') == ["+ subject sales", "1 changed"]
    assert apply('[[subjects]]\nsubject = "sales"', "--prune") == [
        "- budget share",
        "- budget month",
        "- rate limit rpm",
        "- concurrency limit runs",
        "- subject research/ann",
        "- subject research",
        "6 changed",
    ]
    assert "research" not in show()


def test_more_entries_than_a_call_takes(apply: Apply) -> None:
    text = "".join(f'[[subjects]]\nsubject = "s{number:04d}"\n' for number in range(1_001))
    assert apply(text)[-1] == "1001 changed"
    assert apply(text) == ["0 changed"]


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        (FILE.replace("share_bps = 2_500", "share_bps = 10_001"), "budget share: share_bps: "),
        (FILE.replace('subject = "research/ann"\nshare', 'subject = "nobody"\nshare'), "budget share: subject: "),
        (FILE.replace("Europe/Berlin", "Mars/Olympus"), "rules.time_zone: "),
        (FILE.replace("burst = 10", "burst = -1"), "rate limit rpm: rule.burst: "),
        ('[[subjects]]\nsubject = "a/b"', "subject a/b: "),
    ],
)
def test_what_the_ledger_refuses_is_told_by_entry_and_field(apply: Apply, account: str, text: str, entry: str) -> None:
    filled = text.format(account=account) if "{account}" in text else text
    assert apply(filled, status=1)[-1].startswith(f"holdfast rules: {entry}")


def test_a_file_that_is_wrong_changes_nothing(apply: Apply, show: Callable[[], str], tmp_path: Path) -> None:
    before = show()
    subject = '[[subjects]]\nsubject = "a"\n'
    assert apply(subject + "[[budgets]]\nlimit = 1", status=1)[-1].startswith("holdfast rules: budgets[0].limit: ")
    assert apply(subject + subject, status=1) == ["holdfast rules: subjects: names 'a' twice"]
    missing = '[[rate_cards]]\nrate_card_id = "x"\nfile = "missing.json"'
    assert "missing.json" in apply(subject + missing, status=1)[-1]
    assert show() == before


def test_an_account_must_be_named(ledger: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rules.toml"
    file.write_text('[[concurrency_limits]]\nlimit_id = "x"\nmax_count = 1')
    assert rules.main(["apply", str(file), "--ledger", ledger.address]) == 1
    assert capsys.readouterr().err.startswith("holdfast rules: account: is not named")


def test_no_ledger_is_no_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rules.main(["show", "--ledger", f"unix:{tmp_path}/none", "--account", "acme"]) == 69
    assert capsys.readouterr().err.startswith("holdfast rules: ")


def test_wrong_usage_is_two() -> None:
    with pytest.raises(SystemExit) as caught:
        rules.main(["show"])
    assert caught.value.code == 2
