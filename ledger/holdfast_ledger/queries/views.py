"""One state of the store as one caller may read it: where its figures are read, and how it is asked."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, TypeAlias

from holdfast_ledger.queries import rollups
from holdfast_ledger.queries.calendar import Window
from holdfast_ledger.queries.keys import Fact, Key
from holdfast_ledger.queries.rollups import Hours
from holdfast_ledger.queries.statements import Builder, Source, Statement
from holdfast_ledger.usage.database import UsageDatabase

QUESTION_TIMEOUT_MS: Final = 20_000
"""Of each statement of a question: longer than any chart is waited for, short beside what a scan without end takes."""

Row: TypeAlias = Mapping[str, "int | str | list[str]"]


class View:
    """A state for one call: what it has found out about hours it does not ask again."""

    def __init__(
        self, database: UsageDatabase, dimensions: Collection[str], scope: str, batch_no: int, *, use_rollups: bool
    ) -> None:
        """See `Answers`; `scope`: the only account whose rows are read, "" for all; `batch_no`: the snapshot."""
        self._database = database
        self._dimensions = dimensions
        self._scope = scope
        self._use_rollups = use_rollups
        self._hours: dict[tuple[str, Window, frozenset[str]], Hours] = {}
        self.batch_no = batch_no

    def builder(self) -> Builder:
        """Returns what builds a statement."""
        return Builder(self._scope, self.batch_no, self._dimensions)

    def ask(self, statement: Statement) -> list[Row]:
        """Asks. Raises `UsageStoreError`."""
        rows: list[Row] = self._database.query(statement.sql, statement.parameters, QUESTION_TIMEOUT_MS).to_pylist()
        return rows

    def sources(self, facts: Sequence[Fact], span: Window, keys: Sequence[Key]) -> list[Source]:
        """Returns where figures by some keys are read. Raises `UsageStoreError`."""
        return [source for fact in facts for source in self._of_fact(fact, span, keys)]

    def dimension_sources(self, facts: Sequence[Fact], span: Window) -> list[Source]:
        """Returns where the names of dimensions are read. Raises `UsageStoreError`."""
        if self._scope or not self._use_rollups:
            return [rollups.of_rows(fact, span) for fact in facts]
        return [
            source
            for fact in facts
            for source in rollups.sources(fact, rollups.dimensions_of(fact), span, self._known(fact, span, ()))
        ]

    def _of_fact(self, fact: Fact, span: Window, keys: Sequence[Key]) -> Sequence[Source]:
        rollup = rollups.rollup_for(fact, keys, self._scope, self._dimensions) if self._use_rollups else None
        if rollup is None:
            return [rollups.of_rows(fact, span)]
        return rollups.sources(fact, rollup.sums, span, self._known(fact, span, keys))

    def _known(self, fact: Fact, span: Window, keys: Sequence[Key]) -> Hours:
        dimensions = frozenset(key.name for key in keys if key.is_dimension)
        named = fact.table, span, dimensions
        if named not in self._hours:
            self._hours[named] = rollups.hours(
                self._database, fact, span, self.batch_no, sorted(dimensions), QUESTION_TIMEOUT_MS
            )
        return self._hours[named]
