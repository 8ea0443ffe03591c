"""Counts the months of grants anew from the journal, should they differ. Chain and closed months stay."""

from holdfast_ledger.books.keeping import months_of
from holdfast_ledger.books.report import spans
from holdfast_ledger.store.interface import Writer


def rebuild(writer: Writer) -> int:
    """Counts anew what is counted, in one transaction; returns the number of months of grants."""
    last_key = writer.lock_books().last_entry_key
    writer.clear_book_months()
    count = 0
    for span in spans(writer):
        rows = months_of(writer.entry_groups_of(*span, last_key))
        writer.add_book_months(rows)
        count += len(rows)
    return count
