"""The judge of what a pod's status says of its containers in v0.17.0, each frame by itself and beside the engine's own
account (CSTATE-1 to CSTATE-7).

The engine's clock stamps its own events and the times in a status alike, so these may be compared. A status lags behind
the engine: it is never wrong for being old.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from conformance import recent
from conformance.judges.case import Case
from conformance.recent import Recent
from conformance.recordings import Entry
from conformance.runtime import ContainerSeen, EngineSeen, PodSeen
from model import container

SECOND = 1.0
"""Times in a status are cut to whole seconds."""

News = tuple[ContainerSeen, ContainerSeen | None]
"""A status of a container that is another one than before, and the one before."""


@dataclass
class Account:
    """The engine's own account of one pod."""

    at: Recent[str, dict[str, float]] = field(default_factory=Recent)
    """By instance, when the engine did what."""
    born: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """By container, the instances in the order in which the engine created them."""
    newest: dict[str, str] = field(default_factory=dict)
    """By container, the newest instance that a status has shown."""


@dataclass
class StatusJudge:
    """The judge of all container statuses of a case."""

    case: Case
    accounts: dict[str, Account] = field(default_factory=dict)
    """By uid."""

    def engine(self, seen: EngineSeen) -> None:
        """Take an event of the engine in."""
        account = self.accounts.setdefault(seen.uid, Account())
        account.at.setdefault(seen.instance, {}).setdefault(seen.action, seen.at)
        born = account.born[seen.container]
        if seen.action == "create" and seen.instance not in born:
            born.append(seen.instance)
            del born[: -recent.MOST]

    def take(self, entry: Entry, seen: PodSeen, news: Iterable[News]) -> None:
        """Judge the statuses that are new in one observation of a pod, each beside the one before. Only a frame of the
        API has all that a status must have."""
        if not entry.framed:
            return
        line, told = entry.line, self.case.evidence.engine_told
        for status, was in news:
            self.case.once(
                (status.state, status.also, status.instance is None, status.fields, status.message is None,
                 status.name in seen.messaged, status.reason),
                partial(self._shape, line, seen, status),
            )  # fmt: skip
            self._carried(line, seen, status, was)
            if told:
                self.case.later(partial(self._beside, line, seen, status))

    def _beside(self, line: int, seen: PodSeen, status: ContainerSeen) -> None:
        """Compare with the engine's account."""
        if account := self.accounts.get(seen.uid):
            self._times(line, seen, status, account)
            self._end(line, seen, status, account)
            self._order(line, seen, status, account)

    # --- one status by itself ---------------------------------------------------------------------------------------

    def _shape(self, line: int, seen: PodSeen, status: ContainerSeen) -> None:
        name, case = f"pod {seen.name}", self.case
        word = f"container {status.name} is {status.state}"
        case.holds(not status.also, ("pod.container.three-states",), name,
                   f"{word}, and {', '.join(status.also)} as well", line, "one state")  # fmt: skip
        row = container.SHOWN[status.state]
        if row is None:
            case.cover("pod.container.none-set")
            return
        if row.instance == "always":
            case.holds(status.instance is not None, row.rules, name, f"{word}, but no instance is named", line)
        if status.state == "terminated":
            strange = set(status.fields) - set(container.TERMINATION)
            missing = set(container.ALWAYS_TOLD) - set(status.fields)
            case.holds(not (strange or missing), ("pod.container.termination-fields",), name,
                       f"{word} with {', '.join(sorted(strange or missing))} {'besides' if strange else 'missing'}",
                       line, ", ".join(container.TERMINATION))  # fmt: skip
            if status.message is not None:
                case.holds(status.name in seen.messaged, ("pod.container.termination-message",), name,
                           f"{word} with a message, but its spec names no file for one", line)  # fmt: skip
        if status.state == "waiting":
            rules = ("pod.container.never-ran",) if status.instance else ("pod.container.no-instance",)
            case.holds(bool(status.reason), (*rules, "pod.container.waiting-reason"), name,
                       f"{word} without a reason", line, " or ".join((*container.WAITING, "an error")))  # fmt: skip
            own = container.WAITING.get(status.reason or "")
            if own is not None and own.instance != "maybe":
                case.holds((own.instance == "always") == (status.instance is not None), own.rules, name,
                           f"{word} ({status.reason}) with {'an' if status.instance else 'no'} instance",
                           line)  # fmt: skip

    def _carried(self, line: int, seen: PodSeen, status: ContainerSeen, was: ContainerSeen | None) -> None:
        """Without any instance there is nothing to count, so the count is what was known before."""
        if status.instance is None and was is not None and was.restarts and status.state == "waiting":
            kept = status.restarts is not None and status.restarts >= was.restarts
            self.case.holds(kept, ("pod.container.count-carried",), f"pod {seen.name}",
                            f"container {status.name} has no instance, and its restart count falls from "
                            f"{was.restarts} to {status.restarts}", line)  # fmt: skip

    def ready(self, line: int, seen: PodSeen) -> None:
        """Judge what one observation says of readiness."""
        ready = set()
        for status in seen.containers or ():
            if status.ready:
                ready.add(status.name)
                self.case.holds(status.state == "running", ("pod.container.ready",), f"pod {seen.name}",
                                f"container {status.name} is ready though it is {status.state}", line)  # fmt: skip
        if seen.ready is not None:
            all_are = ready.issuperset(seen.members)
            self.case.holds((seen.ready == "True") == all_are, ("pod.container.ready-condition",), f"pod {seen.name}",
                            f"Ready is {seen.ready}, but {'all' if all_are else 'not all'} containers are ready",
                            line)  # fmt: skip

    # --- beside the engine's account --------------------------------------------------------------------------------

    def _times(self, line: int, seen: PodSeen, status: ContainerSeen, account: Account) -> None:
        at = account.at.get(status.instance or "", {})
        name, word = f"pod {seen.name}", f"container {status.name}"
        if status.state == "running" and status.started_at is not None:
            early, late = at.get("create", status.started_at), at.get("start", status.started_at)
            inside = early - SECOND < status.started_at <= late
            self.case.holds(inside, ("pod.container.running",), name,
                            f"{word} is running since {status.started_at:.0f}, but the engine created it at "
                            f"{early:.1f} and started it at {late:.1f}", line)  # fmt: skip
        if status.state == "terminated" and status.finished_at is not None:
            early, late = at.get("start", status.finished_at), at.get("die", status.finished_at)
            inside = early - SECOND < status.finished_at <= late
            self.case.holds(inside, ("pod.container.terminated",), name,
                            f"{word} finished at {status.finished_at:.0f}, but the engine started it at {early:.1f} "
                            f"and saw it die at {late:.1f}", line)  # fmt: skip

    def _end(self, line: int, seen: PodSeen, status: ContainerSeen, account: Account) -> None:
        """An instance that the engine saw run out of memory says so, and only in its reason."""
        ends = ((status.state == "terminated", status.instance, status.oom),
                (status.last_exit_code is not None, status.last_instance, status.last_oom))  # fmt: skip
        for ended, instance, oom in ends:
            if ended and instance and "oom" in account.at.get(instance, ()):
                self.case.holds(oom, ("pod.container.oom-reason",), f"pod {seen.name}",
                                f"container {status.name} ran out of memory by the engine's account, and its "
                                "Termination does not say so", line, "OOM Killed")  # fmt: skip

    def _order(self, line: int, seen: PodSeen, status: ContainerSeen, account: Account) -> None:
        """The instance shown is the newest one, so what is shown goes forward; the one before it is lastState."""
        born, instance = account.born[status.name], status.instance
        if instance not in born:
            return
        newest = account.newest.get(status.name)
        place, least = born.index(instance), born.index(newest) if newest in born else 0
        name, word = f"pod {seen.name}", f"container {status.name}"
        self.case.holds(place >= least, ("pod.container.newest",), name,
                        f"{word} shows instance {instance[:12]}, after a newer one", line)  # fmt: skip
        account.newest[status.name] = born[max(place, least)]
        if status.last_instance in born:
            between = born[born.index(status.last_instance) + 1 : place]
            ended = [i for i in between if {"start", "die"} <= account.at.get(i, {}).keys()]
            before = born.index(status.last_instance) < place
            self.case.holds(before and not ended, ("pod.container.last-state",), name,
                            f"{word} shows as its last instance {status.last_instance[:12]}, which is not the one "
                            "before", line)  # fmt: skip
