"""An auditor who has the export alone: works the roll-forward out from its lines, with nothing of the ledger's code.

Breakage at expiry; promotional credits without revenue.
"""

import csv
import io
from collections import Counter, defaultdict
from typing import NamedTuple

BURNED = {"DEBIT": 1, "REPAYMENT": 1, "CORRECTION": -1, "REPAYMENT_RETURN": -1}
LOST = {"EXPIRY": 1, "REVIVAL": -1, "VOID": 1, "ROLLOVER_OUT": 1}


class Row(NamedTuple):
    """A line of the roll-forward."""

    period: str
    product: str
    currency: str
    opening: int
    granted: int
    recognised: int
    breakage: int
    refunded: int
    closing: int


Line = tuple[str, str]
"""Product and currency."""


class _Grant:
    """What was sold in one grant, and what has happened to it so far."""

    def __init__(self, row: dict[str, str]) -> None:
        self.line = row["product"], row["grant_cost_currency"]
        self.cost, self.amount = int(row["grant_cost_amount"]), int(row["grant_amount"])
        self.burned = self.lost = 0
        self.begun = False

    def earned(self) -> int:
        """What its use has earned."""
        return self.cost * self.burned // self.amount

    def owed(self) -> int:
        """What is still owed for it."""
        left = self.amount - self.burned - self.lost
        return -(-self.cost * left // self.amount) if self.begun else 0


def roll_forward(export: bytes, periods: list[str]) -> list[Row]:
    """Returns the lines of months, by month, product and currency, without those that are all zero."""
    by_period: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    for row in csv.DictReader(io.StringIO(export.decode(), newline="")):
        if row["grant_category"] == "PAID" and int(row["grant_cost_amount"]):
            by_period[row["period"]].append(row)
    grants: dict[tuple[str, str, str], _Grant] = {}
    found, opening = list[Row](), Counter[Line]()
    for period in periods:
        closing, earned, granted, refunded = _month(by_period[period], grants)
        for line in sorted({*opening, *closing, *earned, *granted, *refunded}):
            moved = granted[line] - earned[line] - refunded[line]
            breakage = opening[line] + moved - closing[line]
            amounts = opening[line], granted[line], earned[line], breakage, refunded[line], closing[line]
            if any(amounts):
                found.append(Row(period, *line, *amounts))
        opening = closing
    return found


def _month(
    rows: list[dict[str, str]], grants: dict[tuple[str, str, str], _Grant]
) -> tuple[Counter[Line], Counter[Line], Counter[Line], Counter[Line]]:
    """Lets a month happen; returns what is owed at its end, and what was earned, granted and paid back in it."""
    closing, earned, granted, refunded = Counter[Line](), Counter[Line](), Counter[Line](), Counter[Line]()
    for grant in grants.values():
        earned[grant.line] -= grant.earned()
    for row in rows:
        key = row["account_id"], row["pool_id"], row["grant_id"]
        grant = grants.setdefault(key, _Grant(row))
        kind, amount = row["type"], int(row["amount"])
        grant.burned += BURNED.get(kind, 0) * amount
        grant.lost += LOST.get(kind, 0) * amount
        grant.begun |= kind in ("GRANT", "ROLLOVER_IN")
        granted[grant.line] += grant.cost if kind == "GRANT" else 0
        refunded[grant.line] += int(row["refunded_amount"])
    for grant in grants.values():
        earned[grant.line] += grant.earned()
        closing[grant.line] += grant.owed()
    return closing, earned, granted, refunded
