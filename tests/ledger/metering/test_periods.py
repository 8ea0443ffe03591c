"""The periods that are found around many moments are those of the calendar."""

import random

from holdfast_ledger.governance.periods import PeriodUnit, period_at, schedule_of
from holdfast_ledger.metering.periods import Periods

from tests.ledger.harness import START_MS


def test_periods_are_those_of_the_calendar() -> None:
    """In any order, of several schedules, through a change of clocks."""
    chance, periods = random.Random(1), Periods()
    schedules = [schedule_of(PeriodUnit(unit), 0, "Europe/Berlin") for unit in range(1, 5)]
    for _ in range(500):
        schedule, at_ms = chance.choice(schedules), START_MS + chance.randrange(0, 100 * 86_400_000)
        assert periods.around(schedule, at_ms) == period_at(schedule, at_ms)
