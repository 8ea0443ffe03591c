"""A client's settings: where the sidecar is, how long to wait, how often to try, what to do without an answer.

Every limit of the client stands here, with its unit and its reason.
"""

import os
import random
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from holdfast.errors import HoldfastError, Unavailable

OnUnavailable: TypeAlias = Literal["raise", "allow", "deny"]
"""What check, reserve and extend do when the sidecar does not answer. Debits always raise: they must not get lost."""

TARGET_VARIABLE = "HOLDFAST_SIDECAR"
DEFAULT_TARGET = "127.0.0.1:7070"

DEFAULT_TIMEOUT_MS = 1_000  # ten times a slow decision; an app that waits longer would rather know
DEFAULT_RETRIES = 4  # with the delays below, a third of a second: a dropped connection is back, a dead sidecar is told

_FIRST_DELAY_MS = 25
_DELAY_MS_MAX = 400

MESSAGE_OPERATIONS_MAX = 256  # the sidecar's default `max_operations`
MESSAGE_BYTES_MAX = 60_000  # below the sidecar's 64 KiB a message, room left for the framing
PENDING_OPERATIONS_MAX = 100_000  # a session's operations not yet answered; about 100 MB at the worst

CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.enable_http_proxy", 0),  # a proxy variable of the application must not catch calls to this host
    ("grpc.enable_retries", 0),  # retries are ours: counted, bounded, with the same operation id
    ("grpc.use_local_subchannel_pool", 1),  # a connection of its own, so that closing one client leaves others be
    ("grpc.initial_reconnect_backoff_ms", 50),  # a restarted sidecar is found within a retry's delay
    ("grpc.max_reconnect_backoff_ms", 200),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a client was constructed with, checked."""

    target: str
    timeout_ms: int
    retries: int
    on_unavailable: OnUnavailable
    token: str = field(default="", repr=False)

    @classmethod
    def of(
        cls, target: str | None, timeout_ms: int, retries: int, on_unavailable: OnUnavailable, token: str = ""
    ) -> "Settings":
        """Checks the settings; `target` None is taken from the environment, else the default."""
        if timeout_ms <= 0:
            raise ValueError(f"timeout_ms must be above zero, not {timeout_ms}")
        if retries < 0:
            raise ValueError(f"retries must not be negative, not {retries}")
        check_choice(on_unavailable)
        chosen = target or os.environ.get(TARGET_VARIABLE) or DEFAULT_TARGET
        return cls(_checked_target(chosen), timeout_ms, retries, on_unavailable, token)

    def metadata(self, *, takes_token: bool) -> tuple[tuple[str, str], ...] | None:
        """What goes with a call beside its message; None: nothing."""
        return (("authorization", f"Bearer {self.token}"),) if takes_token and self.token else None

    def timeout_s(self, timeout_ms: int | None) -> float:
        """The deadline of one call in seconds: its own, else the client's."""
        chosen = self.timeout_ms if timeout_ms is None else timeout_ms
        if chosen <= 0:
            raise ValueError(f"timeout_ms must be above zero, not {chosen}")
        return chosen / 1000

    def retry_delay_s(self, error: HoldfastError, attempt: int, left_s: float) -> float | None:
        """How long to wait before the next try, in seconds; None: give up.

        Only a missing answer is tried again, at most `retries` times, never past the deadline. Half of the delay
        is random, so that the clients of a host do not come back in step.

        Args:
            error: what the last try ended with.
            attempt: how many tries there were, from 1.
            left_s: time left until the deadline, in seconds.
        """
        if type(error) is not Unavailable or attempt > self.retries:
            return None
        delay_s = min(_DELAY_MS_MAX, _FIRST_DELAY_MS << (attempt - 1)) * random.uniform(0.5, 1.0) / 1000
        return delay_s if delay_s < left_s else None


def check_choice(choice: str) -> None:
    """Refuses an `on_unavailable` that is none of the three."""
    if choice not in ("raise", "allow", "deny"):
        raise ValueError(f'on_unavailable must be "raise", "allow" or "deny", not {choice!r}')


def _checked_target(target: str) -> str:
    if target.startswith("unix:"):
        if len(target) > len("unix:"):
            return target
    else:
        host, _, port = target.rpartition(":")
        if host and port.isdigit() and 0 < int(port) < 65_536 and "/" not in host:
            return target
    raise ValueError(f'a sidecar is named by "unix:/path" or "host:port", not {target!r}')
