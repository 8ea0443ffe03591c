"""Whom the uplink dials next, and when without a pause."""

from random import Random

import pytest
from holdfast_sidecar.uplink.replicas import Replicas

MS = 1_000_000
NAMES = ("a:1", "b:1", "c:1")


def test_every_replica_has_its_turn_whatever_ended_the_last_one() -> None:
    replicas = Replicas(NAMES, Random(1), 1_000)
    seen = []
    for turn in range(6):
        seen.append(replicas.current)
        replicas.move_on(turn, is_leaving=turn % 2 == 0)
    assert seen[:3] == seen[3:]
    assert sorted(seen[:3]) == list(NAMES)


def test_sidecars_start_at_different_ones() -> None:
    first = {Replicas(NAMES, Random(seed), 1_000).current for seed in range(20)}
    assert first == set(NAMES)


def test_only_a_replica_that_says_that_it_leaves_is_left_without_a_pause() -> None:
    replicas = Replicas(NAMES, Random(1), 1_000)
    assert not replicas.move_on(0, is_leaving=False)
    assert replicas.move_on(0, is_leaving=True)


def test_replicas_that_send_everybody_away_do_not_make_it_spin() -> None:
    replicas = Replicas(NAMES, Random(1), 1_000)
    hurried = [replicas.move_on(at_ms * MS, is_leaving=True) for at_ms in range(0, 3_000, 100)]
    assert sum(hurried) == 3
    assert hurried[0]
    assert hurried[10]


def test_one_replica_is_never_hurried_back_to() -> None:
    replicas = Replicas(NAMES[:1], Random(1), 1_000)
    assert not replicas.move_on(0, is_leaving=True)
    assert replicas.current == NAMES[0]


def test_a_ledger_has_a_target() -> None:
    with pytest.raises(ValueError, match="at least one target"):
        Replicas((), Random(1), 1_000)
