"""The manifest of objects on every store: each content once, one claim at a time."""

import pytest
from holdfast_ledger.store.interface import NEVER, Store
from holdfast_ledger.store.object_rows import FoundObject, IngestedObject, ObjectState, OpenObjects, SourceTotals

A1 = FoundObject("in/a.csv", "etag-1", 100, 5)
A2 = FoundObject("in/a.csv", "etag-2", 120, 6)
B1 = FoundObject("in/b.csv", "etag-1", 7, 5)


def claimed(store: Store, claim: str, now_ms: int, until_ms: int, *sources: str) -> IngestedObject | None:
    with store.writing() as writer:
        return writer.claim_object(sources or ("s",), None, claim, now_ms, until_ms)


def certainly(row: IngestedObject | None) -> IngestedObject:
    assert row is not None
    return row


def add(store: Store, *found: FoundObject, source: str = "s", now_ms: int = 10) -> None:
    with store.writing() as writer:
        writer.add_objects(source, found, now_ms)


def test_a_content_is_known_by_source_path_and_version(store: Store) -> None:
    """Listed again it is nothing new; another version or source is."""
    add(store, A1, B1, B1)
    add(store, A1, A2, B1, now_ms=20)
    add(store, A1, source="t", now_ms=30)
    with store.reading() as reader:
        rows = [(row.path, row.version, row.found_at_ms) for row in reader.objects("s", ObjectState.PENDING, 0, 10)]
        assert rows == [("in/a.csv", "etag-1", 10), ("in/b.csv", "etag-1", 10), ("in/a.csv", "etag-2", 20)]
        assert len(reader.objects("t", ObjectState.PENDING, 0, 10)) == 1
        assert [row.version for row in reader.objects_named("s", [A2])] == ["etag-2"]
        pending = ObjectState.PENDING
        assert reader.open_objects() == [OpenObjects("s", pending, 3, 10), OpenObjects("t", pending, 1, 30)]


def test_one_claims_until_the_claim_ends(store: Store) -> None:
    """Nobody else has it meanwhile; afterwards the old claim is void."""
    add(store, A1)
    first = certainly(claimed(store, "one", 100, 200))
    assert (first.state, first.attempt_count, first.began_at_ms) == (ObjectState.RUNNING, 1, 100)
    assert claimed(store, "two", 199, 300) is None
    second = certainly(claimed(store, "two", 200, 300))
    assert (second.attempt_count, second.began_at_ms) == (2, 100)
    first.row_count = 7
    with store.writing() as writer:
        assert not writer.save_object(first, "one")
    second.row_count, second.state, second.due_at_ms = 8, ObjectState.DONE, NEVER
    with store.writing() as writer:
        assert writer.save_object(second, "two")
        assert not writer.save_object(second, "two"), "it runs no more"
        kept = certainly(writer.object(second.object_key))
    assert (kept.row_count, kept.state) == (8, ObjectState.DONE)
    assert claimed(store, "three", NEVER - 1, NEVER - 1) is None


def test_the_longest_due_comes_first(store: Store) -> None:
    """Of the sources and the objects that are asked for."""
    add(store, A1, source="other", now_ms=1)
    add(store, B1, now_ms=3)
    add(store, A1, now_ms=2)
    assert claimed(store, "x", 1, 50) is None
    assert certainly(claimed(store, "x", 5, 50)).path == "in/a.csv"
    assert certainly(claimed(store, "x", 5, 50, "other", "s")).source == "other"
    with store.writing() as writer:
        (left,) = writer.objects("s", ObjectState.PENDING, 0, 10)
        assert writer.claim_object(["s"], [left.object_key + 1], "x", 5, 50) is None
        assert certainly(writer.claim_object(["s"], [left.object_key], "x", 5, 50)).object_key == left.object_key


def test_what_failed_is_tried_again_when_asked(store: Store) -> None:
    """From where it failed, and only what failed."""
    add(store, A1, B1)
    for _ in range(2):
        row = certainly(claimed(store, "x", 20, 50))
        row.state, row.due_at_ms, row.error, row.row_count = ObjectState.FAILED, NEVER, "no", 3
        with store.writing() as writer:
            assert writer.save_object(row, "x")
    with store.writing() as writer:
        assert writer.retry_objects("s", "in/b.csv", 60) == 1
        assert writer.retry_objects("s", "", 60) == 1
        assert writer.retry_objects("s", "", 60) == 0
    row = certainly(claimed(store, "y", 60, 70))
    assert (row.attempt_count, row.row_count) == (1, 3)


def test_totals_add_up(store: Store) -> None:
    """By source, beside what its latest listing said."""
    with store.writing() as writer:
        writer.save_listing("s", None, "no such bucket")
        writer.add_to_source("s", 1, 10, 2, 300)
        writer.save_listing("s", 77, "")
        writer.add_to_source("s", 0, 5, 0, 100)
        writer.save_listing("t", None, "denied")
    with store.reading() as reader:
        assert reader.object_sources() == [
            SourceTotals("s", 1, 15, 2, 400, 77, ""),
            SourceTotals("t", 0, 0, 0, 0, 0, "denied"),
        ]


@pytest.mark.parametrize("path", ["ünï/ço de.csv", "a\x00b", "it's"])
def test_any_path_is_kept(store: Store, path: str) -> None:
    """As the store has it."""
    add(store, FoundObject(path, "v", 1, 1))
    assert certainly(claimed(store, "x", 20, 50)).path == path
