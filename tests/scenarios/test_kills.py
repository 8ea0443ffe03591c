"""kill -9 of the sidecar and of the ledger at any instant: acked settles reach the ledger exactly once."""

import os
import random
from collections.abc import Callable

import pytest

from tests.scenarios.world import START_TIMEOUT_S, Storm, World, assert_exactly_once, wait_until

KILLS = int(os.environ.get("HOLDFAST_KILLS", "12"))
"""Kills of each kind; raise it for a longer run."""
SIDECAR_POINTS = ("before_commit", "after_commit", "after_reply", "after_send", "after_ack_received")
LEDGER_POINTS = ("before_commit", "after_commit", "before_ack")


@pytest.mark.parametrize("durability", ["host", "process"])
def test_sidecar_killed_at_random(make_world: Callable[..., World], durability: str) -> None:
    world = make_world("--durability", durability)
    world.begin()
    chance = random.Random(7)
    with Storm(world) as storm:
        for _ in range(KILLS):
            storm.wait_for(chance.randrange(1, 60))
            world.sidecar.kill()
            world.sidecar.start()
        storm.wait_for(50)
    assert_exactly_once(world, storm)


def test_ledger_killed_at_random(world: World) -> None:
    chance = random.Random(8)
    with Storm(world) as storm:
        for _ in range(KILLS):
            storm.wait_for(chance.randrange(1, 200))
            world.ledger.kill()
            world.ledger.start()
        storm.wait_for(50)
    assert_exactly_once(world, storm)


@pytest.mark.parametrize("point", SIDECAR_POINTS)
def test_sidecar_killed_at_a_named_point(world: World, point: str) -> None:
    world.sidecar.stop()
    with Storm(world) as storm:
        for count in (1, 17):
            # Some points are passed by the greeting alone, others only once the storm is through to the sidecar.
            world.sidecar.start(crash_at=f"{point}:{count}" if point in SIDECAR_POINTS[:3] else point)
            wait_until(lambda: not world.sidecar.alive, START_TIMEOUT_S)
        world.sidecar.start()
        storm.wait_for(50)
    assert_exactly_once(world, storm)


@pytest.mark.parametrize("point", LEDGER_POINTS)
def test_ledger_killed_at_a_named_point(world: World, point: str) -> None:
    with Storm(world) as storm:
        for count in (1, 5):
            storm.wait_for(20)
            world.ledger.kill()
            world.ledger.start(crash_at=f"{point}:{count}")
            wait_until(lambda: not world.ledger.alive, START_TIMEOUT_S)
        world.ledger.start()
        storm.wait_for(50)
    assert_exactly_once(world, storm)


def test_both_killed_together(world: World) -> None:
    chance = random.Random(9)
    with Storm(world) as storm:
        for _ in range(KILLS // 2):
            storm.wait_for(chance.randrange(1, 60))
            world.sidecar.kill()
            world.ledger.kill()
            world.ledger.start()
            world.sidecar.start()
        storm.wait_for(50)
    assert_exactly_once(world, storm)
