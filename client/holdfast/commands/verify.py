"""`holdfast verify FOLDER` and `holdfast verify --database FILE|URL`: hands over to the part that keeps what is meant.

A sidecar's folder is checked by the sidecar's package, a ledger's database by the ledger's; each registers under the
entry-point group "holdfast.verifiers", so that neither imports the other.
"""

import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import cast

_GROUP = "holdfast.verifiers"
_EXIT_NOT_INSTALLED = 69  # EX_UNAVAILABLE of sysexits.h


def main(argv: Sequence[str]) -> int:
    """Runs the verifier; returns its exit status, 69 if its part is not installed."""
    of_database = any(one == "--database" or one.startswith("--database=") for one in argv)
    name, extra = ("database", "ledger") if of_database else ("folder", "sidecar")
    try:
        (entry,) = metadata.entry_points(group=_GROUP, name=name)
        verifier = cast(Callable[[Sequence[str]], int], entry.load())
    except (ValueError, ModuleNotFoundError) as error:
        missing = f" ({error})" if isinstance(error, ModuleNotFoundError) else ""
        sys.stderr.write(f"holdfast: 'verify' of a {name} needs: pip install 'holdfast[{extra}]'{missing}\n")
        return _EXIT_NOT_INSTALLED
    return verifier(argv)
