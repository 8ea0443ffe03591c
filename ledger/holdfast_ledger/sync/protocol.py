"""One stream as the ledger sees it, without I/O: messages in, in order; work out, when asked; the rules of the order.

    awaiting Hello ──Hello──► open ──(no other way)──► ended by its owner

`stream` reads messages into it and takes work out of it. Debits that wait are handed out as one run, so that the
slower the store, the larger its transactions.
"""

from collections import deque
from dataclasses import dataclass, field, fields
from enum import Enum

from google.protobuf.message import DecodeError
from holdfast.v1 import ledger_sync_service_pb2 as wire

from holdfast_ledger.errors import InvalidArgument, LedgerBehind, SequenceGap, WindowExceeded
from holdfast_ledger.governance.telling import RulesAsk
from holdfast_ledger.leasing.claims import Claim
from holdfast_ledger.leasing.rights import Want
from holdfast_ledger.store.interface import MAX_AMOUNT
from holdfast_ledger.sync.lives import Introduction
from holdfast_ledger.validation import check_id, check_optional_id, check_range
from holdfast_ledger.windows.names import check_leased_id

INSTANCE_BYTES = 16
RESERVED = "holdfast:"
"""Begins ids of what the ledger itself debits under; no sidecar has one."""
MAX_VERSION_BYTES = 128
MAX_CALLER_BYTES = 64
MAX_HOLD_TTL_MS = 31 * 24 * 3_600_000
"""A month: longer than any piece of work, and a bound on how long a lost sidecar keeps rights from the others."""

MAX_WANTS = 1_000
"""Pools of one lease request, as the contract says."""

MAX_RATE_CARDS = 16
"""Rate cards of one rules request, as the contract says."""

MAX_WAITING_REQUESTS = 1_000
"""Lease requests of one stream taken in and not answered, and rules requests; a sidecar has a handful."""

MAX_SEQUENCE = MAX_AMOUNT

MAX_DEBIT_BYTES = 8_192
"""Average size of the debits of a message, at most: 16 dimensions and all ids at their longest are 6 KiB. With the
window it bounds the memory of a stream."""


CLAIMS = tuple(one.name for one in fields(Claim))
"""Totals of a want that are checked against what the ledger knows."""


class Phase(Enum):
    """Where a stream stands."""

    AWAITING_HELLO = "awaiting hello"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Ask:
    """A lease request to be answered."""

    request_id: int
    wants: tuple[Want, ...]


@dataclass(slots=True)
class Inbox:
    """What has been taken in and not yet handed out."""

    debits: list[wire.Debit] = field(default_factory=list)
    heartbeat_id: int | None = None
    """The latest one: a heartbeat renews what those before it renewed."""
    asks: list[Ask] = field(default_factory=list)
    rules_asks: deque[RulesAsk] = field(default_factory=deque)


class SyncProtocol:
    """The ledger's side of one stream. Not for more than one thread."""

    def __init__(self, window_debit_count: int) -> None:
        self._window = window_debit_count
        self._phase = Phase.AWAITING_HELLO
        self._hello_acked = 0
        self._acked = 0
        self._epoch = 0
        self._last_received = 0
        self.inbox = Inbox()

    def parse(self, payload: bytes) -> wire.SyncRequest:
        """Reads a message. Raises `InvalidArgument`."""
        try:
            return wire.SyncRequest.FromString(payload)
        except DecodeError as fault:
            raise InvalidArgument("message", "cannot be read as SyncRequest") from fault

    def hello(self, payload: bytes) -> Introduction:
        """Takes the first message, which is Hello. Raises `InvalidArgument`."""
        request = self.parse(payload)
        if request.WhichOneof("message") != "hello":
            raise InvalidArgument("message", "the first message is Hello")
        said = introduction(request.hello)
        self._hello_acked = said.acked_sequence
        return said

    def welcomed(self, epoch: int, acked_sequence: int) -> None:
        """Opens the stream."""
        assert self._phase is Phase.AWAITING_HELLO
        self._phase = Phase.OPEN
        self._epoch = epoch
        self._acked = acked_sequence

    def receive(self, payload: bytes) -> None:
        """Takes a later message into the inbox. Raises a `LedgerError` that ends the stream."""
        assert self._phase is Phase.OPEN
        request = self.parse(payload)
        match request.WhichOneof("message"):
            case "debits":
                if len(payload) > MAX_DEBIT_BYTES * (len(request.debits.debits) + 1):
                    raise InvalidArgument("debits.debits", f"are larger than {MAX_DEBIT_BYTES} bytes each")
                self._receive_debits(list(request.debits.debits))
            case "heartbeat":
                self.inbox.heartbeat_id = request.heartbeat.heartbeat_id
            case "lease_request":
                if len(self.inbox.asks) >= MAX_WAITING_REQUESTS:
                    raise WindowExceeded(f"more than {MAX_WAITING_REQUESTS} lease requests wait")
                self.inbox.asks.append(ask(request.lease_request))
            case "rules_request":
                if len(self.inbox.rules_asks) >= MAX_WAITING_REQUESTS:
                    raise WindowExceeded(f"more than {MAX_WAITING_REQUESTS} rules requests wait")
                self.inbox.rules_asks.append(rules_ask(request.rules_request))
            case "hello":
                raise InvalidArgument("hello", "only the first message is Hello")
            case _:
                raise InvalidArgument("message", "exactly one message is set")

    def _receive_debits(self, debits: list[wire.Debit]) -> None:
        if not debits:
            raise InvalidArgument("debits.debits", "is empty")
        if self._last_received:
            self._check_next(debits[0].sequence, self._last_received + 1)
        elif debits[0].sequence > self._acked + 1:
            self._check_next(debits[0].sequence, self._acked + 1)
        expected = debits[0].sequence
        for place, debit in enumerate(debits):
            if debit.sequence != expected:
                raise SequenceGap(f"the next sequence is {expected}, not {debit.sequence}", expected=str(expected))
            expected += 1
            check_debit(debit, f"debits.debits[{place}]", self._epoch)
        check_range(f"debits.debits[{len(debits) - 1}].sequence", expected - 1, 1, MAX_SEQUENCE)
        self._last_received = expected - 1
        if self._last_received - self._acked > self._window:
            raise WindowExceeded(f"more than {self._window} debits are not acked")
        self.inbox.debits += debits

    def _check_next(self, sequence: int, expected: int) -> None:
        if sequence == expected:
            return
        message = f"the next sequence is {expected}, not {sequence}"
        if not self._last_received and self._hello_acked > self._acked:
            raise LedgerBehind(message, expected=str(expected))
        raise SequenceGap(message, expected=str(expected))

    @property
    def waiting_debit_count(self) -> int:
        """Debits taken in and not handed out."""
        return len(self.inbox.debits)

    @property
    def control_waits(self) -> bool:
        """Whether a heartbeat or a lease request is taken in and not handed out."""
        return self.inbox.heartbeat_id is not None or bool(self.inbox.asks)

    @property
    def rules_wait(self) -> bool:
        """Whether a rules request is taken in and not handed out."""
        return bool(self.inbox.rules_asks)

    def take_rules(self) -> RulesAsk | None:
        """Hands out the next rules request that waits."""
        return self.inbox.rules_asks.popleft() if self.inbox.rules_asks else None

    def take_debits(self, limit: int) -> list[wire.Debit]:
        """Hands out the next run of debits, at most `limit`."""
        run = self.inbox.debits[:limit]
        del self.inbox.debits[:limit]
        return run

    def take_control(self) -> tuple[int | None, list[Ask]]:
        """Hands out the heartbeat and the lease requests that wait."""
        taken = self.inbox.heartbeat_id, self.inbox.asks
        self.inbox.heartbeat_id, self.inbox.asks = None, []
        return taken

    def posted(self, acked_sequence: int) -> wire.SyncResponse:
        """Notes that debits are posted; returns the ack."""
        assert acked_sequence >= self._acked
        self._acked = acked_sequence
        return wire.SyncResponse(ack=wire.DebitAck(acked_sequence=acked_sequence))


def introduction(hello: wire.Hello) -> Introduction:
    """Checks a Hello. Raises `InvalidArgument`."""
    check_id("hello.sidecar_id", hello.sidecar_id)
    if hello.sidecar_id.startswith(RESERVED):
        raise InvalidArgument("hello.sidecar_id", f"begins with {RESERVED!r}, which the ledger keeps for itself")
    if len(hello.instance) != INSTANCE_BYTES:
        raise InvalidArgument("hello.instance", f"has {len(hello.instance)} bytes, not {INSTANCE_BYTES}")
    check_range("hello.epoch", hello.epoch, 0, MAX_SEQUENCE - 1)
    check_range("hello.last_sequence", hello.last_sequence, 0, MAX_SEQUENCE)
    check_range("hello.acked_sequence", hello.acked_sequence, 0, MAX_SEQUENCE)
    check_range("hello.max_hold_ttl_ms", hello.max_hold_ttl_ms, 0, MAX_HOLD_TTL_MS)
    check_range("hello.birth_epoch", hello.birth_epoch, 0, hello.epoch)
    if len(hello.version.encode()) > MAX_VERSION_BYTES:
        raise InvalidArgument("hello.version", f"is longer than {MAX_VERSION_BYTES} bytes")
    return Introduction(
        hello.sidecar_id,
        hello.epoch,
        hello.instance,
        hello.last_sequence,
        hello.acked_sequence,
        hello.max_hold_ttl_ms,
        hello.version,
        hello.birth_epoch,
    )


def check_debit(debit: wire.Debit, field_path: str, epoch: int) -> None:
    """Checks what must hold whatever the pool. Raises `InvalidArgument`.

    The ids of account and pool are not checked: a debit of a pool that cannot be is quarantined, not refused.
    """
    if debit.amount <= 0:
        raise InvalidArgument(f"{field_path}.amount", f"is {debit.amount}, not above 0")
    if not 0 < debit.epoch <= epoch:
        raise InvalidArgument(f"{field_path}.epoch", f"is {debit.epoch}, not in 1..{epoch}")
    if not 0 <= debit.over_hold_amount <= debit.amount:
        raise InvalidArgument(f"{field_path}.over_hold_amount", f"is {debit.over_hold_amount}")
    for name in ("allowance_amount", "fail_open_amount", "hold_age_ms"):
        if getattr(debit, name) < 0:
            raise InvalidArgument(f"{field_path}.{name}", f"is {getattr(debit, name)}, below 0")
    if debit.allowance_amount + debit.fail_open_amount > debit.amount:
        raise InvalidArgument(f"{field_path}.allowance_amount", "is with fail_open_amount more than amount")
    if not debit.operation_id:
        raise InvalidArgument(f"{field_path}.operation_id", "is empty")
    if len(debit.caller.encode()) > MAX_CALLER_BYTES:
        raise InvalidArgument(f"{field_path}.caller", f"is longer than {MAX_CALLER_BYTES} bytes")


def ask(request: wire.LeaseRequest) -> Ask:
    """Checks a lease request. Raises `InvalidArgument`."""
    check_range("lease_request.wants", len(request.wants), 0, MAX_WANTS)
    return Ask(
        request.request_id, tuple(_want(want, f"lease_request.wants[{n}]") for n, want in enumerate(request.wants))
    )


def rules_ask(request: wire.RulesRequest) -> RulesAsk:
    """Checks a rules request. Raises `InvalidArgument`."""
    check_range("rules_request.wants", len(request.wants), 0, MAX_WANTS)
    check_range("rules_request.rate_card_ids", len(request.rate_card_ids), 0, MAX_RATE_CARDS)
    for place, want in enumerate(request.wants):
        check_optional_id(f"rules_request.wants[{place}].account_id", want.account_id)
        check_optional_id(f"rules_request.wants[{place}].subject", want.subject)
    for place, rate_card_id in enumerate(request.rate_card_ids):
        check_optional_id(f"rules_request.rate_card_ids[{place}]", rate_card_id)
    wants = tuple((want.account_id, want.subject) for want in request.wants)
    return RulesAsk(request.request_id, wants, tuple(request.rate_card_ids), request.meters_wanted)


def _want(want: wire.LeaseWant, path: str) -> Want:
    check_optional_id(f"{path}.account_id", want.account_id)
    check_leased_id(f"{path}.pool_id", want.pool_id)
    check_range(f"{path}.want_amount", want.want_amount, 0, MAX_AMOUNT)
    check_range(f"{path}.need_amount", want.need_amount, 0, want.want_amount)
    for name in ("held_amount", "consumed_total", *CLAIMS):
        check_range(f"{path}.{name}", getattr(want, name), 0, MAX_AMOUNT)
    claim = Claim(*(getattr(want, name) for name in CLAIMS))
    return Want(
        want.account_id,
        want.pool_id,
        want.want_amount,
        want.need_amount,
        want.held_amount,
        want.consumed_total,
        want.recall_round,
        claim,
    )
