"""Log lines: one an event, readable by machines, and not to be forged from inside a value."""

import io
import json
import logging
import re
import warnings
from collections.abc import Iterator

import pytest
from holdfast_sidecar.observe.logs import MAX_VALUE_CHARACTERS, LineFormatter, LogFormat, configure_logging
from hypothesis import given
from hypothesis import strategies as st

LOG = logging.getLogger("holdfast_sidecar.test")


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Leaves logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


def line(log_format: LogFormat, message: str, **extra: object) -> str:
    """The line of one record."""
    record = LOG.makeRecord(LOG.name, logging.WARNING, "file.py", 1, message, (), None, extra=extra)
    return LineFormatter(log_format).format(record)


def test_logfmt_line() -> None:
    """Time in UTC, level, logger, message, fields; quotes only where they are needed."""
    text = line("logfmt", "no stream to the ledger", epoch=7, reason="REPLACED")
    assert re.fullmatch(
        r"ts=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00 level=warning logger=holdfast_sidecar\.test "
        r'msg="no stream to the ledger" epoch=7 reason=REPLACED',
        text,
    )


def test_json_line() -> None:
    """The same fields as one object."""
    fields = json.loads(line("json", "fenced", epoch=7))
    assert fields.pop("ts").endswith("+00:00")
    assert fields == {"level": "warning", "logger": "holdfast_sidecar.test", "msg": "fenced", "epoch": "7"}


@pytest.mark.parametrize("log_format", ["logfmt", "json"])
@given(value=st.text())
def test_no_value_forges_a_line_or_a_field(log_format: LogFormat, value: str) -> None:
    """Whatever is in a value, the line is one line of printable ASCII and the value comes back whole."""
    text = line(log_format, value, account=value)
    assert re.fullmatch(r"[\x20-\x7e]*", text)
    if log_format == "json":
        assert json.loads(text)["account"] == value
    else:
        fields = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', text)
        assert [name for name, _ in fields] == ["ts", "level", "logger", "msg", "account"]
        quoted = dict(fields)["account"]
        assert (json.loads(quoted) if quoted.startswith('"') else quoted) == value


def test_a_field_does_not_replace_a_standard_one() -> None:
    """A field called level stays out of the line's own level."""
    assert "level=warning" in line("logfmt", "x", level="debug")


def test_long_values_are_cut() -> None:
    """One caller's message does not fill the disk."""
    text = line("logfmt", "x" * (MAX_VALUE_CHARACTERS + 5))
    assert len(text) < MAX_VALUE_CHARACTERS + 200
    assert "(5 characters more)" in text


def test_an_exception_stays_on_its_line(restored_logging: None) -> None:
    """The traceback is one escaped field."""
    stream = io.StringIO()
    configure_logging("info", "logfmt", stream)
    try:
        raise ValueError("bad\ninput level=error")
    except ValueError:
        LOG.exception("failed")
    (only,) = stream.getvalue().splitlines()
    assert r"ValueError: bad\ninput level=error" in only


def test_configured_once_however_often(restored_logging: None) -> None:
    """A second call replaces the first; warnings of libraries come the same way; lower levels are dropped."""
    streams = io.StringIO(), io.StringIO()
    for stream in streams:
        configure_logging("warning", "json", stream)
    LOG.info("not shown")
    LOG.warning("shown")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert streams[0].getvalue() == ""
    first, second = (json.loads(text) for text in streams[1].getvalue().splitlines())
    assert first["msg"] == "shown"
    assert "DeprecationWarning: old" in second["msg"]
