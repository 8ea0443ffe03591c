"""One line an event, in logfmt or JSON, whatever an attacker puts into a value.

Values are escaped to printable ASCII, so that no name or message can forge a line, a field, or a terminal command.
Fields go into `extra`: `log.info("fenced", extra={"epoch": 7})`.
"""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Final, Literal, TextIO, TypeAlias

LogFormat: TypeAlias = Literal["logfmt", "json"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]

MAX_VALUE_CHARACTERS: Final = 4_096
"""Longer values are cut: a message of a caller must not fill a disk. A traceback fits."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:/+-]+")
_STANDARD_FIELDS: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_HANDLER_NAME: Final = "holdfast"


class LineFormatter(logging.Formatter):
    """Formats a record as one line."""

    def __init__(self, log_format: LogFormat) -> None:
        super().__init__()
        self._log_format = log_format

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line, without its end: time in UTC, level, logger, message, then the fields."""
        values = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": _cut(record.getMessage()),
        }
        for name, value in record.__dict__.items():
            if name not in _STANDARD_FIELDS:
                values.setdefault(name, _cut(str(value)))
        if record.exc_info:
            values["exception"] = _cut(self.formatException(record.exc_info))
        if self._log_format == "json":
            return json.dumps(values)
        return " ".join(f"{_bare(name)}={_quoted(value)}" for name, value in values.items())


def configure_logging(level: LogLevel, log_format: LogFormat, stream: TextIO | None = None) -> None:
    """Sends everything that is logged, Python's warnings included, to one stream. May be called again.

    Args:
        stream: Where lines go; None for standard error.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.set_name(_HANDLER_NAME)
    handler.setFormatter(LineFormatter(log_format))
    root = logging.getLogger()
    for old in [old for old in root.handlers if old.get_name() == _HANDLER_NAME]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(True)


def _cut(value: str) -> str:
    left_out = len(value) - MAX_VALUE_CHARACTERS
    return value if left_out <= 0 else f"{value[:MAX_VALUE_CHARACTERS]}... ({left_out} characters more)"


def _bare(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else re.sub(r"[^A-Za-z0-9_.]", "_", name)


def _quoted(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else json.dumps(value)
