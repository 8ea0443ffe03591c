"""How the usage store is doing, as its worker tells and metrics show."""

from dataclasses import asdict, dataclass, field
from typing import Self


@dataclass(frozen=True, slots=True)
class UsageStatus:
    """The state of the store and of its feeder."""

    state: str = "down"
    """ "down", "starting", "waiting" (another replica feeds), "feeding" or "failing"."""
    batch_no: int = 0
    """The last complete turn."""
    complete_until_ms: int = 0
    """Up to when the ledger's postings are in it, Unix time in milliseconds; 0: it never was complete."""
    lag_ms: int = 0
    """How long ago that is, where something posted since is missing; 0: nothing is, or another replica feeds."""
    row_counts: dict[str, int] = field(default_factory=dict)
    """Rows by table."""
    turn_count: int = 0
    """Turns that brought something since the worker began."""
    rebuild_count: int = 0
    """Times that it was fed anew since the worker began."""
    failure_count: int = 0
    """Turns that failed since the worker began."""
    message: str = ""
    """What is wrong, in words; empty: nothing."""

    def told(self) -> dict[str, int | str | dict[str, int]]:
        """Returns it as it is sent."""
        return asdict(self)

    @classmethod
    def heard(cls, told: dict[str, int | str | dict[str, int]]) -> Self:
        """Returns what was sent."""
        return cls(**told)  # type: ignore[arg-type]  # what `told` made
