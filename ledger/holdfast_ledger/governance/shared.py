"""The calls of GovernanceService about what accounts share: plans and rate cards.

A part of `service`, whose class adds the others. A change of one raises the version of each account that has it.
"""

import asyncio
import zlib
from collections.abc import Callable
from concurrent.futures import Executor

from holdfast.v1 import governance_service_pb2 as api

from holdfast_ledger.errors import PlanInUse, PlanNotFound, RateCardInUse, RateCardNotFound
from holdfast_ledger.governance import validate
from holdfast_ledger.governance.messages import plan_message, rate_card_message
from holdfast_ledger.governance.pages import Page
from holdfast_ledger.snapshots import Snapshots
from holdfast_ledger.store.interface import Reader, Writer
from holdfast_ledger.store.rule_rows import RateCard, first_version
from holdfast_ledger.sync.registry import Registry
from holdfast_ledger.validation import check_id
from holdfast_ledger.writer import GroupWriter


class SharedCalls:
    """These calls of `holdfast.v1.GovernanceService`, by name; each raises a `LedgerError`."""

    _snapshots: Snapshots
    _threads: Executor
    _writer: GroupWriter
    _registry: Registry

    async def _change_shared(self, change: Callable[[Writer], set[int]]) -> None:
        """Carries out a change, and has the sidecars told of the pools that it returns."""
        self._registry.pools_changed(await self._writer.run(change, alone=True))

    async def SetPlan(self, request: api.SetPlanRequest) -> api.SetPlanResponse:
        """See the contract."""
        said = validate.plan(request.plan)

        def change(writer: Writer) -> set[int]:
            there = writer.lock_plan(said.plan_id)
            if there == said:
                return set()
            writer.save_plan(said)
            same = there is not None and there.features == said.features
            return set() if same else _raise_versions(writer, writer.accounts_of_plan(said.plan_id))

        await self._change_shared(change)
        return api.SetPlanResponse(plan=plan_message(said))

    async def ListPlans(self, request: api.ListPlansRequest) -> api.ListPlansResponse:
        """See the contract."""
        page = Page.asked(request, "plans")
        rows = await self._snapshots.read(lambda reader: reader.plans(page.after, page.limit))
        shown, token = page.cut(rows, lambda plan: plan.plan_id)
        return api.ListPlansResponse(plans=map(plan_message, shown), next_page_token=token)

    async def DeletePlan(self, request: api.DeletePlanRequest) -> api.DeletePlanResponse:
        """See the contract."""
        plan_id = request.plan_id
        check_id("plan_id", plan_id)

        def change(writer: Writer) -> set[int]:
            if writer.lock_plan(plan_id) is None:
                raise PlanNotFound("there is no such plan", plan_id=plan_id)
            if writer.accounts_of_plan(plan_id):
                raise PlanInUse("an account has the plan", plan_id=plan_id)
            writer.delete_plan(plan_id)
            return set()

        await self._change_shared(change)
        return api.DeletePlanResponse()

    async def SetRateCard(self, request: api.SetRateCardRequest) -> api.SetRateCardResponse:
        """See the contract."""
        loop = asyncio.get_running_loop()
        said = await loop.run_in_executor(self._threads, validate.rate_card, request.rate_card)
        made, content = said, request.rate_card.content.encode()

        def change(writer: Writer) -> set[int]:
            nonlocal made
            there = writer.lock_rate_card(said.rate_card_id)
            if there is not None and there.in_use and zlib.decompress(there.content) == content:
                made = there
                return set()
            known = there.revision if there else 0
            made = said._replace(revision=max(known, first_version(writer.ledger().generation)) + 1)
            writer.save_rate_card(made)
            return _raise_versions(writer, writer.accounts_of_rate_card(said.rate_card_id))

        await self._change_shared(change)
        return api.SetRateCardResponse(rate_card=rate_card_message(made._replace(content=b"")))

    async def GetRateCard(self, request: api.GetRateCardRequest) -> api.GetRateCardResponse:
        """See the contract."""
        check_id("rate_card_id", request.rate_card_id)
        card = await self._snapshots.read(lambda reader: _find_card(reader, request.rate_card_id))
        return api.GetRateCardResponse(rate_card=rate_card_message(card))

    async def ListRateCards(self, request: api.ListRateCardsRequest) -> api.ListRateCardsResponse:
        """See the contract."""
        page = Page.asked(request, "rate_cards")
        rows = await self._snapshots.read(lambda reader: reader.rate_cards(page.after, page.limit))
        shown, token = page.cut(rows, lambda card: card.rate_card_id)
        return api.ListRateCardsResponse(rate_cards=map(rate_card_message, shown), next_page_token=token)

    async def DeleteRateCard(self, request: api.DeleteRateCardRequest) -> api.DeleteRateCardResponse:
        """See the contract."""
        rate_card_id = request.rate_card_id
        check_id("rate_card_id", rate_card_id)

        def change(writer: Writer) -> set[int]:
            writer.lock_rate_card(rate_card_id)
            card = _find_card(writer, rate_card_id)
            if writer.accounts_of_rate_card(rate_card_id):
                raise RateCardInUse("an account has the rate card", rate_card_id=rate_card_id)
            writer.save_rate_card(card._replace(in_use=0, content=b""))
            return set()

        await self._change_shared(change)
        return api.DeleteRateCardResponse()


def _find_card(reader: Reader, rate_card_id: str) -> RateCard:
    card = reader.rate_card(rate_card_id)
    if card is None or not card.in_use:
        raise RateCardNotFound("there is no such rate card", rate_card_id=rate_card_id)
    return card


def _raise_versions(writer: Writer, account_keys: list[int]) -> set[int]:
    """Raises the rules version of accounts; returns the pools whose sidecars are to be told."""
    writer.raise_rules_version(account_keys)
    return set(writer.leased_pools(account_keys))
