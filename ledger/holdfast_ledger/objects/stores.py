"""Object stores behind obstore: opened from a URL, read at one version, and their faults sorted.

A read is of the version that was listed (`If-Match`): an object that is replaced while it is read is not a mixture.
"""

import io
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias, cast

import obstore
from obstore import exceptions
from obstore.store import ObjectStore, from_url

from holdfast_ledger.store.object_rows import FoundObject, IngestedObject

if TYPE_CHECKING:
    from obstore import GetOptions, GetResult, ObjectMeta
    from obstore.store import RetryConfig

SCHEMES = ("s3", "gs", "az", "s3a", "abfs", "abfss", "adl", "azure", "file", "https")
CHUNK_BYTES = 4 * 2**20
"""Of a stream: a request of a store costs some milliseconds, whatever its size."""
READ_TIMEOUT = "60s"
"""Of one request; beyond it obstore tries again."""
RETRIES: "RetryConfig" = {"max_retries": 5, "retry_timeout": timedelta(seconds=30)}
"""Of one request, and of a stream that breaks off: some seconds, then the object waits its turn."""

Found: TypeAlias = FoundObject | IngestedObject

_LASTING = (
    exceptions.UnknownConfigurationKeyError,
    exceptions.InvalidPathError,
    exceptions.NotSupportedError,
)


class StoreFault(Exception):
    """The store did not do what it was asked; trying again may help."""


class ObjectGone(Exception):
    """This content is not there any more: it was deleted or replaced. Trying again does not help."""


def open_object_store(url: str, options: Mapping[str, str], *, make: bool = False) -> ObjectStore:
    """Opens what a URL names. Raises `ValueError` for one that is none, `StoreFault`.

    Args:
        url: s3://, gs://, az://, file:// and what else obstore knows of the same stores.
        options: Of the store, such as region or endpoint; "allow_http" is true for endpoints without TLS.
        make: A folder that is not there is made.
    """
    scheme = url.partition("://")[0]
    if scheme not in SCHEMES or "://" not in url:
        raise ValueError(f"{url}: is not a URL of {', '.join(SCHEMES[:3])} or file")
    try:
        if scheme == "file":
            if options:
                raise ValueError(f"{url}: a folder has no options")
            return from_url(url, mkdir=make)
        client = {"timeout": READ_TIMEOUT, "allow_http": options.get("endpoint", "").startswith("http://")}
        # Names of options are the user's, so no overload fits.
        opened = cast(Callable[..., ObjectStore], from_url)
        return opened(url, client_options=client, retry_config=RETRIES, **options)
    except _LASTING as fault:
        raise ValueError(f"{url}: {told(fault)}") from fault
    except exceptions.BaseError as fault:
        raise StoreFault(f"{url}: {told(fault)}") from fault


def told(fault: BaseException) -> str:
    """Returns what a fault says, without its inner structure."""
    return str(fault).partition("\n\nDebug source")[0].strip() or type(fault).__name__


def _sorted_fault(fault: Exception) -> Exception:
    if isinstance(fault, ObjectGone):
        return fault
    gone = isinstance(fault, (FileNotFoundError, exceptions.NotFoundError, exceptions.PreconditionError))
    return ObjectGone(f"is deleted or replaced: {told(fault)}") if gone else StoreFault(told(fault))


_FAULTS = (exceptions.BaseError, OSError)


def listed(store: ObjectStore, prefix: str) -> Iterator[list[FoundObject]]:
    """Lists objects, some at a time. Raises `StoreFault`."""
    try:
        for chunk in obstore.list(store, prefix or None, chunk_size=1_000):
            yield [_found(meta) for meta in chunk]
    except _FAULTS as fault:
        raise StoreFault(told(fault)) from fault


def look_up(store: ObjectStore, path: str) -> FoundObject:
    """Returns an object as a listing shows it. Raises `StoreFault`, `ObjectGone`."""
    try:
        return _found(obstore.head(store, path))
    except _FAULTS as fault:
        raise _sorted_fault(fault) from fault


def _found(meta: "ObjectMeta") -> FoundObject:
    return FoundObject(meta["path"], _version(meta), meta["size"], _modified_at_ms(meta))


def _modified_at_ms(meta: "ObjectMeta") -> int:
    return int(meta["last_modified"].timestamp() * 1_000)


def _version(meta: "ObjectMeta") -> str:
    return meta.get("e_tag") or meta.get("version") or f"{meta['size']}-{_modified_at_ms(meta)}"


def streamed(store: ObjectStore, found: Found) -> Iterator[bytes]:
    """Reads one version of an object. Raises `StoreFault`, `ObjectGone`."""
    try:
        for chunk in _got(store, found, {}).stream(CHUNK_BYTES):
            yield bytes(chunk)
    except _FAULTS as fault:
        raise _sorted_fault(fault) from fault


def _got(store: ObjectStore, found: Found, options: "GetOptions") -> "GetResult":
    """Asks for one version. Raises `ObjectGone`."""
    if found.version.startswith('"'):
        options["if_match"] = found.version
    result = obstore.get(store, found.path, options=options)
    if _version(result.meta).strip('"') != found.version.strip('"'):
        raise ObjectGone(f"is replaced: {found.path}")
    return result


def written(store: ObjectStore, path: str, content: bytes) -> None:
    """Writes an object, or replaces it. Raises `StoreFault`."""
    try:
        obstore.put(store, path, content)
    except _FAULTS as fault:
        raise StoreFault(told(fault)) from fault


class ObjectFile(io.RawIOBase):
    """One version of an object as a file that is read anywhere."""

    def __init__(self, store: ObjectStore, found: Found) -> None:
        self._store, self._found, self._at = store, found, 0
        self.fault: Exception | None = None
        """What the latest read raised; whoever reads through other hands may be told something else."""

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves to a place."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._found.size_bytes}[whence]
        self._at = base + offset
        return self._at

    def size(self) -> int:
        """Length in bytes."""
        return self._found.size_bytes

    def read(self, size: int = -1) -> bytes:
        """Reads some bytes, fewer at the end alone. Raises `StoreFault`, `ObjectGone`."""
        end = self._found.size_bytes if size < 0 else min(self._at + size, self._found.size_bytes)
        if end <= self._at:
            return b""
        try:
            content = bytes(_got(self._store, self._found, {"range": (self._at, end)}).bytes())
        except (*_FAULTS, ObjectGone) as fault:
            self.fault = _sorted_fault(fault)
            raise self.fault from fault
        self._at += len(content)
        return content
