"""Broken variants of what counts events and charges for them; see `mutants`."""

from collections.abc import Iterator
from typing import Any

from holdfast_ledger.metering import posting
from holdfast_ledger.metering.differences import period_hash
from holdfast_ledger.metering.intake import Intake
from holdfast_ledger.metering.turns import _Turn
from holdfast_ledger.store.metering_rows import CorrectionState
from holdfast_rating import metering
from holdfast_sidecar.engine.event_groups import EventGroup
from holdfast_sidecar.engine.event_log import EventLog
from holdfast_sidecar.uplink.event_uplink import EventUplink

from tests.simulation.mutation import mutant
from tests.simulation.patching import replaced
from tests.simulation.plan import has_events


@mutant(10, has_events)
def events_trimmed_before_ack() -> Iterator[None]:
    """With each ack all events leave the store, not only those that are acked (I-41)."""
    acked = EventLog.acked

    def trim_all(log: EventLog, sequence: int) -> bool:
        is_news = acked(log, sequence)
        if is_news:
            log._changed().trimmed_to = log._meta.acked_event_sequence = log.last_sequence
        return is_news

    with replaced(EventLog, "acked", trim_all):
        yield


@mutant(10, has_events)
def events_acked_before_taken() -> Iterator[None]:
    """The ledger answers a push before the batch is in its database."""

    async def promise(intake: Any, batch: Any, beside: Any = None) -> int:
        intake._writer.submit(lambda _: 0)
        return 0

    with replaced(Intake, "take", promise):
        yield


@mutant(10, has_events)
def batch_skipped() -> Iterator[None]:
    """After a failure the uplink goes on behind the batch that failed."""
    pause_ms = EventUplink._pause_ms

    def skip(uplink: EventUplink, failure: Any) -> float:
        rows = uplink._read_events(uplink._acked_sequence, 1, 1)
        if rows:
            uplink._acked_sequence = rows[0].first_sequence + rows[0].event_count - 1
        return pause_ms(uplink, failure)

    with replaced(EventUplink, "_pause_ms", skip):
        yield


@mutant(10, has_events)
def event_names_forgotten() -> Iterator[None]:
    """A host takes an event in as often as it is told."""
    with replaced(EventLog, "remember", lambda *_: None):
        yield


@mutant(10, has_events)
def duplicates_kept_charged() -> Iterator[None]:
    """What the later arrival of an event was charged is kept (I-36)."""
    with replaced(_Turn, "_give_back_duplicates", lambda _: None):
        yield


@mutant(10, has_events)
def voids_kept_charged() -> Iterator[None]:
    """What an event was charged that is taken back is kept (I-36)."""
    with replaced(_Turn, "_give_back_voids", lambda _: None):
        yield


@mutant(20, has_events)
def debit_named_by_events_alone() -> Iterator[None]:
    """Two hosts that were told other content of an event make one operation of it."""
    charge = EventGroup.charge

    def named_alike(group: EventGroup) -> Any:
        amounts, group.amounts = group.amounts, [0] * len(group.amounts)
        try:
            return charge(group)
        finally:
            group.amounts = amounts

    with replaced(EventGroup, "charge", named_alike):
        yield


@mutant(10, has_events)
def rounded_up() -> Iterator[None]:
    """Units and prices are rounded up and not half to even."""
    with replaced(metering, "half_even", lambda numerator, denominator: -(-numerator // denominator)):
        yield


@mutant(20, has_events)
def corrections_given_up() -> Iterator[None]:
    """What is to be given back of a debit that has not come yet is given up."""
    make = posting._make

    def give_up(writer: Any, one: Any, *rest: Any) -> tuple[CorrectionState, int]:
        state, due_at_ms = make(writer, one, *rest)
        return (CorrectionState.GIVEN_UP if state is CorrectionState.WAITING else state), due_at_ms

    with replaced(posting, "_make", give_up):
        yield


@mutant(20, has_events)
def figures_never_fall() -> Iterator[None]:
    """A period whose figure falls keeps what it was charged (I-38)."""
    note_figures = posting._note_figures

    def rise(writer: Any, figures: Any, keys: Any, now_ms: int) -> None:
        hashes = [period_hash(one.group, one.starts_at_ms) for one in figures]
        there = writer.metered_periods(hashes)
        raised = []
        for name, one in zip(hashes, figures, strict=True):
            least = there[name].amount if name in there else 0
            raised.append(one._replace(amount=max(one.amount or 0, least)))
        note_figures(writer, raised, keys, now_ms)

    with replaced(posting, "_note_figures", rise):
        yield
