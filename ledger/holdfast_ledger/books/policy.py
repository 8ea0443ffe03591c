"""How revenue is treated: as an operator says it, and as it is kept, with each closed month too."""

import json
from enum import IntEnum
from typing import NamedTuple

from holdfast.v1 import books_service_pb2 as api

from holdfast_ledger.errors import InvalidArgument
from holdfast_ledger.store.interface import MAX_AMOUNT
from holdfast_ledger.validation import check_cost_currency, check_range

BPS = 10_000
"""Basis points of the whole."""


class Breakage(IntEnum):
    """As `holdfast.v1.BreakageMethod`."""

    AT_EXPIRY = 1
    ESTIMATE = 2


class Promotional(IntEnum):
    """As `holdfast.v1.PromotionalTreatment`."""

    NO_REVENUE = 1
    CONTRA_REVENUE = 2


class Policy(NamedTuple):
    """How revenue is treated; fields as in `holdfast.v1.RevenuePolicy`."""

    breakage: int = Breakage.AT_EXPIRY
    breakage_bps: int = 0
    promotional: int = Promotional.NO_REVENUE
    promotional_price_amount: int = 0
    promotional_per_amount: int = 0
    promotional_currency: str = ""


def write_policy(policy: Policy) -> str:
    """Returns a policy as it is kept."""
    return json.dumps(policy._asdict())


def read_policy(text: str) -> Policy:
    """Reads what is kept; what it does not say is as by default."""
    return Policy(**json.loads(text))


def policy_message(policy: Policy) -> api.RevenuePolicy:
    """Returns a policy as it is told."""
    return api.RevenuePolicy(**policy._asdict())


def policy_said(said: api.RevenuePolicy) -> Policy:
    """Reads what an operator says. Raises `InvalidArgument`."""
    breakage, promotional = int(said.breakage), int(said.promotional)
    if breakage not in set(Breakage):
        raise InvalidArgument("policy.breakage", "is not one of the methods")
    if promotional not in set(Promotional):
        raise InvalidArgument("policy.promotional", "is not one of the treatments")
    check_range("policy.breakage_bps", said.breakage_bps, 0, BPS - 1)
    if said.breakage_bps and breakage != Breakage.ESTIMATE:
        raise InvalidArgument("policy.breakage_bps", "goes with BREAKAGE_METHOD_ESTIMATE")
    if promotional == Promotional.CONTRA_REVENUE:
        check_range("policy.promotional_price_amount", said.promotional_price_amount, 1, MAX_AMOUNT)
        check_range("policy.promotional_per_amount", said.promotional_per_amount, 1, MAX_AMOUNT)
        check_cost_currency("policy.promotional_currency", said.promotional_currency)
    elif said.promotional_price_amount or said.promotional_per_amount or said.promotional_currency:
        raise InvalidArgument("policy.promotional_price_amount", "goes with PROMOTIONAL_TREATMENT_CONTRA_REVENUE")
    return Policy(
        breakage,
        said.breakage_bps,
        promotional,
        said.promotional_price_amount,
        said.promotional_per_amount,
        said.promotional_currency,
    )
