"""Gives the uplink's protocol a gRPC stream, a clock and a store, on an asyncio loop apart from the decisions.

Per stream a reader, a writer, and a watch over both for what the clock says, so that neither direction waits for the
other. Each attempt has a channel of its own: pauses between attempts are the protocol's, not the channel's.

Upstream: the decision loop, through `notify`. Downstream: the ledger. Back: `emit` hands events to the loop's inbox.

The decision loop shares the interpreter with this thread. So `notify` leaves three values and, mostly, wakes nobody:
while the writer is pacing itself it looks for itself when its pause is over, and one wake is enough for all that
has come until the thread runs.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from random import Random

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from holdfast.v1 import ledger_sync_service_pb2 as pb

from holdfast_sidecar.crash_points import crash_point
from holdfast_sidecar.engine.events import Fenced, LeaseAsk, RulesAsk, RulesUpdated, UplinkEvent
from holdfast_sidecar.uplink.lifecycle import OPEN, WELCOMED, State
from holdfast_sidecar.uplink.limits import UplinkLimits
from holdfast_sidecar.uplink.protocol import UplinkIdentity, UplinkProtocol
from holdfast_sidecar.uplink.replicas import Replicas

_log = logging.getLogger(__name__)

_SERVICE = pb.DESCRIPTOR.services_by_name["LedgerSyncService"].full_name
_METHOD = f"/{_SERVICE}/Sync"
_DETAILS_KEY = "grpc-status-details-bin"
_LEAVING = "SHUTTING_DOWN"
_INTERNAL: int = grpc.StatusCode.INTERNAL.value[0]
"""Reason with which a replica that stops ends its streams."""

_UNDER_WAY = OPEN | {State.CONNECTING}
"""An attempt goes on: the clock has a say in it."""

_Call = grpc.aio.StreamStreamCall[bytes, bytes]


@dataclass(frozen=True, slots=True)
class UplinkStatistics:
    """A snapshot for metrics and `top`."""

    state: State
    connected: bool
    """The ledger has welcomed this sidecar on the stream that is open."""
    last_heard_ns: int
    """CLOCK_BOOTTIME; 0: never."""
    acked_sequence: int
    sent_sequence: int
    last_sequence: int
    """Durable here; minus `acked_sequence`: the depth of the outbox, in debits."""
    ledger_lag_ms: int
    """Age of the oldest debit that is not acked, to about 100 ms; 0: none."""
    reconnect_count: int
    bytes_sent: int
    """Payload of all messages handed to gRPC, its framing not counted."""


@dataclass(frozen=True, slots=True)
class _Ending:
    """How a stream ended."""

    status: int
    reason: str
    message: str

    @property
    def may_be_leaving(self) -> bool:
        """Whether the replica said that it is shutting down, or said what a write that met the stream's end hides.

        gRPC then tells an internal error of its own in place of the status (`Internal error from Core`).
        """
        return self.reason == _LEAVING or (self.status == _INTERNAL and not self.reason)


class Uplink:
    """Keeps one sidecar in touch with its ledger until it is stopped or fenced."""

    def __init__(
        self,
        targets: Sequence[str],
        identity: UplinkIdentity,
        read_debits: Callable[[int, int, int], Sequence[tuple[int, bytes]]],
        emit: Callable[[UplinkEvent], None],
        now_ns: Callable[[], int],
        rng: Random,
        limits: UplinkLimits | None = None,
    ) -> None:
        """Does nothing yet; `run` does.

        Args:
            targets: the ledger's replicas, each "host:port" or any other gRPC target; at least one.
            identity: what the folder says; its instance is durable.
            read_debits: as `Store.read_debits`; called on the thread of `run`.
            emit: takes an event for the engine; called on the thread of `run`, returns at once.
            now_ns: CLOCK_BOOTTIME in nanoseconds.
            rng: for the jitter of the back-off, and the replica to begin with.
            limits: None: the defaults.
        """
        self._read_debits = read_debits
        self._emit = emit
        self._now_ns = now_ns
        self._rng = rng
        self._limits = limits or UplinkLimits()
        self._replicas = Replicas(targets, rng, self._limits.backoff_max_ms)
        self._protocol = UplinkProtocol(identity, self._limits, now_ns())
        self._bytes_sent = 0
        self._notified = (identity.last_sequence, identity.epoch)
        self._asks: deque[LeaseAsk | RulesAsk] = deque()
        self._notice_wanted = False
        self._waking = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._drained = asyncio.Event()
        self._finished = asyncio.Event()
        self._draining = False

    # Any thread.

    def notify(self, last_sequence: int, epoch: int, asks: Sequence[LeaseAsk | RulesAsk]) -> None:
        """Tells what is durable now, and what to ask of the ledger. Any one thread; never blocks.

        Args:
            last_sequence: highest sequence made, never less than before.
            epoch: the epoch in the folder.
            asks: each is sent once, on the stream that is open now; without one they are dropped.

        Raises ValueError for an ask that asks for more than the contract allows.
        """
        self._notified = (last_sequence, epoch)
        if asks:
            for ask in asks:
                self._check_ask(ask)
            self._asks.extend(asks)
        elif not self._notice_wanted:
            return
        self._notice_wanted = False
        if self._loop is not None and not self._waking:
            self._waking = True
            try:
                self._loop.call_soon_threadsafe(self._wake.set)
            except RuntimeError:
                _log.debug("notified after the uplink's loop was closed")

    def _check_ask(self, ask: LeaseAsk | RulesAsk) -> None:
        limits = self._limits
        if isinstance(ask, LeaseAsk):
            if len(ask.wants) > limits.lease_want_count:
                raise ValueError(f"a lease ask has at most {limits.lease_want_count} wants")
        elif len(ask.paths) > limits.rules_want_count or len(ask.rate_card_ids) > limits.rate_card_count:
            raise ValueError(
                f"a rules ask has at most {limits.rules_want_count} paths and {limits.rate_card_count} rate cards"
            )

    def statistics(self) -> UplinkStatistics:
        """Returns counters. Any thread."""
        protocol = self._protocol
        return UplinkStatistics(
            state=protocol.state,
            connected=protocol.state in WELCOMED,
            last_heard_ns=protocol.last_heard_ns,
            acked_sequence=protocol.acked_sequence,
            sent_sequence=protocol.sent_sequence,
            last_sequence=self._notified[0],
            ledger_lag_ms=protocol.lag_ns(self._now_ns()) // 1_000_000,
            reconnect_count=protocol.reconnect_count,
            bytes_sent=self._bytes_sent,
        )

    # The thread of the asyncio loop.

    async def run(self) -> None:
        """Runs until it is stopped or fenced. Raises what `read_debits` raises: a store that fails ends the process."""
        self._loop = asyncio.get_running_loop()
        serving = asyncio.create_task(self._serve())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
        finally:
            await _cancel(serving, stopping)
            self._drained.set()
            self._finished.set()

    async def stop(self, drain_ms: int) -> None:
        """Goes on for at most `drain_ms` milliseconds, until the ledger has acked all there is, then ends `run`."""
        if self._loop is None:
            return
        self._draining = True
        self._take_notified()
        self._check_drained()
        self._wake.set()
        try:
            async with asyncio.timeout(drain_ms / 1000):
                await self._drained.wait()
        except TimeoutError:
            statistics = self.statistics()
            unacked_count = statistics.last_sequence - statistics.acked_sequence
            _log.warning("stopped with %d debits not acked; they are kept for the next start", unacked_count)
        self._stopping.set()
        await self._finished.wait()

    async def _serve(self) -> None:
        while self._protocol.state is not State.FENCED:
            await self._pause()
            await self._attempt()

    async def _pause(self) -> None:
        """Waits until it is time to dial; what is notified meanwhile is taken."""
        while (wake_at_ns := self._protocol.wake_at_ns()) is not None and wake_at_ns > self._now_ns():
            self._take_notified()
            await self._sleep_until(wake_at_ns)

    async def _attempt(self) -> None:
        """One channel to one replica, and its stream, from the first packet to the last."""
        self._protocol.dial(self._now_ns())
        target = self._replicas.current
        channel = grpc.aio.insecure_channel(target, options=_channel_options(self._limits))
        try:
            ending = await self._converse(channel)
        finally:
            await channel.close()
        was = self._protocol.closing_reason
        now_ns = self._now_ns()
        at_once = self._replicas.move_on(now_ns, ending.may_be_leaving)
        jitter = 0.0 if at_once else self._rng.random()
        self._protocol.stream_closed(now_ns, ending.status, ending.reason, ending.message, jitter)
        _log.warning("no stream to the ledger at %s: %s", target, was or ending.message or ending.status)
        self._hand_over_events()

    async def _converse(self, channel: grpc.aio.Channel) -> _Ending:
        if not await self._reach(channel):
            return _Ending(grpc.StatusCode.UNAVAILABLE.value[0], "", "no connection")
        call: _Call = channel.stream_stream(_METHOD)()
        self._take_notified()  # Hello tells the last sequence
        self._protocol.stream_opened(self._now_ns())
        try:
            await self._tick_while(self._greet(call))
            await self._tick_while(self._read(call), self._write(call))
        finally:
            call.cancel()
        return await _ending(call)

    async def _reach(self, channel: grpc.aio.Channel) -> bool:
        """Waits for the connection, so that Hello is made when it can leave: leases are counted from then."""
        await self._tick_while(_connect(channel))
        is_ready = channel.get_state() is grpc.ChannelConnectivity.READY
        return is_ready and self._protocol.state is State.CONNECTING

    async def _tick_while(self, main: Coroutine[None, None, None], *others: Coroutine[None, None, None]) -> None:
        """Ticks until the main task ends, or the protocol gives the attempt up; then cancels what still runs.

        The writer may end before the reader: why the stream broke is what the reader learns. What a task raises is
        raised at once.
        """
        main_task = asyncio.create_task(main)
        tasks = {main_task, *map(asyncio.create_task, others)}
        running = set(tasks)
        try:
            while self._protocol.state in _UNDER_WAY and not main_task.done():
                done, running = await asyncio.wait(
                    running, timeout=self._until_tick_s(), return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    task.result()
                self._protocol.tick(self._now_ns())
                self._hand_over_events()
                self._wake.set()
        finally:
            await _cancel(*tasks)

    async def _greet(self, call: _Call) -> None:
        """Sends Hello and takes the answer, before anything else is sent or ticked."""
        hello = self._protocol.next_control()
        assert hello is not None
        self._bytes_sent += len(hello)
        try:
            await call.write(hello)
            data = await call.read()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return
        if isinstance(data, bytes):
            self._take(data)

    async def _read(self, call: _Call) -> None:
        """Takes what the ledger sends until the stream ends."""
        while self._protocol.state in OPEN:
            try:
                data = await call.read()
            except grpc.aio.AioRpcError:
                return
            if not isinstance(data, bytes):
                return
            self._take(data)

    def _take(self, data: bytes) -> None:
        self._take_notified()
        now_ns = self._now_ns()
        try:
            response = pb.SyncResponse.FromString(data)
        except DecodeError:
            self._protocol.abandon(now_ns, "the ledger sent bytes that are no message")
        else:
            if response.HasField("ack"):
                crash_point("after_ack_received")
            divergence = self._divergence(response.welcome)
            if divergence:
                self._protocol.diverged(now_ns, divergence)
            self._protocol.receive(response, now_ns)
        self._hand_over_events()
        self._check_drained()
        self._wake.set()

    def _divergence(self, welcome: pb.Welcome) -> str:
        """Says how the ledger's last debit differs from ours of that sequence; empty: it does not, or who knows.

        Only where acks were lost: what this folder takes for posted already cannot be saved by stopping.
        """
        sequence, operation_id = welcome.acked_sequence, welcome.acked_operation_id
        if not operation_id or not self._protocol.acked_sequence < sequence <= self._protocol.last_sequence:
            return ""
        for _, debit in self._read_debits(sequence - 1, 1, self._limits.batch_bytes):
            ours = pb.Debit.FromString(debit).operation_id
            if ours != operation_id:
                return (
                    f"debit {sequence} is of operation {ours!r} here and of {operation_id!r} at the ledger: "
                    "another copy of this folder was ahead; replay this one's debits"
                )
        return ""

    async def _write(self, call: _Call) -> None:
        """Sends what the protocol has, as fast as the ledger reads."""
        while self._protocol.state in OPEN:
            self._take_notified()
            message = self._protocol.next_control()
            is_debits = message is None
            now_ns = self._now_ns()  # one look for both: a pause must not end between them, unseen by either
            if message is None:
                message = self._next_debits(now_ns)
            if message is None:
                await self._wait_for_work(now_ns)
                continue
            self._bytes_sent += len(message)
            try:
                await call.write(message)
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                # A write that meets a closed stream can end the call as INTERNAL before the ledger's own status is
                # read. No harm: a fence is said again to the next Hello, when nothing else is being written.
                return
            if is_debits:
                crash_point("after_send")

    def _next_debits(self, now_ns: int) -> bytes | None:
        wanted = self._protocol.debits_wanted(now_ns)
        if wanted is None:
            return None
        rows = self._read_debits(wanted.after_sequence, wanted.max_count, wanted.max_bytes)
        message = self._protocol.debits_read(wanted, rows, self._now_ns())
        self._hand_over_events()
        return message

    async def _wait_for_work(self, now_ns: int) -> None:
        """Sleeps while the writer paces itself, deaf to `notify`; else until somebody wakes it."""
        paced_until_ns = self._protocol.paced_until_ns(now_ns)
        if paced_until_ns is not None:
            await self._sleep_until(paced_until_ns)
            return
        self._notice_wanted = True
        if self._notified == (self._protocol.last_sequence, self._protocol.durable_epoch):
            await self._sleep_until(None)
        self._notice_wanted = False

    async def _sleep_until(self, wake_at_ns: int | None) -> None:
        """Waits for the wake event, or a moment; a plain timer, since this runs hundreds of times a second."""
        loop = asyncio.get_running_loop()
        timer = None
        if wake_at_ns is not None:
            timer = loop.call_later(max(0, wake_at_ns - self._now_ns()) / 1e9, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            if timer is not None:
                timer.cancel()
        self._wake.clear()

    def _take_notified(self) -> None:
        """Hands to the protocol what `notify` left. The flag falls first, so that nothing later goes unnoticed."""
        self._waking = False
        last_sequence, epoch = self._notified
        asks = [self._asks.popleft() for _ in range(len(self._asks))]
        protocol = self._protocol
        if asks or last_sequence != protocol.last_sequence or epoch != protocol.durable_epoch:
            protocol.notify(last_sequence, epoch, asks, self._now_ns())
            self._hand_over_events()

    def _hand_over_events(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, Fenced):
                _log.critical("fenced: %s: %s", event.reason, event.message)
            elif isinstance(event, RulesUpdated):
                for account_id, subject, why in event.refused:
                    _log.error("rules of account %r, subject %r are refused: %s", account_id, subject, why)
            self._emit(event)

    def _check_drained(self) -> None:
        if self._draining and self._protocol.idle:
            self._drained.set()

    def _until_tick_s(self) -> float | None:
        wake_at_ns = self._protocol.wake_at_ns()
        return None if wake_at_ns is None else max(0, wake_at_ns - self._now_ns()) / 1e9


def _channel_options(limits: UplinkLimits) -> list[tuple[str, int]]:
    """Returns every option that matters, none left to the library's defaults."""
    return [
        ("grpc.max_send_message_length", limits.send_message_bytes),
        ("grpc.max_receive_message_length", limits.receive_message_bytes),
        ("grpc.keepalive_time_ms", limits.keepalive_interval_ms),
        ("grpc.keepalive_timeout_ms", limits.keepalive_timeout_ms),
        ("grpc.keepalive_permit_without_calls", 0),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.enable_retries", 0),
        ("grpc.min_reconnect_backoff_ms", limits.connect_timeout_ms),
        # Channels to one target share connections, and with them the pauses after a failure, unless told not to.
        ("grpc.use_local_subchannel_pool", 1),
    ]


async def _connect(channel: grpc.aio.Channel) -> None:
    """Waits until the channel can carry a call, or has failed to."""
    state = channel.get_state(try_to_connect=True)
    while state in {grpc.ChannelConnectivity.IDLE, grpc.ChannelConnectivity.CONNECTING}:
        await channel.wait_for_state_change(state)
        state = channel.get_state(try_to_connect=True)


async def _ending(call: _Call) -> _Ending:
    """Returns how a call ended that has ended."""
    code = await call.code()
    details = await call.details() or ""
    for key, value in await call.trailing_metadata() or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            return _Ending(code.value[0], _reason(value), details)
    return _Ending(code.value[0], "", details)


def _reason(details: bytes) -> str:
    """Returns the reason in a serialised `google.rpc.Status`, or an empty one."""
    try:
        status = status_pb2.Status.FromString(details)
    except DecodeError:
        return ""
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.Unpack(info):
            return info.reason
    return ""


async def _cancel(*tasks: asyncio.Task[object]) -> None:
    """Cancels tasks and waits until they are gone; what they raise has been looked at, or does not matter any more."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
