"""Memory that does not grow with the length of a history: of what goes on for ever, only the newest is kept."""

from __future__ import annotations

import bisect
import functools
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")
W = TypeVar("W", str, bytes)

MOST = 1000
"""How many things are remembered of each kind, for each object."""


RUNS = 100_000
"""How many runs of versions are remembered."""

SHORT = 2000
"""Bytes or characters of what is remembered as it was written."""


def remembered(of: Callable[[W], V]) -> Callable[[W], V]:
    """A function of what was written that remembers what it made of the last ones; a long one is read each time."""
    again = functools.lru_cache(10_000)(of)

    @functools.wraps(of)
    def short(written: W) -> V:
        return again(written) if len(written) <= SHORT else of(written)

    return short


class Recent(dict[K, V], Generic[K, V]):
    """A dict that remembers the ``most`` keys (by default MOST) that were set last for the first time."""

    def __init__(self, most: int | None = None) -> None:
        super().__init__()
        self.most = most or MOST

    def __setitem__(self, key: K, value: V) -> None:
        dict.__setitem__(self, key, value)
        if len(self) > self.most:
            del self[next(iter(self))]

    def setdefault(self, key: K, default: V) -> V:
        """The value of a key, which is this one if there is none yet."""
        if key not in self:
            self[key] = default
        return self.get(key, default)


class Versions:
    """The versions that frames of the API had, as runs without a gap. Of the runs, only the newest are kept."""

    def __init__(self, most: int | None = None) -> None:
        self.most = most or RUNS
        self.begins: list[int] = []
        self.ends: list[int] = []
        """The last version of each run."""

    def add(self, version: int) -> None:
        """A frame has this version."""
        place = bisect.bisect_right(self.begins, version)
        if place and version <= self.ends[place - 1]:
            return
        follows = place > 0 and self.ends[place - 1] == version - 1
        precedes = place < len(self.begins) and self.begins[place] == version + 1
        if follows and precedes:
            self.ends[place - 1] = self.ends.pop(place)
            del self.begins[place]
        elif follows:
            self.ends[place - 1] = version
        elif precedes:
            self.begins[place] = version
        else:
            self.begins.insert(place, version)
            self.ends.insert(place, version)
            if len(self.begins) > self.most:
                del self.begins[: self.most // 2], self.ends[: self.most // 2]

    def gapless(self, begin: int | None, end: int | None) -> bool:
        """Whether no frame can be missing between two versions: in v0.17.0 one counter gives every change of any object
        its version, so a version that some frame has cannot be that of a missing one."""
        if begin is None or end is None:
            return False
        if end <= begin + 1:
            return True
        place = bisect.bisect_right(self.begins, begin + 1)
        return place > 0 and self.ends[place - 1] >= end - 1
