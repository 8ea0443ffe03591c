"""Subjects take turns, each in a process of its own, and what fails is named."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from google.protobuf.wrappers_pb2 import StringValue
from holdfast_bench import rounds, system
from holdfast_bench.generator import step_of
from holdfast_bench.load import Bursts, Closed, Load, Open, Replay
from holdfast_bench.options import Options
from holdfast_bench.results import Figures, Subject, percentiles_of

pytest.importorskip("holdfast_sidecar._native", reason="the native module is not built")

STEP = step_of("/test.v1.Echo/Say", StringValue(value="hello"), expect=b"no echo says this")
FIGURES = Figures(1.0, percentiles_of([(1, 1)]), [(1, 1)], {0: 1})


def test_subjects_are_the_bare_the_portable_and_the_one_asked_for() -> None:
    assert list(map(str, rounds.subjects(Options()))) == [
        "bare",
        "portable, host, full path", "native, host, full path", "native, host, empty path",
        "portable, process, full path", "native, process, full path", "native, process, empty path",
    ]  # fmt: skip
    portable = Options(transport="portable", durabilities=("host",), path="empty")
    assert list(map(str, rounds.subjects(portable))) == ["bare", "portable, host, empty path"]
    assert list(map(str, rounds.subjects(Options(), decides=False))) == ["bare", "portable", "native"]


def test_subjects_take_turns_in_fresh_processes() -> None:
    order: list[tuple[str, int]] = []

    def measure(subject: Subject, process: system.Process) -> Figures:
        order.append((str(subject), process.process_id))
        return FIGURES

    rounds.interleave("transport", Options(rounds=2), measure, decides=False)
    assert [name for name, _ in order] == ["bare", "portable", "native"] * 2
    assert len({process_id for _, process_id in order}) == 6


def test_a_server_that_ends_while_it_is_measured_is_named_with_its_last_words(tmp_path: Path) -> None:
    words = "import sys; print('listening on 127.0.0.1:1', flush=True); sys.stderr.write('out of luck'); sys.exit(3)"

    def measure(subject: Subject, process: system.Process) -> Figures:
        process.await_end()
        raise RuntimeError("the load failed")

    with (
        system.start("server", [sys.executable, "-c", words], tmp_path) as process,
        pytest.raises(system.ProcessFailed, match=r"server ended with status 3:\nout of luck"),
    ):
        rounds.measured(Subject("native"), process, measure)


def test_an_echo_is_not_expected_to_allow() -> None:
    load = Load((STEP,), Closed(1), 0.0, 1.0)
    assert [step.expect for step in rounds.unexpecting(load).steps] == [b""]


def test_a_load_is_closed_unless_a_rate_is_asked_for() -> None:
    closed = rounds.load_of(Options(), STEP, in_flight=7)
    assert (closed.pacing, closed.fixed_rate) == (Closed(7), False)
    assert rounds.load_of(Options(in_flight=3), STEP, in_flight=7).pacing == Closed(3)
    opened = rounds.load_of(Options(rate_per_s=9.0), STEP, in_flight=7)
    assert (opened.pacing, opened.fixed_rate) == (Open(9.0), True)
    pacings = (Closed(7), Open(9.0), Bursts(50, 1), Replay([]))
    assert [rounds.in_flight(replace(closed, pacing=pacing).pacing) for pacing in pacings] == [7, 0, 50, 0]
