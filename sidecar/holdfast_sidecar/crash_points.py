"""Named places at which a test makes the process kill itself, as `kill -9` would.

`HOLDFAST_CRASH_AT=after_commit` kills at the first pass of that place, `after_commit:7` at the seventh. Read once, at
import; without the variable a pass costs one comparison.
"""

import os
import signal

_name, _, _count = os.environ.get("HOLDFAST_CRASH_AT", "").partition(":")
_left = int(_count or 1)


def crash_point(name: str) -> None:
    """Kills this process if this is the pass that the variable names."""
    global _left  # noqa: PLW0603 - one counter a process is the point
    if name == _name:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
