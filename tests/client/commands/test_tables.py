"""Columns are as wide as what is in them."""

from holdfast.commands.tables import table


def test_columns_are_aligned_and_lines_have_no_space_at_the_end() -> None:
    text = table(("NAME", "N", "NOTE"), [("a", "1,000", ""), ("longer", "7", "x")], right=frozenset({1}))
    assert text.splitlines() == [
        "NAME        N  NOTE",
        "a       1,000",
        "longer      7  x",
    ]


def test_no_rows_leave_the_header() -> None:
    assert table(("A", "B"), []) == "A  B\n"
