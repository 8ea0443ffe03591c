"""The page on access: its commands and code as they stand there, against a real ledger."""

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from holdfast_ledger.bootstrap import main

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = (ROOT / "docs" / "access.md").read_text(encoding="utf-8")
(CODE,) = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^holdfast ledger (.*)$", TEXT, re.MULTILINE)
(CURL,) = re.findall(r"^curl (.*)$", TEXT, re.MULTILINE)


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """The first credential's, made as the page says."""
    monkeypatch.chdir(tmp_path)
    assert main(COMMANDS[0].split()) == 0
    return capsys.readouterr().out.strip()


@pytest.fixture
def ports(token: str) -> Iterator[tuple[str, str]]:
    """Addresses of a ledger that runs as the page says, on free ports."""
    arguments = COMMANDS[1].replace("127.0.0.1:7480", "127.0.0.1:0").split()
    command = [sys.executable, "-m", "holdfast.cli", "ledger", *arguments, "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = dict(process.stdout.readline().strip().split(" on ") for _ in range(2))
        yield told["listening"], told["console"].strip("/")
        process.terminate()


def test_the_page_does_what_it_says(
    token: str, ports: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOLDFAST_TOKEN", token)
    monkeypatch.setenv("HOLDFAST_LEDGER", ports[0])
    names: dict[str, object] = {}
    exec(compile(CODE, "access.md", "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    assert printed == re.findall(r"  # (.+)$", CODE, re.MULTILINE)
    channel = names["channel"]
    channel.close()  # type: ignore[attr-defined]

    path = CURL.split("http://127.0.0.1:7480")[1]
    (body,) = re.findall(r"-d '(.*?)'", CURL)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    request = urllib.request.Request(ports[1] + path, body.encode(), headers)
    with urllib.request.urlopen(request) as answer:
        assert json.loads(answer.read()) == {}


def test_every_role_is_on_the_page() -> None:
    from holdfast_ledger.access.caller import Role

    assert re.findall(r"^\| ([A-Z]+) \|", TEXT, re.MULTILINE) == [role.name for role in Role]
