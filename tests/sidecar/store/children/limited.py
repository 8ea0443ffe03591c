"""Fills a store under a limit on the size of files, then settles all; prints holds opened, refused, holds settled.

Usage: limited FOLDER LIMIT_BYTES.
"""

import resource
import sys
from pathlib import Path

from tests.sidecar.store.filler import Filler
from tests.sidecar.store.harness import open_lmdb, say


def main(folder: Path, limit_bytes: int) -> None:
    """Python ignores SIGXFSZ, so that a write beyond the limit is an error and no end."""
    store = open_lmdb(folder)
    store.load()
    filler = Filler(store)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
    opened = filler.fill()
    refused = store.holds_refused
    filler.settle_all(20)
    say(f"{opened} {refused} {store.statistics().outbox_count}")
    store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
