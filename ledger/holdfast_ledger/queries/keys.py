"""What can be grouped and filtered by, and the columns that hold it: the closed list of names that stand in SQL.

A dimension without a column is read out of the map, its name a parameter; nothing that a caller says is ever a name.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from holdfast_ledger.usage.dimensions import column_of
from holdfast_ledger.usage.schema import SUBJECT_LEVELS

DIMENSION_PREFIX: Final = "dimension:"
"""Before the name of a dimension that is named as a built-in key."""

_LEVELS: Final = {f"subject_{level}": f"subject_{level}" for level in range(1, SUBJECT_LEVELS + 1)}

BUILT_IN: Final = (
    "account", "pool", "currency", "subject", *_LEVELS, "meter", "grant", "category", "product", "cost_currency",
    "sidecar", "caller",
)  # fmt: skip

Bind = Callable[[str | int | Sequence[str] | Sequence[int], str], str]
"""Takes a value and its type, and returns what stands for it in the SQL."""


class Measure(IntEnum):
    """As `holdfast.v1.UsageMeasure`."""

    QUANTITY = 1
    CREDITS = 2
    COST = 3
    COUNT = 4


@dataclass(frozen=True, slots=True)
class Key:
    """A built-in key, or a dimension."""

    name: str
    is_dimension: bool

    @classmethod
    def named(cls, name: str) -> "Key":
        """Reads how callers name it."""
        if name in BUILT_IN:
            return cls(name, is_dimension=False)
        return cls(name.removeprefix(DIMENSION_PREFIX), is_dimension=True)

    def __str__(self) -> str:
        """How callers name it."""
        return f"{DIMENSION_PREFIX}{self.name}" if self.is_dimension and self.name in BUILT_IN else self.name


TIME_MS: Final = "toUnixTimestamp64Milli(time)"


@dataclass(frozen=True, slots=True)
class Fact:
    """A table of the store that holds figures."""

    table: str
    columns: Mapping[str, str]
    """Expressions by built-in key; it knows nothing of the others."""
    values: Mapping[Measure, str]
    """What a row adds to a figure."""
    has_dimension_columns: bool
    """Whether dimensions that may have a column have one here; all others are in the map `dimensions`."""
    counts: str = ""
    """Which rows count; empty: all."""
    row_id: str = ""
    """What tells rows of the same time apart: a UInt64. Empty: of a roll-up, which has no rows to show."""
    time_ms: str = TIME_MS
    """When a row counts, Unix time in milliseconds."""
    row_count: str = "1"
    """How many rows of what was used a row stands for."""

    @property
    def is_rolled(self) -> bool:
        """Whether its rows are sums of others, an hour each."""
        return not self.row_id

    def expression(self, key: Key, bind: Bind, dimensions: Collection[str]) -> str:
        """Returns the SQL of a key's value, empty where a row has none; `dimensions`: those with a column."""
        if not key.is_dimension:
            return self.columns.get(key.name, "''")
        if self.has_dimension_columns and key.name in dimensions:
            return column_of(key.name)
        return f"dimensions[{bind(key.name, 'String')}]"


SPEND: Final = Fact(
    "spend",
    {
        "account": "account_id",
        "pool": "pool_id",
        "currency": "currency",
        "subject": "subject",
        **_LEVELS,
        "grant": "grant_id",
        "category": "category",
        "product": "product",
        "cost_currency": "cost_currency",
        "sidecar": "sidecar_id",
        "caller": "caller",
    },
    {Measure.CREDITS: "amount", Measure.COST: "cost_amount", Measure.COUNT: "debit_count"},
    True,
    row_id="entry_key",
)
USAGE: Final = Fact(
    "usage",
    {
        "account": "account_id",
        "pool": "pool_id",
        "subject": "subject",
        **_LEVELS,
        "meter": "meter_id",
        "sidecar": "sidecar_id",
        "caller": "caller",
    },
    {Measure.QUANTITY: "quantity"},
    True,
    row_id="row_id",
)
EVENT_COUNT: Final = "(outcome = 'counted') - (outcome = 'taken_back')"

EVENTS: Final = Fact(
    "events",
    {
        "account": "account_id",
        "subject": "subject",
        **{key: f"splitByChar('/', subject)[{level}]" for level, key in enumerate(_LEVELS, start=1)},
        "caller": "caller",
    },
    {Measure.COUNT: EVENT_COUNT},
    False,
    counts="outcome IN ('counted', 'taken_back')",
    row_id="cityHash64(batch_key, position, outcome)",
)

FACTS: Final = (SPEND, USAGE, EVENTS)

FACTS_OF: Final[Mapping[Measure, Sequence[Fact]]] = {
    measure: tuple(fact for fact in FACTS if measure in fact.values) for measure in Measure
}
"""The tables that a measure is summed over."""

UNIT_KEYS: Final = {Measure.QUANTITY: "meter", Measure.CREDITS: "currency", Measure.COST: "cost_currency"}
"""Which key's values are units: figures of several of them have none."""


def keys_of(measure: Measure) -> tuple[str, ...]:
    """Returns the built-in keys by which a measure is kept."""
    return tuple(name for name in BUILT_IN if any(name in fact.columns for fact in FACTS_OF[measure]))
