"""Every limit of the uplink, with its unit and its reason."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UplinkLimits:
    """What the uplink may hold, send and wait for. Raises ValueError when the limits contradict one another."""

    batch_debit_count: int = 1000
    """Debits a message, at most: about 150 KiB of ordinary debits, read and joined in under a millisecond."""
    batch_bytes: int = 512 * 1024
    """Bytes of debits a message, at most, unless a single debit has more."""
    window_bytes: int = 4 * 1024 * 1024
    """Bytes sent and not acked, at most one debit more: bounds memory against a ledger that does not read."""
    linger_ms: int = 5
    """Least time between two messages of debits that are not full: a message costs the interpreter about as much
    as a hundred debits. The first debit after a pause does not wait."""
    control_message_count: int = 1024
    """Heartbeats, lease and rules requests waiting to be written; a ledger that lets more pile up is not reading."""
    lease_want_count: int = 1000
    """Pools a lease request, by the contract."""
    rules_want_count: int = 1000
    """Paths a rules request, by the contract: at most 650 KiB."""
    rate_card_count: int = 16
    """Rate cards a rules request, by the contract."""
    first_flight_debit_count: int = 1_000
    """Debits sent on a new stream before the first ack, at most; each acked debit allows one more, up to the window.
    So a link that breaks again and again carries little twice: see `flight.py`."""
    connect_timeout_ms: int = 1_500
    """From the first packet to a usable connection: one lost packet of the handshake is repeated within it, after a
    second. Not longer, since a replica that swallows packets keeps the next one from being tried, and a link that
    heals meanwhile is noticed only by the next attempt."""
    welcome_timeout_ms: int = 3_000
    """From Hello to Welcome; the heartbeat interval is not known before. With the longest pause it stays below five
    seconds, in which a healed link must be in use."""
    silent_heartbeat_count: int = 2
    """Heartbeat intervals without a word from the ledger after which a stream counts as dead."""
    backoff_min_ms: int = 50
    """Upper end of the first pause before a reconnect; each further one doubles it."""
    backoff_max_ms: int = 1_000
    """Upper end of any pause: half of the two seconds in which a ledger that was restarted must be in use again. An
    attempt costs a ledger that is down nothing, and one that is up a row; a thousand sidecars make 2,000 a second."""
    stable_ms: int = 10_000
    """A stream that lived this long forgets the failures before it."""
    receive_message_bytes: int = 64 * 1024 * 1024
    """A Welcome carries every lease: about 200 bytes each, so 300,000 pools. An answer to a rules request carries the
    nodes of 1,000 paths and 16 rate cards: some MiB."""
    send_message_bytes: int = 4 * 1024 * 1024
    """Above any message that is made here."""
    keepalive_interval_ms: int = 20_000
    """HTTP/2 pings; servers take less for an attack. Heartbeats find a dead link sooner."""
    keepalive_timeout_ms: int = 10_000
    """For the answer to a ping."""

    def __post_init__(self) -> None:
        """Holds the relations between the limits."""
        if not 0 < self.batch_bytes <= self.window_bytes:
            raise ValueError("batch_bytes must be in 1..window_bytes")
        if not 2 * self.batch_bytes <= self.send_message_bytes:
            raise ValueError(
                "send_message_bytes must be at least twice batch_bytes: a batch may end in one large debit"
            )
        if not 0 < self.backoff_min_ms <= self.backoff_max_ms <= self.stable_ms:
            raise ValueError("the back-off must be in 1..stable_ms and its minimum below its maximum")
        counts = (self.batch_debit_count, self.control_message_count, self.silent_heartbeat_count)
        if min(*counts, self.first_flight_debit_count) < 1:
            raise ValueError("counts must be at least 1")
