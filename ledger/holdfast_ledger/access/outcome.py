"""Has the transaction that makes a change note in the change's audit record that it was made.

`trail` opens a record for a call, `writer` asks for it. So what becomes of the one becomes of the other, whenever the
replica ends. Only the call's own task is meant: what runs beside it, such as telling sidecars, belongs to no call.
"""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from holdfast_ledger.store.interface import Writer

T = TypeVar("T")


@dataclass(slots=True)
class _Record:
    audit_key: int
    task: asyncio.Task[object] | None
    noted: bool = False


_record: ContextVar[_Record | None] = ContextVar("audit_record", default=None)


def open_record(audit_key: int) -> None:
    """Says that the change that this task makes next, in one transaction, is that of an audit record."""
    _record.set(_Record(audit_key, asyncio.current_task()))


def close_record() -> bool:
    """Says that the call is over; returns whether a transaction was to note its success."""
    record = _record.get()
    _record.set(None)
    return record is not None and record.noted


def noting(job: Callable[[Writer], T]) -> Callable[[Writer], T]:
    """Returns a job that also notes its success in the record of this task's call; the job itself if it has none."""
    record = _record.get()
    if record is None or record.task is not asyncio.current_task():
        return job
    assert not record.noted, "a change of several transactions: name it in trail.IN_PARTS"
    record.noted, audit_key = True, record.audit_key

    def noted(writer: Writer) -> T:
        outcome = job(writer)
        writer.save_audit_outcome(audit_key, 0, "")
        return outcome

    return noted
