"""What the guide to usage says of streams: its file is one, and the headers are those that are sent."""

import re
from pathlib import Path

from holdfast_ledger.streams.config import load

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")
(FILE,) = re.findall(r"^```toml streams\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_the_file_on_the_page_can_be_used(tmp_path: Path) -> None:
    file = tmp_path / "streams.toml"
    file.write_text(FILE)
    config = load(file, {"KAFKA_PASSWORD": "secret"})
    assert config.client["sasl.password"] == "secret"
    assert config.export is not None
    assert config.imports is not None
    assert (config.export.marks, config.imports.dead_letters) == ("holdfast.marks", "app.usage.dead")


def test_the_headers_on_the_page_are_those_that_are_sent() -> None:
    source = (ROOT / "ledger/holdfast_ledger/streams/importer.py").read_text(encoding="utf-8")
    sent = re.findall(r'"(holdfast-[a-z]+)"', source)
    assert sent
    assert re.findall(r"`(holdfast-[a-z]+)`", TEXT) == sent
