"""Time zones by name, from the pinned `tzdata` package: the same on every replica, whatever its host has."""

from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Returns the IANA names that are known."""
    return frozenset((resources.files("tzdata") / "zones").read_text("utf-8").split())


@lru_cache(maxsize=1_024)
def zone(name: str) -> ZoneInfo:
    """Returns a time zone whose name is known. Raises KeyError."""
    if name not in zone_names():
        raise KeyError(name)
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)
