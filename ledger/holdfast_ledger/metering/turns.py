"""Says what the events of a run of batches come to, from what the usage store and the ledger know. Changes nothing.

    additive meters       each event by itself, once: where it was not charged already, the ledger charges it
    the other meters      the figure of the period anew, for each period in which an event came or was taken back
    duplicates            what the later arrival was charged is given back, unless it is the very same operation
    events taken back     what they were charged is given back, by whomever

Upstream: `questions`. Downstream: `posting`. An event counts by the meters that there were when it was taken in.
"""

import itertools
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from holdfast.v1.usage_service_pb2 import UsageEvent
from holdfast_rating.metering import ADDITIVE
from holdfast_rating.rates import Refusal

from holdfast_ledger.governance.periods import PeriodUnit, schedule_of
from holdfast_ledger.metering import questions
from holdfast_ledger.metering.budgets import Budgets
from holdfast_ledger.metering.differences import (
    Charge,
    Charged,
    Correction,
    Differences,
    EventCharge,
    Figure,
    Group,
    Refused,
    charge_id,
    event_correction_id,
    pack_charges,
    unpack_charges,
)
from holdfast_ledger.metering.meters import MeterVersion, versions
from holdfast_ledger.metering.periods import Periods
from holdfast_ledger.metering.prices import MODEL, Cards, Prices
from holdfast_ledger.metering.questions import Batches, Questions, Row
from holdfast_ledger.store.interface import MAX_AMOUNT, Reader
from holdfast_ledger.usage.database import Parameter, UsageDatabase

GROUPS_A_QUESTION = 5_000
"""Figures asked for at once: some hundred kilobytes of hashes and names go with a question."""

_Fold: TypeAlias = tuple[int, Group, int, tuple[str, ...]]
"""What one charge is for: a batch, a group, when the day began, and the windows that it counts against."""


def differences(database: UsageDatabase, reader: Reader, cards: Cards, batches: Batches) -> Differences:
    """Returns what the events of batches come to. Raises `UsageStoreError`.

    Args:
        database: Fed up to the last of the batches at least.
        reader: A snapshot of the ledger with all of the batches.
        cards: Rate cards at hand.
        batches: Those after what was metered before.
    """
    return _Turn(database, reader, cards, batches).run()


class _Turn:
    def __init__(self, database: UsageDatabase, reader: Reader, cards: Cards, batches: Batches) -> None:
        self._questions = Questions(database, batches)
        self._reader = reader
        self._batches = batches
        self._result = Differences(batches.after_key, batches.until_key)
        account_ids: set[str] = {row["account_id"] for row in self._questions.ask(questions.ACCOUNTS)}
        self._known = set(reader.account_keys(account_ids))
        self._unknown_count = 0
        self._prices = Prices(reader, cards, self._known)
        self._periods = Periods()
        self._budgets = Budgets(reader, self._prices.terms, self._periods)
        self._pools: dict[tuple[str, str], bool] = {}
        self._charged: defaultdict[int, list[Charged]] = defaultdict(list)
        self._unpaid: dict[str, set[tuple[int, int]]] = {}
        """Events that are counted and not charged, by the reason."""

    def run(self) -> Differences:
        """Looks at everything."""
        self._count_outcomes()
        self._refuse_others()
        types: set[str] = {row["type"] for row in self._questions.ask(questions.TYPES)}
        meters = versions(self._reader.meter_revisions(0))
        if self._result.duplicate_count or self._result.conflict_count:
            self._give_back_duplicates()
        self._give_back_voids()
        for version in meters:
            if version.meter.event_type in types and version.meter.aggregation in ADDITIVE and version.meter.pool_id:
                self._charge(version)
        self._move_figures([one for one in meters if one.meter.aggregation not in ADDITIVE], types)
        self._refuse_unpaid()
        self._result.batch_charges = {key: pack_charges(charged) for key, charged in self._charged.items()}
        return self._result

    def _count_outcomes(self) -> None:
        found: dict[str, int] = {row["outcome"]: row["count"] for row in self._rows(questions.OUTCOMES)}
        self._result.counted_count = found.get("counted", 0)
        self._result.duplicate_count = found.get("duplicate", 0)
        self._result.conflict_count = found.get("conflict", 0)
        self._unknown_count = found.get("unknown", 0)
        self._result.void_count = found.get("void", 0) + found.get("corrected", 0)

    def _rows(self, sql: str, **more: Parameter) -> list[Row]:
        return self._questions.ask(sql, more)

    def _refuse_others(self) -> None:
        """Keeps conflicts, and events of accounts that are not there, as refused."""
        result = self._result
        if result.conflict_count:
            result.refused += [_refused(row, "CONFLICT") for row in self._rows(questions.CONFLICTS)]
            result.refused_count += result.conflict_count
        if self._unknown_count:
            result.refused += [_refused(row, "UNKNOWN_ACCOUNT") for row in self._rows(questions.OF_UNKNOWN)]
            result.refused_count += self._unknown_count

    def _give_back_duplicates(self) -> None:
        """Gives back what later arrivals were charged; the operation of the first arrival paid for it only once."""
        later = self._rows(questions.LATER)
        if not later:
            return
        first: dict[str, set[str]] = defaultdict(set)
        for row in self._rows(questions.FIRST):
            first[row["name"]].update(row["operation_ids"])
        for row in later:
            charges = [one for one in _charges(row) if one.operation_id not in first[row["name"]]]
            self._give_back("dup", row, charges)

    def _give_back_voids(self) -> None:
        rows = self._rows(questions.TAKEN_BACK)
        before = {row["batch_key"] for row in rows if row["batch_key"] <= self._batches.after_key}
        ours = {key: unpack_charges(content) for key, content in self._reader.batch_charges(before).items()}
        for row in rows:
            charges = [*_charges(row), *ours.get(row["batch_key"], {}).get(row["position"], ())]
            self._give_back("void", row, charges)

    def _give_back(self, kind: str, row: Row, charges: Sequence[EventCharge]) -> None:
        name = (row["account_id"], row["source"], row["id"])
        if name[0] not in self._known:
            return
        for charge in charges:
            if charge.amount > 0 and charge.operation_id:
                made = event_correction_id(kind, name, charge)
                given = Correction(made, name[0], charge.pool_id, charge.operation_id, charge.amount)
                self._result.corrections.append(given)

    def _charge(self, version: MeterVersion) -> None:
        """Charges the events of an additive meter that nobody has charged, those that fold into one together."""
        folded: defaultdict[_Fold, list[tuple[int, int, Row]]] = defaultdict(list)
        rows = [row for row in self._questions.additive(version) if row["account_id"] in self._known]
        self._budgets.read((row["account_id"], row["subject"]) for row in rows)
        for row in rows:
            priced = self._price(version, row)
            if priced is not None:
                folded[self._fold(version, row)].append((*priced, row))
        for fold, parts in folded.items():
            self._charge_fold(version, fold, parts)

    def _charge_fold(self, version: MeterVersion, fold: _Fold, parts: Sequence[tuple[int, int, Row]]) -> None:
        """Charges units and amounts of events as one; those with which it would pass int64 are not charged."""
        batch_key, group, day_ms, windows = fold
        pool_id, operation_id = version.meter.pool_id, charge_id(batch_key, group, day_ms, windows)
        charged = Charged(operation_id, group.meter_id, pool_id, [], [])
        quantity = amount = used_at_ms = 0
        for units, one_amount, row in parts:
            count = len(row["positions"])
            if max(quantity + units * count, amount + one_amount * count) > MAX_AMOUNT:
                self._note_unpaid("OVERFLOW", row)
                continue
            charged.positions.extend(row["positions"])
            charged.amounts.extend([one_amount] * count)
            quantity, amount = quantity + units * count, amount + one_amount * count
            used_at_ms = max(used_at_ms, row["used_at"])
        if amount:
            self._charged[batch_key].append(charged)
            self._result.charges.append(Charge(operation_id, group, pool_id, quantity, amount, used_at_ms, windows))

    def _fold(self, version: MeterVersion, row: Row) -> _Fold:
        """Returns what the events of a row are charged together with: a debit has one time, and counts as a whole."""
        group, used_at_ms = _group_of(version, row), row["used_at"]
        day = schedule_of(PeriodUnit.DAY, 0, self._prices.time_zone(group.account_id))
        dimensions: dict[str, str] = dict(zip(row["keys"], row["dimension_values"], strict=True))
        windows = self._windows(version, group, dimensions, used_at_ms)
        return row["batch_key"], group, self._periods.around(day, used_at_ms)[0], windows

    def _windows(
        self, version: MeterVersion, group: Group, dimensions: Mapping[str, str], at_ms: int
    ) -> tuple[str, ...]:
        pool = (group.account_id, version.meter.pool_id)
        return self._budgets.windows((*pool, self._prices.currency(*pool)), group.subject, dimensions, at_ms)

    def _price(self, version: MeterVersion, row: Row) -> tuple[int, int] | None:
        """Returns units and amount of each event of a row; None: it cannot be charged, and why is noted."""
        meter, account_id = version.meter, row["account_id"]
        units = meter.converted(row["counted"])
        if isinstance(units, Refusal):
            self._note_unpaid("OVERFLOW", row)
            return None
        if not self._has_pool(account_id, meter.pool_id):
            self._note_unpaid("UNKNOWN_POOL", row)
            return None
        model = dict(zip(row["keys"], row["dimension_values"], strict=True)).get(MODEL, "")
        amount = self._prices.amount(meter, account_id, model, units, row["priced_at"])
        if amount is None:
            self._note_unpaid("NOT_RATED", row)
            return None
        return units, amount

    def _note_unpaid(self, reason: str, row: Row) -> None:
        noted = self._unpaid.setdefault(reason, set())
        noted.update((row["batch_key"], position) for position in row["positions"])

    def _has_pool(self, account_id: str, pool_id: str) -> bool:
        name = (account_id, pool_id)
        if name not in self._pools:
            pool = self._reader.pool(*name)
            self._pools[name] = pool is not None and not pool.is_window
        return self._pools[name]

    def _refuse_unpaid(self) -> None:
        for reason, places in self._unpaid.items():
            self._result.refused_count += len(places)
            chosen = set(sorted(places)[: questions.MAX_REFUSED])
            given = {"keys": sorted({key for key, _ in chosen}), "positions": sorted({place for _, place in chosen})}
            for row in self._rows(questions.NAMED, **given):
                if (row["batch_key"], row["position"]) in chosen:
                    self._result.refused.append(_refused(row, reason))

    def _move_figures(self, meters: Sequence[MeterVersion], types: set[str]) -> None:
        """Finds the figures of meters that are not additive, in the periods in which something came or went."""
        by_meter: defaultdict[str, list[MeterVersion]] = defaultdict(list)
        for version in meters:
            by_meter[version.meter.meter_id].append(version)
        for mine in by_meter.values():
            touched: defaultdict[tuple[int, int], dict[Group, int]] = defaultdict(dict)
            for version in mine:
                for row in self._questions.touched(version) if version.meter.event_type in types else ():
                    if row["account_id"] in self._known:
                        group = _group_of(version, row)
                        schedule = schedule_of(version.period, 0, self._prices.time_zone(group.account_id))
                        for period in {self._periods.around(schedule, slot) for slot in row["slots"]}:
                            touched[period][group] = row["group_hash"]
            for period, groups in touched.items():
                for start in range(0, len(groups), GROUPS_A_QUESTION):
                    chosen = dict(itertools.islice(groups.items(), start, start + GROUPS_A_QUESTION))
                    self._result.figures += self._figures(mine, period, chosen)

    def _figures(
        self, mine: Sequence[MeterVersion], period: tuple[int, int], groups: Mapping[Group, int]
    ) -> list[Figure]:
        account_ids = sorted({group.account_id for group in groups})
        rows = self._questions.figures(mine, account_ids, sorted(set(groups.values())), period)
        found = {_group_of(mine[0], row): row for row in rows}
        pool_id, figures = mine[0].meter.pool_id, []
        self._budgets.read((group.account_id, group.subject) for group in groups)
        for group in sorted(groups):
            row = found.get(group, {"figure": 0, "last_key": 0, "used_at": period[0]})
            version = next((one for one in reversed(mine) if one.after_batch_key < row["last_key"]), mine[-1])
            figure = self._figure(version, group, period[0], row, pool_id)
            figures += [figure] if figure else []
        return figures

    def _figure(self, version: MeterVersion, group: Group, starts_at_ms: int, row: Row, pool_id: str) -> Figure | None:
        """Prices a figure by the version of the meter that counted the last of its events; None: it cannot be told."""
        units = version.meter.converted(row["figure"])
        if isinstance(units, Refusal):
            self._refuse_figure("OVERFLOW", version, group, row)
            return None
        amount: int | None = 0
        windows: tuple[str, ...] = ()
        if pool_id and units:
            reason = "NOT_RATED" if self._has_pool(group.account_id, pool_id) else "UNKNOWN_POOL"
            dimensions: dict[str, str] = json.loads(group.dimensions)
            model = dimensions.get(MODEL, "")
            amount = self._prices.amount(version.meter, group.account_id, model, units, row["used_at"])
            if amount is None or reason == "UNKNOWN_POOL":
                self._refuse_figure(reason, version, group, row)
                amount = None
            elif amount:
                windows = self._windows(version, group, dimensions, row["used_at"])
        return Figure(group, starts_at_ms, units, pool_id, amount, row["used_at"], windows)

    def _refuse_figure(self, reason: str, version: MeterVersion, group: Group, row: Row) -> None:
        """Says that a figure is not charged, as an event of its group that names the meter."""
        event = UsageEvent(
            account_id=group.account_id,
            source=f"meter:{group.meter_id}",
            type=version.meter.event_type,
            time_unix_ms=row["used_at"],
            subject=group.subject,
            dimensions=json.loads(group.dimensions),
            quantities={version.meter.quantity or "count": row["figure"]},
        )
        self._result.refused.append(Refused(group.account_id, "ledger", reason, event.SerializeToString()))
        self._result.refused_count += 1


def _group_of(version: MeterVersion, row: Row) -> Group:
    dimensions = json.dumps(dict(zip(row["keys"], row["dimension_values"], strict=True)), ensure_ascii=False)
    return Group(row["account_id"], version.meter.meter_id, row["subject"], dimensions)


def _charges(row: Row) -> list[EventCharge]:
    """Returns what an event was charged before it came here."""
    found = []
    for one in row["charges"]:
        meter_id, pool_id, operation_id, amount = one.values() if isinstance(one, dict) else one
        found.append(EventCharge(meter_id, pool_id, operation_id, amount))
    return found


def _refused(row: Row, reason: str) -> Refused:
    event = UsageEvent(
        account_id=row["account_id"],
        source=row["source"],
        id=row["id"],
        type=row["type"],
        time_unix_ms=row["time_ms"],
        subject=row["subject"],
        dimensions=dict(zip(row["keys"], row["dimension_values"], strict=True)),
        quantities=dict(zip(row["names"], row["amounts"], strict=True)),
        corrects_id=row["corrects_id"],
    )
    return Refused(row["account_id"], row["origin"], reason, event.SerializeToString())
