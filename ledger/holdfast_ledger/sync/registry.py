"""The streams open at this replica: those to end, those to tell about a pool. Rows decide, this only hurries."""

from collections.abc import Callable, Collection, Iterable
from typing import Protocol

from holdfast_ledger.errors import Fenced, LedgerError, Replaced
from holdfast_ledger.sync.jobs import StreamId


class OpenStream(Protocol):
    """A stream as the registry sees it."""

    @property
    def stream_id(self) -> StreamId:
        """Its name."""

    @property
    def waiting_pools(self) -> set[int]:
        """Pools of which its sidecar waits for rights or allowance."""

    def end(self, fault: LedgerError) -> None:
        """Ends it soon, with this fault."""

    def tell(self, pool_keys: set[int] | None) -> None:
        """Makes it tell its sidecar how its leases in these pools, or (None) in all, are, where it has any."""


class Registry:
    """Belongs to the event loop's thread."""

    def __init__(self, announce: Callable[[Collection[int]], None]) -> None:
        """`announce` tells the other replicas which pools changed."""
        self._announce = announce
        self._streams: dict[str, OpenStream] = {}

    def __len__(self) -> int:
        return len(self._streams)

    def __contains__(self, sidecar_id: str) -> bool:
        return sidecar_id in self._streams

    def add(self, stream: OpenStream) -> None:
        """Enters a stream that has been admitted, and ends the one that it takes over from."""
        mine = stream.stream_id
        other = self._streams.get(mine.sidecar_id)
        if other is None or other.stream_id.stream_number < mine.stream_number:
            self._streams[mine.sidecar_id] = stream
            older = other
        else:
            older = stream
        if older is not None:
            same_epoch = older.stream_id.epoch == self._streams[mine.sidecar_id].stream_id.epoch
            older.end(Replaced("a younger stream has taken over") if same_epoch else Fenced("a newer epoch began"))

    def remove(self, stream: OpenStream) -> None:
        """Forgets a stream that has ended. Idempotent."""
        if self._streams.get(stream.stream_id.sidecar_id) is stream:
            del self._streams[stream.stream_id.sidecar_id]

    def pools_changed(self, pool_keys: Iterable[int]) -> None:
        """Has every stream, here and at the other replicas, tell its leases in these pools."""
        keys = set(pool_keys)
        if keys:
            self.pools_changed_elsewhere(keys)
            self._announce(keys)

    def pools_freed(self, pool_keys: Iterable[int]) -> None:
        """Has the streams tell their leases in these pools that wait for what others give back of them.

        The other replicas do not know who waits where: there every stream tells.
        """
        keys = set(pool_keys)
        if keys:
            for stream in self._streams.values():
                stream.tell(keys & stream.waiting_pools)
            self._announce(keys)

    def waiting_pools(self) -> set[int]:
        """Returns the pools of which anyone here waits for rights or allowance."""
        return set().union(*(stream.waiting_pools for stream in self._streams.values()))

    def pools_changed_elsewhere(self, pool_keys: Collection[int] | None) -> None:
        """Has every stream here tell its leases in these pools, or (None) in all."""
        keys = None if pool_keys is None else set(pool_keys)
        for stream in self._streams.values():
            stream.tell(keys)
