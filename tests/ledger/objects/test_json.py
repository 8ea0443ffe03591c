"""Lines of JSON: what is read quickly is what is read carefully, and nothing a line holds does more than be refused."""

import json
from collections.abc import Callable

import pytest
from holdfast_ledger.objects import json_plain
from holdfast_ledger.objects.config import Shape
from holdfast_ledger.objects.json_events import FieldReader
from holdfast_ledger.objects.json_plain import Fields, plain_fields
from holdfast_ledger.objects.json_text import BadField, _read_carefully, read_json, string_count
from hypothesis import example, given, settings
from hypothesis import strategies as st

PLAIN = (
    b'{"specversion": "1.0", "id": "1", "source": "s", "type": "t", "time": "2027-01-15T08:00:00Z", "accountid": "a", '
    b'"datacontenttype": "application/json", "subject": "x/y", "correctsid": "0", '
    b'"data": {"dimensions": {"b": "\\u00e9\\"\\\\", "a": "/"}, "quantities": {"q": 9223372036854775807, "p": 0}}}'
)

WORDS = (
    *(r"a", r"", r"\"", r"\\", r"\\\"", r"\\\\", r"\/", r"\n", r"\u0022", r"\u005c", r"\u0000", r"\ud83d\ude00"),
    *(
        r"\ud800",
        r"\udc00",
        r"\ude00\ud83d",
        r"\x",
        r"\u12",
        "\x00",
        "\x1f",
        "\t",
        "\x7f",
        "é",
        "😀",
        '"',
        ":",
        "{",
        ",",
    ),
    *("2027-01-15T08:00:00Z", "1800000000000", "3", "3.0", "1.0", "id", "data", "b" * 300),
)
"""What is between quotes; some of it is no JSON."""
NUMBERS = (
    *("0", "-0", "1", "-1", "01", "+1", "1.", ".5", "1.0", "3.00", "1.5", "-0.0", "1e3", "1E2", "1e400", "--1"),
    *(
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        "9007199254740993.0",
        "1e99999999999999999999",
    ),
    *("NaN", "Infinity", "-Infinity", "null", "true", "false", "nul", "1800000000000", "9" * 400, "9" * 5_000, "1_0"),
)
word = st.sampled_from(WORDS) | st.text(max_size=4)
string = st.lists(word, max_size=3).map(lambda parts: f'"{"".join(parts)}"')
scalar = string | st.sampled_from(NUMBERS) | st.integers().map(str) | st.floats().map(json.dumps)
space = st.sampled_from(["", "", "", " ", "\t", "\n", "\r", "\x0b", "\ufeff", "x"])


def members(key: st.SearchStrategy[str], value: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Objects as text, some with a key twice."""
    pair = st.builds("{}:{}".format, key, value)
    return st.lists(pair, max_size=5).map(lambda pairs: f"{{{','.join(pairs)}}}")


def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Objects and lists as text."""
    return members(string, inner) | st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")


value = st.recursive(scalar, nested)
objects = st.builds("{}{}{}".format, space, members(string, value), space).map(
    lambda text: text.encode(errors="replace")
)

ATTRIBUTES = ("specversion", "id", "source", "type", "time", "accountid", "data", "subject", "correctsid", "other")
COMMON = {
    "specversion": st.just('"1.0"'),
    "time": st.sampled_from(['"2027-01-15T08:00:00Z"', '"2027-13-15T08:00:00Z"', "1800000000000", '"1800000000000"']),
    "data": members(
        st.sampled_from(['"dimensions"', '"quantities"', '"dimensions"', '"quantities"', '"more"']),
        members(string, scalar) | members(string, string) | members(string, st.sampled_from(["0", "1", "7"])) | scalar,
    ),
}


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """Lines that are like events: attributes left out, twice, of another kind, or of none."""
    odd = draw(st.integers(0, 6))
    names = [*ATTRIBUTES[:7], *draw(st.lists(st.sampled_from(ATTRIBUTES), max_size=2))]
    if odd == 1:
        names.remove(draw(st.sampled_from(names)))
    plain = st.sampled_from(["a", "é", "b/c", r"\"", r"\\", r"\u00e9"]).map('"{}"'.format)
    pairs = [f'"{name}":{draw(value if odd == 2 else COMMON.get(name, plain))}' for name in names]
    return f"{draw(space) if odd == 3 else ''}{{{', '.join(draw(st.permutations(pairs)))}}}".encode(errors="replace")


def outcome(read: Callable[[bytes], object], text: bytes) -> str:
    """What came of a text, with the kinds of all values."""
    try:
        return repr(read(text))
    except BadField as fault:
        return f"{fault.field}: {fault.reason}"


def carefully(line: bytes) -> Fields:
    """Reads a line as it is read that is not plain."""
    return FieldReader(Shape()).fields(_read_carefully(line))


@settings(max_examples=300, deadline=None)
@given(objects | st.binary(max_size=30) | lines())
def test_text_that_is_read_quickly_is_as_it_is_read_carefully(text: bytes) -> None:
    """Numbers exact, each of its own kind, and faults told with the same words."""
    assert outcome(read_json, text) == outcome(_read_carefully, text)


@settings(max_examples=500, deadline=None)
@given(lines() | objects)
@example(PLAIN)
def test_a_plain_line_is_as_it_is_read_carefully(line: bytes) -> None:
    """And what is not plain is read so."""
    assert outcome(FieldReader(Shape()).read, line) == outcome(carefully, line)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("where", [b"9223372036854775807", b'"/"', b'"2027-01-15T08:00:00Z"', b'"x/y"'])
def test_a_number_of_any_kind_anywhere(number: str, where: bytes) -> None:
    """Comes to the same, quickly or carefully."""
    line = PLAIN.replace(where, number.encode())
    assert outcome(FieldReader(Shape()).read, line) == outcome(carefully, line)


@pytest.mark.parametrize("text", WORDS)
@pytest.mark.parametrize("where", [b"x/y", b"2027-01-15T08:00:00Z", b"application/json", b'"q', b"specversion"])
def test_a_text_of_any_kind_anywhere(text: str, where: bytes) -> None:
    """Comes to the same, quickly or carefully."""
    line = PLAIN.replace(where, where[:1].strip(b"xa2s") + text.encode())
    assert outcome(FieldReader(Shape()).read, line) == outcome(carefully, line)


@pytest.mark.parametrize(
    ("now", "then"),
    [
        (b'"id": "1"', b'"id": "1", "id": "1"'),
        (b'"id": "1"', b'"id": "2", "\\u0069d": "1"'),
        (b'"a": "/"', b'"a": "/", "a": "/"'),
        (b'"p": 0', b'"p": 0, "p": 0'),
        (b'"p": 0', b'"p": "\\"", "p": 0'),
        (b'"dimensions": {', b'"dimensions": {}, "dimensions": {'),
        (b'"correctsid": "0"', b'"subject": "x/y"'),
    ],
)
def test_a_key_that_is_there_twice_is_refused(now: bytes, then: bytes) -> None:
    """Wherever it is, and also where another one is missing."""
    line = PLAIN.replace(now, then)
    assert line != PLAIN
    assert outcome(FieldReader(Shape()).read, line) == ": has a key twice"


def test_a_plain_line_is_read_quickly() -> None:
    """With all attributes or those alone that it needs; so that files of such lines are."""
    assert plain_fields(PLAIN) == Fields(
        ("a", "s", "1", "t", "x/y", "0"),
        1_800_000_000_000,
        [("a", "/"), ("b", 'é"\\')],
        [("p", 0), ("q", 2**63 - 1)],
    )
    least = {"id": "1", "source": "s", "type": "t", "time": "2027-01-15T08:00:00Z", "accountid": "a"}
    data: dict[str, dict[str, str]] = {"dimensions": {}, "quantities": {}}
    assert plain_fields(json.dumps(least | {"data": data}).encode()) is not None
    assert plain_fields(json.dumps(least | {"data": data, "other": 1}).encode()) is None


def test_the_columns_of_a_source_come_before_what_is_plain() -> None:
    """A line that would be plain is not, where a field is said to be elsewhere."""
    reader = FieldReader(Shape(columns={"account_id": "source", "dimension.kind": "type"}))
    fields = reader.read(PLAIN)
    assert (fields.texts[0], fields.dimensions) == ("s", [("a", "/"), ("b", 'é"\\'), ("kind", "t")])


def test_a_flat_line_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the slow decoder: lines of other shapes gain too."""
    flat = {"id": "1", "source": "s", "type": "t", "time": 1_800_000_000_000, "account_id": "a", "quantity.q": 1.0}
    monkeypatch.setattr("holdfast_ledger.objects.json_text._read_carefully", None)
    assert FieldReader(Shape()).read(json.dumps(flat).encode()).quantities == [("q", 1)]


@pytest.mark.parametrize(
    ("text", "count"), [(b"", 0), (b'"a"', 1), (rb'"\""', 1), (rb'"\\"', 1), (rb'"\\\"" "a"', 2), (rb'"\\\\","\\"', 2)]
)
def test_strings_are_counted(text: bytes, count: int) -> None:
    """By quotes that no backslash escapes."""
    assert string_count(text) == count


def test_every_attribute_of_a_plain_line_is_counted() -> None:
    """Or a key that is there twice would pass: an attribute more here needs its count."""
    fields = json_plain._Event.__struct_fields__
    assert set(fields) == {*ATTRIBUTES[:9], "datacontenttype"}
