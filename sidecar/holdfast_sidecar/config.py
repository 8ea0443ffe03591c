"""The sidecar's one configuration: every setting, with its unit, its default and the reason for the default.

Settings come from flags, then the environment, then a TOML file, then the defaults; the first that has one wins.
Whatever is not known is refused. Downstream: `bootstrap`, which hands each part its share.
"""

import argparse
import difflib
import inspect
import os
import re
import socket
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NoReturn

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from holdfast_sidecar.engine.settings import EngineSettings
from holdfast_sidecar.transport.interface import Method, TransportConfig

ENVIRONMENT_PREFIX: Final = "HOLDFAST_SIDECAR_"
PROGRAM_NAME: Final = "holdfast sidecar"

MAX_SIDECAR_ID_BYTES: Final = 128
"""By the contract, `Hello.sidecar_id`."""
MAX_UNIX_PATH_BYTES: Final = 107
"""The kernel's `sun_path` has 108 bytes, the last of them zero."""
MAX_PAGE_ITEMS: Final = 1_000
"""By the contract, `ListHoldsRequest.page_size`."""
MAX_PORT: Final = 65_535
MAX_LEDGER_TARGETS: Final = 16
"""Each lost one costs a pause of up to a second before the next; more replicas belong behind one name."""
MIN_MAP_BYTES: Final = 4 << 20
"""Below this the reserve that keeps settles going would be a handful of pages."""
PAGE_BYTES: Final = 4_096
MAX_BATCH_ITEMS_HOST: Final = 1_024
MAX_BATCH_ITEMS_PROCESS: Final = 32
SECOND_MS: Final = 1_000
HOUR_MS: Final = 3_600 * SECOND_MS
DAY_MS: Final = 24 * HOUR_MS


_PLACEHOLDERS: Final = {
    "-ms": "MS",
    "-us": "US",
    "-bytes": "BYTES",
    "-uids": "UID,...",
    "-id": "ID",
    "-unix": "PATH",
    "--config": "FILE",
    "-file": "FILE",
    "-per-s": "CALLS",
    "--folder": "DIR",
    "-tcp": "HOST:PORT",
    "-target": "HOST:PORT,...",
    "-address": "HOST:PORT",
    "-": "COUNT",
}
"""What stands for the value of a flag in the help, by the first part of the flag's name that fits."""


class ConfigError(Exception):
    """The configuration is not usable; one message for each mistake, in the order of the settings."""

    def __init__(self, messages: Sequence[str]) -> None:
        """Keeps the messages apart, so that a caller may show them one a line."""
        super().__init__("\n".join(messages))
        self.messages = tuple(messages)


def host_and_port(address: str) -> tuple[str, int]:
    """Splits a checked address; an IPv6 host comes without its brackets."""
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _off_is_none(value: object) -> object:
    return None if value == "off" else value


def _split_commas(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _check_address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host or (":" in host and not is_bracketed):
        raise ValueError("is not HOST:PORT, such as 127.0.0.1:7070 or [::1]:7070")
    if not (port.isascii() and port.isdigit() and int(port) <= MAX_PORT):
        raise ValueError(f"has no port in 0..{MAX_PORT} (0 lets the system choose)")
    return value


def _check_targets(value: tuple[str, ...]) -> tuple[str, ...]:
    if not 1 <= len(value) <= MAX_LEDGER_TARGETS:
        raise ValueError(f"must name 1..{MAX_LEDGER_TARGETS} replicas")
    return value


def _check_sidecar_id(value: str) -> str:
    if not 1 <= len(value.encode()) <= MAX_SIDECAR_ID_BYTES:
        raise ValueError(f"must have 1..{MAX_SIDECAR_ID_BYTES} bytes")
    if not value.isprintable() or " " in value:
        raise ValueError("must not contain spaces or control characters")
    return value


def _check_unix_path(value: Path) -> Path:
    if not value.is_absolute():
        raise ValueError("must be an absolute path, so that callers find it from any folder")
    if len(os.fsencode(value)) > MAX_UNIX_PATH_BYTES:
        raise ValueError(f"is longer than the {MAX_UNIX_PATH_BYTES} bytes that a socket path may have")
    return value


Address = Annotated[str, AfterValidator(_check_address)]
OptionalAddress = Annotated[Address | None, BeforeValidator(_off_is_none)]
Milliseconds = Annotated[int, Field(ge=1, le=DAY_MS)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]


class SidecarConfig(BaseSettings):
    """The sidecar: answers Check, Reserve and Settle on this host, from memory.

    Each setting is a flag, a variable HOLDFAST_SIDECAR_<SETTING>, and a key of the TOML file; flags win over
    the environment, the environment over the file.
    """

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, env_prefix=ENVIRONMENT_PREFIX
    )

    config: Path | None = None
    """TOML file to read settings from; its keys are those below with underscores. Default: none."""

    # Who and where.
    folder: Path
    """Folder of this sidecar's data; one sidecar a folder. No default: a sidecar that starts in another folder
    starts another life, and its rights wait until the old one's leases run out."""
    sidecar_id: Annotated[str, AfterValidator(_check_sidecar_id)] = Field(default_factory=socket.gethostname)
    """Name of this sidecar in the ledger, unique there. Default: the host name, since there is one sidecar a host."""
    listen_tcp: OptionalAddress = "127.0.0.1:7070"
    """HOST:PORT for callers, or "off". Default loopback: only this host may ask."""
    listen_unix: Annotated[Annotated[Path, AfterValidator(_check_unix_path)] | None, BeforeValidator(_off_is_none)] = (
        None
    )
    """Path of a Unix socket for callers; the kernel vouches for their uid. Default off: its path must be shared
    with them."""
    allowed_uids: Annotated[
        tuple[Annotated[int, Field(ge=0, lt=1 << 32)], ...] | None, NoDecode, BeforeValidator(_split_commas)
    ] = None
    """Uids that may use the Unix socket, separated by commas. Default: this process's own uid, and root."""
    transport: Literal["auto", "native", "portable"] = "auto"
    """Default auto: the native one where it is built, else the portable one."""
    ledger_target: Annotated[
        Annotated[tuple[Address, ...], AfterValidator(_check_targets)] | None, NoDecode, BeforeValidator(_split_commas)
    ] = None
    """HOST:PORT of the ledger, of each of its replicas, separated by commas; when one is lost the next is tried.
    Default none: no uplink; this sidecar decides on the leases in its folder."""

    # What is kept.
    durability: Literal["host", "process"] = "host"
    """What an answer survives: "host" a power cut, "process" a kill of the process. Default host: spent money must
    not come back with the power."""
    map_bytes: Annotated[ByteSize, Field(ge=MIN_MAP_BYTES, multiple_of=PAGE_BYTES)] = ByteSize(4 << 30)
    """Upper bound of the database, such as 4GiB; at 90 % new holds are refused. It is address space, used only as it
    fills. Default 4 GiB: a million holds and a million recorded answers fill less than half."""
    hold_limit: Count = 1_000_000
    """Open holds; beyond it a Reserve is refused. Default one million: as far as the cost of an operation is
    measured to stay flat."""
    pool_limit: Count = 100_000
    """Pools known here. Default: ten times what the memory figures are measured with."""
    counter_limit: Count = 100_000
    """Counters of Charge's `set`. Default: one a pool."""
    subject_limit: Count = 1_000_000
    """Subjects whose rules are known here, and paths that are known to have no more of them. Default one million: at
    1 KB each about the memory of as many holds."""
    window_limit: Count = 1_000_000
    """Windows of budgets, concurrency and rate limits known here. Default one million: several for each of 100,000
    subjects in use."""
    outcome_limit: Count = 1_000_000
    """Recorded answers. Default one million: over 1,600 operations a second for the whole retention; beyond it the
    oldest leave early, and that is counted."""
    outcome_retention_ms: Annotated[int, Field(ge=SECOND_MS, le=7 * DAY_MS)] = 600_000
    """Time for which a repeated operation id finds its answer, in ms. Default ten minutes: longer than any sane
    client retries."""
    debit_retention_count: Annotated[int, Field(ge=0, le=10_000_000)] = 10_000
    """Acked debits kept to catch up a ledger that was restored from a backup. Default: about 2 MiB."""
    event_outbox_bytes: Annotated[ByteSize, Field(ge=1 << 20)] = ByteSize(1 << 30)
    """Room for events that wait for the ledger, such as 1GiB; beyond it, or beyond half of `map_bytes`, ReportEvents is
    refused, and settles go on. Default 1 GiB: five million events of 200 bytes."""
    event_id_retention_ms: Annotated[int, Field(ge=SECOND_MS, le=7 * DAY_MS)] = HOUR_MS
    """Time for which an event that comes again is recognised here, in ms. Default an hour: longer than a producer
    retries. After it the ledger recognises it, for all of `event_grace_ms`."""
    event_id_limit: Count = 2_000_000
    """Names of events remembered here; beyond it the oldest leave early. Default two million: an hour of 550 events a
    second; about 400 MB of the map, where ids are UUIDs."""
    event_future_ms: Annotated[int, Field(ge=0, le=DAY_MS)] = 300_000
    """How far ahead of the clock an event's time may be, in ms. Default five minutes: clocks of hosts differ."""
    event_grace_ms: Annotated[int, Field(ge=SECOND_MS, le=366 * DAY_MS)] = 35 * DAY_MS
    """How long ago an event may have happened, in ms. Default 35 days: a month's events may come within days of its
    end. The ledger's setting of that name must not be shorter."""

    # How decisions are taken.
    default_hold_ttl_ms: Milliseconds = 60_000
    """Time to live of a hold that names none, in ms. Default a minute: most model calls end within it, and a client
    that dies gives its credits back soon."""
    max_hold_ttl_ms: Annotated[int, Field(ge=1, le=7 * DAY_MS)] = HOUR_MS
    """Longest time to live of a hold, in ms. Default an hour: the ledger waits this long before it takes back the
    rights of a sidecar that is gone."""
    max_operations: Annotated[int, Field(ge=1, le=256)] = 256
    """Operations in one Execute. Default and most 256: the loop serves nobody else for the few milliseconds that
    they take."""
    max_list_page: Annotated[int, Field(ge=1, le=MAX_PAGE_ITEMS)] = MAX_PAGE_ITEMS
    """Holds in one page of ListHolds, whatever a caller asks for. Default and most 1000, for the same reason."""
    usage_calls_per_s: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Calls of UsageService a second, of each credential that does not say, or of each uid and address where there are
    no credentials; 0: no limit. Default 0: callers on one host trust each other."""
    usage_burst: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """How many of those calls at once; 0: those of a second. Default 0."""
    credentials_file: Path | None = None
    """TOML file of `[[credentials]]`, the only callers of UsageService then. Default none: whoever may connect may
    report usage."""
    lease_wait_ms: Annotated[int, Field(ge=1, le=10 * SECOND_MS)] = 1_000
    """Longest wait of a decision for the ledger, in ms; not 0, since the ledger is asked for what a call waits for.
    Default: other hosts are asked for what they can spare within it, even busy ones, and to deny work that there are
    credits for costs more than a second."""
    lease_horizon_ms: Milliseconds = 10_000
    """Demand that a lease covers ahead, in ms. Default 10 s: refills stay rare beside decisions, and little is
    stranded on one host."""
    lease_idle_ms: Milliseconds = 60_000
    """Time without use after which rights go back, in ms. Default a minute: longer than a pause in a conversation."""
    lease_denied_retry_ms: Milliseconds = 100
    """Time for which the ledger's "no" for a pool holds, in ms. Default: ten questions a second at an empty pool."""
    unknown_retry_ms: Milliseconds = 1_000
    """Time for which the ledger's "unknown account or pool" holds, in ms. Default: a new account works within a
    second, and a wrong id asks once a second."""
    partition_after_ms: Annotated[int, Field(ge=100, le=HOUR_MS)] = 3_000
    """Silence of the ledger after which this sidecar counts itself cut off, in ms, where the pool does not say.
    Default: several heartbeats, so that one lost packet is not a partition."""

    tell_decisions: Literal["on", "off"] = "on"
    """Whether the ledger is told the latest decisions, for people to look at, once a second. Default on: it costs
    nothing that can be measured, and shows denials as they happen."""

    # What callers may ask of the transport.
    max_batch_items: Count | None = None
    """Calls decided and committed together. Default 1024 with durability "host": a commit waits for the disk, so the
    more share it the better; 32 with "process": a commit is cheap, so answers leave while others are decided."""
    max_pending_items: Count = 16_384
    """Calls taken in and not answered; beyond it RESOURCE_EXHAUSTED. Default: less than a second of work, after
    which callers have given up."""
    max_message_bytes: Annotated[int, Field(ge=1_024, le=16 << 20)] = 262_144
    """Size of one request. Default 256 KiB: 256 operations fit, and a thousand events of the usual size; a flood does
    not."""
    max_metadata_bytes: Annotated[int, Field(ge=1_024, le=1 << 20)] = 8_192
    """Size of a call's metadata. Default 8 KiB: what gRPC takes everywhere."""
    max_concurrent_streams: Count = 1_024
    """Calls at once on one connection. Default: a fan-out of twenty agents by fifty."""
    max_stream_items: Count = 64
    """Messages of one Session taken in and not answered; then it is not read. Default: keeps one Session from
    filling a batch."""
    max_connections: Count = 4_096
    """Connections at once. Default: every process of a large host; below the usual limit of open files with room."""
    handshake_timeout_ms: Milliseconds = 5_000
    """Time for a connection to say its first words, in ms. Default: generous on one host."""
    keepalive_interval_ms: Annotated[int, Field(ge=SECOND_MS, le=HOUR_MS)] = 20_000
    """Silence after which a connection is pinged, in ms. Default: finds a dead container within half a minute."""
    keepalive_timeout_ms: Milliseconds = 10_000
    """Time for the answer to a ping, in ms. Default: survives a pause of the caller's garbage collector."""
    initial_window_bytes: Annotated[int, Field(ge=65_535, le=(1 << 31) - 1)] = 4 << 20
    """HTTP/2 flow-control window. Default 4 MiB: a full batch of small calls never waits for a window update."""

    # How it is run.
    metrics_address: OptionalAddress = "127.0.0.1:9090"
    """HOST:PORT of the Prometheus endpoint, or "off". Default loopback: metrics are not for strangers."""
    admin_address: OptionalAddress = None
    """HOST:PORT of the admin port (gRPC reflection), or "off". Default off: a production host needs none."""
    drain_grace_ms: Annotated[int, Field(ge=0, le=HOUR_MS)] = 5_000
    """Time that calls under way get at a stop, in ms. Default: well within the half minute of a Kubernetes pod."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Default info: a line for each change of state, none for a decision."""
    log_format: Literal["logfmt", "json"] = "logfmt"
    """Default logfmt: read by people and machines."""
    switch_interval_us: Annotated[int, Field(ge=10, le=1_000_000)] = 500
    """The interpreter's thread switch interval, in microseconds. Default 500: the loop gets the interpreter back from
    the uplink ten times sooner than by Python's default, which costs throughput a few percent."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Takes values from the constructor alone: `load` has read the other sources, each with its own messages."""
        return (init_settings,)

    @model_validator(mode="after")
    def _relations(self) -> "SidecarConfig":
        """Asserts the relations between settings; names the first that does not hold."""
        for holds, message in self._requirements():
            if not holds:
                raise ValueError(message)
        return self

    def _requirements(self) -> list[tuple[bool, str]]:
        tcp_ports = [a for a in (self.listen_tcp, self.metrics_address, self.admin_address) if a is not None]
        fixed = [address for address in tcp_ports if not address.endswith(":0")]
        return [
            (
                self.listen_tcp is not None or self.listen_unix is not None,
                "listen_tcp and listen_unix are both off: nobody could call",
            ),
            (
                self.allowed_uids is None or self.listen_unix is not None,
                "allowed_uids is set without listen_unix: TCP callers have no uid",
            ),
            (
                len(set(fixed)) == len(fixed),
                "listen_tcp, metrics_address and admin_address must differ from one another",
            ),
            (
                self.default_hold_ttl_ms <= self.max_hold_ttl_ms,
                "default_hold_ttl_ms must not be above max_hold_ttl_ms",
            ),
            (
                self.batch_items() <= self.max_pending_items,
                "max_batch_items must not be above max_pending_items: such a batch could never fill",
            ),
            (
                self.max_stream_items <= self.max_pending_items,
                "max_stream_items must not be above max_pending_items: one Session would take it all",
            ),
            (
                self.max_message_bytes <= self.initial_window_bytes,
                "initial_window_bytes must not be below max_message_bytes: such a message would stall",
            ),
            (
                self.keepalive_timeout_ms <= self.keepalive_interval_ms,
                "keepalive_timeout_ms must not be above keepalive_interval_ms: pings would overlap",
            ),
        ]

    def batch_items(self) -> int:
        """Returns `max_batch_items`, or its default for the durability."""
        if self.max_batch_items is not None:
            return self.max_batch_items
        return MAX_BATCH_ITEMS_HOST if self.durability == "host" else MAX_BATCH_ITEMS_PROCESS

    def engine_settings(self) -> EngineSettings:
        """Returns the engine's share."""
        return EngineSettings(**{field.name: getattr(self, field.name) for field in fields(EngineSettings)})

    def transport_config(self, methods: tuple[Method, ...]) -> TransportConfig:
        """Returns the transport's share, to serve `methods`."""
        own = {"allowed_uids", "max_batch_items"}
        same = {field.name for field in fields(TransportConfig)} & set(type(self).model_fields) - own
        return TransportConfig(
            methods=methods,
            tcp_address=self.listen_tcp,
            unix_path=None if self.listen_unix is None else str(self.listen_unix),
            allowed_uids=self.allowed_uids,
            max_batch_items=self.batch_items(),
            **{name: getattr(self, name) for name in same},
        )


def load(arguments: Sequence[str]) -> SidecarConfig:
    """Reads flags, environment and file. `--help` prints and exits with status 0.

    Raises:
        ConfigError: Something is unknown, missing or out of range; the messages name the setting and the source.
    """
    from_flags = _read_flags(arguments)
    from_environment = _read_environment(os.environ)
    path = from_flags.get("config", from_environment.get("config"))
    from_file = {} if path is None else _read_file(Path(path))
    sources = (("flag", from_flags), ("environment", from_environment), ("file", from_file))
    try:
        return SidecarConfig(**{**from_file, **from_environment, **from_flags})
    except ValidationError as error:
        raise ConfigError([_message(dict(detail), sources) for detail in error.errors()]) from None


class _Parser(argparse.ArgumentParser):
    """Shows what the settings are in a few words each, and raises where argparse would exit."""

    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        """Adds a flag, with a unit for a placeholder instead of a type."""
        options["help"] = re.sub(r" \((default( factory)?: .*|required)\)$", "", options["help"])
        if options.get("metavar") and not options["metavar"].startswith("{"):
            options["metavar"] = next(unit for part, unit in _PLACEHOLDERS.items() if part in names[-1])
        return super().add_argument(*names, **options)

    def error(self, message: str) -> NoReturn:
        """Raises `ConfigError`, with the nearest flag for one that is not known."""
        prefix = "unrecognized arguments: "
        if message.startswith(prefix):
            name = message.removeprefix(prefix).split("=")[0].split()[0]
            message = f"{name} is not known{_nearest(name, set(self._option_string_actions))}"
        raise ConfigError([f"flag: {message}"])


def _read_flags(arguments: Sequence[str]) -> dict[str, Any]:
    parser = _Parser(
        prog=PROGRAM_NAME,
        usage=f"{PROGRAM_NAME} --folder DIR [--ledger-target HOST:PORT,...] [--config FILE] [...]",
        description=inspect.getdoc(SidecarConfig),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument("-h", "--help", action="help", help="Shows this and exits.")
    return CliSettingsSource(
        SidecarConfig,
        root_parser=parser,
        cli_parse_args=list(arguments),
        cli_kebab_case=True,
        cli_hide_none_type=True,
        add_argument_method=_Parser.add_argument,
        parse_args_method=_Parser.parse_args,
    )()


def _read_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    names = {ENVIRONMENT_PREFIX + name.upper() for name in SidecarConfig.model_fields}
    unknown = [name for name in environment if name.upper().startswith(ENVIRONMENT_PREFIX)]
    unknown = sorted(name for name in unknown if name not in names)
    if unknown:
        raise ConfigError([f"environment: {name} is not known{_nearest(name, names)}" for name in unknown])
    return EnvSettingsSource(SidecarConfig)()


def _read_file(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"file {path}: cannot be read: {error.strerror}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"file {path}: is not TOML: {error}"]) from None
    known = set(SidecarConfig.model_fields) - {"config"}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ConfigError([f"file {path}: {name} is not known{_nearest(name, known)}" for name in unknown])
    # No setting is one, and as a number it would silently be 0 or 1.
    switches = [name for name, value in values.items() if isinstance(value, bool)]
    if switches:
        raise ConfigError([f"file {path}: {name} cannot be true or false" for name in switches])
    return values


def _nearest(name: str, names: set[str]) -> str:
    nearest = difflib.get_close_matches(name, sorted(names), n=1)
    return f"; is {nearest[0]} meant?" if nearest else ""


def _message(detail: Mapping[str, Any], sources: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """Says in one line which setting is wrong, where it came from, and what it must be."""
    if not detail["loc"]:
        return str(detail["ctx"]["error"])
    name = str(detail["loc"][0])
    if detail["type"] == "missing":
        return f"{name} is not set: --{name.replace('_', '-')} DIR, or {ENVIRONMENT_PREFIX}{name.upper()}"
    origin = next((source for source, values in sources if name in values), "default")
    reason = str(detail["ctx"]["error"]) if detail["type"] == "value_error" else str(detail["msg"])
    return f"{origin}: {name} = {detail['input']!r}: {reason[0].lower()}{reason[1:]}"
