"""Tells clients that their process was forked: the child must not touch what the parent opened.

A gRPC channel, a lock another thread held, a background thread: none is of use in the child. Each client registers
a method that forgets them; the next call opens anew.
"""

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    """What has to start afresh in a forked child."""

    def after_fork_in_child(self) -> None:
        """Forgets everything that belongs to the parent, without closing it."""


_registered: "weakref.WeakSet[Forkable]" = weakref.WeakSet()
_inherited: list[object] = []


def register(forkable: Forkable) -> None:
    """Has `after_fork_in_child` called in every forked child, as long as the object lives."""
    _registered.add(forkable)


def keep_inherited(resource: object) -> None:
    """Keeps a parent's resource from being collected in the child, where closing it would disturb the parent."""
    _inherited.append(resource)


def _after_fork_in_child() -> None:
    for forkable in list(_registered):
        forkable.after_fork_in_child()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork_in_child)
