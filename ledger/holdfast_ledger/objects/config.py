"""What the ingest file says: where objects are, what is in them, and what to do with rows that cannot be counted."""

import os
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

FROM_ENVIRONMENT = "env:"
"""Begins the value of an option that is the name of an environment variable: no secret need be in the file."""

TEXT_FIELDS = ("account_id", "source", "id", "type", "subject", "corrects_id")
REQUIRED = ("account_id", "source", "id", "type", "time")
DEFAULTED = ("account_id", "source", "type", "subject")
"""Fields of which a source may say what they are where a row does not."""
FIELDS = (*TEXT_FIELDS, "time")
DIMENSION, QUANTITY = "dimension.", "quantity."
"""What a field's name begins with that is one dimension or one quantity."""


class IngestConfigError(RuntimeError):
    """The ingest file cannot be used; the message names each mistake."""


class Format(StrEnum):
    """What an object holds, once it is unpacked."""

    JSON_LINES = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


def is_field(name: str) -> bool:
    """Returns whether a name is one of an event's, as in the flat form."""
    prefix = next((prefix for prefix in (DIMENSION, QUANTITY) if name.startswith(prefix)), "")
    return len(name) > len(prefix) if prefix else name in FIELDS


class Shape(BaseModel):
    """How rows become events."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: dict[str, str] = Field(
        default_factory=dict,
        description="column of each field, where it has another name: account_id, source, id, type, time, subject, "
        "corrects_id, dimension.NAME, quantity.NAME. In JSON lines a dotted path",
    )
    defaults: dict[str, str] = Field(
        default_factory=dict, description="account_id, source, type or subject of rows that have none"
    )
    ignored_columns: tuple[str, ...] = Field(
        default=(), description='columns that are nothing of an event, "*" for all others; else they are a mistake'
    )

    delimiter: str = Field(default=",", min_length=1, max_length=1, description="between the values of CSV")

    @field_validator("columns")
    @classmethod
    def _known(cls, columns: dict[str, str]) -> dict[str, str]:
        if unknown := [name for name in columns if not is_field(name)]:
            raise ValueError(f"{unknown[0]!r} is no field of an event")
        return columns

    @field_validator("defaults")
    @classmethod
    def _defaulted(cls, defaults: dict[str, str]) -> dict[str, str]:
        if unknown := [name for name in defaults if name not in DEFAULTED]:
            raise ValueError(f"{unknown[0]!r} is not one of {', '.join(DEFAULTED)}")
        return defaults


class Source(Shape):
    """Where objects are, and what is in them."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="under which they are counted; never changed")
    url: str = Field(min_length=1, description="s3://BUCKET/PREFIX, gs://…, az://CONTAINER/PREFIX or file:///FOLDER")
    prefix: str = Field(default="", description="what paths below the URL begin with; whole folders")
    pattern: str = Field(default="*", description="what paths below the URL match; * is any characters, / too")
    format: Format | None = Field(
        default=None, description="of every object; by default as its suffix says, others are left"
    )
    interval_ms: int = Field(
        default=60_000,
        ge=100,
        le=86_400_000,
        description="interval of listings: a listing a minute costs little anywhere",
    )
    min_age_ms: int = Field(
        default=2_000,
        ge=0,
        le=86_400_000,
        description="age below which a file of a folder is left for later, as it may still be written; object stores "
        "show an object when it is whole",
    )
    options: dict[str, str] = Field(
        default_factory=dict,
        repr=False,
        description="of the store: region, endpoint, access_key_id, …; a value env:NAME is that variable's. What is "
        "not said comes from the store's usual variables and roles",
    )
    dead_letter_url: str = Field(
        default="", description="where rows go that cannot be counted; empty: beside their object, as PATH.bad/…"
    )
    dead_letter_options: dict[str, str] = Field(default_factory=dict, repr=False, description="as options")


class IngestConfig(BaseModel):
    """The ingest file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: tuple[Source, ...] = ()
    max_attempts: int = Field(
        default=10, ge=1, le=1_000, description="attempts at an object before it is failed: half an hour of faults"
    )

    @model_validator(mode="after")
    def _named_once(self) -> "IngestConfig":
        names = [source.name for source in self.sources]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"there are two sources {twice[0]!r}")
        return self


def load_file(file: Path) -> IngestConfig:
    """Reads an ingest file. Raises `IngestConfigError`."""
    try:
        return IngestConfig(**tomllib.loads(file.read_text("utf-8")))
    except ValidationError as fault:
        mistakes = (f"{'.'.join(map(str, e['loc'])) or 'sources'}: {e['msg']}" for e in fault.errors())
        raise IngestConfigError(f"{file}: {'; '.join(mistakes)}") from fault
    except (OSError, ValueError) as fault:
        raise IngestConfigError(f"{file}: {fault}") from fault


def resolved(options: Mapping[str, str], environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Returns options with what they take from the environment. Raises `IngestConfigError`."""
    result = {}
    for name, value in options.items():
        variable = value.removeprefix(FROM_ENVIRONMENT)
        if variable != value and variable not in environment:
            raise IngestConfigError(f"options.{name}: there is no variable {variable}")
        result[name] = environment[variable] if variable != value else value
    return result
