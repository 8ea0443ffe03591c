"""Keeps room for settles: says when new holds must be refused, and makes the disk set space aside ahead of use.

A settle removes a hold and adds an outcome and a debit, so that it may need more room than it frees. What the open
holds will need is therefore counted as if it were used. Two things bound the room: the map (address space), and the
disk. The data file is allocated ahead, so that a disk filled up by others meets new holds, never settles.

Upstream: `lmdb_store` tells what is used after each commit.
"""

import os
import time

REFUSE_NUMERATOR, REFUSE_DENOMINATOR = 9, 10
"""Share of the map from which new holds are refused; the rest is for copies of pages, charges and captures in parts."""

SETTLE_BYTES = 512
"""What the outcome and the debit of one settle need besides what they repeat of the hold (ids, subject, dimensions)."""

MAX_COPIED_BYTES = 64 * 1024 * 1024
"""Pages of pools and windows that one commit changes, at most: a pool and three windows in each of 4,096 settles, four
times what the largest batch has without Execute."""

MAX_STEP_BYTES = 16 * 1024 * 1024
"""The file is allocated this far, and at most twice this far, ahead of what is needed."""

RETRY_INTERVAL_NS = 100_000_000
"""A disk that was full is asked again after this time."""


def settle_reserve_bytes(hold_count: int, hold_bytes: int, rights_bytes: int) -> int:
    """Returns what the open holds need to settle.

    Each writes an outcome and a debit, both about its own size. It also changes rows of pools and windows, anywhere in
    their trees: a commit copies each page that it changes, and the pages that the commit before freed are not free yet.

    Args:
        hold_count: Open holds.
        hold_bytes: Pages of the tree of holds.
        rights_bytes: Pages of the trees of pools and windows.
    """
    return 2 * hold_bytes + SETTLE_BYTES * hold_count + 2 * min(rights_bytes, MAX_COPIED_BYTES)


class Space:
    """Room of one data file. One thread, the loop's; the figures may be read from any."""

    def __init__(self, descriptor: int, map_bytes: int) -> None:
        """Takes over a descriptor of the data file, open for writing."""
        self._descriptor = descriptor
        self.map_bytes = map_bytes
        self._step_bytes = min(MAX_STEP_BYTES, map_bytes // 16)
        self._file_bytes = _allocated_bytes(descriptor)
        self._retry_at_ns = 0
        self.used_bytes = 0
        self.reserved_bytes = 0

    @property
    def refused(self) -> bool:
        """Whether new holds are refused. Asks a disk that was full again from time to time."""
        need = self.used_bytes + self.reserved_bytes
        if need * REFUSE_DENOMINATOR >= self.map_bytes * REFUSE_NUMERATOR:
            return True
        if self._file_bytes >= need + self._step_bytes:
            return False
        self._allocate(need)
        return self._file_bytes < need + self._step_bytes

    def update(self, used_bytes: int, reserved_bytes: int) -> None:
        """Takes the figures after a commit and allocates ahead."""
        self.used_bytes = used_bytes
        self.reserved_bytes = reserved_bytes
        need = used_bytes + reserved_bytes
        if self._file_bytes < need + self._step_bytes:
            self._allocate(need)

    def close(self) -> None:
        """Closes the descriptor."""
        os.close(self._descriptor)

    def _allocate(self, need: int) -> None:
        now_ns = time.monotonic_ns()
        if now_ns < self._retry_at_ns:
            return
        target = min(need + 2 * self._step_bytes, self.map_bytes)
        try:
            os.posix_fallocate(self._descriptor, 0, target)
            self._file_bytes = target
            self._retry_at_ns = 0
        except OSError:
            # Disk full, quota, file size limit, or a failing disk: all mean that there is no more room than before.
            self._file_bytes = _allocated_bytes(self._descriptor)
            self._retry_at_ns = now_ns + RETRY_INTERVAL_NS


def _allocated_bytes(descriptor: int) -> int:
    """Returns how far the disk stands behind the file; less than its length where it has holes."""
    status = os.fstat(descriptor)
    return min(status.st_size, status.st_blocks * 512)
