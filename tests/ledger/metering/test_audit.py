"""The audit finds what is wrong with metering's rows, and nothing where nothing is."""

from functools import partial

import pytest
from holdfast.v1 import meter_pb2 as meters
from holdfast_ledger.audit import audit
from holdfast_ledger.store.interface import Writer

from tests.ledger.metering.meterage import Meterage, event, meter, void

WRONG = {
    "UPDATE metered_periods SET quantity = quantity + 1": "is not what its changes come to",
    "UPDATE metered_charges SET corrected_amount = corrected_amount + 1 WHERE period_key > 0": "charged of it",
    "UPDATE metered_charges SET amount = amount + 1 WHERE period_key = 0": "is not what was posted of it",
    "UPDATE metered_charges SET state = 0 WHERE period_key = 0": "is not what was posted of it",
    "UPDATE metered_charges SET operation_id = operation_id || 'x' WHERE period_key = 0": "is of no charge",
    "UPDATE event_corrections SET state = 0": "is more than was asked for",
    "UPDATE event_corrections SET amount = 1": "is more than was asked for",
}


class _Undone(Exception):
    """Leaves a transaction without a trace."""


def test_what_is_wrong_is_found(meterage: Meterage) -> None:
    meterage.set(meter(), meter("most", aggregation=meters.AGGREGATION_MAX))
    meterage.take(event("1", 5), event("2", 7))
    meterage.turn()
    meterage.take(void("2"))
    meterage.turn()

    for change in WRONG:
        with pytest.raises(_Undone):
            meterage.books.write(partial(_break, change))


def _break(change: str, writer: Writer) -> None:
    assert audit(writer).findings == ()
    writer._rows(change)  # type: ignore[attr-defined]  # no rule of the ledger writes this
    assert any(WRONG[change] in finding for finding in audit(writer).findings), change
    raise _Undone
