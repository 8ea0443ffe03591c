"""The streams file: secrets from the environment, circles and settings on which exactly-once rests refused."""

from pathlib import Path

import pytest
from holdfast_ledger.streams.config import StreamsConfigError, load

GOOD = """
brokers = "127.0.0.1:9092"
[client]
"sasl.password" = "env:PASSWORD"
[export]
debits = "debits"
[import]
topics = ["events"]
dead_letters = "events.dead"
"""


def test_a_whole_file(tmp_path: Path) -> None:
    file = tmp_path / "streams.toml"
    file.write_text(GOOD)
    config = load(file, {"PASSWORD": "secret"})
    assert config.client == {"sasl.password": "secret"}
    assert config.export is not None
    assert (config.export.debits, config.export.entries, config.export.marks) == ("debits", "", "holdfast.marks")
    assert config.imports is not None
    assert config.imports.topics == ("events",)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (('brokers = "127.0.0.1:9092"', ""), "brokers"),
        (('debits = "debits"', ""), "names no topic"),
        (('debits = "debits"', 'debts = "x"'), "debts"),
        (('"sasl.password" = "env:PASSWORD"', '"group.id" = "x"'), "group.id is not to be set"),
        (('"sasl.password" = "env:PASSWORD"', '"group.protocol" = "consumer"'), "group.protocol is not to be set"),
        (('"env:PASSWORD"', '"env:MISSING"'), "MISSING is not set"),
        (('debits = "debits"', 'events = "events"'), "circle"),
        (('dead_letters = "events.dead"', 'dead_letters = "events"'), "come back for ever"),
        (('["events"]', "[]"), "topics"),
        (("[client]", "[client"), "streams.toml"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, change: tuple[str, str], named: str) -> None:
    file = tmp_path / "streams.toml"
    file.write_text(GOOD.replace(*change))
    with pytest.raises(StreamsConfigError, match=named):
        load(file, {"PASSWORD": "secret"})
