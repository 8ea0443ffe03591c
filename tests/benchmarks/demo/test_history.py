"""The history holds what was appended, in its order, once it is closed."""

from pathlib import Path

import pytest
from holdfast_bench.demo.history import Acked, History, read_history


def test_all_that_was_appended_is_on_the_disk(tmp_path: Path) -> None:
    acked = [Acked(f"op-{number}", number) for number in range(3_000)]
    history = History(tmp_path / "history.txt")
    for one in acked:
        history.append(one)
    history.close()
    assert read_history(tmp_path / "history.txt") == acked


def test_closing_twice_does_no_harm(tmp_path: Path) -> None:
    history = History(tmp_path / "history.txt")
    history.close()
    history.close()
    assert read_history(tmp_path / "history.txt") == []


def test_another_history_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "history.txt").write_text("op 1\n", encoding="utf-8")
    with pytest.raises(FileExistsError):
        History(tmp_path / "history.txt")


def test_a_line_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "history.txt").write_text("op\n", encoding="utf-8")
    with pytest.raises(ValueError, match="unpack"):
        read_history(tmp_path / "history.txt")
