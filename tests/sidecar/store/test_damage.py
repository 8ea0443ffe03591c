"""Damaged files: never served from, never a crash of the interpreter, set aside whole.

The files are opened in child processes, many in one, since the point is that none of them may die of it.
"""

import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from holdfast_sidecar.store.pages import BRANCH, HEADER_BYTES, META_BYTES
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.sidecar.store.harness import BOOT_ID, MAP_BYTES, Workload, open_lmdb, run_child

BATCHES = 40
PAGE_BYTES = 4096
CASES_A_CHILD = 40

Damage = Callable[[bytearray], None]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data file after some batches, without the part that is only allocated."""
    folder = tmp_path_factory.mktemp("sound") / "store"
    store = open_lmdb(folder)
    store.load()
    workload = Workload()
    for _ in range(BATCHES):
        store.commit(workload.next_batch())
    store.close()
    data = folder / "data.mdb"
    data.write_bytes(data.read_bytes().rstrip(b"\0") + bytes(PAGE_BYTES))
    return data


def verdicts(sound: Path, damages: list[Damage]) -> list[str]:
    """What becomes of each damaged copy; fails if the child that opens them dies."""
    with tempfile.TemporaryDirectory() as place:
        folders = []
        for number, damage in enumerate(damages):
            content = bytearray(sound.read_bytes())
            damage(content)
            folders.append(Path(place) / f"case-{number}")
            folders[-1].mkdir()
            (folders[-1] / "data.mdb").write_bytes(content)
        status, out, err = run_child("inspect", BOOT_ID, *folders)
        lines = out.splitlines()
        assert status == 0, f"the child ended with {status} at case {len(lines)}: {err[-2000:]}"
        assert len(lines) == len(damages)
        return lines


def flip(position: float, bit: int) -> Damage:
    """Flips one bit; the position is a share of the file."""

    def damage(content: bytearray) -> None:
        content[int(position * len(content))] ^= 1 << bit

    return damage


def flip_in_page(position: float, offset: int, bit: int) -> Damage:
    """Flips one bit near the beginning of a page, where LMDB's own structures are."""

    def damage(content: bytearray) -> None:
        content[int(position * (len(content) // PAGE_BYTES)) * PAGE_BYTES + offset] ^= 1 << bit

    return damage


def cut(position: float) -> Damage:
    """Cuts the file short."""

    def damage(content: bytearray) -> None:
        del content[int(position * len(content)) :]

    return damage


def swap(first: float, second: float) -> Damage:
    """Puts one page's content in the place of another's, as a misdirected write does."""

    def damage(content: bytearray) -> None:
        count = len(content) // PAGE_BYTES
        source, target = int(first * count) * PAGE_BYTES, int(second * count) * PAGE_BYTES
        content[target : target + PAGE_BYTES] = content[source : source + PAGE_BYTES]

    return damage


def blank(position: float) -> Damage:
    """Fills a page with zeros, as a lost write does."""

    def damage(content: bytearray) -> None:
        page = int(position * (len(content) // PAGE_BYTES)) * PAGE_BYTES
        content[page : page + PAGE_BYTES] = bytes(PAGE_BYTES)

    return damage


share = st.floats(0, 1, exclude_max=True)
damages = st.one_of(
    st.builds(flip, share, st.integers(0, 7)),
    st.builds(flip_in_page, share, st.integers(0, 63), st.integers(0, 7)),
    st.builds(cut, share),
    st.builds(swap, share, share),
    st.builds(blank, share),
)


def test_the_sound_file_is_served(sound: Path) -> None:
    """Without damage nothing is set aside: the other tests would pass for a store that opens nothing."""
    assert verdicts(sound, [lambda content: None]) == [f"same {BATCHES}"]


# Shrinking would start children for minutes; the case that failed is named as it is.
@settings(
    max_examples=12,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(cases=st.lists(damages, min_size=CASES_A_CHILD, max_size=CASES_A_CHILD))
def test_damage_is_set_aside_or_harmless(sound: Path, cases: list[Damage]) -> None:
    """Whatever is damaged: the right state is served (the damage hit nothing in use), or the file is set aside."""
    for case, verdict in zip(cases, verdicts(sound, cases), strict=True):
        assert verdict in ("aside", f"same {BATCHES}"), case


_TREE_BYTES, _TAIL_BYTES = 48, 16
"""Sizes of LMDB's MDB_db and of what follows the two of them in a meta page."""


def _write_magic(content: bytearray) -> None:
    content[16:20] = struct.pack("=I", 0x12345678)


def _write_second_version(content: bytearray) -> None:
    content[PAGE_BYTES + 20 : PAGE_BYTES + 24] = struct.pack("=I", 9)


def _empty_branches(content: bytearray) -> None:
    """Every branch page says that it has no entries."""
    for page in range(2 * PAGE_BYTES, len(content) - PAGE_BYTES + 1, PAGE_BYTES):
        flags, lower = struct.unpack_from("=HH", content, page + 10)
        if flags == BRANCH and lower > HEADER_BYTES:
            struct.pack_into("=H", content, page + 12, HEADER_BYTES)


def _duplicate_keys(tree: int) -> Damage:
    """Both meta pages say of a tree (0: the free list, 1: the list of tables) that a key may be there twice."""

    def damage(content: bytearray) -> None:
        for page in (0, PAGE_BYTES):
            content[page + META_BYTES - _TAIL_BYTES - (2 - tree) * _TREE_BYTES + 4] |= 0x04

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.clear(),
        lambda content: content.__delitem__(slice(PAGE_BYTES, None)),
        lambda content: content.__delitem__(slice(2 * PAGE_BYTES, None)),
        _write_magic,
        _write_second_version,
        _empty_branches,
        _duplicate_keys(0),
        _duplicate_keys(1),
        lambda content: content.__setitem__(slice(None), bytes(len(content))),
        lambda content: content.__setitem__(slice(None), b"\xff" * len(content)),
        lambda content: content.__setitem__(slice(None), b"#!/bin/sh\nexit 0\n"),
    ],
    ids=[
        "empty",
        "one page",
        "two pages",
        "magic",
        "second version",
        "empty branches",
        "twofold free list",
        "twofold tables",
        "zeros",
        "ones",
        "a text",
    ],
)
def test_what_is_no_store_is_set_aside(sound: Path, damage: Damage) -> None:
    """Files that were cut, overwritten or replaced."""
    assert verdicts(sound, [damage]) == ["aside"]


def test_the_allocated_part_is_of_no_interest(sound: Path) -> None:
    """Beyond the pages in use anything may stand: it is overwritten before it is read."""
    beyond = bytes(range(256)) * 1024
    assert verdicts(sound, [lambda content: content.extend(beyond)]) == [f"same {BATCHES}"]
    assert sound.stat().st_size + len(beyond) < MAP_BYTES
