"""The load generator sends what it is told, when it is told, and counts what comes back."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from holdfast_bench.generator import Step, number, step_of
from holdfast_sidecar.transport.interface import Method, MethodKind, TransportConfig

native = pytest.importorskip("holdfast_sidecar._native", reason="the native module is not built")

OPEN, CLOSE, TALK = "/test.v1.Recorder/Open", "/test.v1.Recorder/Close", "/test.v1.Recorder/Talk"
OK, INVALID_ARGUMENT = 0, 3


class Recorder(grpc.GenericRpcHandler):
    """Keeps every payload; answers it with itself, unless `answer` says otherwise."""

    def __init__(self) -> None:
        self.received: list[tuple[str, str]] = []
        self.answer: Callable[[str, grpc.ServicerContext], str] = lambda text, _: text
        self.lock = threading.Lock()

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """Takes every method; Talk is a stream."""
        path = details.method

        def reply(payload: bytes, context: grpc.ServicerContext) -> bytes:
            text = StringValue.FromString(payload).value
            with self.lock:
                self.received.append((path, text))
            return StringValue(value=self.answer(text, context)).SerializeToString()

        def talk(payloads: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            for payload in payloads:
                yield reply(payload, context)

        if path == TALK:
            return grpc.stream_stream_rpc_method_handler(talk)
        return grpc.unary_unary_rpc_method_handler(reply)

    def texts(self, path: str) -> list[str]:
        """The payloads of one method, in the order of arrival."""
        return [text for method, text in self.received if method == path]


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[tuple[Recorder, str]]:
    """A real gRPC server that records, and where it listens."""
    handler = Recorder()
    server = grpc.server(ThreadPoolExecutor(64), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.add_insecure_port(f"unix:{tmp_path}/s")
    server.start()
    yield handler, f"127.0.0.1:{port}"
    server.stop(0).wait()


def text_step(path: str, text: str, **options: object) -> Step:
    return step_of(path, StringValue(value=text), **options)  # type: ignore[arg-type]  # passed through


def test_every_number_is_sent_once_and_later_steps_refer_to_it(recorder: tuple[Recorder, str]) -> None:
    handler, target = recorder
    steps = [
        text_step(OPEN, f"hold-{number(0)} pool-{number(0, modulo=7)}"),
        text_step(CLOSE, f"{number(1, 1)} of {number(0)}, before {number(1, 0)}", number_count=2),
    ]
    generator = native.LoadGenerator(target, steps, 2, 500)

    report = generator.closed(5, 0.0, 60.0, max_item_count=40)

    assert report.status_counts == {OK: 80}
    assert (report.item_count, report.unexpected_count, report.unanswered_count) == (40, 0, 0)
    assert report.call_latency.count == 80
    assert report.next_number == 500 + 3 * 40
    holds = [int(text[5:17]) for text in handler.texts(OPEN)]
    pools = [int(text[23:]) for text in handler.texts(OPEN)]
    assert pools == [hold % 7 for hold in holds]
    closes = [(int(text[:12]), int(text[16:28]), int(text[37:])) for text in handler.texts(CLOSE)]
    assert [second - 1 for second, _, _ in closes] == [first for _, _, first in closes]
    assert sorted(hold for _, hold, _ in closes) == sorted(holds)
    used = holds + [first for *_, first in closes] + [second for second, *_ in closes]
    assert sorted(used) == list(range(500, report.next_number))


def test_a_second_run_goes_on_counting(recorder: tuple[Recorder, str]) -> None:
    handler, target = recorder
    generator = native.LoadGenerator(target, [text_step(OPEN, number())], 1, 0)
    for _ in range(2):
        generator.closed(1, 0.0, 60.0, max_item_count=3)
    assert [int(text) for text in handler.texts(OPEN)] == [0, 1, 2, 3, 4, 5]


def test_messages_on_streams_are_answered_one_by_one(recorder: tuple[Recorder, str]) -> None:
    handler, target = recorder
    generator = native.LoadGenerator(target, [text_step(TALK, number(), stream=True)], 1, 0)
    report = generator.closed(4, 0.0, 60.0, max_item_count=100)
    assert report.status_counts == {OK: 100}
    assert sorted(int(text) for text in handler.texts(TALK)) == list(range(100))


def test_a_unix_socket_is_a_target(recorder: tuple[Recorder, str], tmp_path: Path) -> None:
    generator = native.LoadGenerator(f"unix:{tmp_path}/s", [text_step(OPEN, number())], 1, 0)
    assert generator.closed(2, 0.0, 60.0, max_item_count=10).status_counts == {OK: 10}


@pytest.mark.parametrize("stream", [False, True], ids=["calls", "streams"])
def test_what_passes_the_server_s_limit_of_streams_waits_for_its_turn(stream: bool) -> None:
    methods = (Method(OPEN), Method(TALK, MethodKind.BIDI))
    server = native.EchoServer(TransportConfig(methods, tcp_address="127.0.0.1:0", max_concurrent_streams=5))
    step = text_step(TALK if stream else OPEN, number(), stream=stream, expect=b"\n\x0c0")
    generator = native.LoadGenerator(f"127.0.0.1:{server.tcp_port}", [step], 2, 0)
    report = generator.closed(90, 0.0, 60.0, max_item_count=3_000)
    server.close(0)
    assert report.status_counts == {OK: 3_000}
    assert (report.unexpected_count, report.unanswered_count) == (0, 0)


def test_failures_are_counted_by_status_and_end_their_item(recorder: tuple[Recorder, str]) -> None:
    handler, target = recorder

    def refuse_odd(text: str, context: grpc.ServicerContext) -> str:
        if int(text) % 2:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "odd")
        return text

    handler.answer = refuse_odd
    steps = [text_step(OPEN, number(0), number_count=1), text_step(CLOSE, number(0), number_count=0)]
    report = native.LoadGenerator(target, steps, 1, 0).closed(3, 0.0, 60.0, max_item_count=20)
    assert report.status_counts == {OK: 20, INVALID_ARGUMENT: 10}
    assert (report.item_count, report.unexpected_count) == (20, 0)
    assert sorted(int(text) for text in handler.texts(CLOSE)) == list(range(0, 20, 2))


@pytest.mark.parametrize(("expect", "expect_count"), [(b"\n\x05ALLOW", 0), (b"LL", 1), (b"L", 2)])
def test_an_answer_that_is_not_as_expected_is_counted(
    recorder: tuple[Recorder, str], expect: bytes, expect_count: int
) -> None:
    handler, target = recorder
    handler.answer = lambda text, _: "DENY" if int(text) < 4 else "ALLOW"
    steps = [
        text_step(OPEN, number(0), expect=expect, expect_count=expect_count),
        text_step(CLOSE, number(0), expect=expect, expect_count=expect_count),
    ]
    report = native.LoadGenerator(target, steps, 1, 0).closed(1, 0.0, 60.0, max_item_count=10)
    assert report.unexpected_count == 4
    assert len(handler.texts(CLOSE)) == 10 - 4


def test_a_large_answer_and_a_large_payload_pass(recorder: tuple[Recorder, str]) -> None:
    handler, target = recorder
    handler.answer = lambda _, __: "x" * 300_000 + "end"
    step = text_step(OPEN, number() + "y" * 50_000, expect=b"end", expect_count=1)
    report = native.LoadGenerator(target, [step], 1, 0).closed(8, 0.0, 60.0, max_item_count=40)
    assert report.status_counts == {OK: 40}
    assert report.unexpected_count == 0
    assert {len(text) for text in handler.texts(OPEN)} == {50_012}


def test_open_loop_charges_a_stall_to_every_call_that_was_due(recorder: tuple[Recorder, str]) -> None:
    """200 ms of a 1 s run at 200/s: 40 calls were due in it, so a fifth of all is late, not one call."""
    handler, target = recorder
    turn, begun = threading.Lock(), time.monotonic()
    stalled: list[str] = []

    def stall_once(text: str, _: grpc.ServicerContext) -> str:
        with turn:
            if not stalled and time.monotonic() - begun > 0.4:
                stalled.append(text)
                time.sleep(0.2)
        return text

    handler.answer = stall_once
    report = native.LoadGenerator(target, [text_step(OPEN, number())], 1, 0).open(200.0, 0.0, 1.0)
    assert report.call_count == 200, "the rate is kept through the stall"
    assert report.status_counts == {OK: 200}
    late = sum(count for value_us, count in report.call_latency.buckets() if value_us > 20_000)
    assert late >= 30
    assert report.call_latency.percentile_us(99) > 150_000


def test_a_burst_is_as_slow_as_its_slowest(recorder: tuple[Recorder, str]) -> None:
    handler, target = recorder

    def slow_tenth(text: str, _: grpc.ServicerContext) -> str:
        if int(text) % 10 == 9:
            time.sleep(0.5)
        return text

    handler.answer = slow_tenth
    report = native.LoadGenerator(target, [text_step(OPEN, number())], 1, 0).bursts(10, 100_000, 0.1, 0.5)
    assert report.call_count == 50
    assert report.burst_latency.count == 5
    assert min(value for value, _ in report.burst_latency.buckets()) >= 500_000
    assert report.call_latency.percentile_us(50) < 500_000


def test_a_schedule_is_kept(recorder: tuple[Recorder, str]) -> None:
    handler, target = recorder
    arrivals: list[float] = []
    handler.answer = lambda text, _: arrivals.append(time.monotonic()) or text  # type: ignore[func-returns-value]
    steps = [text_step(OPEN, ""), text_step(CLOSE, "")]
    calls = [
        (due_us, step, StringValue(value=str(due_us)).SerializeToString())
        for due_us, step in [(0, 0), (100_000, 0), (100_000, 1), (300_000, 1)]
    ]
    begun = time.monotonic()
    report = native.LoadGenerator(target, steps, 1, 0).replay(calls, 0.0)
    assert report.status_counts == {OK: 4}
    assert handler.texts(OPEN) == ["0", "100000"]
    assert handler.texts(CLOSE) == ["100000", "300000"]
    assert max(arrivals) - begun >= 0.3


def test_the_warm_up_is_not_counted(recorder: tuple[Recorder, str]) -> None:
    handler, target = recorder
    report = native.LoadGenerator(target, [text_step(OPEN, number())], 1, 0).open(100.0, 0.3, 0.5)
    assert report.call_count == 50
    assert len(handler.texts(OPEN)) == 80
    assert report.seconds == pytest.approx(0.5)


def test_a_server_that_leaves_ends_the_run_with_an_error() -> None:
    handler = Recorder()
    server = grpc.server(ThreadPoolExecutor(2), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    generator = native.LoadGenerator(f"127.0.0.1:{port}", [text_step(OPEN, number())], 1, 0)
    handler.answer = lambda text, _: (server.stop(0).wait() and text) or text
    with pytest.raises(OSError, match="server"):
        generator.closed(1, 0.0, 60.0)
    with pytest.raises(OSError, match="refused"):
        generator.closed(1, 0.0, 60.0)


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [text_step(OPEN, number(1)), text_step(CLOSE, "")],
        [Step(OPEN, b"short", text_step(OPEN, number()).patches)],
        [text_step(OPEN, "")] * 9,
    ],
    ids=["no step", "number of a later step", "patch outside", "too many"],
)
def test_steps_that_make_no_sense_are_refused(steps: list[Step]) -> None:
    with pytest.raises(ValueError, match="step"):
        native.LoadGenerator("127.0.0.1:1", steps, 1, 0)


@pytest.mark.parametrize(("step", "slot", "modulo"), [(10, 0, 0), (-1, 0, 0), (0, 10_000, 0), (0, 0, 1_000_000)])
def test_numbers_out_of_range_are_refused(step: int, slot: int, modulo: int) -> None:
    with pytest.raises(ValueError, match="no such number"):
        number(step, slot, modulo)
