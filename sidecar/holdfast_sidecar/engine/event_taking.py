"""Takes events in and back: each once, by its name; those that a meter charges at once are debited here.

What happened is never denied: a debit that the rights do not cover is flagged late. Where this host cannot debit, since
it does not know the pool, the rules or the prices yet, the call waits a while; then the events are taken in uncharged,
and the ledger charges them as it counts them.

Neighbours: `event_groups` folds events into debits, `event_log` keeps what is taken in, `charging` debits.
"""

from holdfast_sidecar import event_wire
from holdfast_sidecar.engine.accounts import Account
from holdfast_sidecar.engine.charging import Charging
from holdfast_sidecar.engine.deciding import Wait
from holdfast_sidecar.engine.event_groups import EventGroup, fold
from holdfast_sidecar.engine.event_log import EventLog, EventStatistics
from holdfast_sidecar.engine.event_meters import EventMeters
from holdfast_sidecar.engine.event_operations import EventOutcome, Rejected, ReportEvents, UsageEvent, VoidEvents
from holdfast_sidecar.engine.event_rows import NO_CONTENT, KnownEvent
from holdfast_sidecar.engine.operations import Fault, FaultCode, Result
from holdfast_sidecar.engine.state import Pool

EVENTS_FULL = Fault(
    FaultCode.RESOURCE_EXHAUSTED,
    "EVENTS_FULL",
    "too many events wait for the ledger; retry later, or raise event_outbox_bytes",
    (("retry_after_ms", "1000"),),
)


class EventTaking(Charging):
    """Decides on events."""

    _event_log: EventLog
    _event_meters: EventMeters

    def event_statistics(self) -> EventStatistics:
        """Returns an immutable copy."""
        tally, log = self._tally, self._event_log
        return EventStatistics(
            tally.event_accepted_count,
            tally.event_duplicate_count,
            tally.event_conflict_count,
            tally.event_refused_count,
            tally.event_void_count,
            log.last_sequence,
            self._changes.meta.acked_event_sequence,
            log.name_count,
            self._event_meters.count,
        )

    def _report_events(self, op: ReportEvents) -> Result | Wait:
        closed = self._events_closed()
        if closed is not None:
            return closed
        rejected = list(op.rejected)
        fresh, known = self._new_ones(op.events, rejected)
        groups = fold(fresh, self._event_meters) if self._event_meters.count else []
        charges: dict[int, bytes] = {}
        if groups:
            strangers = self._charge_groups(groups, charges)
            if isinstance(strangers, Wait):
                return strangers
            if strangers:
                rejected += [_stranger(event) for event in fresh if event.account_id in strangers]
                fresh = [event for event in fresh if event.account_id not in strangers]
        self._take_in(fresh, known, charges)
        duplicate_count = self._count_events(len(fresh), rejected)
        rejected.sort()
        return self._answers.report_events(len(fresh), duplicate_count, rejected)

    def _void_events(self, op: VoidEvents) -> Result:
        closed = self._events_closed()
        if closed is not None:
            return closed
        rejected = list(op.rejected)
        accepted = event_wire.accepted(self._now_unix_ms, self._caller)
        known = self._event_log.find([void.name for void in op.names])
        entries: list[bytes] = []
        for void in op.names:
            found = known.get(void.name)
            if found is not None and found.is_void:
                rejected.append(Rejected(void.place, EventOutcome.DUPLICATE, "", "it was taken back already"))
                continue
            known[void.name] = KnownEvent(found.content if found is not None else NO_CONTENT, True)
            self._event_log.remember(void.name, known[void.name])
            entries.append(event_wire.void_entry(void.payload, accepted))
        self._event_log.append(entries)
        self._tally.event_void_count += len(entries)
        self._count_events(0, rejected)
        rejected.sort()
        return self._answers.void_events(len(entries), rejected)

    def _events_closed(self) -> Fault | None:
        if self.fenced is not None:
            return Fault(FaultCode.UNAVAILABLE, self.fenced.reason, self.fenced.message)
        return EVENTS_FULL if self._event_log.is_full else None

    # ── once each ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _new_ones(
        self, events: list[UsageEvent], rejected: list[Rejected]
    ) -> tuple[list[UsageEvent], dict[bytes, KnownEvent]]:
        """Returns the events that are new and in time, and what was known of all names before; adds the others."""
        names = [event.name for event in events]
        names += [event.corrects for event in events if event.corrects]
        known = self._event_log.find(names)
        earliest_unix_ms = self._now_unix_ms - self._settings.event_grace_ms
        latest_unix_ms = self._now_unix_ms + self._settings.event_future_ms
        met: dict[bytes, KnownEvent] = {}
        fresh: list[UsageEvent] = []
        for event in events:
            name = event.name
            before = known.get(name) or (met.get(name) if met else None)
            if before is not None:
                rejected.append(_repeated(event, before))
            elif not earliest_unix_ms <= event.time_unix_ms <= latest_unix_ms:
                rejected.append(self._untimely(event))
            else:
                met[name] = KnownEvent(event.content, False)
                if event.corrects:
                    met.setdefault(event.corrects, KnownEvent(NO_CONTENT, True))
                fresh.append(event)
        return fresh, known

    def _untimely(self, event: UsageEvent) -> Rejected:
        if event.time_unix_ms > self._now_unix_ms:
            problem = f"is more than {self._settings.event_future_ms} ms ahead of the clock"
        else:
            problem = f"is older than {self._settings.event_grace_ms} ms"
        return Rejected(event.place, EventOutcome.REFUSED, "time_unix_ms", f"time_unix_ms: {problem}")

    def _take_in(self, fresh: list[UsageEvent], known: dict[bytes, KnownEvent], charges: dict[int, bytes]) -> None:
        log = self._event_log
        accepted = event_wire.accepted(self._now_unix_ms, self._caller)
        entry, remember = event_wire.entry, log.remember
        entries: list[bytes] = []
        corrections: list[bytes] = []
        for event in fresh:
            entries.append(entry(event.payload, accepted + charges.get(event.place, b"")))
            remember(event.name, KnownEvent(event.content, False))
            if event.corrects:
                corrections.append(event.corrects)
        log.append(entries)
        if corrections:
            of_this_call = {event.name: event.content for event in fresh}
            for name in corrections:
                before = known.get(name)
                content = before.content if before is not None else of_this_call.get(name, NO_CONTENT)
                remember(name, KnownEvent(content, True))
            self._tally.event_void_count += len(corrections)

    def _count_events(self, accepted_count: int, rejected: list[Rejected]) -> int:
        """Counts what became of the events of a call; returns how many were here already."""
        counts = dict.fromkeys(EventOutcome, 0)
        for one in rejected:
            counts[one.outcome] += 1
        tally = self._tally
        tally.event_accepted_count += accepted_count
        tally.event_duplicate_count += counts[EventOutcome.DUPLICATE]
        tally.event_conflict_count += counts[EventOutcome.CONFLICT]
        tally.event_refused_count += counts[EventOutcome.REFUSED]
        return counts[EventOutcome.DUPLICATE]

    # ── charging ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _charge_groups(self, groups: list[EventGroup], charges: dict[int, bytes]) -> set[str] | Wait:
        """Debits groups, all or, as long as one has to wait, none; returns the accounts that the ledger does not know.

        Args:
            charges: Gets what is charged for each event, by its place, in the form in which it is kept.
        """
        strangers: set[str] = set()
        self._changes.begin_linked()
        for group in groups:
            if group.account_id in strangers:
                continue
            found = self._charge_group(group, charges)
            if isinstance(found, Wait):
                return self._undo_to_wait(found)
            if found is not None and found.reason == "ACCOUNT_NOT_FOUND":
                strangers.add(group.account_id)
        self._changes.keep_linked()
        return strangers

    def _charge_group(self, group: EventGroup, charges: dict[int, bytes]) -> Fault | Wait | None:
        """Debits one group; a fault leaves it to the ledger."""
        fault = self._price_group(group) if group.meter.rated_as else None
        if fault is not None:
            return fault
        if not group.meter.rated_as and not group.price():
            return _UNPRICED
        op = group.charge()
        if group.total:
            result = self._charge(op)
            if isinstance(result, Fault | Wait):
                return result
        form = event_wire.ChargeForm(group.meter.meter_id, op.operation_id, group.meter.pool_id)
        for event, units, amount in zip(group.events, group.units, group.amounts, strict=True):
            charges[event.place] = charges.get(event.place, b"") + form.charge(units, amount)
        return None

    def _price_group(self, group: EventGroup) -> Fault | Wait | None:
        """Prices a group by the account's rate card, each event at its own time."""
        account = self._accounts.by_id.get(group.account_id)
        pool = account.pools.get(group.meter.pool_id) if account is not None else None
        if account is None or pool is None:
            return self._unseen_fault(group.account_id, group.meter.pool_id)
        amounts: list[int] = []
        for event, units in zip(group.events, group.units, strict=True):
            amount = self._rated_amount(account, pool, group, units, event.time_unix_ms)
            if not isinstance(amount, int):
                return amount
            amounts.append(amount)
        return None if group.price(amounts) else _UNPRICED

    def _rated_amount(
        self, account: Account, pool: Pool, group: EventGroup, units: int, at_unix_ms: int
    ) -> int | Fault | Wait:
        return self._rate(account, pool, group.dimensions, ((group.meter.rated_as, units),), at_unix_ms)


_UNPRICED = Fault(FaultCode.INVALID_ARGUMENT, "AMOUNT_OVERFLOW", "the events of a request cost more than fits")


def _stranger(event: UsageEvent) -> Rejected:
    return Rejected(event.place, EventOutcome.REFUSED, "account_id", "account_id: the ledger knows no such account")


def _repeated(event: UsageEvent, before: KnownEvent) -> Rejected:
    if before.content == event.content:
        return Rejected(event.place, EventOutcome.DUPLICATE)
    if before.content == NO_CONTENT:
        return Rejected(event.place, EventOutcome.REFUSED, "id", "id: it was taken back before it came")
    return Rejected(event.place, EventOutcome.CONFLICT, "id", "id: it was used before with other content")
