"""Several judges of one recording, each of a share of its objects: together they say what one alone would say.

Every judge reads all lines. What it makes of a line (`Role`) depends on the object that the line is about:

line                                   its judge                    who else knows it
frame of a pod                         by the name of the pod       the first judge, which keeps the order of the lines,
                                                                    and the controllers: they count their pods
frame of a node                        by the name of the node      all: what pods may do depends on their nodes
event                                  by the name of its object    the first; all, if it tells of the whole cluster
event about a controller               the first                    by its name
event of the engine                    by the name of the pod       the first: how long an object is remembered depends
                                                                    on what was told of it last
frame of a controller, and all others  the first                    nobody

What is only known is not judged: it is kept as far as others ask for it. Of all lines every judge knows the version,
for some things are proved by there being no gap (`Case.gapless`).

So an object is one share only if its uid has one name, and an instance of a container one pod. In what the API and the
engine tell it is so; where it is not, someone has tampered with the recording, and one judge alone has to judge it.
Histories of our own are never shared: they are small, and at their end everything is asked about everything.
"""

from __future__ import annotations

import enum
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from conformance.judges.events import INSTANCE
from conformance.recent import Recent
from conformance.recordings import Entry
from conformance.runtime import EngineSeen, EventSeen, NodeSeen, PodSeen, SandboxSeen
from model import events

LINKED = 1_000_000
"""Of how many uids and instances it is remembered of which object they are."""


class Entangled(Exception):
    """The objects of a recording cannot be shared out: what is of one share is of another one, too."""


class Role(enum.Enum):
    """What a line is to a judge."""

    JUDGED = "judged"
    KNOWN = "known"
    PASSED = "passed"


OBJECT: dict[type, Callable[[Any], tuple[str, str | None]]] = {
    PodSeen: lambda seen: (seen.name, seen.uid),
    NodeSeen: lambda seen: (seen.name, seen.uid),
    EventSeen: lambda seen: (seen.object_name, seen.object_uid),
    EngineSeen: lambda seen: (seen.pod, seen.uid),
    SandboxSeen: lambda seen: (seen.pod, seen.uid),
}
"""The name and the uid of the object by which an observation is shared out; of all others the first judge is."""


def _of_all(seen: object) -> bool:
    """Whether all judges know it: of nodes; that the scheduler knows no candidate; that a kubelet started again."""
    match seen:
        case EventSeen(reason="starting", object_kind=events.NODE):
            return True
        case EventSeen(reason="failed-scheduling", message=message):
            return message.endswith(events.NO_CANDIDATE)
        case _:
            return isinstance(seen, NodeSeen)


@dataclass
class Share:
    """One of so many shares; the first is number 0. It belongs to one judge: it remembers what belongs together."""

    number: int = 0
    of: int = 1
    links: Recent[str, str] = field(default_factory=lambda: Recent(LINKED))
    """By uid of an object, or instance of a container, the name by which it is shared out."""

    @property
    def first(self) -> bool:
        """Whether this is the share of what belongs to no object."""
        return self.number == 0

    def has(self, name: str) -> bool:
        """Whether the objects of a name are of this share."""
        return zlib.crc32(name.encode()) % self.of == self.number

    def role(self, entry: Entry) -> Role:
        """What a line is to the judge of this share. Raises Entangled."""
        if self.of == 1:
            return Role.JUDGED
        if entry.stream == "history":
            raise Entangled(f"line {entry.line} is a record of a history of our own")
        what = entry.what
        find = OBJECT.get(type(what))
        if find is None:
            return Role.JUDGED if self.first else Role.PASSED
        name, uid = find(what)
        if self.first:
            self._link(entry.line, what, name, uid)
        about_controller = isinstance(what, EventSeen) and what.object_kind == events.CONTROLLER
        if self.first if about_controller else self.has(name):
            return Role.JUDGED
        known = self.first or _of_all(what) or (about_controller and self.has(name))
        return Role.KNOWN if known else Role.PASSED

    def _link(self, line: int, what: object, name: str, uid: str | None) -> None:
        """Each uid has one name, and each instance that an event tells of one pod."""
        told = INSTANCE.match(what.message) if isinstance(what, EventSeen) else None
        for key in filter(None, (uid, told and told[1])):
            if (before := self.links.setdefault(key, name)) != name:
                raise Entangled(f"line {line}: {key} is of {name!r}, and was of {before!r}")


WHOLE = Share()
"""All of it: that of a judge who is alone."""
