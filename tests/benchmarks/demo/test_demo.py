"""The demo as a user starts it: real processes, a crash, a reconciliation, and nothing left behind."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

DEMO = [sys.executable, "-m", "holdfast.cli", "demo"]
NATIVE = importlib.util.find_spec("holdfast_sidecar._native") is not None
PROMISES = 6


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the demo to its end."""
    command = [*DEMO, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **environment}
    )


def figure(told: str, pattern: str) -> int:
    """A count in the report."""
    found = re.search(pattern, told)
    assert found, told
    return int(found[1].replace(",", ""))


def check_report(told: str) -> None:
    """What every run has to tell: a crash under load, an empty wallet, every promise kept."""
    assert told.count("✓") == PROMISES
    assert "✗" not in told
    assert "Every promise was kept." in told
    assert "sidecar killed (SIGKILL)" in told
    assert "sidecar back" in told
    assert figure(told, r"([\d,]+) holds open, back after") > 0
    assert figure(told, r"([\d,]+) operations sent again") > 0
    assert figure(told, r"([\d,]+) denied \([\d,]+ INSUFFICIENT_BALANCE\)") > 0
    assert figure(told, r"([\d,]+) settles, [\d.]+ credits") > 0
    burned = re.findall(r"^  (\S+) +([\d.]+) +([\d.]+) +([\d.]+) +[\d,]+ *$", told, re.MULTILINE)
    assert [name for name, *_ in burned] == ["welcome", "monthly", "invoice-7"]
    for _, granted, spent, left in burned[:2]:
        assert (granted, left) == (spent, "0.0000")
    assert float(burned[2][3]) < 0.01 * sum(float(granted) for _, granted, *_ in burned)


def test_a_drawn_run_keeps_every_promise(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    ended = run("--quick", "--folder", str(folder))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    check_report(ended.stdout)
    assert max(map(len, ended.stdout.replace(str(folder), "").splitlines())) <= 80
    acked = {line.split()[0] for line in (folder / "history.txt").read_text(encoding="utf-8").splitlines()}
    assert len(acked) == figure(ended.stdout, r"([\d,]+) settles, [\d.]+ credits")
    again = run("--quick", "--folder", str(folder))
    assert again.returncode == 1
    assert "is not empty" in again.stderr


def test_a_trace_is_replayed_over_the_portable_transport(tmp_path: Path) -> None:
    """A trace shorter than the wallet lasts begins anew."""
    rows = [f"2023-11-16 18:15:{10 + at * 2}.5000000,{300 + at},{40 + 90 * at}" for at in range(9)]
    trace = tmp_path / "trace.csv"
    trace.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n" + "\n".join(rows) + "\n", encoding="utf-8")
    ended = run("--quick", "--trace", str(trace), "--transport", "portable", "--speed", "1200")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "trace.csv (9)" in ended.stdout
    assert "time 1,200x faster, portable transport" in ended.stdout
    check_report(ended.stdout)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_process(number: signal.Signals, tmp_path: Path) -> None:
    with subprocess.Popen(
        [*DEMO, "--quick"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        for line in demo.stdout:
            if re.match(r" +\d+\.\d +\d", line):  # the load has begun
                break
        servers = psutil.Process(demo.pid).children()
        assert len(servers) == 2
        demo.send_signal(number)
        assert demo.wait(timeout=30) == 130
        assert "interrupted" in demo.stderr.read()
    assert not [server for server in servers if server.is_running()]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["--trace", "/nowhere/trace.csv"], 1, "trace.csv"),
        (["--speed", "0"], 2, "above 0"),
        (["--speed", "fast"], 2, "--speed"),
        (["--transport", "carrier-pigeon"], 2, "carrier-pigeon"),
    ],
)
def test_what_cannot_be_played_is_told(arguments: list[str], status: int, told: str) -> None:
    ended = run(*arguments)
    assert ended.returncode == status
    assert told in ended.stderr


def test_a_dead_ledger_ends_the_demo_with_the_reason(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*DEMO, "--folder", str(tmp_path / "kept")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        for line in demo.stdout:
            if re.match(r" +\d+\.\d +\d", line):
                break
        for server in psutil.Process(demo.pid).children():
            if "ledger" in server.cmdline():
                server.kill()
        assert demo.wait(timeout=60) == 1
        assert "ledger ended with status -9" in demo.stderr.read()
