"""The judge of what is still owed when a runtime says that nothing more will happen by itself."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from conformance.judges.case import Case, Finding
from conformance.judges.controllers import ControllerJudge
from conformance.judges.pods import KnownPod, PodJudge
from conformance.oracle import NodeOracle
from conformance.verdict import Verdict
from model import pod
from model.cluster import is_candidate


@dataclass
class RestJudge:
    """The judge of a case at rest."""

    case: Case
    pods: PodJudge
    controllers: ControllerJudge

    def judge(self) -> None:
        """When nothing more will happen by itself, nothing may be owed any more."""
        if not self.case.quiescent or self.case.evidence.lost:
            return
        self._addresses()
        self._replicas()
        self._counted()
        for known in self.pods.pods.values():
            seen = known.oracle.last
            if seen is None or known.deleted or known.failed:
                continue
            name = f"pod {seen.name}"
            if seen.node in self.case.ended:
                self._owes(self.case.held("node.phase.terminated.pods-deleted", "pod.life.dead-node-deletes",
                                      "nodecontroller.sync.delete-pods"),
                           name,
                           f"is still there though its node {seen.node} has ended", known)  # fmt: skip
            elif seen.phase in pod.TERMINAL:
                continue
            elif seen.node in self.case.evidence.held.keys() - self.case.down.keys():
                continue  # its agent cannot look after it, and a person deleted the record: who does, nobody says
            elif self.case.evidence.disk_surely_died(seen) and self.case.profile.name == "seed":
                self._owes(("pod.disk.failed", "pod.disk.kills"), name, f"is {seen.phase} though its disk died", known)
            elif seen.node in self.case.down:
                self._owes(self.case.held("pod.partition.failed", "pod.life.node-lost", "pod.life.evicted"), name,
                           f"is {seen.phase} though its node {seen.node} is lost and all time-outs are over",
                           known)  # fmt: skip
            elif seen.node is None:
                unfit = self.case.down.keys() | self.case.cordoned
                if any(
                    node.last and node.last.name not in unfit and self._only_candidates(node)
                    for node in self.pods.nodes.nodes.values()
                ):
                    self._owes(
                        self.case.held("pod.binding.scheduler"), name, "is not bound though a node could take it", known
                    )
            else:
                self._containers(known, name)

    def _addresses(self) -> None:
        """At rest, what was last seen of each pod is how it is: no two of them may have one address."""
        last = [k.oracle.last for k in self.pods.pods.values() if k.oracle.last and not k.deleted]
        by_address: dict[str, list[str]] = defaultdict(list)
        for seen in last:
            if seen.address and seen.phase not in pod.TERMINAL:
                by_address[seen.address].append(seen.name)
        for address, names in by_address.items():
            if len(names) > 1:
                reason = f"{', '.join(names)} have the address {address}; nothing more will happen"
                rules, name = ("pod.sharing.own-ip",), f"pod {names[-1]}"
                self.case.fail(rules, name, reason, self.case.quiescent, 0, "an address of its own")

    def _replicas(self) -> None:
        """At rest, so many pods of a replication controller are there as it is to keep: neither fewer nor more."""
        rules = self.case.held("replication.count.kept")
        for name, wanted in self.case.evidence.wanted.items():
            last = [k.oracle.last for k in self.pods.pods.values() if k.oracle.last and k.oracle.last.owner == name]
            active = [seen.name for seen in last if not seen.deleted and seen.phase not in pod.TERMINAL]
            if len(active) == wanted:
                self.case.cover(*rules)
                continue
            reason = f"keeps {len(active)} pods ({', '.join(active) or 'none'}); nothing more will happen"
            self.case.fail(rules, f"controller {name}", reason, self.case.quiescent, 0, f"{wanted} pods")

    def _counted(self) -> None:
        """At rest, a replication controller's record says how many pods count for it."""
        for name, controller in self.controllers.last.items():
            count = len(self.controllers.active(controller))
            reason = f"says that it has {controller.counted} pods; nothing more will happen"
            rules = ("replication.count.status",)
            self.case.holds(
                controller.counted == count, rules, f"controller {name}", reason, self.case.quiescent, f"{count}"
            )

    @staticmethod
    def _only_candidates(node: NodeOracle) -> bool:
        return bool(node.states) and all(is_candidate(s) for s in node.states)

    def _containers(self, known: KnownPod, name: str) -> None:
        table = known.oracle.table
        for place, member in enumerate(known.oracle.members):
            states = {t[0] for members in known.oracle.belief.values() for t in members[place]}
            rows = [r for s in sorted(states) for e in ("start", "restart") for r in table.rows_for(s, e)]
            if states and len({r.source for r in rows}) == len(states):
                rules = tuple(dict.fromkeys(rule for row in rows for rule in row.rules))
                self._owes(
                    self.case.held(*rules), name, f"container {member} is left {' or '.join(sorted(states))}", known
                )

    def _owes(self, rules: tuple[str, ...], name: str, reason: str, known: KnownPod) -> None:
        self.case.find(
            Finding(
                Verdict.FAIL,
                rules,
                name,
                f"{reason}; nothing more will happen (line {self.case.quiescent})",
                known.line,
            )
        )
