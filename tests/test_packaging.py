"""Builds what is published from what git has, and imports it away from the working tree."""

import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
SOURCES = ("client", "sidecar", "ledger", "rating", "benchmarks", "protos")
IMPORTED_PACKAGES = (
    "holdfast.v1",
    "holdfast_sidecar",
    "holdfast_ledger",
    "holdfast_rating",
    "holdfast_sidecar.store.v1",
)


def run(*command: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Runs a command and returns what it printed; fails with all of its output."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def without_rust() -> dict[str, str]:
    """This environment with no Rust toolchain on its path: the optional extension is passed over, quickly."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("CARGO", "RUST"))}
    env["PATH"] = os.pathsep.join(
        folder for folder in env["PATH"].split(os.pathsep) if not (Path(folder) / "rustc").exists()
    )
    return env


def build(hook: str, source: Path, output: Path) -> Path:
    """Calls one hook of the build backend as a front end would, and returns the file that it made."""
    output.mkdir()
    code = f"from setuptools import build_meta; build_meta.{hook}({str(output)!r})"
    run(sys.executable, "-c", code, cwd=source, env=without_rust())
    return next(output.iterdir())


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source distribution of the files that are not ignored, so that build leftovers cannot help."""
    tree = tmp_path_factory.mktemp("tree")
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes((ROOT / name).read_bytes())
    return build("build_sdist", tree, tmp_path_factory.mktemp("sdist") / "dist")


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the unpacked source distribution alone."""
    unpacked = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    return build("build_wheel", next(unpacked.iterdir()), tmp_path_factory.mktemp("wheel") / "dist")


def tracked(*patterns: str) -> set[str]:
    """Names of the tracked files below the sources that match a pattern."""
    listed = run("git", "ls-files", "-z", *SOURCES, cwd=ROOT).split("\0")
    return {name for name in filter(None, listed) if any(Path(name).match(p) for p in patterns)}


def test_sdist_has_what_a_build_needs(sdist: Path) -> None:
    """The Rust crate and the protos travel in the source distribution; its build output does not."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert tracked("*.rs", "*.proto", "Cargo.toml", "Cargo.lock") - names == set()
    assert not [name for name in names if "/target/" in name or name.endswith(".so")]


def test_wheel_has_every_source_and_data_file(wheel: Path) -> None:
    """Each module, stub, marker and migration of the five packages is in the wheel, and no other package."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    wanted = {name.partition("/")[2] for name in tracked("*.py", "*.pyi", "*.sql", "py.typed")}
    assert wanted - names == set()
    assert {name.split("/")[0] for name in names} <= {
        "holdfast",
        "holdfast_sidecar",
        "holdfast_ledger",
        "holdfast_rating",
        "holdfast_bench",
    }


def test_wheel_imports(wheel: Path, tmp_path: Path) -> None:
    """What is installed from the wheel imports from there, without the working tree."""
    target = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    code = (
        "import importlib, sys\n"
        f"for name in {IMPORTED_PACKAGES!r}:\n"
        "    print(*importlib.import_module(name).__path__)\n"
    )
    printed = run(sys.executable, "-c", code, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(target)})
    assert len(printed.splitlines()) == len(IMPORTED_PACKAGES)
    assert all(Path(line).is_relative_to(target) for line in printed.splitlines())


def test_editable_install_imports(tmp_path: Path) -> None:
    """The environment under test imports the working tree from anywhere."""
    code = f"import importlib\nfor name in {IMPORTED_PACKAGES!r}: print(*importlib.import_module(name).__path__)"
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    printed = run(sys.executable, "-c", code, cwd=tmp_path, env=env)
    assert all(Path(line).is_relative_to(ROOT) for line in printed.splitlines())


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.name))
def test_lock_pins_by_hash_and_names_no_address(lock: Path) -> None:
    """Locks hold names, versions and hashes; where to download from is the machine's own affair."""
    text = lock.read_text(encoding="utf-8")
    assert not re.search(r"://|^\s*-|^\s*[./]|@\s", text.replace("    --hash=sha256:", ""), re.MULTILINE)
    requirements = re.split(r"\n(?=\S)", text.strip())
    assert requirements
    for requirement in requirements:
        assert re.match(r"[a-z0-9-]+==\S+", requirement), requirement
        assert "--hash=sha256:" in requirement, requirement


def test_console_lock_names_no_address() -> None:
    """The console's packages are exact versions by hash; where to download from is the machine's own affair."""
    folder = ROOT / "ledger" / "console"
    wanted = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    versions = {**wanted["dependencies"], **wanted["devDependencies"]}
    assert not [name for name, version in versions.items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)]
    packages = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert not [name for name, package in packages.items() if "resolved" in package]
    assert [name for name, package in packages.items() if not package.get("integrity")] == [""]
    # Whatever the machine: npm refuses a lock that leaves out what other platforms take.
    known = {name.rpartition("node_modules/")[2] for name in packages}
    optional = {name for package in packages.values() for name in package.get("optionalDependencies", {})}
    assert optional - known == set()


def test_locks_agree_and_cover_the_project() -> None:
    """Images take the versions that the tests ran with, and every declared dependency is locked."""
    pins = {
        lock.stem: set(re.findall(r"^([a-z0-9-]+==[^\s;]+)", lock.read_text(encoding="utf-8"), re.MULTILINE))
        for lock in LOCKS
    }
    assert set(pins) == {"build", "dev", "ledger", "sidecar"}
    assert all(pinned <= pins["dev"] for pinned in pins.values())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra in ("sidecar", "ledger"):
        locked = {pin.partition("==")[0] for pin in pins[extra]}
        declared = project["dependencies"] + project["optional-dependencies"][extra]
        assert {re.split(r"[><=\[ ]", name)[0] for name in declared} <= locked


def test_generated_code_asks_for_no_more_than_the_project_declares() -> None:
    """The lowest grpcio and protobuf that the distribution admits can load the generated code."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    generated = ROOT / "client" / "holdfast" / "v1"
    grpc_text = (generated / "enforcement_service_pb2_grpc.py").read_text(encoding="utf-8")
    protobuf_text = (generated / "decision_pb2.py").read_text(encoding="utf-8")
    grpc_version = re.search(r"GRPC_GENERATED_VERSION = '([\d.]+)'", grpc_text)
    protobuf_version = re.search(r"Domain\.PUBLIC,\s+(\d+),\s+(\d+),\s+(\d+),", protobuf_text)
    assert grpc_version
    assert protobuf_version
    assert f"grpcio>={grpc_version[1]}" in project["dependencies"]
    assert f"protobuf>={'.'.join(protobuf_version.groups())}" in project["dependencies"]
