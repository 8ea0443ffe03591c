"""`holdfast verify` hands a folder to the sidecar's part and a database to the ledger's."""

from importlib import metadata
from pathlib import Path

import pytest
from holdfast.commands.verify import main


def test_a_folder_goes_to_the_sidecars_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 1
    assert "there is no store in this folder" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--database", "none"], ["--database=none"], ["--json", "--database", "none"]])
def test_a_database_goes_to_the_ledgers_part(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 64
    assert "none: there is no such file" in capsys.readouterr().err


def test_a_part_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(metadata, "entry_points", lambda **_: ())
    assert main(["--database", "x"]) == 69
    assert "holdfast[ledger]" in capsys.readouterr().err
    assert main(["x"]) == 69
    assert "holdfast[sidecar]" in capsys.readouterr().err


def test_a_part_whose_dependency_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = metadata.EntryPoint("folder", "holdfast_nothing_here:main", "holdfast.verifiers")
    monkeypatch.setattr(metadata, "entry_points", lambda **_: (missing,))
    assert main(["x"]) == 69
    assert "holdfast_nothing_here" in capsys.readouterr().err
