"""The configuration: which source wins, what is refused and with which words, and that every part gets its share."""

import dataclasses
import os
import re
from pathlib import Path

import pytest
from holdfast_sidecar.config import ENVIRONMENT_PREFIX, ConfigError, SidecarConfig, host_and_port, load
from holdfast_sidecar.engine.settings import EngineSettings
from holdfast_sidecar.transport.interface import Method, TransportConfig

MINIMAL = ["--folder", "/data"]


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine under test reaches the tests."""
    for name in list(os.environ):
        if name.upper().startswith(ENVIRONMENT_PREFIX):
            monkeypatch.delenv(name)


def messages(*arguments: str) -> tuple[str, ...]:
    """What `load` has against these flags."""
    with pytest.raises(ConfigError) as caught:
        load(arguments)
    return caught.value.messages


def toml(folder: Path, text: str) -> str:
    """The path of a file with this text."""
    path = folder / "holdfast.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_defaults_need_only_a_folder() -> None:
    """A sidecar with a folder listens on loopback, durably, with no uplink."""
    config = load(MINIMAL)
    assert config.folder == Path("/data")
    assert config.listen_tcp == "127.0.0.1:7070"
    assert config.durability == "host"
    assert config.ledger_target is None
    assert config.admin_address is None
    assert config.sidecar_id


def test_flags_win_over_environment_over_file_over_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each source is asked in its turn."""
    path = toml(tmp_path, 'folder = "/file"\nhold_limit = 1\npool_limit = 1\ncounter_limit = 1\n')
    monkeypatch.setenv("HOLDFAST_SIDECAR_POOL_LIMIT", "2")
    monkeypatch.setenv("HOLDFAST_SIDECAR_COUNTER_LIMIT", "2")
    config = load(["--config", path, "--counter-limit", "3"])
    assert (config.hold_limit, config.pool_limit, config.counter_limit) == (1, 2, 3)
    assert config.outcome_limit == SidecarConfig.model_fields["outcome_limit"].default


def test_the_environment_may_name_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HOLDFAST_SIDECAR_CONFIG does what --config does."""
    monkeypatch.setenv("HOLDFAST_SIDECAR_CONFIG", toml(tmp_path, 'folder = "/file"\n'))
    assert load([]).folder == Path("/file")


def test_values_are_read_alike_from_every_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists, sizes and "off" are written the same way everywhere."""
    written = {"allowed_uids": "1000, 1001", "map_bytes": "8GiB", "listen_tcp": "off", "listen_unix": "/run/h.sock"}
    written |= {"ledger_target": "ledger-a:7420, [::1]:7420"}
    flags = [part for key, value in written.items() for part in (f"--{key.replace('_', '-')}", value)]
    by_flag = load([*MINIMAL, *flags])
    by_file = load([*MINIMAL, "--config", toml(tmp_path, "\n".join(f'{k} = "{v}"' for k, v in written.items()))])
    for key, value in written.items():
        monkeypatch.setenv(ENVIRONMENT_PREFIX + key.upper(), value)
    by_environment = load(MINIMAL)
    assert by_flag == by_environment == by_file.model_copy(update={"config": None})
    assert by_flag.allowed_uids == (1000, 1001)
    assert by_flag.map_bytes == 8 << 30
    assert by_flag.ledger_target == ("ledger-a:7420", "[::1]:7420")
    assert by_flag.listen_tcp is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--hold-limits", "1"], r"flag: --hold-limits is not known; is --hold-limit meant\?"),
        (["--hold-lim", "1"], r"flag: --hold-lim is not known"),
        (["stray"], r"flag: stray is not known"),
        (["--hold-limit"], r"flag: argument --hold-limit: expected one argument"),
        (["--hold-limit", "many"], r"flag: hold_limit = 'many': .*valid integer"),
        (["--hold-limit", "0"], r"flag: hold_limit = '0': .*greater than or equal to 1"),
        (["--hold-limit", "-1"], r"flag: hold_limit = '-1': .*greater than or equal to 1"),
        (["--hold-limit", str(2**64)], r"flag: hold_limit = .*less than or equal to"),
        (["--lease-wait-ms", "0"], r"flag: lease_wait_ms = .0.: .*greater than or equal to 1"),
        (["--lease-wait-ms", "1.5"], r"flag: lease_wait_ms = '1.5': .*integer"),
        (["--transport", "carrier-pigeon"], r"flag: transport = .*'auto', 'native' or 'portable'"),
        (["--durability", "none"], r"flag: durability = .*'host' or 'process'"),
        (["--listen-tcp", "localhost"], r"flag: listen_tcp = 'localhost': is not HOST:PORT"),
        (["--listen-tcp", ":7070"], r"listen_tcp = ':7070': is not HOST:PORT"),
        (["--listen-tcp", "::1:7070"], r"listen_tcp = '::1:7070': is not HOST:PORT"),
        (["--listen-tcp", "localhost:70700"], r"listen_tcp = .*has no port in 0..65535"),
        (["--listen-tcp", "localhost:x"], r"listen_tcp = .*has no port in 0..65535"),
        (["--listen-unix", "run/h.sock"], r"listen_unix = .*must be an absolute path"),
        (["--listen-unix", "/" + "x" * 107], r"listen_unix = .*longer than the 107 bytes"),
        (["--allowed-uids", "root", "--listen-unix", "/h"], r"allowed_uids = 'root': .*integer"),
        (["--map-bytes", "4 apples"], r"map_bytes = '4 apples': could not"),
        (["--map-bytes", "1KiB"], r"map_bytes = '1KiB': .*greater than or equal"),
        (["--map-bytes", "4194305"], r"map_bytes = '4194305': .*multiple of 4096"),
        (["--ledger-target", ""], r"ledger_target = .*is not HOST:PORT"),
        (["--ledger-target", "a:1,,b:1"], r"ledger_target = .*is not HOST:PORT"),
        (["--ledger-target", ",".join(["a:1"] * 17)], r"ledger_target = .*must name 1..16 replicas"),
        (["--sidecar-id", ""], r"sidecar_id = '': must have 1..128 bytes"),
        (["--sidecar-id", "ä" * 65], r"sidecar_id = .*must have 1..128 bytes"),
        (["--sidecar-id", "a\nb"], r"sidecar_id = 'a\\nb': must not contain spaces or control characters"),
        (["--listen-tcp", "off"], r"listen_tcp and listen_unix are both off"),
        (["--allowed-uids", "1"], r"allowed_uids is set without listen_unix"),
        (["--metrics-address", "127.0.0.1:7070"], r"listen_tcp, metrics_address and admin_address must differ"),
        (["--default-hold-ttl-ms", "2", "--max-hold-ttl-ms", "1"], r"default_hold_ttl_ms must not be above"),
        (["--max-pending-items", "100"], r"max_batch_items must not be above"),
        (["--max-pending-items", "1024", "--max-stream-items", "1025"], r"max_stream_items must not be above"),
        (["--initial-window-bytes", "65535"], r"initial_window_bytes must not be below"),
        (["--keepalive-timeout-ms", "20001"], r"keepalive_timeout_ms must not be above"),
    ],
)
def test_each_mistake_has_its_own_message(arguments: list[str], message: str) -> None:
    """A wrong flag is answered with one line that names it, its value, and what it must be."""
    (told,) = messages(*MINIMAL, *arguments)
    assert re.search(message, told), told
    assert "\n" not in told


def test_a_missing_folder_says_how_to_give_one() -> None:
    """The one setting without a default."""
    assert messages() == ("folder is not set: --folder DIR, or HOLDFAST_SIDECAR_FOLDER",)


def test_all_mistakes_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to start the sidecar again for each of them; each says where it came from."""
    monkeypatch.setenv("HOLDFAST_SIDECAR_POOL_LIMIT", "none")
    told = messages("--hold-limit", "x", "--transport", "y")
    assert [line.split(" = ")[0] for line in told] == [
        "folder is not set: --folder DIR, or HOLDFAST_SIDECAR_FOLDER",
        "flag: transport",
        "flag: hold_limit",
        "environment: pool_limit",
    ]


def test_an_unknown_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt variable would otherwise leave a default in force, unseen."""
    monkeypatch.setenv("HOLDFAST_SIDECAR_HOLD_LIMITT", "1")
    assert messages(*MINIMAL) == (
        "environment: HOLDFAST_SIDECAR_HOLD_LIMITT is not known; is HOLDFAST_SIDECAR_HOLD_LIMIT meant?",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hold_limitt = 1", r"hold_limitt is not known; is hold_limit meant\?"),
        ("hold-limit = 1", r"hold-limit is not known; is hold_limit meant\?"),
        ('config = "other.toml"', r"config is not known"),
        ("[engine]\nhold_limit = 1", r"engine is not known"),
        ("hold_limit = true", r"hold_limit cannot be true or false"),
        ("hold_limit = [1]", r"file: hold_limit = \[1\]: "),
        ("hold_limit = ", r"is not TOML"),
        ("hold_limit = 1\nhold_limit = 2", r"is not TOML"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Keys and values of the file are checked as strictly as flags."""
    (told,) = messages(*MINIMAL, "--config", toml(tmp_path, text))
    assert told.startswith("file")
    assert re.search(message, told), told


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A missing file is not an empty one; bytes that are not text are not TOML."""
    missing = tmp_path / "missing.toml"
    assert messages(*MINIMAL, "--config", str(missing)) == (
        f"file {missing}: cannot be read: No such file or directory",
    )
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    assert "is not TOML" in messages(*MINIMAL, "--config", str(binary))[0]


def test_every_setting_of_the_engine_and_the_transport_can_be_set() -> None:
    """A setting that a part knows and the configuration does not would be stuck at its default."""
    names = set(SidecarConfig.model_fields)
    assert {field.name for field in dataclasses.fields(EngineSettings)} <= names
    elsewhere = {"methods", "tcp_address", "unix_path"}
    assert {field.name for field in dataclasses.fields(TransportConfig)} - elsewhere <= names


def test_defaults_agree_with_those_of_the_parts() -> None:
    """Tests of a part that use its own defaults test what runs."""
    config = load(MINIMAL)
    methods = (Method("/a/B"),)
    assert config.engine_settings() == EngineSettings()
    assert config.transport_config(methods) == TransportConfig(methods, tcp_address="127.0.0.1:7070")


def test_each_part_gets_what_is_set() -> None:
    """Values reach the parts under the right names."""
    flags = ["--listen-unix", "/run/h.sock", "--allowed-uids", "7", "--max-batch-items", "9", "--lease-wait-ms", "5"]
    config = load([*MINIMAL, *flags])
    transport = config.transport_config((Method("/a/B"),))
    assert (transport.unix_path, transport.allowed_uids, transport.max_batch_items) == ("/run/h.sock", (7,), 9)
    assert config.engine_settings().lease_wait_ms == 5


def test_help_names_every_setting_with_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    """The help is complete, and shows words and units instead of Python's types."""
    with pytest.raises(SystemExit) as caught:
        load(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    flags = re.findall(r"^  (--[a-z-]+)", text, re.MULTILINE)
    assert flags == [f"--{name.replace('_', '-')}" for name in SidecarConfig.model_fields]
    assert not re.search(r"\bNone\b|\bint\b|ByteSize|tuple", text)


def test_every_setting_says_its_default_and_why() -> None:
    """A default without a reason is a guess."""
    for name, field in SidecarConfig.model_fields.items():
        assert field.description, name
        assert re.search(r"[Dd]efault", field.description), name


@pytest.mark.parametrize(
    ("address", "split"),
    [("localhost:0", ("localhost", 0)), ("127.0.0.1:9090", ("127.0.0.1", 9090)), ("[::1]:1", ("::1", 1))],
)
def test_addresses_split(address: str, split: tuple[str, int]) -> None:
    """Sockets want the host and the port apart."""
    assert load([*MINIMAL, "--metrics-address", address]).metrics_address == address
    assert host_and_port(address) == split
