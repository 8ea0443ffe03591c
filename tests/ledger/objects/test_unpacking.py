"""Compressed objects and lines: what is whole comes out, what is not is told, and nothing takes all memory."""

import gzip
import json
from collections.abc import Iterator

import pyarrow as pa
import pytest
from holdfast_ledger.metering.event_rules import EventTerms
from holdfast_ledger.objects.checking import checker_at
from holdfast_ledger.objects.config import Shape
from holdfast_ledger.objects.line_formats import csv_pieces, json_pieces
from holdfast_ledger.objects.lines import MAX_LINE_BYTES, is_cut, kept, read_lines
from holdfast_ledger.objects.unpacking import READ_BYTES, Damaged, plain_path, unpacked
from hypothesis import given
from hypothesis import strategies as st

NOW_MS = 1_800_000_000_000
CHECKER = checker_at(NOW_MS, EventTerms(), lambda named: named)


def zstd(content: bytes) -> bytes:
    packed: bytes = pa.Codec("zstd").compress(content, asbytes=True)
    return packed


def pieces_of(content: bytes, size: int) -> Iterator[bytes]:
    return (content[at : at + size] for at in range(0, len(content), size))


@pytest.mark.parametrize("size", [1, 3, 1_000_000])
@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_the_first_bytes_tell_without_a_suffix(pack: type[bytes], size: int) -> None:
    """However the object comes in."""
    content = b"hello\n" * 1_000
    assert b"".join(unpacked("a.csv", pieces_of(pack(content), size))) == content
    assert b"".join(unpacked("a.csv", pieces_of(content, size))) == content


def test_concatenated_files_are_one() -> None:
    """As `cat a.gz b.gz` makes them, with the padding of tapes behind; of zstd too."""
    two = gzip.compress(b"one\n") + gzip.compress(b"two\n")
    assert b"".join(unpacked("a.gz", pieces_of(two + b"\x00" * 512, 7))) == b"one\ntwo\n"
    assert b"".join(unpacked("a.zst", pieces_of(zstd(b"one\n") + zstd(b"two\n"), 7))) == b"one\ntwo\n"


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_what_is_cut_off_is_told(pack: type[bytes]) -> None:
    """After what came before."""
    packed = pack(b"".join(b"%d\n" % number for number in range(500_000)))
    found: list[bytes] = []
    with pytest.raises(Damaged):
        found.extend(unpacked("a", pieces_of(packed[:-20], 10_000)))
    assert b"".join(found).startswith(b"0\n1\n2\n")


def test_a_bomb_comes_out_in_parts() -> None:
    """A thousandth of what it unpacks to is never there at once."""
    packed = gzip.compress(bytes(200 * READ_BYTES))
    sizes = [len(part) for part in unpacked("a.gz", iter([packed]))]
    assert sum(sizes) == 200 * READ_BYTES
    assert max(sizes) <= READ_BYTES


def test_an_empty_object_is_empty_text() -> None:
    """Whatever it is called."""
    assert list(unpacked("a.gz", iter([]))) == []
    assert plain_path("in/a.CSV.GZ") == "in/a.CSV"


@given(st.lists(st.binary(max_size=12).filter(lambda line: b"\n" not in line), max_size=30), st.integers(1, 40))
def test_lines_are_those_of_the_text(lines: list[bytes], size: int) -> None:
    """However it is cut, with their numbers and places."""
    text = b"\n".join(lines)
    found = list(read_lines(pieces_of(text, size), chunk_bytes=8))
    whole = text.replace(b"\r\n", b"\n").split(b"\n")
    assert [line for some in found for line in some.lines] == (whole if whole[-1] else whole[:-1])
    number = 1
    for some in found:
        assert some.first_number == number
        number += len(some.lines)
    assert not found or found[-1].end_bytes == len(text)


def test_a_line_that_is_too_long_is_let_go_of() -> None:
    """The next one is as it was; the length counts."""
    text = b"a\n" + b"x" * (20 * MAX_LINE_BYTES) + b"\nb\n"
    lines = [line for some in read_lines(pieces_of(text, 300_000), chunk_bytes=MAX_LINE_BYTES) for line in some.lines]
    assert [lines[0], lines[2]] == [b"a", b"b"]
    assert is_cut(lines[1])
    assert len(lines[1]) < 4 * MAX_LINE_BYTES
    assert len(kept(lines[1])) == 4_096


def told_of(lines: list[str | bytes], shape: Shape | None = None) -> list[tuple[int, str, str]]:
    """Reads JSON lines, and returns what is bad: number, field, reason."""
    text = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    pieces = list(json_pieces(iter([text]), shape or Shape(), CHECKER, 0))
    return [(dead.number, dead.field, dead.reason) for piece in pieces for dead in piece.dead]


def event(**changes: object) -> str:
    """A line of JSON."""
    data = changes.pop("data", {"quantities": {"input": 1}})
    base = {"id": "1", "source": "s", "type": "t", "time": NOW_MS, "accountid": "acme", "data": data}
    return json.dumps({**base, **changes})


def test_each_bad_line_of_json_is_told_with_its_field() -> None:
    """And the good ones between them count."""
    wide = {f"k{number}": "v" for number in range(100)}
    lines: list[str | bytes] = [
        event(),
        "{",
        "[]",
        b'{"id": "\xff"}',
        event(specversion="0.3"),
        event(data={"dimensions": wide}),
        event(data={"quantities": {"input": float("nan")}}),
        event(data={"quantities": {"input": 1.5}}),
        event(data={"quantites": {"input": 1}}),
        event(data={"dimensions": {"model": {"a": 1}}}),
        event(data=[]),
        event(id=None),
        event(id="\ud800"),
        event(time="2027-01-15"),
        event()[:-1] + ', "id": "2"}',
        "[" * 100_000,
        event(time=10**400),
        "",
        event(data={"quantities": {"input": "x" * 1_000_000}}),
        event(data={"dimensions": {"model": "x" * 1_000}}),
        "x" * (MAX_LINE_BYTES + 1),
    ]
    told = told_of(lines)
    assert [(number, field) for number, field, _ in told] == [
        (2, ""),
        (3, ""),
        (4, ""),
        (5, "specversion"),
        (6, "dimensions"),
        (7, "quantities[input]"),
        (8, "quantities[input]"),
        (9, "data.quantites"),
        (10, "dimensions[model]"),
        (11, "data"),
        (12, "id"),
        (13, "id"),
        (14, "time"),
        (15, ""),
        (16, ""),
        (17, "time"),
        (19, "quantities[input]"),
        (20, "dimensions[model]"),
        (21, ""),
    ]
    assert all(len(reason) < 200 for _, _, reason in told)


def test_fields_of_json_may_be_anywhere() -> None:
    """Where the shape says; members that nobody asks for are ignored where it says so."""
    shape = Shape(
        columns={"account_id": "customer.id", "dimension.model": "data.model", "quantity.input": "usage.in"},
        defaults={"type": "t", "source": "s"},
        ignored_columns=("data.*",),
    )
    row = {"id": 7, "time": NOW_MS, "customer": {"id": "acme"}, "usage": {"in": 3}, "data": {"model": "m", "note": 1}}
    (piece,) = json_pieces(iter([json.dumps(row).encode()]), shape, CHECKER, 0)
    (made,) = piece.table.to_pylist()
    assert (made["id"], made["account_id"], made["type"]) == ("7", "acme", "t")
    assert (made["dimensions"], made["quantities"]) == ([("model", "m")], [("input", 3)])


def test_a_million_values_of_a_dimension_are_only_values() -> None:
    """There is no limit on how many there are."""
    count = 100_000
    text = "id,source,type,time,account_id,dimension.session\n" + "".join(
        f"{number},s,t,{NOW_MS},acme,session-{number}\n" for number in range(count)
    )
    pieces = list(csv_pieces(iter([text.encode()]), Shape(), CHECKER, 0))
    assert sum(piece.table.num_rows for piece in pieces) == count


def test_a_byte_order_mark_and_line_ends_of_windows_are_no_part_of_csv() -> None:
    """As spreadsheets write it."""
    text = f"\ufeffid,source,type,time,account_id\r\n1,s,t,{NOW_MS},acme\r\n\r\n2,s,t,{NOW_MS},acme"
    (piece,) = csv_pieces(iter([text.encode()]), Shape(), CHECKER, 0)
    assert piece.table.column("id").to_pylist() == ["1", "2"]
    assert piece.dead == ()


def test_sql_in_a_value_is_a_value() -> None:
    """Nothing in a row is ever part of a statement."""
    text = f"id,source,type,time,account_id,dimension.model\n1,s,t,{NOW_MS},acme,'; DROP TABLE events; --"
    (piece,) = csv_pieces(iter([text.encode()]), Shape(), CHECKER, 0)
    assert piece.table.column("dimensions").to_pylist() == [[("model", "'; DROP TABLE events; --")]]
