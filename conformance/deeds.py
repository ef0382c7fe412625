"""Stories: what is done to a cluster, deed by deed, as a value that can be run, compared, made smaller and written.

    node n1 · pod p1 (Always; c1) · 10 s later: cut-node n1 · delete p1 · 10 s later: heal-node n1

A story is run as a scenario is (`conformance.runner`), and like a scenario it says nothing of what should come of it:
its history is judged. It can be written as a file (`kubephase replay`), and as a scenario in Python.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from conformance.history import Action, Record
from conformance.runtime import FAULTS, Policy, Refused
from conformance.scenario import Run, Scenario
from conformance.workload import RunOn, Workload

SCENARIO = "story"
SECTION = "explored"
"""What a story is called as a scenario, so that the simulator makes the same cluster of it wherever it is run."""

KINDS: dict[str, str] = {
    "node": "a node is created",
    "pod": "a pod is submitted",
    "controller": "a replication controller is submitted",
    "scale": "a replication controller is told to keep another number of pods",
    "delete": "a user deletes a pod",
    **FAULTS,
}
"""Every kind of deed."""

OF_NODES = frozenset(kind for kind in FAULTS if kind.endswith(("-node", "-kubelet", "-node-inbound")))
OF_PODS = frozenset(
    {
        "delete",
        "kill-container",
        "kill-by-engine",
        "kill-sandbox",
        "out-of-memory",
        "break-disk",
        "fill-disk",
        "mend-disk",
    }
)
OF_CONTROLLERS = frozenset({"controller", "scale"})
NEEDS = {"controller": ("replication",), "scale": ("replication", "scaling")}
"""The capabilities that a deed needs which is no fault."""


class Deed(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that is done, ``wait`` seconds after the deed before it. ``kind`` is a key of `KINDS`, ``target`` the
    name of a node, pod or controller; ``policy`` and ``workloads`` (one for each container) are those of a pod or of
    a controller's pods, of which ``wanted`` are to be kept."""

    kind: str
    target: str
    wait: float = 0.0
    container: str | None = None
    policy: Policy | None = None
    workloads: tuple[Workload, ...] = ()
    wanted: int = 0

    def __str__(self) -> str:
        wait = f"{self.wait:g} s later: " if self.wait else ""
        pod = f" ({self.policy}; {len(self.workloads)} containers)" if self.workloads else ""
        many = f" ({self.wanted} pods)" if self.kind in OF_CONTROLLERS else ""
        return f"{wait}{self.kind} {self.target}{f' {self.container}' if self.container else ''}{pod}{many}"


class Story(msgspec.Struct, frozen=True):
    """Deeds in their order, and the seed of the cluster to which they are done."""

    deeds: tuple[Deed, ...]
    seed: int = 0

    def __str__(self) -> str:
        return " · ".join(map(str, self.deeds))

    @property
    def size(self) -> tuple[int, ...]:
        """What makes a story small: few deeds; then few containers, few steps, plain ones; then plain waits."""
        workloads = [workload for deed in self.deeds for workload in deed.workloads]
        steps = [step for workload in workloads for step in workload]
        odd = sum(step != RunOn() for step in steps)
        return len(self.deeds), len(workloads), len(steps), odd, round(sum(d.wait for d in self.deeds) * 10), self.seed

    @property
    def needs(self) -> tuple[str, ...]:
        """The capabilities that it uses."""
        return tuple(sorted({need for d in self.deeds for need in NEEDS.get(d.kind, (d.kind,)) if d.kind in FAULTS
                             or d.kind in NEEDS}))  # fmt: skip

    @property
    def scenario(self) -> Scenario:
        """The story as a scenario, which asks for no rule and waits for nothing."""
        return Scenario(SCENARIO, SECTION, self.policy, (), self.needs, self.tell)

    @property
    def policy(self) -> Policy:
        """That of its first pod."""
        return next((deed.policy for deed in self.deeds if deed.policy), "Always")

    def tell(self, run: Run) -> None:
        """Do the deeds. What the runtime refuses has not happened, and the history says so."""
        for deed in self.deeds:
            run.let_pass(deed.wait)
            with contextlib.suppress(Refused):
                _do(run, deed)


def _do(run: Run, deed: Deed) -> None:
    match deed.kind:
        case "node":
            run.new_node(deed.target)
        case "pod":
            run.pod(*deed.workloads, name=deed.target, policy=deed.policy)
        case "controller":
            run.controller(*deed.workloads, wanted=deed.wanted, name=deed.target, policy=deed.policy)
        case "scale":
            run.scale(deed.target, deed.wanted)
        case "delete":
            run.delete(deed.target)
        case _:
            run.inject(deed.kind, deed.target, deed.container)


# --- one story in several words -------------------------------------------------------------------------------------


def canonical(story: Story) -> Story:
    """The story without the deeds that have no object, with its pods and nodes named in the order of their appearance:
    stories that are the same but for these are one, and need not be run twice."""
    there: dict[str, str] = {}
    deeds: list[Deed] = []
    wait, numbers = 0.0, {"n": 0, "p": 0, "rc": 0}
    for deed in story.deeds:
        wait += deed.wait
        prefix = {"node": "n", "pod": "p", "controller": "rc"}.get(deed.kind)
        if prefix and deed.target not in there:
            numbers[prefix] += 1
            there[deed.target] = f"{prefix}{numbers[prefix]}"
        if deed.target in there or deed.kind == "restart-controller":
            deeds.append(msgspec.structs.replace(deed, target=there.get(deed.target, deed.target), wait=wait))
            wait = 0.0
    return Story(tuple(deeds), story.seed)


def without(story: Story, *places: int) -> Story:
    """The story without some of its deeds. What comes later comes when it would have come."""
    deeds, wait = [], 0.0
    for place, deed in enumerate(story.deeds):
        wait += deed.wait
        if place not in places:
            deeds.append(msgspec.structs.replace(deed, wait=wait))
            wait = 0.0
    return Story(tuple(deeds), story.seed)


def refused(records: Sequence[Record]) -> frozenset[int]:
    """Which deeds, by place, the runtime refused when this history of a story was recorded."""
    actions = [record for record in records if isinstance(record, Action)]
    return frozenset(place for place, action in enumerate(actions) if action.refused is not None)


# --- as a file ------------------------------------------------------------------------------------------------------


class StoryFile(msgspec.Struct, frozen=True, tag="story", tag_field="kubephase"):
    """A story as it is kept, with what came of it: where it was run, and the verdict."""

    story: Story
    profile: str
    runtime: str
    fault: str | None = None
    verdict: str = ""
    rules: tuple[str, ...] = ()
    reason: str = ""


class BadStory(Exception):
    """A file that holds no story; the message says where, what was expected, and what to do."""


def encoded(file: StoryFile) -> bytes:
    """The text of a story's file."""
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"


def load(path: Path) -> StoryFile:
    """Read a story's file. Raises BadStory."""
    try:
        file = msgspec.json.decode(path.read_bytes(), type=StoryFile)
    except OSError as error:
        raise BadStory(f"{path}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise BadStory(f"{path} holds no story: {error}; kubephase explore --report writes them") from error
    if unknown := [deed.kind for deed in file.story.deeds if deed.kind not in KINDS]:
        raise BadStory(f"{path}: there is no kind of deed {unknown[0]!r}; there are: {', '.join(KINDS)}")
    return file


# --- as a scenario in Python ----------------------------------------------------------------------------------------


def python(file: StoryFile, not_done: frozenset[int] = frozenset()) -> str:
    """A module with the story as a scenario. ``not_done`` are the deeds, by place, that the runtime refused."""
    story = file.story
    words = {type(step).__name__ for d in story.deeds for w in d.workloads for step in w}
    fault = f" --runtime-fault {file.fault}" if file.fault else ""
    seed = f" --runtime-seed {story.seed}" if story.seed else ""
    claims = [*map(_quoted, file.rules), f"policies=({_quoted(story.policy)},)"]
    claims += [f"needs=({', '.join(map(_quoted, story.needs))},)"] if story.needs else []
    lines = [
        '"""A story that kubephase explore has found and made as short as it could.',
        "",
        f"{file.verdict}: {_one_line(file.reason)}",
        "",
        f"    pytest --runtime {file.runtime} --runtime-profile {file.profile}{fault}{seed} test_{SECTION}.py",
        '"""',
        "",
        *(["import contextlib", "", "from conformance.runtime import Refused"] if not_done else []),
        "from conformance.scenario import Run, scenario",
        *([f"from conformance.workload import {', '.join(sorted(words))}"] if words else []),
        "",
        "",
        "@scenario(",
        *(f"    {claim}," for claim in claims),
        ")",
        f"def test_{SCENARIO}(run: Run) -> None:",
        *(f"    {line}" for place, deed in enumerate(story.deeds) for line in _lines(deed, place in not_done)),
        "",
    ]
    return "\n".join(lines)


def _one_line(text: str) -> str:
    return " ".join(text.replace("\\", "/").replace('"""', "'").split())


def _quoted(text: str | None) -> str:
    """As Python has it, with the quotes of the scenarios of the suite."""
    return json.dumps(text, ensure_ascii=False)


def _lines(deed: Deed, is_refused: bool) -> Iterator[str]:
    if deed.wait:
        yield f"run.let_pass({deed.wait!r})"
    if is_refused:
        yield "with contextlib.suppress(Refused):"
    yield f"{'    ' * is_refused}{_call(deed)}"


def _call(deed: Deed) -> str:
    workloads = [repr(workload) for workload in deed.workloads]
    match deed.kind:
        case "node":
            return f"run.new_node({_quoted(deed.target)})"
        case "pod":
            return (
                f"run.pod({', '.join([*workloads, f'name={_quoted(deed.target)}', f'policy={_quoted(deed.policy)}'])})"
            )
        case "controller":
            named = f"wanted={deed.wanted}, name={_quoted(deed.target)}, policy={_quoted(deed.policy)}"
            return f"run.controller({', '.join([*workloads, named])})"
        case "scale":
            return f"run.scale({_quoted(deed.target)}, {deed.wanted})"
        case "delete":
            return f"run.delete({_quoted(deed.target)})"
        case _:
            container = [_quoted(deed.container)] if deed.container else []
            return f"run.inject({', '.join([_quoted(deed.kind), _quoted(deed.target), *container])})"
