"""The judge of replication controllers."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.judges.case import Case
from conformance.recordings import Entry
from conformance.runtime import ControllerSeen, ControllerSpec


@dataclass
class ControllerJudge:
    """The judge of all replication controllers of a case."""

    case: Case
    seen_some: bool = False

    def submitted(self, line: int, spec: ControllerSpec, refused: str | None) -> None:
        """Judge what the API said to a new controller: a template with another policy than Always is refused."""
        if spec.policy != "Always":
            rules, name = ("replication.template.always-only",), f"controller {spec.name}"
            reason = f"its template has restart policy {spec.policy}, and it was accepted"
            self.case.holds(refused is not None, rules, name, reason, line, "refused")

    def take(self, entry: Entry, seen: ControllerSeen) -> None:
        """Judge one observation of a controller."""
        self.seen_some = True
        rules, name = ("replication.template.always-only",), f"controller {seen.name}"
        reason = f"its template has restart policy {seen.policy}"
        self.case.holds(seen.policy == "Always", rules, name, reason, entry.line, "Always")
