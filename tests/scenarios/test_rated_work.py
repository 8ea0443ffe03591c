"""Work that says what it uses, over client, sidecar and ledger: rated, followed as it streams, never dropped."""

from collections.abc import Callable, Iterator
from pathlib import Path

import holdfast
import pytest
from holdfast.commands import rules

from tests.scenarios.world import ACCOUNT, START_TIMEOUT_S, World, wait_until

RULES = f"""
account = "{ACCOUNT}"

[rules]
rate_card_id = "card"
deny_unknown_subject = true
features = {{ chat = true, seats = 5, region = ["eu", "us"] }}

[[subjects]]
subject = "team"

[[rate_cards]]
rate_card_id = "card"
file = "card.toml"
"""
CARD = """
card_id = "card"
currency = "credits"

[[versions]]
effective_from = 2026-01-01T00:00:00Z
prices = [
    { model = "m", meter = "input", amount = 1, per = 1 },
    { model = "m", meter = "output", amount = 4, per = 1 },
]
"""
MODEL = {"model": "m"}


@pytest.fixture
def client(make_world: Callable[..., World], tmp_path: Path) -> Iterator[holdfast.Client]:
    """A client of a host that has heard of the rules."""
    world = make_world()
    world.begin(1_000_000)
    (tmp_path / "card.toml").write_text(CARD)
    (tmp_path / "rules.toml").write_text(RULES)
    assert rules.main(["apply", str(tmp_path / "rules.toml"), "--ledger", world.ledger.address]) == 0
    with holdfast.Client(world.sidecar.address, timeout_ms=10_000) as made:
        wait_until(lambda: not made.check(ACCOUNT, 1, subject="nobody"), START_TIMEOUT_S)
        yield made


def test_a_stream_is_held_by_its_worst_case_until_more_is_known(client: holdfast.Client) -> None:
    """Nothing is learned yet; progress never lets the output pass what is held, and the rest returns."""
    with client.reserve(ACCOUNT, quantities={"input": 100}, max_output_tokens=50, dimensions=MODEL) as hold:
        assert (hold.amount, hold.answer.rated_amount) == (300, 100)
        for _ in range(5):
            hold.spend(quantities={"output": 10})
            hold.progress()
            assert hold.amount >= 100 + 4 * hold.passed_quantities["output"]
        settled = hold.settle(quantities={"input": 100, "output": 50})
    assert (settled.debited_amount, settled.over_hold_amount, settled.held) == (300, 0, 0)


def test_a_stream_that_breaks_pays_for_what_it_passed(client: holdfast.Client) -> None:
    with pytest.raises(ConnectionError):
        broken_stream(client)
    balance = client.get_balance(ACCOUNT)
    assert (balance.posted, balance.held) == (1_000_000 - 128, 0)


def broken_stream(client: holdfast.Client) -> None:
    with client.reserve(ACCOUNT, quantities={"input": 100}, max_output_tokens=50, dimensions=MODEL) as hold:
        hold.progress({"output": 7})
        raise ConnectionError


def test_a_settle_by_quantities_after_the_hold_has_gone_is_debited(client: holdfast.Client) -> None:
    """The client sends the model along, so that the sidecar can rate it without the hold."""
    hold = client.reserve(ACCOUNT, quantities={"input": 10}, dimensions=MODEL)
    client.release(ACCOUNT, hold.hold_id)
    settled = hold.settle(quantities={"input": 10})
    assert (settled.debited_amount, settled.late) == (10, True)


def test_what_nobody_can_rate_is_refused_with_the_field(client: holdfast.Client) -> None:
    for dimensions in ({"model": "unknown"}, {}):
        with pytest.raises(holdfast.HoldfastError) as caught:
            client.reserve(ACCOUNT, quantities={"input": 10}, dimensions=dimensions)
        assert not isinstance(caught.value, holdfast.Denied | holdfast.Unavailable)
        assert caught.value.metadata["field"]
    assert client.get_balance(ACCOUNT).held == 0


def test_a_part_of_a_hold_is_given_back(client: holdfast.Client) -> None:
    hold = client.reserve(ACCOUNT, 1_000)
    assert hold.shrink(300).returned_amount == 300
    assert (hold.amount, client.get_balance(ACCOUNT).held) == (700, 700)
    inner = hold.reserve(500)
    assert inner.shrink(200).returned_amount == 200
    assert (hold.amount, inner.amount, client.get_balance(ACCOUNT).held) == (400, 300, 700)
    assert inner.settle(350).over_hold_amount == 0
    assert (hold.amount, hold.extend(ttl_ms=60_000).hold_amount) == (350, 350)


def test_features_are_answered_with_what_the_plan_has(client: holdfast.Client) -> None:
    needed = holdfast.RequiredFeature
    assert client.check(ACCOUNT, 1, required_feature="chat").feature_value is True
    assert client.check(ACCOUNT, 1, required_feature=needed("seats", quantity=5)).feature_value == 5
    assert client.check(ACCOUNT, 1, required_feature=needed("region", choice="eu")).feature_value == ("eu", "us")
    for lacking in (needed("vision"), needed("seats", quantity=6), needed("region", choice="cn")):
        with pytest.raises(holdfast.Denied) as caught:
            client.charge(ACCOUNT, 1, required_feature=lacking)
        assert caught.value.denial_reason is holdfast.Reason.NOT_ENTITLED
        assert caught.value.denied_level == f"entitlement/{lacking.feature}"


def test_a_subject_that_does_not_exist_is_denied_by_name(client: holdfast.Client) -> None:
    with pytest.raises(holdfast.Denied) as caught:
        client.reserve(ACCOUNT, 1, subject="team/nobody")
    assert caught.value.denial_reason is holdfast.Reason.UNKNOWN_SUBJECT
    assert client.reserve(ACCOUNT, 1, subject="team").amount == 1
