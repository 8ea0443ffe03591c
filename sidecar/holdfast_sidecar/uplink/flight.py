"""How many debits may be in flight, so that a link that breaks again and again carries little twice. Pure.

A stream that breaks wastes what was in flight. So it begins with few debits and each acked one allows one more, as in
TCP's slow start: what is wasted is at most the first flight and as much as came through. The next stream's first
flight is half of what came through on the one before, at most the limit, at least one. Over any number of streams:

    sent <= 2.5 * made + limit + one debit for each stream that broke

Used by the protocol alone.
"""


class Flight:
    """The debits in flight over the streams of one sidecar, by sequence."""

    def __init__(self, limit_count: int) -> None:
        """Starts with the largest first flight, `limit_count` debits."""
        self._limit_count = limit_count
        self._first_count = limit_count
        self._began_at = 0
        self._sent = 0

    def begin(self, acked_sequence: int) -> None:
        """A stream begins; the ledger's mark tells how much came through on the last one that sent anything."""
        if self._sent > self._began_at:
            self._first_count = min(self._limit_count, max(1, (acked_sequence - self._began_at) // 2))
        self._began_at = self._sent = acked_sequence

    def sent(self, sequence: int) -> None:
        """Debits up to a sequence have been sent on the present stream."""
        self._sent = sequence

    def room_count(self, acked_sequence: int) -> int:
        """Returns how many more may be sent while the ledger's mark is as it is."""
        allowed = self._first_count + acked_sequence - self._began_at
        return allowed - max(0, self._sent - acked_sequence)
