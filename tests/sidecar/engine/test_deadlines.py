"""Deadlines fall due in order, once, whatever moved meanwhile, and stale entries do not pile up."""

import weakref
from dataclasses import dataclass

from holdfast_sidecar.engine.deadlines import BUCKET_SHIFT, NEVER_NS, Deadlines
from hypothesis import given
from hypothesis import strategies as st


@dataclass(eq=False)
class Item:
    due_ns: int | None


BUCKET_NS = 1 << BUCKET_SHIFT
times = st.integers(0, 50) | st.integers(0, 5 * BUCKET_NS)


def deadlines() -> Deadlines[Item]:
    return Deadlines(lambda item: item.due_ns)


@given(st.lists(st.tuples(times, st.one_of(st.none(), times))), st.integers(0, 6 * BUCKET_NS))
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


def test_an_item_that_is_taken_out_is_let_go() -> None:
    heap = deadlines()
    item = Item(3 * BUCKET_NS)
    heap.push(3 * BUCKET_NS, item)
    seen = weakref.ref(item)
    heap.discard(3 * BUCKET_NS, item)
    del item
    assert seen() is None


def test_a_deadline_that_moves_far_away_is_found_there() -> None:
    heap = deadlines()
    item = Item(10)
    heap.push(10, item)
    heap.discard(10, item)
    item.due_ns = 5 * BUCKET_NS + 7
    heap.push(item.due_ns, item)
    assert list(heap.pop_due(5 * BUCKET_NS + 6)) == []
    assert heap.next_ns() <= 5 * BUCKET_NS + 7
    assert list(heap.pop_due(5 * BUCKET_NS + 7)) == [item]
    assert heap.next_ns() == NEVER_NS or heap.next_ns() > 5 * BUCKET_NS


def test_items_of_one_deadline_come_in_their_order() -> None:
    heap = deadlines()
    items = [Item(2 * BUCKET_NS) for _ in range(5)]
    for item in items:
        heap.push(2 * BUCKET_NS, item)
    assert list(heap.pop_due(3 * BUCKET_NS)) == items
