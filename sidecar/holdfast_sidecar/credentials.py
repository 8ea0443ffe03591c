"""Who may report usage: a file of credentials, each a token, a uid or an address, with what it may do.

Upstream: `config` names the file, `bootstrap` reads it. Downstream: `dispatcher/gate.py`.
"""

import tomllib
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from holdfast_sidecar.config import ConfigError
from holdfast_sidecar.dispatcher.callers import MAX_CALLER_BYTES

MAX_CREDENTIALS = 10_000
"""Read once, at the start, into a table; more callers than that share a host with nobody."""


def _short(name: str) -> str:
    """Returns a name that fits into a debit. Raises ValueError."""
    if len(name.encode()) > MAX_CALLER_BYTES or not name.isprintable():
        raise ValueError(f"must be printable, and at most {MAX_CALLER_BYTES} bytes in UTF-8")
    return name


def _written_as_usual(address: str) -> str:
    """Returns an address as the transport tells it. Raises ValueError."""
    if not address:
        return ""
    found = ip_address(address)
    return str((found.ipv4_mapped if isinstance(found, IPv6Address) else None) or found)


Name = Annotated[str, StringConstraints(min_length=1), AfterValidator(_short)]
Rate = Annotated[int, Field(ge=0, le=1_000_000)]


class Credential(BaseModel):
    """One caller. Exactly one of `token_sha256`, `uid` and `address` says who it is."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Name
    """What it is called in the debits of its caller, and where else it is told of; unique."""
    token_sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")] = ""
    """SHA-256 of the token that it sends as "authorization: Bearer TOKEN", in hexadecimal."""
    uid: Annotated[int, Field(ge=0, lt=1 << 32)] | None = None
    """Who connects to the Unix socket, as the kernel says."""
    address: Annotated[str, AfterValidator(_written_as_usual)] = ""
    """IP address that it connects from over TCP."""
    account_id: str = ""
    """The one account that it may name; empty: any."""
    calls_per_s: Rate | None = None
    """Calls a second; 0: no limit; None: `usage_calls_per_s`."""
    burst: Rate | None = None
    """Calls at once; None: those of a second."""

    @model_validator(mode="after")
    def _one_identity(self) -> "Credential":
        """Raises ValueError unless it is told how the caller is known."""
        if bool(self.token_sha256) + (self.uid is not None) + bool(self.address) != 1:
            raise ValueError("exactly one of token_sha256, uid and address must be set")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    credentials: Annotated[list[Credential], Field(min_length=1, max_length=MAX_CREDENTIALS)]

    @model_validator(mode="after")
    def _differ(self) -> "_File":
        for said in ("name", "token_sha256", "uid", "address"):
            values = [value for value in (getattr(one, said) for one in self.credentials) if value not in ("", None)]
            if len(set(values)) < len(values):
                raise ValueError(f"two credentials have the same {said}")
        return self


def read_credentials(path: Path) -> tuple[Credential, ...]:
    """Reads a TOML file of `[[credentials]]`.

    Raises:
        ConfigError: It cannot be read, or a credential is not usable; the messages name the file and the field.
    """
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"file {path}: cannot be read: {error.strerror}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"file {path}: is not TOML: {error}"]) from None
    try:
        return tuple(_File.model_validate(values).credentials)
    except ValidationError as error:
        places = ((".".join(map(str, detail["loc"])) or "credentials", detail["msg"]) for detail in error.errors())
        raise ConfigError([f"file {path}: {place}: {message}" for place, message in places]) from None
