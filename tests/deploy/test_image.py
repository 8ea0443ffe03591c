"""The Dockerfile: it takes only what the build context has, runs unprivileged, and installs by hash."""

import importlib.util
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from holdfast_sidecar.config import ENVIRONMENT_PREFIX, SidecarConfig
from holdfast_sidecar.dispatcher.dispatcher import LIVENESS_SERVICE

ROOT = Path(__file__).resolve().parents[2]


def instructions() -> Iterator[tuple[str, str]]:
    """Instructions and their arguments, comments left out and continued lines joined."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, arguments = line.partition(" ")
        yield name, re.sub(r"\s+", " ", arguments.strip())


@pytest.fixture(scope="module")
def stages() -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage, in order."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, arguments in instructions():
        if name == "FROM":
            found[arguments.rpartition(" AS ")[2]] = [(name, arguments)]
        elif found:
            found[list(found)[-1]].append((name, arguments))
    return found


def test_the_sidecar_is_the_default_image(stages: dict[str, list[tuple[str, str]]]) -> None:
    """A build without a target makes the sidecar."""
    assert list(stages) == ["rust", "console", "build", "runtime", "ledger", "sidecar"]


@pytest.mark.parametrize("stage", ["ledger", "sidecar"])
def test_images_run_unprivileged(stages: dict[str, list[tuple[str, str]]], stage: str) -> None:
    """The user is a number, so that Kubernetes can tell that it is not root; no later stage changes it."""
    assert ("USER", "65532:65532") in stages["runtime"]
    assert stages[stage][0][1] == f"runtime AS {stage}"
    assert not [arguments for name, arguments in stages[stage] if name == "USER"]


def test_everything_from_outside_is_checked_by_hash(stages: dict[str, list[tuple[str, str]]]) -> None:
    """pip takes requirements by hash, or this project's own wheel; the wheel must carry the native module."""
    commands = [part for name, text in stages["build"] if name == "RUN" for part in text.split(" && ")]
    installs = [command for command in commands if re.search(r"pip (install|wheel)", command)]
    assert len(installs) == 6
    assert all("--require-hashes" in command or "--no-deps" in command for command in installs)
    assert any("grep --quiet _native" in command for command in commands)


def test_the_health_check_is_a_module_that_exists(stages: dict[str, list[tuple[str, str]]]) -> None:
    """It asks the port that the defaults serve."""
    (check,) = (arguments for name, arguments in stages["sidecar"] if name == "HEALTHCHECK")
    command = json.loads(check.partition(" CMD ")[2])
    assert command[1] == "-m"
    assert importlib.util.find_spec(command[2])
    assert command[3:] == [SidecarConfig.model_fields["listen_tcp"].default, LIVENESS_SERVICE]


def test_settings_in_the_image_are_known(stages: dict[str, list[tuple[str, str]]]) -> None:
    """An unknown variable would keep the sidecar from starting."""
    text = " ".join(arguments for name, arguments in stages["sidecar"] if name == "ENV")
    names = re.findall(rf"\b{ENVIRONMENT_PREFIX}(\w+)=", text)
    assert names
    assert {name.lower() for name in names} <= set(SidecarConfig.model_fields)


def test_the_ledger_has_what_its_settings_need() -> None:
    """A usage store, object stores, Kafka and PostgreSQL, which the manifests use, are extras of the package."""
    lock = (ROOT / "requirements" / "ledger.lock").read_text(encoding="utf-8")
    names = set(re.findall(r"^([\w-]+)==", lock, re.MULTILINE))
    assert {"chdb-core", "clickhouse-connect", "pyarrow", "obstore", "confluent-kafka", "psycopg"} <= names


def test_the_build_context_has_what_the_build_needs() -> None:
    """What .dockerignore lets through covers every source that a wheel is built from, and no leftovers."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    admitted = [line.removeprefix("!") for line in lines if line.startswith("!")]
    listed = subprocess.run(
        ["git", "ls-files", "-z", *("client", "sidecar", "ledger", "rating", "benchmarks", "protos", "pyproject.toml")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    for name in filter(None, listed):
        assert any(name == path or name.startswith(f"{path}/") for path in admitted), name
    assert "*" in lines
    assert "**/*.so" in lines
