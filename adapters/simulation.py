"""The discrete-event core of the simulator: virtual time, and wires that delay what they carry.

Nothing here knows what a pod or a node is, and nothing ever sleeps.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from conformance.runtime import Observation


@dataclass(frozen=True)
class Timing:
    """Which irregularities of a real cluster are simulated. A test switches off what it does not want."""

    latency: bool = True
    """Every step takes a random time; otherwise the shortest time in `DELAYS`."""
    reordering: bool = True
    """Every stream of observations is delayed on its own; otherwise all arrive when they are sent."""
    late_sampling: bool = True
    """A status is written at the kubelet's own pace and versions may be skipped; otherwise each change is written."""


DELAYS: dict[str, tuple[float, float]] = {
    "schedule": (0.01, 1.0),
    "read": (0.01, 1.0),
    "work": (0.01, 1.0),
    "check-in": (0.01, 2.0),
    "probe": (0.01, 2.0),
    "controller": (0.01, 1.0),
    "time-out": (40.0, 45.0),  # --node-monitor-grace-period, and at most one --node-monitor-period more (C-T1)
    "list": (0.01, 10.0),
    "expire": (20.0, 30.0),
    "status": (0.01, 6.0),
    "delivery": (0.0, 3.0),
}
"""The shortest and the longest time, in seconds, that each step takes. All but delivery take some time even at their
shortest, so that a world that never ends cannot do it all in one moment."""

SKIPPED = 0.5
"""How likely a version of an object replaces the one before it that has not arrived yet."""


@dataclass(order=True)
class Timer:
    """An action that is due. ``own`` marks the end that a running container will come to by itself."""

    time: float
    order: int
    action: Callable[[], None] = field(compare=False)
    own: bool = field(compare=False, default=False)
    live: bool = field(compare=False, default=True)


class Loop:
    """Virtual time: runs actions in the order in which they are due, those of one moment as they were armed."""

    def __init__(self, rng: random.Random, timing: Timing) -> None:
        self.now = 0.0
        self.rng = rng
        self.timing = timing
        self._heap: list[Timer] = []
        self._armed = 0
        self._live = {False: 0, True: 0}

    def after(self, delay: float, action: Callable[[], None], own: bool = False) -> Timer:
        """Arm an action ``delay`` seconds from now."""
        return self.at(self.now + delay, action, own)

    def at(self, time: float, action: Callable[[], None], own: bool = False) -> Timer:
        """Arm an action at this very moment: two of one moment keep the order in which they were armed."""
        self._armed += 1
        timer = Timer(time, self._armed, action, own)
        heapq.heappush(self._heap, timer)
        self._live[own] += 1
        return timer

    def later(self, step: str, action: Callable[[], None]) -> Timer:
        """Arm an action after the time that ``step`` (a key of `DELAYS`) takes."""
        return self.after(self.delay(step, self.timing.latency), action)

    def delay(self, step: str, random_delay: bool) -> float:
        """How long ``step`` takes: mostly little, now and then nearly the longest time."""
        shortest, longest = DELAYS[step]
        return shortest + (longest - shortest) * self.rng.random() ** 3 if random_delay else shortest

    def cancel(self, timer: Timer | None) -> None:
        """Disarm a timer; None and one that has run or was cancelled are left alone."""
        if timer is not None and timer.live:
            timer.live = False
            self._live[timer.own] -= 1

    def next_time(self) -> float | None:
        """When the next action is due; None if there is none."""
        while self._heap and not self._heap[0].live:
            heapq.heappop(self._heap)
        return self._heap[0].time if self._heap else None

    def step(self) -> None:
        """Run the next action, if there is one."""
        if self.next_time() is None:
            return
        timer = heapq.heappop(self._heap)
        self.now = timer.time
        self.cancel(timer)
        timer.action()

    def idle(self, but_own: bool = False) -> bool:
        """True if no action is due; with ``but_own`` the ends that running containers come to do not count."""
        return not self._live[False] and (but_own or not self._live[True])

    def clear(self) -> None:
        """Disarm everything."""
        self._heap.clear()
        self._live = {False: 0, True: 0}


@dataclass(eq=False)
class _Parcel:
    """An observation under way."""

    arrival: float
    content: Observation
    version_of: str | None


class Wire:
    """Carries observations to the observer: in order within one stream, independently between streams."""

    def __init__(self, loop: Loop) -> None:
        self.inbox: list[Observation] = []
        self._loop = loop
        self._last: dict[str, _Parcel] = {}
        self._under_way: list[_Parcel] = []

    def send(self, stream: str, build: Callable[[float], Observation], version_of: str | None = None) -> None:
        """Send what ``build`` makes of the time of arrival. ``version_of`` is the uid of the object that it shows:
        a newer version may take the place of one that has not arrived yet."""
        last = self._last.get(stream)
        if last and version_of and last.version_of == version_of and last in self._under_way and self._skips():
            last.content = build(last.arrival)
            return
        arrival = self._loop.now + self._loop.delay("delivery", self._loop.timing.reordering)
        if last:
            arrival = max(arrival, last.arrival)
        parcel = _Parcel(arrival, build(arrival), version_of)
        self._last[stream] = parcel
        self._under_way.append(parcel)
        self._loop.at(arrival, lambda: self._deliver(parcel))

    def collect(self) -> list[Observation]:
        """Take what has arrived."""
        arrived, self.inbox = self.inbox, []
        return arrived

    def drain(self) -> None:
        """Let all that is under way arrive."""
        for parcel in sorted(self._under_way, key=lambda parcel: parcel.arrival):
            self._deliver(parcel)

    def _skips(self) -> bool:
        return self._loop.timing.late_sampling and self._loop.rng.random() < SKIPPED

    def _deliver(self, parcel: _Parcel) -> None:
        self._under_way.remove(parcel)
        self.inbox.append(parcel.content)
