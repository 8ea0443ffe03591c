"""Answers questions from the usage store: finds the snapshot, chooses where to read, and cuts pages.

Each call blocks; `service` has threads for them. Upstream of it are `question` and `tokens`, downstream `statements`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias

from holdfast.v1 import usage_service_pb2 as api

from holdfast_ledger import errors
from holdfast_ledger.access.caller import Caller
from holdfast_ledger.errors import InvalidArgument
from holdfast_ledger.queries import rollups
from holdfast_ledger.queries.calendar import Granularity, Window, window
from holdfast_ledger.queries.keys import BUILT_IN, FACTS, FACTS_OF, UNIT_KEYS, Fact, Key, keys_of
from holdfast_ledger.queries.question import (
    Question,
    check_span,
    digest_of,
    key_of,
    page_size_of,
    question_of,
    scope_of,
)
from holdfast_ledger.queries.statements import Place, Reading
from holdfast_ledger.queries.tokens import (
    PageToken,
    Part,
    Tokens,
    TracePageToken,
    TraceToken,
    TraceWriter,
    trace_digest,
)
from holdfast_ledger.queries.views import QUESTION_TIMEOUT_MS, Row, View
from holdfast_ledger.usage import database as store
from holdfast_ledger.usage.database import UsageDatabase
from holdfast_ledger.usage.dimensions import DEFAULT_DIMENSIONS
from holdfast_ledger.validation import check_range, check_text

MAX_PAGE_BYTES: Final = 2_500_000
"""About the most of a page: with long requests, groups or dimensions it has fewer rows, since clients take 4 MiB."""

CELL_BYTES: Final = 40
"""Of a cell, besides its group and its token."""
TRACE_BYTES: Final = 120
"""Of a trace, besides its texts."""

MAX_KEYS_NAMED: Final = 50
"""Of those that are told when a key is not known."""

MAX_LISTED: Final = 1_000
DEFAULT_LISTED: Final = 100
MAX_PREFIX_BYTES: Final = 1_024

_MAX_INT64: Final = 2**63 - 1
_SNAPSHOT: Final = """SELECT batch_no, toUnixTimestamp64Milli(complete_until) AS until FROM feed_turns
WHERE complete = 1 ORDER BY batch_no DESC, complete_until DESC LIMIT 1"""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Up to where the store was fed."""

    batch_no: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Unit:
    """Of figures."""

    name: str = ""
    """Empty: several are summed, or it has none."""
    exponent: int = 0


UnitOf: TypeAlias = Callable[[str, str], Unit]
"""Takes a built-in key (meter, currency, cost_currency) and its value, and returns the unit."""


class Answers:
    """Answers the three questions of UsageService. Any thread; each raises a `LedgerError`."""

    def __init__(
        self,
        database: UsageDatabase,
        unit_of: UnitOf,
        tokens: Tokens,
        dimensions: Sequence[str] = DEFAULT_DIMENSIONS,
        *,
        use_rollups: bool = True,
    ) -> None:
        """Answers from a store.

        Args:
            database: The store.
            unit_of: Looks units up.
            tokens: Writes and reads those of pages and figures.
            dimensions: Those with a column of their own.
            use_rollups: False: rows alone are read; the answers are the same.
        """
        self._dimensions = dimensions
        self._database = database
        self._unit_of = unit_of
        self._tokens = tokens
        self._use_rollups = use_rollups

    # Figures.

    def query(self, request: api.QueryUsageRequest, caller: Caller, now_ms: int) -> api.QueryUsageResponse:
        """See the contract."""
        question = question_of(request, caller)
        digest, size = digest_of(request, question.scope), page_size_of(request)
        page: PageToken | None = None
        if request.page_token:
            page = self._tokens.read_page(request.page_token, digest, len(question.group_by), now_ms)
        with _translated():
            snapshot = self._snapshot()
            batch_no = page.batch_no if page is not None else snapshot.batch_no
            if batch_no > snapshot.batch_no:
                raise InvalidArgument("page_token", "is of a state that is gone; begin with the first page again")
            view = self._view(question.scope, batch_no)
            writer = self._tokens.trace_writer(request, batch_no)
            rows = _cells(view, question, page, min(size, MAX_PAGE_BYTES // writer.length + 1) + 1)
            size = _fitting(rows[:size], lambda row: CELL_BYTES + writer.length + 2 * _length(_group(row, question)))
            if page is None:
                _check_keys(view, question, rows)
            unit = self._unit(view, question)
        total, compared = _totals(page, rows)
        answer = api.QueryUsageResponse(
            cells=[_cell(row, question, writer) for row in rows[:size]],
            total=total,
            compared_total=compared,
            complete_until_unix_ms=snapshot.until_ms,
            steps_unix_ms=question.window.steps_ms,
            unit=unit.name,
            exponent=unit.exponent,
        )
        if len(rows) > size:
            made_ms = page.made_ms if page is not None else now_ms
            after = _place(rows[size - 1], question)
            answer.next_page_token = self._tokens.write_page(
                PageToken(digest, made_ms, batch_no, total, compared, after)
            )
        return answer

    def _unit(self, view: View, question: Question) -> Unit:
        """Finds the unit, if all figures have the same: first without the filters, which is cheap and mostly enough."""
        name = UNIT_KEYS.get(question.measure)
        if name is None:
            return Unit()
        key = Key.named(name)
        for filters in dict.fromkeys([(), question.filters]):
            keys = [key, *(one.key for one in filters)]
            sources = view.sources(FACTS_OF[question.measure], question.window, keys)
            values = view.ask(view.builder().some_values(sources, key, filters, 2))
            if len(values) == 1:
                return self._unit_of(name, str(values[0]["name"]))
        return Unit()

    # What is behind a figure.

    def trace(self, request: api.TraceUsageRequest, caller: Caller, now_ms: int) -> api.TraceUsageResponse:
        """See the contract."""
        check_range("page_size", request.page_size, 0, MAX_LISTED)
        size = request.page_size or DEFAULT_LISTED
        token = self._tokens.read_trace(request.trace_token)
        question = question_of(token.request, caller)
        if token.step_ms not in question.window.steps_ms or len(token.group) != len(question.group_by):
            raise InvalidArgument("trace_token", "is not a token of this ledger")
        digest = trace_digest(request.trace_token, question.scope)
        after = self._tokens.read_trace_page(request.page_token, digest, now_ms) if request.page_token else None
        with _translated():
            rows = _traced(self._view(question.scope, token.batch_no), question, token, after, size + 1)
        size = _fitting(rows[:size], lambda row: TRACE_BYTES + _length(row.values()))
        answer = api.TraceUsageResponse(traces=[_trace(row) for row in rows[:size]])
        if len(rows) > size:
            made_ms = after.made_ms if after is not None else now_ms
            time_ms, fact, row_id = (_number(rows[size - 1][name]) for name in ("time_ms", "fact", "row"))
            answer.next_page_token = self._tokens.write_trace_page(
                TracePageToken(digest, made_ms, time_ms, fact, row_id)
            )
        return answer

    # Keys.

    def keys(self, request: api.ListUsageKeysRequest, caller: Caller) -> api.ListUsageKeysResponse:
        """See the contract."""
        scope = scope_of(caller, request.account_id)
        check_span(request.start_unix_ms, request.end_unix_ms)
        check_range("page_size", request.page_size, 0, MAX_LISTED)
        check_text("prefix", request.prefix, MAX_PREFIX_BYTES)
        limit = request.page_size or DEFAULT_LISTED
        span = window(request.start_unix_ms, request.end_unix_ms, Granularity.WHOLE, "UTC")
        key = key_of("key", request.key) if request.key else None
        with _translated():
            view = self._view(scope, self._snapshot().batch_no)
            if key is None:
                names = [*BUILT_IN, *_dimensions(view, FACTS, span, MAX_LISTED)]
                return api.ListUsageKeysResponse(names=[n for n in names if n.startswith(request.prefix)][:limit])
            facts = [fact for fact in FACTS if key.is_dimension or key.name in fact.columns]
            rows = view.ask(view.builder().values(view.sources(facts, span, [key]), key, (), request.prefix, limit))
        return api.ListUsageKeysResponse(names=[str(row["name"]) for row in rows])

    def _snapshot(self) -> Snapshot:
        rows = self._database.query(_SNAPSHOT, timeout_ms=QUESTION_TIMEOUT_MS).to_pylist()
        return Snapshot(rows[0]["batch_no"], max(0, rows[0]["until"])) if rows else Snapshot(0, 0)

    def _view(self, scope: str, batch_no: int) -> View:
        return View(self._database, self._dimensions, scope, batch_no, use_rollups=self._use_rollups)


def _cells(view: View, question: Question, page: PageToken | None, limit: int) -> list[Row]:
    reading = _reading(view, question)
    tops = None if reading.is_ranked else _tops(view, reading)
    return view.ask(view.builder().cells(reading, tops, page.after if page is not None else (), limit))


def _tops(view: View, reading: Reading) -> list[tuple[str, ...]] | None:
    """Finds the largest groups; None: all are shown."""
    if not reading.is_topped:
        return None
    return [_group(row, reading.question) for row in view.ask(view.builder().tops(reading))]


def _reading(view: View, question: Question) -> Reading:
    keys = [*question.group_by, *(kept.key for kept in question.filters)]
    facts = FACTS_OF[question.measure]
    compared = view.sources(facts, question.compared, keys) if question.compared is not None else ()
    return Reading(question, view.batch_no, view.sources(facts, question.window, keys), compared)


def _traced(view: View, question: Question, token: TraceToken, after: TracePageToken | None, limit: int) -> list[Row]:
    tops = _tops(view, _reading(view, question)) if token.rest else None
    step = _step(question.window, token.step_ms)
    sources = [rollups.of_rows(fact, step) for fact in FACTS_OF[question.measure]]
    return view.ask(view.builder().trace(question, sources, Place(token.group, token.rest), tops, after, limit))


def _dimensions(view: View, facts: Sequence[Fact], span: Window, limit: int) -> Sequence[str]:
    """Lists the dimensions of a window as callers name them, the most used first."""
    rows = view.ask(view.builder().dimensions(view.dimension_sources(facts, span), limit))
    return [str(Key(str(row["name"]), is_dimension=True)) for row in rows]


def _check_keys(view: View, question: Question, rows: Sequence[Row]) -> None:
    """Refuses a dimension that nothing in the window has, unless there is nothing at all.

    Where an answer shows a value of it there is nothing to look for.
    """
    known = _shown(question, rows)
    for field, key in question.dimensions:
        if key in known or _any_row(view, question, key):
            known.add(key)
            continue
        if not _any_row(view, question, None):
            return
        names = _dimensions(view, FACTS_OF[question.measure], question.window, MAX_KEYS_NAMED)
        there = ", ".join([*keys_of(question.measure), *names])
        raise InvalidArgument(field, f"nothing in this window has {str(key)!r}; there are {there}")


def _shown(question: Question, rows: Sequence[Row]) -> set[Key]:
    """Returns the keys of which an answer shows that the present window has a value."""
    if question.compared is not None:
        return set()
    known = {key for place, key in enumerate(question.group_by) if any(row[f"g{place}"] for row in rows)}
    return known | {kept.key for kept in question.filters if rows and kept.needs_value}


def _any_row(view: View, question: Question, key: Key | None) -> bool:
    sources = view.sources(FACTS_OF[question.measure], question.window, [key] if key is not None else [])
    return any(view.ask(view.builder().any_row(source, key)) for source in sources)


@contextmanager
def _translated() -> Iterator[None]:
    """Raises what the store raises as what callers are told."""
    try:
        yield
    except store.UsageTimeout as fault:
        reason = "took longer than it may; ask for a shorter window, fewer keys or one account"
        raise errors.QuestionTimeout(f"the question {reason}") from fault
    except store.UsageTooLarge as fault:
        reason = "has too many groups, or needs too much memory; ask for a shorter window, longer steps or fewer keys"
        raise errors.QuestionTooLarge(f"the question {reason}") from fault
    except (store.UsageStoreDown, store.UsageDamaged) as fault:
        raise errors.Unavailable("the usage store does not answer") from fault


def _step(window: Window, step_ms: int) -> Window:
    """Returns the part of a window that is in one of its steps."""
    place = window.steps_ms.index(step_ms)
    ends = (*window.steps_ms[1:], window.end_ms)
    start_ms = max(step_ms, window.start_ms)
    return Window(start_ms, min(ends[place], window.end_ms), (start_ms,))


def _totals(page: PageToken | None, rows: Sequence[Row]) -> tuple[int, int]:
    if page is not None:
        return page.total, page.compared_total
    if not rows:
        return 0, 0
    return _figure(rows[0]["value_total"]), _figure(rows[0]["compared_total"])


def _figure(text: object) -> int:
    """Reads a sum. Raises `InvalidArgument` for one beyond int64."""
    value = int(str(text))
    if not -_MAX_INT64 - 1 <= value <= _MAX_INT64:
        raise InvalidArgument("measure", "comes to more than 2^63-1; ask for a shorter window, or for parts of it")
    return value


def _fitting(rows: Sequence[Row], length: Callable[[Row], int]) -> int:
    """Returns how many rows a page has: the first, and those that do not make it too long."""
    total = 0
    for place, row in enumerate(rows):
        total += length(row)
        if total > MAX_PAGE_BYTES:
            return max(1, place)
    return len(rows)


def _length(values: Iterable[object]) -> int:
    """Returns the bytes of all texts, also of those in lists, with some for each."""
    return sum(
        4 + len(value.encode()) if isinstance(value, str) else _length(value)
        for value in values
        if isinstance(value, str | list)
    )


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value


def _group(row: Row, question: Question) -> tuple[str, ...]:
    return tuple(str(row[f"g{place}"]) for place in range(len(question.group_by)))


def _place(row: Row, question: Question) -> tuple[Part, ...]:
    return _number(row["step"]), _number(row["rest"]), *_group(row, question)


def _cell(row: Row, question: Question, writer: TraceWriter) -> api.UsageCell:
    step_ms, rest, group = _number(row["step"]), bool(row["rest"]), _group(row, question)
    return api.UsageCell(
        step_unix_ms=step_ms,
        group=() if rest else group,
        rest=rest,
        value=_figure(row["value_sum"]),
        compared_value=_figure(row["compared_sum"]),
        trace_token=writer.write(step_ms, rest, group),
    )


def _trace(row: Row) -> api.UsageTrace:
    names, texts = row["names"], row["texts"]
    assert isinstance(names, list)
    assert isinstance(texts, list)
    return api.UsageTrace(
        time_unix_ms=_number(row["time_ms"]),
        value=_number(row["value"]),
        account_id=str(row["account"]),
        pool_id=str(row["pool"]),
        operation_id=str(row["operation"]),
        hold_id=str(row["hold"]),
        entry_id=_number(row["entry"]),
        grant_id=str(row["grant_name"]),
        meter_id=str(row["meter"]),
        subject=str(row["subject_path"]),
        dimensions=dict(zip(names, texts, strict=True)),
        sidecar_id=str(row["sidecar"]),
        caller=str(row["who"]),
        event_source=str(row["origin"]),
        event_id=str(row["event"]),
    )
