"""The agents: LLM calls that reserve their estimate, extend before they pass it, and settle what they cost.

Upstream: `cli`, which launches them wave by wave. Downstream: a Session of the client, whose operations of one tick
travel in one message; the history of acked settles; the tally. Each operation has one id however often it is sent, so
that an answer lost in a crash does no harm.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from holdfast import operations
from holdfast.aio import Hold, Session
from holdfast.answers import Reason
from holdfast.errors import Denied, Unavailable

from holdfast_bench.demo.history import Acked, History
from holdfast_bench.demo.stage import ACCOUNT, POOL
from holdfast_bench.demo.tally import Tally
from holdfast_bench.workload import FIRST_TOKEN_S, LlmCall

TTL_MS = 120_000
"""Longer than a restart of the sidecar on a slow machine: no hold expires because of the crash."""
LONG_OUTPUT_TOKENS = 300
"""Calls with more output settle their prompt as soon as the model has read it."""
GIVE_UP_S = 60.0
"""Time after which an operation without an answer ends the demo."""
RESEND_S = 0.05
PASSING = (Reason.LEASE_TIMEOUT, Reason.PARTITIONED)
"""Denials for want of the ledger's word, not of credits."""

_AnswerT = TypeVar("_AnswerT")


@dataclass(frozen=True, slots=True)
class Fanout:
    """What became of reserves that were made in one tick. Amounts in minor units."""

    granted: tuple[int, ...]
    """Amount of each hold that was granted."""
    denied: tuple[int, ...]
    """Amount that each denied reserve asked for."""
    least_available: int
    """The lowest balance in the answers."""


class Agents:
    """All agents of one host."""

    def __init__(self, session: Session, tally: Tally, history: History, speed: float) -> None:
        self._session = session
        self._tally = tally
        self._history = history
        self._speed = speed

    async def work(self, call: LlmCall) -> None:
        """Makes one call, if it may."""
        hold = await self._reserve(call)
        if isinstance(hold, Hold):
            await self._carry_out(call, hold)

    async def fan_out(self, calls: Sequence[LlmCall]) -> Fanout:
        """Lets all of them reserve in one tick; once all are answered, carries out what was granted."""
        sent_s = time.monotonic()
        answers = await asyncio.gather(*map(self._reserve, calls))
        self._tally.fanned_out(sent_s, time.monotonic())
        pairs = list(zip(calls, answers, strict=True))
        won = [(call, hold) for call, hold in pairs if isinstance(hold, Hold)]
        await asyncio.gather(*(self._carry_out(call, hold) for call, hold in won))
        return Fanout(
            granted=tuple(hold.answer.granted_amount for _, hold in won),
            denied=tuple(call.estimate for call, answer in pairs if isinstance(answer, Denied)),
            least_available=min(_available(answer) for answer in answers),
        )

    async def caught_up(self) -> None:
        """Waits until all that the session has taken so far is answered: a check goes behind it."""
        await self._answered(lambda: self._session.check(ACCOUNT, pool=POOL))

    async def _reserve(self, call: LlmCall) -> Hold | Denied:
        """Reserves; a denial that says nothing of the balance (the ledger was slow) is asked again under a new id."""
        give_up_s = time.monotonic() + GIVE_UP_S
        while True:
            answer = await self._reserve_once(call)
            if isinstance(answer, Hold) or answer.denial_reason not in PASSING or time.monotonic() > give_up_s:
                return answer
            await asyncio.sleep(RESEND_S)

    async def _reserve_once(self, call: LlmCall) -> Hold | Denied:
        operation_id = operations.new_operation_id()
        sent_s = time.monotonic()
        try:
            hold = await self._answered(
                lambda: self._session.reserve(
                    ACCOUNT, call.estimate, pool=POOL, ttl_ms=TTL_MS, operation_id=operation_id
                )
            )
        except Denied as denial:
            self._tally.denied_by(denial.denial_reason, sent_s, time.monotonic(), denial.available)
            return denial
        self._tally.reserved(sent_s, time.monotonic(), hold.amount, hold.answer.available)
        return hold

    async def _carry_out(self, call: LlmCall, hold: Hold) -> None:
        begun_s = time.monotonic()
        cost, captured = call.cost, 0
        if call.output_tokens > LONG_OUTPUT_TOKENS and call.prompt_cost:
            await self._until(begun_s, FIRST_TOKEN_S)
            captured = await self._settle(hold, call.prompt_cost, final=False)
        if call.extension:
            await self._until(begun_s, call.extends_after_s)
            if not await self._extend(hold, call.extension):
                cost = call.estimate  # the model is stopped where the hold ends
        await self._until(begun_s, call.duration_s)
        await self._settle(hold, cost - captured, final=True)

    async def _extend(self, hold: Hold, amount: int) -> bool:
        operation_id = operations.new_operation_id()
        try:
            answer = await self._answered(lambda: hold.extend(amount, operation_id=operation_id))
        except Denied as denial:
            self._tally.extended(time.monotonic(), 0, denial.available)
            return False
        self._tally.extended(time.monotonic(), answer.added_amount, answer.available)
        return True

    async def _settle(self, hold: Hold, amount: int, *, final: bool) -> int:
        operation_id = operations.new_operation_id()
        if final:
            self._tally.settling(hold.amount - amount)
        answer = await self._answered(lambda: hold.settle(amount, operation_id=operation_id, final=final))
        self._history.append(Acked(operation_id, answer.debited_amount))
        flagged = answer.late or answer.over_hold_amount > 0
        self._tally.settled(final=final, flagged=flagged, available=answer.available)
        return answer.debited_amount

    async def _answered(self, ask: Callable[[], Awaitable[_AnswerT]]) -> _AnswerT:
        """Asks until there is an answer. Raises Unavailable after `GIVE_UP_S`, and whatever else the call raises."""
        give_up_s = time.monotonic() + GIVE_UP_S
        while True:
            try:
                return await ask()
            except Unavailable:
                if time.monotonic() > give_up_s:
                    raise
                await asyncio.sleep(RESEND_S)

    async def _until(self, begun_s: float, call_s: float) -> None:
        """Waits until the call has gone on for `call_s` seconds of its own time."""
        left_s = begun_s + call_s / self._speed - time.monotonic()
        if left_s > 0:
            await asyncio.sleep(left_s)


def _available(answer: Hold | Denied) -> int:
    return answer.answer.available if isinstance(answer, Hold) else answer.available
