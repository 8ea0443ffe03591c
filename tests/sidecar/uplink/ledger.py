"""A small real ledger for the runner's tests: a gRPC server that keeps the contract, or breaks it where told to."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from holdfast.v1 import ledger_sync_service_pb2 as pb
from holdfast.v1 import ledger_sync_service_pb2_grpc as pb_grpc

FAILED_PRECONDITION, INTERNAL, UNAVAILABLE = 9, 13, 14


class Ledger(pb_grpc.LedgerSyncServiceServicer):
    """Posts debits into a list, in the order of their sequences, without gaps and without doubles."""

    def __init__(self) -> None:
        """Starts with nothing posted and everything in order."""
        self.lock = threading.Lock()
        self.epoch = 0
        self.instance = b""
        self.posted: list[int] = []
        self.received_count = 0
        self.debit_bytes = 0
        self.batch_counts: list[int] = []
        self.hellos: list[pb.Hello] = []
        self.asks: list[pb.LeaseRequest] = []
        self.rules_asks: list[pb.RulesRequest] = []
        self.rules = pb.RulesUpdate()
        """The answer to each rules request."""
        self.heartbeat_interval_ms = 60_000
        self.lease_validity_ms = 30_000
        self.window_debit_count = 10_000
        self.acked_operation_id = ""
        self.acking = True
        self.reading = threading.Event()
        self.reading.set()
        self.answering = threading.Event()
        self.answering.set()
        self.drop_after: int | None = None
        """Debits after which each stream is cut, unacked."""
        self.refusal: tuple[str, str] | None = None
        self.refusal_code = FAILED_PRECONDITION
        self._server: grpc.Server | None = None
        self._stopped = threading.Event()
        self._stream_count = 0
        self._downs: list[SimpleQueue[pb.SyncResponse | None]] = []
        self.port = 0

    def start(self) -> str:
        """Listens, on the port of before if there was one; returns the target."""
        self._stopped.clear()
        self._server = grpc.server(ThreadPoolExecutor(16), options=[("grpc.so_reuseport", 0)])
        pb_grpc.add_LedgerSyncServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()
        return f"127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Cuts every stream and stops listening."""
        self._stopped.set()
        self.reading.set()
        self.answering.set()
        for down in self._downs:
            down.put(None)
        if self._server is not None:
            self._server.stop(None).wait()

    def say(self, response: pb.SyncResponse) -> None:
        """Sends a message of the ledger's own accord, on the youngest stream."""
        self._downs[-1].put(response)

    def cut(self) -> None:
        """Ends the youngest stream, as a ledger that is being replaced does."""
        self._downs[-1].put(None)

    def share(self, other: "Ledger") -> None:
        """Makes this one a replica of another: one set of books."""
        self.lock, self.posted, self.hellos = other.lock, other.posted, other.hellos

    @property
    def stream_count(self) -> int:
        """Streams that are open."""
        return self._stream_count

    def Sync(
        self, request_iterator: Iterator[pb.SyncRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.SyncResponse]:
        """Reads on one thread, writes on another."""
        down: SimpleQueue[pb.SyncResponse | None] = SimpleQueue()
        self._downs.append(down)
        context.add_callback(lambda: down.put(None))
        reader = threading.Thread(target=self._read, args=(request_iterator, down, context), daemon=True)
        reader.start()
        self._stream_count += 1
        try:
            while (response := down.get()) is not None:
                self.answering.wait()
                yield response
        finally:
            self._stream_count -= 1
        if self.refusal is not None:
            context.abort_with_status(rpc_status.to_status(_status(self.refusal_code, *self.refusal)))

    def _read(
        self,
        requests: Iterator[pb.SyncRequest],
        down: "SimpleQueue[pb.SyncResponse | None]",
        context: grpc.ServicerContext,
    ) -> None:
        stream_count = 0
        try:
            for request in requests:
                self.reading.wait()
                if self._stopped.is_set():
                    break
                stream_count += len(request.debits.debits)
                if self.drop_after is not None and stream_count > self.drop_after:
                    context.cancel()
                    break
                self._take(request, down)
        except grpc.RpcError:
            pass
        down.put(None)

    def _take(self, request: pb.SyncRequest, down: "SimpleQueue[pb.SyncResponse | None]") -> None:
        kind = request.WhichOneof("message")
        if kind == "hello":
            self._hello(request.hello, down)
        elif kind == "debits":
            self._post(request.debits, down)
        elif kind == "heartbeat":
            ack = pb.HeartbeatAck(heartbeat_id=request.heartbeat.heartbeat_id, lease_validity_ms=self.lease_validity_ms)
            down.put(pb.SyncResponse(heartbeat_ack=ack))
        elif kind == "lease_request":
            self.asks.append(request.lease_request)
            leases = [
                pb.Lease(account_id=want.account_id, pool_id=want.pool_id, status=pb.LEASE_STATUS_UNKNOWN_POOL)
                for want in request.lease_request.wants
            ]
            update = pb.LeaseUpdate(request_id=request.lease_request.request_id, leases=leases)
            down.put(pb.SyncResponse(lease_update=update))
        elif kind == "rules_request":
            self.rules_asks.append(request.rules_request)
            self.rules.request_id = request.rules_request.request_id
            down.put(pb.SyncResponse(rules_update=self.rules))

    def _hello(self, hello: pb.Hello, down: "SimpleQueue[pb.SyncResponse | None]") -> None:
        if self.refusal is not None:
            down.put(None)
            return
        with self.lock:
            self.hellos.append(hello)
            if hello.instance != self.instance:
                self.epoch, self.instance = self.epoch + 1, hello.instance
            welcome = pb.Welcome(
                epoch=self.epoch,
                birth_epoch=1,
                acked_sequence=self.posted[-1] if self.posted else 0,
                lease_validity_ms=self.lease_validity_ms,
                heartbeat_interval_ms=self.heartbeat_interval_ms,
                window_debit_count=self.window_debit_count,
                acked_operation_id=self.acked_operation_id,
            )
        down.put(pb.SyncResponse(welcome=welcome))

    def _post(self, batch: pb.DebitBatch, down: "SimpleQueue[pb.SyncResponse | None]") -> None:
        with self.lock:
            self.batch_counts.append(len(batch.debits))
            self.debit_bytes += batch.ByteSize()
            for debit in batch.debits:
                self.received_count += 1
                mark = self.posted[-1] if self.posted else 0
                assert debit.sequence <= mark + 1, "a gap"
                assert debit.epoch <= self.epoch, "a debit of an epoch that is not given yet"
                if debit.sequence == mark + 1:
                    self.posted.append(debit.sequence)
            if self.acking and self.posted:
                down.put(pb.SyncResponse(ack=pb.DebitAck(acked_sequence=self.posted[-1])))


def _status(code: int, reason: str, message: str) -> status_pb2.Status:
    detail = AnyMessage()
    detail.Pack(error_details_pb2.ErrorInfo(reason=reason, domain="holdfast.v1"))
    return status_pb2.Status(code=code, message=message, details=[detail])
