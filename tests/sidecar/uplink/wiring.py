"""An uplink protocol under the tests' hands: short ways to drive it, and to read what it sends."""

from holdfast.v1 import ledger_sync_service_pb2 as pb
from holdfast_sidecar.engine.events import UplinkEvent
from holdfast_sidecar.uplink.limits import UplinkLimits
from holdfast_sidecar.uplink.protocol import DebitRead, UplinkIdentity, UplinkProtocol

from tests.sidecar.uplink.host import make_debit

MS = 1_000_000
START_NS = 1_000_000 * MS
HEARTBEAT_MS = 1_000
VALIDITY_MS = 10_000
ALLOWANCE_VALIDITY_MS = 90_000


def identity(epoch: int = 0, last_sequence: int = 0, acked_sequence: int = 0) -> UplinkIdentity:
    """Returns who the sidecar is at the start of its process."""
    return UplinkIdentity("host-1", epoch, b"i" * 16, last_sequence, acked_sequence, 60_000, "test")


def welcome(epoch: int = 1, acked_sequence: int = 0, window_debit_count: int = 100) -> pb.SyncResponse:
    """Returns a good Welcome."""
    return pb.SyncResponse(
        welcome=pb.Welcome(
            epoch=epoch,
            birth_epoch=1,
            acked_sequence=acked_sequence,
            lease_validity_ms=VALIDITY_MS,
            allowance_validity_ms=ALLOWANCE_VALIDITY_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            window_debit_count=window_debit_count,
        )
    )


def ack(sequence: int) -> pb.SyncResponse:
    """Returns an ack."""
    return pb.SyncResponse(ack=pb.DebitAck(acked_sequence=sequence))


def heartbeat_ack(heartbeat_id: int, validity_ms: int = VALIDITY_MS) -> pb.SyncResponse:
    """Returns the answer to a heartbeat."""
    answer = pb.HeartbeatAck(
        heartbeat_id=heartbeat_id, lease_validity_ms=validity_ms, allowance_validity_ms=ALLOWANCE_VALIDITY_MS
    )
    return pb.SyncResponse(heartbeat_ack=answer)


class Wired:
    """A protocol with a clock that the test moves, and an outbox of debits from `kept_from` on."""

    def __init__(self, who: UplinkIdentity | None = None, limits: UplinkLimits | None = None) -> None:
        """Starts disconnected."""
        self.now_ns = START_NS
        self.who = who or identity()
        self.protocol = UplinkProtocol(self.who, limits or UplinkLimits(), self.now_ns)
        self.kept_from = 1

    def open(self) -> pb.Hello:
        """Dials, opens a stream, and takes its Hello."""
        self.protocol.dial(self.now_ns)
        self.protocol.stream_opened(self.now_ns)
        (request,) = self.control()
        assert request.WhichOneof("message") == "hello"
        return request.hello

    def streaming(self, window_debit_count: int = 100, acked_sequence: int = 0, last_sequence: int = 0) -> None:
        """Goes to STREAMING in epoch 1, with so many debits durable."""
        self.open()
        self.protocol.receive(welcome(1, acked_sequence, window_debit_count), self.now_ns)
        self.notify(last_sequence, 1)
        self.events()

    def after(self, ms: int) -> int:
        """Lets time pass; returns the new time."""
        self.now_ns += ms * MS
        return self.now_ns

    def notify(self, last_sequence: int, epoch: int) -> None:
        """Tells what is durable."""
        self.protocol.notify(last_sequence, epoch, (), self.now_ns)

    def receive(self, response: pb.SyncResponse) -> list[UplinkEvent]:
        """Hands a message in; returns what the engine hears of it."""
        self.protocol.receive(response, self.now_ns)
        return self.events()

    def close(self, status: int = 14, reason: str = "", jitter: float = 0.5) -> None:
        """Ends the stream."""
        self.protocol.stream_closed(self.now_ns, status, reason, "it ended", jitter)

    def control(self) -> list[pb.SyncRequest]:
        """Returns what is to be written that is no debits."""
        messages: list[pb.SyncRequest] = []
        while (message := self.protocol.next_control()) is not None:
            messages.append(pb.SyncRequest.FromString(message))
        return messages

    def send(self) -> list[int]:
        """Sends one message of debits if there may be one; returns the sequences in it."""
        wanted = self.protocol.debits_wanted(self.now_ns)
        if wanted is None:
            return []
        message = self.protocol.debits_read(wanted, self.rows(wanted), self.now_ns)
        if message is None:
            return []
        return [debit.sequence for debit in pb.SyncRequest.FromString(message).debits.debits]

    def rows(self, wanted: DebitRead) -> list[tuple[int, bytes]]:
        """Reads the outbox as a store does: at least one debit, and no more than fits."""
        rows: list[tuple[int, bytes]] = []
        size = 0
        first = max(wanted.after_sequence + 1, self.kept_from)
        for sequence in range(first, self.protocol.last_sequence + 1):
            debit = make_debit(sequence)
            size += len(debit)
            if len(rows) == wanted.max_count or (rows and size > wanted.max_bytes):
                break
            rows.append((sequence, debit))
        return rows

    def events(self) -> list[UplinkEvent]:
        """Returns what the engine hears."""
        return self.protocol.events_received()
