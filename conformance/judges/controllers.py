"""The judge of replication controllers: what their templates may be, how many pods they count, and which they made."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from conformance.judges.case import Case
from conformance.judges.pods import PodJudge
from conformance.recordings import Entry
from conformance.runtime import ControllerSeen, ControllerSpec
from model.pod import TERMINAL


@dataclass
class ControllerJudge:
    """The judge of all replication controllers of a case."""

    case: Case
    pods: PodJudge
    last: dict[str, ControllerSeen] = field(default_factory=dict)
    """What was last seen of each, by name."""

    def submitted(self, line: int, spec: ControllerSpec, refused: str | None) -> None:
        """Judge what the API said to a new controller: a template with another policy than Always is refused."""
        if spec.policy != "Always":
            rules, name = ("replication.template.always-only",), f"controller {spec.name}"
            reason = f"its template has restart policy {spec.policy}, and it was accepted"
            self.case.holds(refused is not None, rules, name, reason, line, "refused")

    def take(self, entry: Entry, seen: ControllerSeen) -> None:
        """Judge one observation of a controller."""
        name, line, holds = f"controller {seen.name}", entry.line, self.case.holds
        holds(seen.policy == "Always", ("replication.template.always-only",), name,
              f"its template has restart policy {seen.policy}", line, "Always")  # fmt: skip
        holds(seen.wanted >= 0, ("replication.template.replicas",), name, f"{seen.wanted} pods are wanted", line)
        if entry.framed:
            fits = bool(seen.selector) and seen.selector.items() <= seen.labels.items()
            holds(fits, ("replication.template.selector",), name,
                  f"its selector is {told(seen.selector)}, the labels of its template are {told(seen.labels)}",
                  line)  # fmt: skip
        if seen.counted == len(self.active(seen)):
            self.case.cover("replication.count.status")
        if seen.name not in self.last:
            self.case.count("objects")
        self.last[seen.name] = seen
        if seen.deleted:
            self.case.forget(partial(self._retire, seen))

    def _retire(self, seen: ControllerSeen) -> None:
        if self.last.get(seen.name) is seen:
            del self.last[seen.name]
            self.case.gone(seen.name, seen.uid)

    def active(self, controller: ControllerSeen) -> list[str]:
        """The names of the pods that count for a controller, by what was last seen of them."""
        last = [known.oracle.last for known in self.pods.of_controller(controller) if known.oracle.last]
        return [seen.name for seen in last if not seen.deleted and seen.phase not in TERMINAL]


def told(labels: dict[str, str]) -> str:
    """Labels in words."""
    return ", ".join(f"{key}={value}" for key, value in labels.items()) or "empty"
