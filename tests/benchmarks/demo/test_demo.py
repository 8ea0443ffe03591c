"""The demo as a user starts it: real processes, a crash, a reconciliation, and nothing left behind."""

import contextlib
import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import sys
import termios
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.scenarios.world import START_TIMEOUT_S, wait_until

DEMO = [sys.executable, "-m", "holdfast.cli", "demo"]
PROMISES = 6


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the demo to its end, into a pipe."""
    return subprocess.run([*DEMO, *arguments], capture_output=True, text=True, timeout=240, check=False)


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
    assert figure(told, r"([\d,]+) operations resent") > 0
    assert figure(told, r"([\d,]+) INSUFFICIENT_BALANCE") > 0
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


def run_on_terminal(*arguments: str) -> tuple[int, str]:
    """Runs the demo on a terminal of 80 columns; returns its status, and what it wrote without the control codes."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "TERM": "xterm"}
    written = bytearray()
    with subprocess.Popen([*DEMO, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as demo:
        os.close(theirs)
        with contextlib.suppress(OSError):  # EIO is how a terminal ends
            while chunk := os.read(ours, 65_536):
                written += chunk
        os.close(ours)
        status = demo.wait(timeout=90)
    return status, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", written.decode())


def test_a_trace_is_replayed_on_a_terminal_over_the_portable_transport(tmp_path: Path) -> None:
    """A trace shorter than the wallet lasts begins anew; the picture stays within the terminal."""
    rows = [f"2023-11-16 18:15:{10 + at * 2}.5000000,{300 + at},{40 + 90 * at}" for at in range(9)]
    trace = tmp_path / "trace[red].csv"
    trace.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n" + "\n".join(rows) + "\n", encoding="utf-8")
    status, told = run_on_terminal("--quick", "--trace", str(trace), "--transport", "portable", "--speed", "1200")
    assert status == 0, told
    assert "trace[red].csv (9)" in told
    assert "time 1,200x faster, portable transport" in told
    assert told.count("holdfast demo ─") >= 5
    assert {len(line) for line in told.splitlines() if "│" in line} == {80}
    check_report(told)


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
        assert demo.wait(timeout=90) == 130
        assert "interrupted" in demo.stderr.read()
    assert not [server for server in servers if server.is_running()]
    assert list(tmp_path.iterdir()) == []


def ask(url: str, method: str, request: Mapping[str, object]) -> dict[str, Any]:
    """Asks the demo's ledger over HTTP, as the console does."""
    call = urllib.request.Request(
        f"{url}holdfast.v1.{method}", json.dumps(request).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(call, timeout=60) as answer:
        found: dict[str, Any] = json.loads(answer.read())
        return found


def counted(url: str, question: Mapping[str, object]) -> int:
    """What the usage figures come to; 0 while their store is still starting."""
    try:
        return int(ask(url, "UsageService/QueryUsage", question).get("total", 0))
    except urllib.error.HTTPError as refused:
        with refused:
            if refused.code != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
        return 0


def test_the_console_stays_open_with_all_that_was_spent(tmp_path: Path) -> None:
    """With --stay ledger and console are there until a signal; every credit of the run is in the usage figures."""
    with subprocess.Popen(
        [*DEMO, "--quick", "--stay"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as demo:
        assert demo.stdout is not None
        told = ""
        for line in demo.stdout:
            told += line
            if line.startswith("Look around at "):
                break
        check_report(told)
        url = told.split("Look around at ")[1].split(" ")[0]
        assert f"console on {url} while this runs" in told
        servers = psutil.Process(demo.pid).children(recursive=True)
        pool = {"accountId": "acme", "poolId": "general"}
        spent = int(ask(url, "LedgerService/GetPool", pool)["balance"]["spentTotal"])
        now_ms = time.time_ns() // 1_000_000
        window = {"startUnixMs": str(now_ms - 86_400_000), "endUnixMs": str(now_ms + 86_400_000)}
        question: dict[str, object] = {"accountId": "acme", "measure": "USAGE_MEASURE_CREDITS", **window}
        wait_until(lambda: counted(url, question) == spent, START_TIMEOUT_S)
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(timeout=90) == 0
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
        assert demo.wait(timeout=90) == 1
        assert "ledger ended with status -9" in demo.stderr.read()
