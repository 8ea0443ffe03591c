"""The ingest file of docs/usage.md is one, and its commands are there."""

import re
from pathlib import Path

import pytest
from holdfast_ledger.objects.cli import main
from holdfast_ledger.objects.config import IngestConfig, Shape, Source, load_file

SECTION = (
    (Path(__file__).parents[2] / "docs" / "usage.md").read_text("utf-8").partition("\n## Object stores\n")[2]
).partition("\n## ")[0]


def test_the_file_is_one(tmp_path: Path) -> None:
    """With two sources."""
    (text,) = re.findall(r"```toml\n(.*?)```", SECTION, re.DOTALL)
    file = tmp_path / "ingest.toml"
    file.write_text(text)
    assert [source.name for source in load_file(file).sources] == ["gateway", "batch"]


def test_every_flag_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    """Of the command and its others."""
    flags = set(re.findall(r"--[a-z][a-z-]*", SECTION))
    shown = ""
    for arguments in (["--help"], ["status", "--help"], ["retry", "--help"]):
        with pytest.raises(SystemExit):
            main(arguments)
        shown += capsys.readouterr().out
    assert flags
    assert flags <= set(re.findall(r"--[a-z-]+", shown))


def test_every_setting_is_there() -> None:
    """Under the name that the page uses."""
    names = {*Source.model_fields, *Shape.model_fields, *IngestConfig.model_fields}
    for name in ("min_age_ms", "max_attempts", "dead_letter_url", "ignored_columns", "columns", "format", "delimiter"):
        assert name in names
        assert name in SECTION
