"""A world a test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.scenarios.world import World


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Makes worlds with the sidecar flags given; ends them after the test."""
    worlds: list[World] = []

    def make(*sidecar_flags: str, lease_validity_ms: int = 60_000) -> World:
        folder = tmp_path / f"world-{len(worlds)}"
        folder.mkdir()
        worlds.append(World(folder, *sidecar_flags, lease_validity_ms=lease_validity_ms))
        return worlds[-1]

    yield make
    for world in worlds:
        world.end()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A started world on the default transport."""
    made = make_world()
    made.begin()
    return made
