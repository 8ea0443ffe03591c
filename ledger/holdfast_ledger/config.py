"""Every setting and limit of the ledger, with its reason. File < environment (HOLDFAST_LEDGER_…) < flags."""

import argparse
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from holdfast_ledger.leasing.terms import LeaseTerms
from holdfast_ledger.usage import dimensions
from holdfast_ledger.usage.dimensions import DEFAULT_DIMENSIONS

ENVIRONMENT_PREFIX = "HOLDFAST_LEDGER_"

_ADDRESS = r"^.+:\d{1,5}$"


def _check_dimensions(text: str) -> str:
    return ",".join(dimensions.split(text))


class ConfigError(Exception):
    """The settings cannot be used; the message names each mistake."""


class LedgerConfig(BaseSettings):
    """The settings of one ledger process. Unknown keys are refused, wherever they come from."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, extra="forbid", frozen=True)

    database: str = Field(
        "ledger.sqlite",
        min_length=1,
        repr=False,
        description="file of the SQLite database, made if it is not there; or the postgresql:// URL of a database, its "
        "password better in the environment (this setting's variable, or PGPASSWORD) than in a flag that all can see",
    )
    listen: str = Field(
        "127.0.0.1:7420", pattern=_ADDRESS, description="HOST:PORT of both services and health; port 0: any free one"
    )
    admin_listen: str = Field("", description="HOST:PORT of health and reflection, for operators' tools; empty: none")
    metrics_host: str = Field("127.0.0.1", description="address of the Prometheus endpoint")
    metrics_port: int = Field(0, ge=0, le=65_535, description="port of the Prometheus endpoint; 0: none")

    lease_validity_ms: int = Field(
        300_000,
        ge=100,
        le=3_600_000,
        description="validity of leases: sidecars go on for so long without the ledger; short beside the hour of a "
        "hold that the ledger waits for anyway before it takes rights back",
    )
    allowance_validity_ms: int = Field(
        86_400_000,
        ge=100,
        le=31 * 86_400_000,
        description="validity of partition allowances, not below lease_validity_ms: they are there for outages, and "
        "nobody else can use them meanwhile",
    )
    heartbeat_interval_ms: int = Field(
        1_000,
        ge=10,
        le=600_000,
        description="interval of heartbeats: a cut is seen within seconds, at one row a second",
    )
    clock_slack_ms: int = Field(
        2_000, ge=0, le=600_000, description="added before rights are reclaimed, for clocks that drift: 1 % of minutes"
    )
    sweep_interval_ms: int = Field(
        1_000, ge=10, le=60_000, description="interval of the sweep that expires grants and reclaims leases"
    )
    recall_timeout_ms: int = Field(
        1_000,
        ge=1,
        le=60_000,
        description="time for sidecars to answer when rights are called back; longer than they let a decision wait, "
        "so that nobody is told that there is no more while a slow host may have some",
    )
    snapshot_interval_ms: int = Field(
        50,
        ge=1,
        le=60_000,
        description="time after which the sidecars of an OPTIMISTIC pool hear what others spent: blocked within 200 ms",
    )
    window_debit_count: int = Field(
        4_096,
        ge=1,
        le=65_536,
        description="debits a sidecar may have unacked: two jobs under way, the next ones waiting",
    )
    post_debit_count: int = Field(
        1_024, ge=1, le=8_192, description="debits of one job: some tens of milliseconds that others wait behind it"
    )
    max_message_bytes: int = Field(
        17 * 1024 * 1024, ge=65_536, le=64 * 1024 * 1024, description="largest message taken in: a rate card, 16 MiB"
    )
    max_concurrent_streams: int = Field(1_024, ge=1, le=65_536, description="calls at once on one connection")
    max_calls: int = Field(
        10_000, ge=1, le=1_000_000, description="calls and streams at once in all; beyond it they are refused"
    )
    webhook_interval_ms: int = Field(
        1_000, ge=10, le=600_000, description="interval at which events are looked for that webhooks are to be told of"
    )
    webhook_allow_private: bool = Field(
        False,
        description="whether webhooks may have private addresses and plain http; else their URLs are https and every "
        "address of their names is public, since a caller chooses them and the ledger stands in your network",
    )
    books_interval_ms: int = Field(
        10_000,
        ge=100,
        le=3_600_000,
        description="interval at which posted entries are counted in the books and sealed in the journal's hash chain; "
        "each time makes a link, so a shorter one makes more of them",
    )
    event_retention_ms: int = Field(
        90 * 86_400_000,
        ge=86_400_000,
        le=3_660 * 86_400_000,
        description="time for which events are kept, and what became of their deliveries, at least a day: longer than "
        "anyone who lists them is away; what is yet to be delivered is kept longer",
    )
    event_future_ms: int = Field(
        300_000,
        ge=0,
        le=86_400_000,
        description="how far ahead of the clock reported usage may lie: clocks differ by minutes, more is a mistake",
    )
    event_grace_ms: int = Field(
        35 * 86_400_000,
        ge=60_000,
        le=366 * 86_400_000,
        description="how far behind the clock reported usage may lie: a month and some days, so that the month before "
        "can be completed; what is older is refused",
    )
    event_batch_retention_ms: int = Field(
        90 * 86_400_000,
        ge=86_400_000,
        le=3_660 * 86_400_000,
        description="time for which reported usage is kept as it came once it was counted, so that the usage store "
        "can be rebuilt, and what was refused of it; longer than event_grace_ms",
    )
    event_waiting_batches: int = Field(
        20_000,
        ge=1,
        le=10_000_000,
        description="batches of reported usage, each at most 4 MiB, that may wait to be counted before whoever brings "
        "more is told to wait; without a usage store any number waits",
    )
    metering_interval_ms: int = Field(
        1_000,
        ge=10,
        le=60_000,
        description="interval at which reported usage is charged: in the balance within seconds",
    )
    shutdown_grace_ms: int = Field(
        5_000, ge=0, le=60_000, description="time for calls under way after SIGTERM; Kubernetes gives 30 s in all"
    )
    http_listen: str = Field(
        "",
        pattern=r"^(.+:\d{1,5})?$",
        description="HOST:PORT of HTTP/JSON and the console; port 0: any free one; empty: none",
    )
    http_hosts: str = Field(
        "",
        description="names, separated by commas, by which the console is called beside localhost and http_listen's "
        "own: a request for another name may come from a foreign page whose name was bent to this address; *: any",
    )
    require_credentials: bool = Field(
        False,
        description="whether calls of operators and back ends need a credential; without it whoever reaches the port "
        "may do all",
    )
    credential_calls_per_s: int = Field(
        200, ge=1, le=1_000_000, description="calls a second for a credential that does not say another number"
    )
    audit_retention_ms: int = Field(
        3_660 * 86_400_000,
        ge=86_400_000,
        le=36_600 * 86_400_000,
        description="time for which the audit trail is kept: ten years, as books are",
    )
    ingest_file: str = Field(
        "",
        description="TOML file with the object stores that usage is taken in from (docs/usage.md); empty: none",
    )
    usage_store: str = Field(
        "",
        repr=False,
        description="where usage is kept in columns, for breakdowns: a folder for the embedded engine, or the "
        "clickhouse:// URL of a cluster (clickhouse://USER:PASSWORD@HOST:8123/DATABASE?cluster=NAME&replicated=1); "
        "empty: nowhere, and nothing can be asked. All of it can be made anew from the ledger's database",
    )
    usage_memory_mb: int = Field(
        1_024,
        ge=512,
        le=1_048_576,
        description="memory of the embedded engine, in megabytes: a breakdown of a hundred million rows takes some "
        "hundreds; a question that would pass the half of it is refused",
    )
    usage_interval_ms: int = Field(
        500,
        ge=10,
        le=60_000,
        description="interval at which the usage store looks for what was posted: a turn that brings something writes "
        "to the disk about a dozen times, so a shorter one pays with smaller turns",
    )
    usage_dimensions: Annotated[str, AfterValidator(_check_dimensions)] = Field(
        ",".join(DEFAULT_DIMENSIONS),
        description="dimensions that the usage store gives a column of their own and keeps sums of hours by, separated "
        "by commas: breakdowns of all accounts by these alone are fast. Each makes the sums finer, so those of few "
        "values belong here; a change holds at the next start, and the sums are then made anew in the background",
    )
    read_thread_count: int = Field(2, ge=1, le=64, description="threads that answer reads, each with a connection")

    @property
    def lease_terms(self) -> LeaseTerms:
        """The times that leasing keeps to."""
        return LeaseTerms(
            self.lease_validity_ms,
            self.allowance_validity_ms,
            self.clock_slack_ms,
            self.heartbeat_interval_ms,
            self.recall_timeout_ms,
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Takes nothing from the environment by itself: `load` merges the sources, so that it sees unknown keys."""
        return (init_settings,)


def parser(prog: str, parents: Sequence[argparse.ArgumentParser] = ()) -> argparse.ArgumentParser:
    """Returns the parser of the flags: those of `parents`, one for each setting, and --config."""
    result = argparse.ArgumentParser(prog=prog, description="The central ledger.", parents=list(parents))
    result.add_argument("--config", type=Path, help="TOML file with settings")
    for name, field in LedgerConfig.model_fields.items():
        help_text = f"{field.description} (default: {field.default})".replace("%", "%%")
        result.add_argument(f"--{name.replace('_', '-')}", dest=name, metavar="VALUE", help=help_text)
    return result


def load(
    flags: Mapping[str, str | None], file: Path | None, environment: Mapping[str, str] = os.environ
) -> LedgerConfig:
    """Merges file, environment and flags. Raises `ConfigError`."""
    settings: dict[str, object] = {}
    if file is not None:
        try:
            settings.update(tomllib.loads(file.read_text("utf-8")))
        except (OSError, ValueError) as fault:
            raise ConfigError(f"{file}: {fault}") from fault
    for key, value in environment.items():
        if key.startswith(ENVIRONMENT_PREFIX):
            settings[key.removeprefix(ENVIRONMENT_PREFIX).lower()] = value
    settings.update({name: value for name, value in flags.items() if value is not None})
    try:
        config = LedgerConfig(**settings)  # type: ignore[arg-type]  # checked by the model
    except ValidationError as fault:
        mistakes = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in fault.errors())
        raise ConfigError("; ".join(mistakes)) from fault
    if config.heartbeat_interval_ms * 2 > config.lease_validity_ms:
        raise ConfigError("heartbeat_interval_ms: is more than half of lease_validity_ms, one lost heartbeat would cut")
    if config.allowance_validity_ms < config.lease_validity_ms:
        raise ConfigError("allowance_validity_ms: is below lease_validity_ms, allowances begin where leases end")
    if config.event_batch_retention_ms < config.event_grace_ms:
        raise ConfigError("event_batch_retention_ms: is below event_grace_ms, voids would not find what was charged")
    return config


def from_arguments(arguments: Sequence[str], prog: str = "holdfast ledger") -> LedgerConfig:
    """Reads flags, and the environment and the file behind them. Raises `ConfigError`; exits on --help."""
    flags = vars(parser(prog).parse_args(arguments))
    return load(flags, flags.pop("config"))
