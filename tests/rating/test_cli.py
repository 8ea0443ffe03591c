"""`holdfast rates`: import, show and check, as a user calls them."""

import json
from pathlib import Path

import pytest
from holdfast.cli import main

LITELLM = {"gpt-5": {"input_cost_per_token": 1.25e-06, "output_cost_per_token": 1e-05, "input_cost_per_pixel": 1}}


@pytest.fixture
def card_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    source, card = tmp_path / "prices.json", tmp_path / "card.json"
    source.write_text(json.dumps(LITELLM), encoding="utf-8")
    since = ["--effective-from", "2026-01-01T00:00:00Z"]
    flags = ["--units-per-usd", "100", "--markup-bp", "2000", "--output", str(card)]
    assert main(["rates", "import", str(source), *since, *flags]) == 0
    assert "input_cost_per_pixel: left out of 1 models" in capsys.readouterr().err
    return card


def test_an_imported_list_is_a_valid_card(card_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rates", "check", str(card_file)]) == 0
    assert "1 version(s), the last with 2 prices of 1 models" in capsys.readouterr().out


def test_show_rates_quantities(card_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rates", "show", str(card_file), "--model", "gpt-5", "--quantity", "input=1000", "output=20"]) == 0
    out = capsys.readouterr().out
    assert "150,000,000 per 1,000,000" in out
    assert out.endswith("174000 minor units\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--model", "other", "--quantity", "input=1"], "no price"),
        (["--model", "gpt-5", "--quantity", "images=1"], "images"),
        (["--model", "gpt-5", "--quantity", "input=1", "--at", "2025-01-01T00:00:00Z"], "begins later"),
    ],
)
def test_what_has_no_price_is_told(
    card_file: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rates", "show", str(card_file), *arguments]) == 1
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"),
    [("{}", "versions"), ("[", "file"), ('{"card_id": "c", "currency": "x", "versions": []}', "versions")],
)
def test_check_names_what_is_wrong(tmp_path: Path, text: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "card.json"
    file.write_text(text, encoding="utf-8")
    assert main(["rates", "check", str(file)]) == 1
    assert told in capsys.readouterr().err


def test_a_file_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rates", "check", str(tmp_path / "none.json")]) == 1
    assert "none.json" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["import"], ["import", "f"], ["show", "f", "--quantity", "tokens=5"]])
def test_a_command_line_that_makes_no_sense_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["rates", *arguments])
    assert ended.value.code == 2
