"""What the streams file says: where the brokers are, which topics go out and which come in."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

FROM_ENVIRONMENT = "env:"
"""Begins the value of a client setting that is the name of an environment variable: no secret need be in the file."""

OWN_SETTINGS = frozenset(
    {
        "acks",
        "auto.offset.reset",
        "enable.auto.commit",
        "enable.idempotence",
        "enable.partition.eof",
        "group.id",
        "group.protocol",
        "isolation.level",
        "partition.assignment.strategy",
        "transactional.id",
    }
)
"""Client settings on which exactly-once rests: they are not the file's to set."""


class StreamsConfigError(Exception):
    """The streams file cannot be used; the message names each mistake."""


class ExportConfig(BaseModel):
    """What goes out. A topic that is empty is not written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field("holdfast", min_length=1, description="names the exporter: of two of a name the younger one wins")
    debits: str = Field("", description="topic of debits")
    entries: str = Field("", description="topic of journal entries")
    events: str = Field("", description="topic of events taken in")
    marks: str = Field("holdfast.marks", min_length=1, description="topic of how far it came: one partition, compacted")
    batch_rows: int = Field(2_000, ge=1, le=50_000, description="rows of one transaction of the broker")
    interval_ms: int = Field(500, ge=10, le=600_000, description="pause when there is nothing new")

    @model_validator(mode="after")
    def _something(self) -> "ExportConfig":
        if not (self.debits or self.entries or self.events):
            raise ValueError("names no topic: set debits, entries or events")
        return self


class ImportConfig(BaseModel):
    """What comes in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topics: tuple[str, ...] = Field(min_length=1, description="topics of events")
    group: str = Field("holdfast", min_length=1, description="consumer group")
    dead_letters: str = Field(min_length=1, description="topic of messages that are no events, with the reason")
    batch_messages: int = Field(2_000, ge=1, le=5_000, description="messages of one transaction of the database")
    waiting_batches: int = Field(1_000, ge=1, le=1_000_000, description="uncounted batches at which it pauses")

    future_ms: int = Field(300_000, ge=0, le=86_400_000, description="how far ahead of the clock events may be")
    grace_ms: int = Field(
        35 * 86_400_000, ge=60_000, le=35 * 86_400_000, description="how old events may be: no older than the ledger's"
    )

    @model_validator(mode="after")
    def _no_circle(self) -> "ImportConfig":
        if self.dead_letters in self.topics:
            raise ValueError("dead_letters is a topic that is read: its messages would come back for ever")
        return self


class StreamsConfig(BaseModel):
    """The streams file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    brokers: str = Field(min_length=1, description="HOST:PORT, separated by commas")
    client: dict[str, str] = Field(
        default_factory=dict, description="librdkafka settings, such as security.protocol; env:NAME reads a variable"
    )
    export: ExportConfig | None = None
    imports: ImportConfig | None = Field(None, alias="import", description="`import` is a word of Python's own")

    @model_validator(mode="after")
    def _sound(self) -> "StreamsConfig":
        taken = sorted(OWN_SETTINGS & self.client.keys())
        if taken:
            raise ValueError(f"client: {', '.join(taken)} is not to be set, exactly-once rests on it")
        if self.export and self.imports and self.export.events in self.imports.topics:
            raise ValueError("export.events is a topic of import: events would go round in a circle")
        return self


def load(file: Path, environment: Mapping[str, str] = os.environ) -> StreamsConfig:
    """Reads a streams file. Raises `StreamsConfigError`."""
    try:
        config = StreamsConfig(**tomllib.loads(file.read_text("utf-8")))
        client = {name: _value(name, value, environment) for name, value in config.client.items()}
    except ValidationError as fault:
        mistakes = (f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in fault.errors())
        raise StreamsConfigError(f"{file}: {'; '.join(mistakes)}") from fault
    except (OSError, ValueError) as fault:
        raise StreamsConfigError(f"{file}: {fault}") from fault
    return config.model_copy(update={"client": client})


def _value(name: str, value: str, environment: Mapping[str, str]) -> str:
    if not value.startswith(FROM_ENVIRONMENT):
        return value
    variable = value.removeprefix(FROM_ENVIRONMENT)
    if variable not in environment:
        raise ValueError(f"client.{name}: the variable {variable} is not set")
    return environment[variable]
