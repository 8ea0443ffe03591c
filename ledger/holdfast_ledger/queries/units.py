"""What figures are measured in: the ledger's meters and currencies, and the currencies of ISO 4217."""

from collections.abc import Mapping
from typing import Final

from holdfast.v1 import meter_pb2

from holdfast_ledger.queries.answers import Unit
from holdfast_ledger.store.interface import Reader, Store

COST_EXPONENT: Final = 2

_COST_EXPONENTS: Final[Mapping[str, int]] = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF",
         "XPF"),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}  # fmt: skip
"""Of ISO 4217, those that are not `COST_EXPONENT`."""


class Units:
    """Looks units up. Any thread but the event loop's: it reads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, key: str, value: str) -> Unit:
        """Returns the unit of figures whose key (meter, currency, cost_currency) has a value."""
        if key == "cost_currency":
            return Unit(value, _COST_EXPONENTS.get(value, COST_EXPONENT))
        with self._store.reading() as reader:
            return _meter(reader, value) if key == "meter" else Unit(value, reader.currency_exponent(value))


def _meter(reader: Reader, meter_id: str) -> Unit:
    """Returns a meter's unit; none of a rate card's meter, which has its name alone."""
    latest = reader.latest_meter(meter_id)
    return Unit(meter_pb2.Meter.FromString(latest.content).unit) if latest is not None else Unit()
