"""Deadlines fall due in order, once, whatever moved meanwhile, and stale entries do not pile up."""

from dataclasses import dataclass

from holdfast_sidecar.engine.deadlines import NEVER_NS, REBUILD_MIN_ENTRIES, Deadlines
from hypothesis import given
from hypothesis import strategies as st


@dataclass(eq=False)
class Item:
    due_ns: int | None


def deadlines() -> Deadlines[Item]:
    return Deadlines(lambda item: item.due_ns)


@given(st.lists(st.tuples(st.integers(0, 50), st.one_of(st.none(), st.integers(0, 50)))), st.integers(0, 60))
def test_due_items_come_once_in_order_of_their_latest_deadline(moves: list[tuple[int, int | None]], now: int) -> None:
    heap = deadlines()
    items = []
    for first, second in moves:
        item = Item(first)
        heap.push(first, item)
        if second is not None:
            item.due_ns = second
            heap.push(second, item)
        items.append(item)
    popped = []
    for item in heap.pop_due(now):
        popped.append((item, item.due_ns))
        item.due_ns = None
    assert [due for _, due in popped] == sorted(due for _, due in popped if due is not None)
    assert {id(item) for item, _ in popped} == {id(i) for i in items if i.due_ns is None}
    assert all(item.due_ns is None or item.due_ns > now for item in items)
    assert heap.next_ns() > now or heap.next_ns() == NEVER_NS


def test_stale_entries_are_dropped() -> None:
    heap = deadlines()
    item = Item(0)
    for n in range(20 * REBUILD_MIN_ENTRIES):
        item.due_ns = n
        heap.push(n, item)
    assert len(heap._heap) <= 2 * REBUILD_MIN_ENTRIES
