"""Checks the pages of a data file before LMDB maps it.

LMDB 0.9 has no checksums. A record's own CRC finds damage in records; this finds damage in what holds them together:
a file cut short (which would kill the process by SIGBUS), trees that lead astray, and a free list that names pages in
use (which would overwrite records later). It reads each page in use once and looks into no record, so that it can run
at every start; `holdfast verify` runs LMDB's own complete check besides.

The layout is that of LMDB 0.9's `mdb.c` on machines with 64 bits, in the machine's byte order.
"""

import os
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from holdfast_sidecar.store.interface import StoreTooNew, StoreUnusable

MAGIC = 0xBEEFC0DE
DATA_VERSION = 1
"""LMDB 0.9's format; LMDB 1.0 writes 3, with the magic number 8 bytes further on."""
NO_PAGE = (1 << 64) - 1
META_PAGE_COUNT = 2
MAX_DEPTH = 32
MAX_UNBACKED_PAGES = 1 << 20
"""Pages that the file may claim beyond its end; bounds the memory that a damaged page number can ask for."""

BRANCH, LEAF, OVERFLOW, META = 0x01, 0x02, 0x04, 0x08
BIG_VALUE, SUB_TREE = 0x01, 0x02
INTEGER_KEY, KEY_FLAGS = 0x08, 0x7E
"""Of a tree's flags: keys are numbers; all that say how keys are ordered, and whether a key may be there twice."""

_HEADER = struct.Struct("=QHHHH")  # number, pad, flags, lower, upper
_META_HEAD = struct.Struct("=IIQQ")  # magic, version, address, map size
_TREE = struct.Struct("=IHHQQQQQ")
_META_TAIL = struct.Struct("=QQ")  # last page, transaction
_NODE = struct.Struct("=HHHH")  # low, high, flags, key size
_U32 = struct.Struct("=I")
_U64 = struct.Struct("=Q")

HEADER_BYTES = _HEADER.size
META_BYTES = HEADER_BYTES + _META_HEAD.size + 2 * _TREE.size + _META_TAIL.size
OVERFLOW_COUNT_OFFSET = 12


class Tree(NamedTuple):
    """A tree as its record describes it; `pad` is the page size where the tree is the free list's."""

    pad: int
    flags: int
    depth: int
    branch_count: int
    leaf_count: int
    overflow_count: int
    entry_count: int
    root: int


class Meta(NamedTuple):
    """A meta page: the roots of one committed transaction."""

    free: Tree
    main: Tree
    last_page: int
    transaction: int


class Node(NamedTuple):
    """One entry of a leaf page."""

    flags: int
    key: bytes
    value_bytes: int
    value_offset: int


def check_pages(path: Path) -> None:
    """Checks a data file that no one has open.

    Raises:
        StoreUnusable: It must not be mapped; the message says what was found first.
        StoreTooNew: A newer LMDB wrote it.
        OSError: It cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _Checker(descriptor).check()
    finally:
        os.close(descriptor)


class Place(NamedTuple):
    """A page in a tree, with the first key that it may hold and the first one beyond it."""

    number: int
    first: bytes
    beyond: bytes | None


LeafVisitor = Callable[[bytes], None]
KeyOrder = Callable[[bytes], bytes]


def native_number_order(key: bytes) -> bytes:
    """Turns a key of the free list, a number in the machine's byte order, into bytes that sort as it does."""
    return key[::-1] if sys.byteorder == "little" else key


class _Checker:
    """One pass over one file; `_seen` marks the pages found in use."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._file_bytes = os.fstat(descriptor).st_size
        self._page_bytes = 0
        self._page_count = 0
        self._seen = bytearray()
        self._free: list[tuple[int, ...]] = []

    def check(self) -> None:
        meta = self._latest_meta()
        self._page_count = meta.last_page + 1
        if self._page_count > self._file_bytes // self._page_bytes + MAX_UNBACKED_PAGES:
            raise StoreUnusable(f"{self._page_count} pages are claimed, the file has {self._file_bytes} bytes")
        self._seen = bytearray(self._page_count)
        if meta.free.flags & KEY_FLAGS != INTEGER_KEY:
            raise StoreUnusable("the free list's keys are no numbers")
        self._walk(meta.free, self._read_free_list, native_number_order)
        trees: list[Tree] = []
        self._walk(meta.main, lambda page: trees.extend(self._sub_trees(page)))
        for tree in [meta.main, *trees]:
            if tree.flags & KEY_FLAGS:
                raise StoreUnusable("a table has keys of another kind than ours")
        for tree in trees:
            self._walk(tree, self._check_records)
        self._check_free_list()

    # -- Meta pages ----------------------------------------------------------------------------------------------------

    def _latest_meta(self) -> Meta:
        head = self._read_bytes(0, META_BYTES)
        if _U32.unpack_from(head, HEADER_BYTES)[0] != MAGIC and _U32.unpack_from(head, HEADER_BYTES + 8)[0] == MAGIC:
            raise StoreTooNew("a newer LMDB wrote the file: run the version that wrote it; nothing was changed")
        first = self._meta(head, 0)
        self._page_bytes = first.free.pad
        if self._page_bytes not in (4096, 8192, 16384, 32768):
            raise StoreUnusable(f"pages of {self._page_bytes} bytes")
        second = self._meta(self._read_bytes(self._page_bytes, META_BYTES), 1)
        # Transaction n writes page n % 2, so the two pages are always of two transactions in a row.
        if first.transaction % 2 or abs(first.transaction - second.transaction) > 1:
            raise StoreUnusable(f"the meta pages are of transactions {first.transaction} and {second.transaction}")
        latest = max(first, second, key=lambda meta: meta.transaction)
        if second.free.pad != self._page_bytes or latest.last_page < META_PAGE_COUNT - 1:
            raise StoreUnusable("the meta pages contradict each other")
        return latest

    def _meta(self, page: bytes, number: int) -> Meta:
        stored_number, _, flags, _, _ = _HEADER.unpack_from(page)
        magic, version, _, _ = _META_HEAD.unpack_from(page, HEADER_BYTES)
        if (stored_number, flags, magic, version) != (number, META, MAGIC, DATA_VERSION):
            raise StoreUnusable(f"page {number} is no meta page")
        trees = HEADER_BYTES + _META_HEAD.size
        last_page, transaction = _META_TAIL.unpack_from(page, trees + 2 * _TREE.size)
        return Meta(
            Tree._make(_TREE.unpack_from(page, trees)),
            Tree._make(_TREE.unpack_from(page, trees + _TREE.size)),
            last_page,
            transaction,
        )

    # -- Trees ---------------------------------------------------------------------------------------------------------

    def _walk(self, tree: Tree, look_at: LeafVisitor, key_order: KeyOrder = bytes) -> None:
        """Marks a tree's pages as used; hands each leaf page on; compares counts and depth with the record."""
        if tree.root == NO_PAGE:
            if any(tree[2:7]):
                raise StoreUnusable("a tree without a root has content")
            return
        if not 1 <= tree.depth <= MAX_DEPTH:
            raise StoreUnusable(f"a tree has depth {tree.depth}")
        branch_count = leaf_count = 0
        level = [Place(tree.root, b"", None)]
        for depth in range(1, tree.depth + 1):
            children: list[Place] = []
            kind = LEAF if depth == tree.depth else BRANCH
            for place in level:
                page = self._page(place.number, kind)
                if kind == BRANCH:
                    branch_count += 1
                    children.extend(self._children(page, place, key_order))
                    continue
                leaf_count += 1
                self._check_span(page, place, key_order)
                look_at(page)
            level = children
        if (branch_count, leaf_count) != (tree.branch_count, tree.leaf_count):
            raise StoreUnusable("a tree has other pages than its record says")

    def _page(self, number: int, kind: int) -> bytes:
        self._mark(number)
        page = self._read_bytes(number * self._page_bytes, self._page_bytes)
        stored_number, _, flags, lower, upper = _HEADER.unpack_from(page)
        if stored_number != number or flags != kind or not HEADER_BYTES <= lower <= upper <= self._page_bytes:
            raise StoreUnusable(f"page {number} is not what the tree says")
        return page

    def _offsets(self, page: bytes) -> tuple[int, ...]:
        _, _, _, lower, upper = _HEADER.unpack_from(page)
        count = (lower - HEADER_BYTES) // 2
        offsets = struct.unpack_from(f"={count}H", page, HEADER_BYTES)
        if count and not upper <= min(offsets) <= max(offsets) <= self._page_bytes - _NODE.size:
            raise StoreUnusable("an entry lies outside its page")
        return offsets

    def _children(self, page: bytes, place: Place, key_order: KeyOrder) -> Iterator[Place]:
        """Yields a branch page's children, each with the keys between which its own lie."""
        numbers: list[int] = []
        bounds: list[bytes] = []
        for offset in self._offsets(page):
            low, high, flags, _ = _NODE.unpack_from(page, offset)
            numbers.append(low | high << 16 | flags << 32)
            bounds.append(key_order(self._key(page, offset)))
        if not bounds:
            raise StoreUnusable(f"page {place.number} is empty")
        # The first child has no key of its own: it begins where its parent does.
        bounds[:1] = [place.first]
        for number, first, beyond in zip(numbers, bounds, [*bounds[1:], place.beyond], strict=True):
            yield Place(number, first, beyond)

    def _check_span(self, page: bytes, place: Place, key_order: KeyOrder) -> None:
        """Checks that a leaf's keys lie where a search from the root would look for them."""
        offsets = self._offsets(page)
        if not offsets:
            raise StoreUnusable(f"page {place.number} is empty")
        first, last = (key_order(self._key(page, offset)) for offset in (offsets[0], offsets[-1]))
        if first < place.first or (place.beyond is not None and last >= place.beyond):
            raise StoreUnusable(f"the keys of page {place.number} belong elsewhere")

    def _key(self, page: bytes, offset: int) -> bytes:
        start = offset + _NODE.size
        end = start + _NODE.unpack_from(page, offset)[3]
        if end > self._page_bytes:
            raise StoreUnusable("an entry reaches beyond its page")
        return page[start:end]

    def _nodes(self, page: bytes) -> Iterator[Node]:
        for offset in self._offsets(page):
            low, high, flags, key_bytes = _NODE.unpack_from(page, offset)
            key_end = offset + _NODE.size + key_bytes
            value_bytes = low | high << 16
            inline_bytes = _U64.size if flags & BIG_VALUE else value_bytes
            if key_end + inline_bytes > self._page_bytes:
                raise StoreUnusable("an entry reaches beyond its page")
            yield Node(flags, page[offset + _NODE.size : key_end], value_bytes, key_end)

    def _sub_trees(self, page: bytes) -> Iterator[Tree]:
        for node in self._nodes(page):
            if node.flags != SUB_TREE or node.value_bytes != _TREE.size:
                raise StoreUnusable("the list of tables has something else in it")
            yield Tree._make(_TREE.unpack_from(page, node.value_offset))

    def _check_records(self, page: bytes) -> None:
        unpack, page_bytes, head_bytes = _NODE.unpack_from, self._page_bytes, _NODE.size
        for offset in self._offsets(page):
            low, high, flags, key_bytes = unpack(page, offset)
            end = offset + head_bytes + key_bytes
            if flags == 0:
                if end + (low | high << 16) > page_bytes:
                    raise StoreUnusable("an entry reaches beyond its page")
            elif flags == BIG_VALUE and end + _U64.size <= page_bytes:
                self._big_value(page, Node(flags, b"", low | high << 16, end))
            else:
                raise StoreUnusable("an entry is none of a table")

    def _big_value(self, page: bytes, node: Node) -> bytes:
        number: int = _U64.unpack_from(page, node.value_offset)[0]
        count = (HEADER_BYTES - 1 + node.value_bytes) // self._page_bytes + 1
        for used in range(number, number + count):
            self._mark(used)
        content = self._read_bytes(number * self._page_bytes, count * self._page_bytes)
        stored_number, _, flags, _, _ = _HEADER.unpack_from(content)
        if (stored_number, flags) != (number, OVERFLOW) or _U32.unpack_from(content, OVERFLOW_COUNT_OFFSET)[0] != count:
            raise StoreUnusable(f"page {number} is not what the tree says")
        return content[HEADER_BYTES : HEADER_BYTES + node.value_bytes]

    # -- Free pages ----------------------------------------------------------------------------------------------------

    def _read_free_list(self, page: bytes) -> None:
        for node in self._nodes(page):
            start = node.value_offset
            content = self._big_value(page, node) if node.flags & BIG_VALUE else page[start : start + node.value_bytes]
            if len(content) < _U64.size or len(content) != (_U64.unpack_from(content)[0] + 1) * _U64.size:
                raise StoreUnusable("a list of free pages has another length than it says")
            self._free.append(struct.unpack_from(f"={len(content) // _U64.size - 1}Q", content, _U64.size))

    def _check_free_list(self) -> None:
        for numbers in self._free:
            before = self._page_count
            for number in numbers:
                # LMDB merges the lists and relies on their order.
                if number >= before:
                    raise StoreUnusable("a list of free pages is out of order")
                before = number
                self._mark(number)

    def _mark(self, number: int) -> None:
        if not META_PAGE_COUNT <= number < self._page_count or self._seen[number]:
            raise StoreUnusable(f"page {number} is used twice, or does not exist")
        self._seen[number] = 1

    def _read_bytes(self, offset: int, count: int) -> bytes:
        content = os.pread(self._descriptor, count, offset)
        if len(content) < count:
            raise StoreUnusable(f"the file ends at byte {self._file_bytes}, before all of its pages")
        return content
