"""All tables of a store at once: what the engine starts from, and what a batch changes of limits, as rows.

Upstream: the stores, which move rows; downstream: `codec` and `rule_codec`, row by row.
"""

from collections.abc import Iterable, Mapping

from google.protobuf.message import DecodeError

from holdfast_sidecar.engine.state import Snapshot, Writes
from holdfast_sidecar.store import codec, event_codec, rule_codec
from holdfast_sidecar.store.codec import Boot, Row, Table
from holdfast_sidecar.store.interface import StoreUnusable


def decode_snapshot(
    tables: Mapping[Table, Iterable[Row]], sidecar_id: str, boot_id: str, now_ns: int
) -> tuple[Snapshot, Boot]:
    """Returns all that the tables hold, and the running boot as the folder counts it.

    Args:
        tables: Every table; those that a format does not have may be missing.
        sidecar_id: Whose they have to be.
        boot_id: The running boot.
        now_ns: CLOCK_BOOTTIME.

    Raises:
        StoreTooNew: A newer program wrote them.
        StoreForeign: They belong to another sidecar.
        StoreUnusable: A record is missing, damaged or contradicts another one.
    """
    records = dict(tables[Table.META])
    if codec.META_KEY not in records:
        raise StoreUnusable("the folder's own record is missing")
    try:
        meta, boot = codec.decode_meta(records[codec.META_KEY], sidecar_id, boot_id, now_ns)
        _check_complete(tables, codec.format_version(records[codec.META_KEY]))
        pools = list(codec.decode_pools(tables[Table.POOLS]))
        windows = list(codec.decode_windows(tables.get(Table.WINDOWS, ())))
        snapshot = Snapshot(
            meta,
            pools,
            codec.decode_holds(tables[Table.HOLDS], pools, windows, boot),
            list(codec.decode_outcomes(tables[Table.OUTCOMES], boot)),
            list(codec.decode_counters(tables[Table.COUNTERS])),
            windows,
            list(rule_codec.decode_rules(tables.get(Table.RULES, ()))),
            list(rule_codec.decode_calendars(tables.get(Table.CALENDARS, ()))),
            list(rule_codec.decode_rate_cards(tables.get(Table.RATE_CARDS, ()))),
            list(rule_codec.decode_estimates(tables.get(Table.ESTIMATES, ()))),
            event_codec.decode_meters(tables.get(Table.METERS, ())),
            max(meta.acked_event_sequence, event_codec.check_events(tables.get(Table.EVENTS, ()))),
        )
    except (DecodeError, ValueError) as error:
        raise StoreUnusable("a record with a sound checksum cannot be read") from error
    _, last_debit = codec.check_debits(tables[Table.DEBITS])
    meta.last_sequence = max(meta.last_sequence, last_debit)
    return snapshot, boot


def encode_limits(writes: Writes) -> tuple[list[tuple[Table, Row]], list[tuple[Table, bytes]]]:
    """Returns what a batch changes of windows, rules and estimates: rows to put, then keys to drop."""
    rows = [
        *((Table.WINDOWS, codec.encode_window(window)) for window in writes.windows),
        *((Table.RULES, rule_codec.encode_rules(rules)) for rules in writes.rules),
        *((Table.CALENDARS, rule_codec.encode_calendar(calendar)) for calendar in writes.calendars),
        *((Table.RATE_CARDS, rule_codec.encode_rate_card(card)) for card in writes.rate_cards),
        *((Table.ESTIMATES, rule_codec.encode_estimate(estimate)) for estimate in writes.estimates if estimate[1]),
    ]
    dropped = [
        *((Table.WINDOWS, codec.window_key(window.account_id, window.pool_id)) for window in writes.closed_windows),
        *((Table.RULES, rule_codec.rules_key(*node)) for node in writes.rules_dropped),
        # Those with an empty value are forgotten.
        *((Table.ESTIMATES, key) for key, value in writes.estimates if not value),
    ]
    return rows, dropped


def _check_complete(tables: Mapping[Table, Iterable[Row]], format_version: int) -> None:
    missing = [
        table.name.lower()
        for table in Table
        if table not in tables and format_version >= codec.ADDED_IN.get(table, format_version)
    ]
    if missing:
        raise StoreUnusable(f"tables are missing: {', '.join(missing)}")
