"""What is changed in the console is changed in the ledger, after a confirmation, and stands in the audit trail."""

import json

from axe_playwright_python.sync_playwright import Axe
from holdfast.v1 import decision_pb2 as rules
from holdfast.v1 import governance_service_pb2 as governance
from holdfast.v1 import ledger_service_pb2 as pb
from holdfast.v1 import meter_pb2 as metering
from holdfast.v1 import metering_service_pb2 as metering_service
from holdfast.v1.metering_service_pb2_grpc import MeteringServiceStub
from playwright.sync_api import expect

from tests.browser.pages import MINUS, Watched
from tests.browser.world import CREDIT, ConsoleWorld

CONFIRMING = "This is about to happen."


def confirm(page: Watched, verb: str) -> None:
    """Goes through the second step."""
    page.page.get_by_role("button", name="Review").click()
    expect(page.page.get_by_text(CONFIRMING)).to_be_visible()
    page.page.get_by_role("dialog").get_by_role("button", name=verb, exact=True).click()
    expect(page.page.get_by_role("dialog")).to_have_count(0)
    page.settle()


def last_record(page: Watched, account_id: str) -> tuple[str, str, dict[str, object]]:
    """Call, outcome and request of the latest change, as the audit trail shows it."""
    page.open(f"/audit?account={account_id}")
    header, newest, *_ = page.csv("Audit trail")
    row = dict(zip(header, newest, strict=True))
    return row["Call"], row["Outcome"], json.loads(row["Request"])


def test_grant(page: Watched, world: ConsoleWorld) -> None:
    """A grant raises the balance by what was typed, once, and is in the trail."""
    before = world.balance("globex").posted
    page.open("/account?account=globex")
    page.page.get_by_role("button", name="Grant", exact=True).click()
    page.page.get_by_label("Amount in credits").fill("1,250.5")
    page.page.get_by_label("Bought for").fill("15.01")
    page.page.get_by_label("Id", exact=True).fill("console-grant")
    confirm(page, "Grant")
    assert "console-grant" in page.column("Grants of general", "Grant")
    grant = world.stub.GetGrant(
        pb.GetGrantRequest(account_id="globex", pool_id="general", grant_id="console-grant")
    ).grant
    assert (grant.amount, grant.cost_amount, grant.cost_currency) == (1_250_500_000, 1_501, "USD")
    assert world.balance("globex").posted == before + 1_250_500_000
    call, outcome, request = last_record(page, "globex")
    assert (call, outcome) == ("LedgerService/CreateGrant", "done")
    assert request["grant"]["amount"] == "1250500000"  # type: ignore[index]


def test_void(page: Watched, world: ConsoleWorld) -> None:
    """Voiding a grant takes what is left of it, after it was said how much that is."""
    grant = pb.Grant(
        grant_id="mistake", account_id="globex", pool_id="general", amount=9 * CREDIT,
        category=pb.GRANT_CATEGORY_PROMOTIONAL, effective_at_unix_ms=4_000_000_000_000,
    )  # fmt: skip
    world.stub.CreateGrant(pb.CreateGrantRequest(grant=grant))
    page.open("/account?account=globex")
    page.page.get_by_role("button", name="Void mistake").click()
    expect(page.page.get_by_role("dialog")).to_contain_text("9.00 credits")
    confirm(page, "Void the grant")
    name = pb.GetGrantRequest(account_id="globex", pool_id="general", grant_id="mistake")
    assert world.stub.GetGrant(name).grant.state == pb.GRANT_STATE_VOIDED
    assert last_record(page, "globex")[:2] == ("LedgerService/VoidGrant", "done")


def test_cap(page: Watched, world: ConsoleWorld) -> None:
    """A cap is made and changed; its gauge shows the new limit."""
    page.open("/account?account=globex")
    page.page.get_by_role("button", name="New cap").click()
    page.page.get_by_label("Limit in credits").fill("75")
    page.page.get_by_label("Each").select_option("day")
    page.page.get_by_label("Id", exact=True).fill("daily")
    confirm(page, "Set the cap")
    page.page.get_by_role("button", name="Change daily").click()
    page.page.get_by_label("Limit in credits").fill("80.25")
    confirm(page, "Set the cap")
    expect(page.page.get_by_role("meter", name="Used of daily")).to_contain_text("of 80.25")
    (usage,) = world.rules.ListBudgets(governance.ListBudgetsRequest(account_id="globex")).budgets
    assert (usage.limit_amount, usage.budget.period.unit) == (80_250_000, governance.PERIOD_UNIT_DAY)
    assert last_record(page, "globex")[:2] == ("GovernanceService/SetBudgets", "done")


def test_policy(page: Watched, world: ConsoleWorld) -> None:
    """The policy of a pool is replaced, whole."""
    page.open("/account?account=initech")
    page.page.get_by_role("button", name="Change the policy").click()
    page.page.get_by_label("Enforcement").select_option("optimistic")
    page.page.get_by_label("Overdraft limit in credits").fill("5")
    page.page.get_by_label("When cut off").select_option("fail open")
    confirm(page, "Set the policy")
    policy = world.stub.GetPolicy(pb.GetPolicyRequest(account_id="initech", pool_id="general")).policy
    assert policy.enforcement == rules.ENFORCEMENT_OPTIMISTIC
    assert policy.overdraft_limit == 5 * CREDIT
    assert policy.partition_mode == rules.PARTITION_MODE_FAIL_OPEN
    assert last_record(page, "initech")[:2] == ("LedgerService/SetPolicy", "done")


def test_meters(page: Watched, world: ConsoleWorld) -> None:
    """A meter is made, changed where it can be, and retired; each of it stands in the trail."""
    stub = MeteringServiceStub(world.channel)

    def kept() -> dict[str, metering.Meter]:
        listed = stub.ListMeters(metering_service.ListMetersRequest()).meters
        return {meter.meter_id: meter for meter in listed}

    page.open("/meters")
    page.page.get_by_role("button", name="New meter").click()
    page.page.get_by_label("Id", exact=True).fill("audio-minutes")
    page.page.get_by_label("Event type").fill("audio.played")
    page.page.get_by_label("Figure").select_option("sum")
    page.page.get_by_label("Of the quantity").fill("seconds")
    page.page.get_by_label("Dimension", exact=True).fill("region")
    page.page.get_by_label("Values").fill("eu, us")
    page.page.get_by_role("button", name="Add the condition").click()
    page.page.get_by_label("Divided by").fill("60")
    page.page.get_by_label("Pool").fill("general")
    page.page.get_by_label("Price, minor units").fill("9007199254740993")
    assert Axe().run(page.page).violations_count == 0
    page.screenshot("dialog-meter")
    confirm(page, "Set the meter")
    made = kept()["audio-minutes"]
    assert (made.aggregation, made.quantity, made.divisor) == (metering.AGGREGATION_SUM, "seconds", 60)
    assert (made.pool_id, made.price_amount) == ("general", 9_007_199_254_740_993)
    assert [(one.key, list(one.values)) for one in made.filters] == [("region", ["eu", "us"])]
    page.page.get_by_role("button", name="Change audio-minutes").click()
    page.page.get_by_role("button", name="Remove region in eu, us").click()
    page.page.get_by_label("Unit", exact=True).fill("minutes")
    confirm(page, "Set the meter")
    changed = kept()["audio-minutes"]
    assert (changed.unit, list(changed.filters), changed.price_amount) == ("minutes", [], made.price_amount)
    page.page.get_by_role("button", name="Retire audio-minutes").click()
    confirm(page, "Retire the meter")
    assert "audio-minutes" not in kept()
    page.open("/audit")
    calls = page.column("Audit trail", "Call")
    assert calls[:3] == ["MeteringService/DeleteMeter", "MeteringService/SetMeter", "MeteringService/SetMeter"]


def test_nothing_happens_without_confirmation(page: Watched, world: ConsoleWorld) -> None:
    """Wrong fields are told before anything is sent, and leaving at the second step changes nothing."""
    before = world.balance("globex").posted
    page.open("/account?account=globex")
    page.page.get_by_role("button", name="Grant", exact=True).click()
    for wrong in ("", "-5", "1.1234567", "1e6", "NaN"):
        page.page.get_by_label("Amount in credits").fill(wrong)
        page.page.get_by_role("button", name="Review").click()
        expect(page.page.get_by_role("alert")).to_contain_text("The amount is more than 0")
    page.page.get_by_label("Amount in credits").fill("1000")
    page.page.get_by_role("button", name="Review").click()
    expect(page.page.get_by_text(CONFIRMING)).to_be_visible()
    page.page.keyboard.press("Escape")
    expect(page.page.get_by_role("dialog")).to_have_count(0)
    assert world.balance("globex").posted == before


def test_refusal_is_told(page: Watched) -> None:
    """What the ledger refuses is told in its words, in the dialog, and stands in the trail too."""
    page.open("/account?account=globex")
    page.page.get_by_role("button", name="Grant", exact=True).click()
    page.page.get_by_label("Amount in credits").fill("1")
    page.page.get_by_label("Id", exact=True).fill("invoice-1051")
    page.page.get_by_role("button", name="Review").click()
    page.page.get_by_role("button", name="Grant", exact=True).last.click()
    expect(page.page.get_by_role("dialog").get_by_role("alert")).to_be_visible()
    page.forgive_refusals()
    page.page.keyboard.press("Escape")
    assert last_record(page, "globex")[1] != "done"


def test_books(page: Watched) -> None:
    """The treatment of revenue is set, the chain verified, a month that is not over not closed."""
    page.open("/revenue")
    page.page.get_by_role("button", name="Change the treatment").click()
    page.page.get_by_label("Breakage", exact=True).select_option("by estimate, as it burns")
    page.page.get_by_label("Share never used").fill("250")
    confirm(page, "Set the treatment")
    expect(page.page.get_by_text("estimate, 2.50 %")).to_be_visible()
    page.page.get_by_role("button", name="Verify").click()
    expect(page.page.get_by_text("intact", exact=True)).to_be_visible()
    for line in page.rows("Roll-forward"):
        opening, granted, recognised, breakage, refunded, closing = (
            int(text.replace(",", "").replace(".", "").replace(MINUS, "-")) for text in line[3:9]
        )
        assert opening + granted - recognised - breakage - refunded == closing
    month = page.rows("Roll-forward")[-1][0]
    page.page.get_by_role("button", name="Close a month").click()
    page.page.get_by_label("Month", exact=True).fill(month)
    page.page.get_by_role("button", name="Review").click()
    page.page.get_by_role("button", name="Close it for good").click()
    expect(page.page.get_by_role("dialog").get_by_role("alert")).to_contain_text("PERIOD_NOT_OVER")
    page.forgive_refusals()
