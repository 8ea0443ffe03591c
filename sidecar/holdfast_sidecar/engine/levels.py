"""What the levels of the waterfall say of an operation, for its answer. Values only.

Fields as in `holdfast.v1.LimitState`; amounts in the unit of the level.
"""

from dataclasses import dataclass

from holdfast_sidecar.engine.rules import FeatureValue
from holdfast_sidecar.engine.verdicts import Reason


@dataclass(frozen=True, slots=True)
class Level:
    """One level: its figures, and whether it lets the operation through."""

    name: str
    """As `LimitState.level`, such as "budget/team-month"."""
    subject: str
    reason: Reason
    limit_amount: int
    used_amount: int
    held_amount: int
    left_amount: int
    resets_at_unix_ms: int = 0
    retry_after_ms: int = 0
    shadow: bool = False


@dataclass(slots=True)
class Notes:
    """What an answer says beyond the figures of the pool."""

    denied_by: Level | None = None
    shadow_denials: tuple[Level, ...] = ()
    steps: tuple[Level, ...] = ()
    feature_value: FeatureValue | None = None
    rated_amount: int = 0
    returned_amount: int = 0
