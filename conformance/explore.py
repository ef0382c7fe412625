"""Exploration: Hypothesis makes stories up, a runtime lives them, the judge judges, and what fails is made short.

Why stories and no state machine that draws while it acts: on a real engine a deed takes seconds. A story is a value:
its verdict can be kept and is never asked for twice, several stories can be lived side by side in clusters of their
own, and a shorter one runs nothing but itself. Hypothesis makes the stories up, in rounds: each prefers those families
of deeds in whose stories rows were visited that rarely are. (`hypothesis.target` was tried instead: it visited fewer
rows.) Its example database keeps what failed, as stories, which outlive a change of the strategy: they are tried first.

A story that fails is made shorter by leaving deeds out, one or two at a time, then containers, steps and waits, as long
as it fails by one of the same rules; as many attempts at a time as there are jobs. The result is one of which no two
deeds can be left out.

The budget: two thirds of it for making stories up, and what is then left for making a failure shorter. A failure ends
the first part at once. What still runs when the time is over is stopped.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import hypothesis
import msgspec
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.database import ExampleDatabase

from conformance import recordings, runner
from conformance.coverage import Counted
from conformance.deeds import OF_NODES, OF_PODS, Deed, Story, canonical, refused, without
from conformance.evidence import NODE_MENDED
from conformance.history import Record
from conformance.judge import Judgement, judge
from conformance.runner import Settings
from conformance.runtime import NODE_CONTROLLER, About, Runtime
from conformance.scenario import POLICIES
from conformance.verdict import Verdict
from conformance.workload import RUN_ON, Exit, OutOfMemory, Put, RunOn, Serve, Step, UseDisk, Workload
from model.profiles import Profile

# --- stories that Hypothesis makes up -------------------------------------------------------------------------------

VIRTUAL_WAITS = (10.0, 3.0, 0.0, 1.0, 0.3, 30.0, 60.0)
"""Seconds between two deeds on a runtime whose time is virtual. The plainest comes first: it is long enough for what
was done to be noticed and told, and shorter than any time-out."""

REAL_WAITS = (2.0, 0.5, 0.0, 4.0)
"""The same where a second is a second. To them comes one that is longer than the runtime's time-out."""

Family = tuple[str, ...]

FAMILIES: tuple[Family, ...] = (
    ("cut-node", "heal-node"),
    ("cut-node-inbound", "heal-node"),
    ("stop-kubelet", "start-kubelet"),
    ("stop-kubelet", "restart-kubelet"),
    ("restart-controller",),
    ("terminate-node", "node"),
    ("cordon-node", "uncordon-node", "delete-node"),
    ("delete-node", "node"),
    ("kill-container",),
    ("kill-by-engine",),
    ("kill-sandbox",),
    ("out-of-memory",),
    ("break-disk", "mend-disk"),
    ("fill-disk", "mend-disk"),
    ("delete", "pod"),
    ("controller", "scale"),
)
"""Kinds of deeds that belong together. A story has a few of these families, so that its deeds meet."""

UNDONE: dict[str, tuple[str, ...]] = {
    **NODE_MENDED,
    "uncordon-node": ("cordon-node",),
    "mend-disk": ("break-disk", "fill-disk"),
}
"""What undoes what."""

REMOVES = ("terminate-node", "delete-node", "delete")
"""After these their object is there no more."""

CREATES = {"node": ("n1", "n2"), "pod": ("p1", "p2", "p3"), "controller": ("rc1",)}
"""What creates objects, and their names. A node's name is never used again."""

FAMILIES_OF_A_STORY, DEEDS_OF_A_STORY = (2, 4), (3, 12)
"""The fewest and the most; of deeds those after its beginning. A story in which nothing meets finds nothing."""

FEW, MANY = (1, 1, 1, 2), (1, 2, 3, 4, 5)
"""How many containers a pod has: most have few, as in them more happens."""

steps: st.SearchStrategy[Step] = st.one_of(
    st.just(RunOn()),
    st.builds(Exit, st.sampled_from((0, 1, 7, 137)), st.sampled_from((1.0, 0.5, 5.0, 20.0))),
    st.builds(OutOfMemory, st.sampled_from((1.0, 10.0)), st.sampled_from((None, None, 0, 3))),
    st.sampled_from((UseDisk(), Put("f", 3), Serve())),
)
workloads: st.SearchStrategy[Workload] = st.one_of(st.just(RUN_ON), st.lists(steps, min_size=1, max_size=3).map(tuple))
containers = st.sampled_from((*FEW, *FEW, *MANY)).flatmap(
    lambda number: st.lists(workloads, min_size=number, max_size=number).map(tuple)
)


def waits_of(about: About) -> tuple[float, ...]:
    """The seconds that stories wait on a runtime."""
    if is_virtual(about):
        return VIRTUAL_WAITS
    return (*REAL_WAITS, *([1.5 * about.time_out] if about.time_out else []))


def is_virtual(about: About) -> bool:
    """Whether the runtime's time costs nothing: only then can it know that nothing more will happen."""
    return "quiescence" in about.capabilities


@dataclass
class _Scene:
    """What is there while a story is made up, as far as it can be known: objects by name, with what troubles them."""

    troubles: dict[str, set[str]] = field(default_factory=dict)
    members: dict[str, int] = field(default_factory=dict)
    """How many containers each pod has."""
    used: set[str] = field(default_factory=set)

    def targets(self, kind: str) -> list[str]:
        """What a deed of this kind can be done to."""
        if kind in CREATES:
            return [name for name in CREATES[kind] if name not in (self.used if kind == "node" else self.troubles)]
        if kind == "restart-controller":
            return [NODE_CONTROLLER]
        there = [name for name in self.troubles if name.startswith(PREFIX[kind])]
        if kind in UNDONE:
            return [name for name in there if self.troubles[name] & set(UNDONE[kind])]
        return [name for name in there if kind not in self.troubles[name]]

    def take(self, deed: Deed) -> None:
        """A deed is done."""
        if deed.kind in CREATES:
            self.troubles[deed.target], self.members[deed.target] = set(), len(deed.workloads)
            self.used.add(deed.target)
        elif deed.kind in REMOVES:
            del self.troubles[deed.target]
        elif deed.kind in UNDONE:
            self.troubles[deed.target] -= set(UNDONE[deed.kind])
        elif any(deed.kind in undone for undone in UNDONE.values()):
            self.troubles[deed.target].add(deed.kind)


@st.composite
def stories(draw: st.DrawFn, about: About, weights: Mapping[Family, int]) -> Story:
    """A node, a pod or more, and deeds of a few families, those of more weight more often, as they have something to be
    done to."""
    waits = st.sampled_from(waits_of(about))
    number = min(draw(st.integers(*FAMILIES_OF_A_STORY)), len(weights))
    weighted = [family for family, weight in weights.items() for _ in range(weight)]
    families = draw(st.lists(st.sampled_from(weighted), min_size=number, max_size=number, unique=True))
    kinds = list(dict.fromkeys(kind for family in families for kind in family))
    begin = ["node", *draw(st.sampled_from((["pod"], ["pod"], ["pod", "pod"], ["node", "pod"])))]
    scene, deeds = _Scene(), []
    for place in range(len(begin) + draw(st.integers(*DEEDS_OF_A_STORY))):
        able = begin[place : place + 1] or [kind for kind in kinds if scene.targets(kind)]
        if not able:
            break
        kind = draw(st.sampled_from(able))
        deed = Deed(kind, draw(st.sampled_from(scene.targets(kind))), draw(waits) if place else 0.0)
        deed = msgspec.structs.replace(deed, **_details(draw, deed, scene))
        scene.take(deed)
        deeds.append(deed)
    return canonical(Story(tuple(deeds), draw(st.integers(0, 99)) if is_virtual(about) else 0))


def _details(draw: st.DrawFn, deed: Deed, scene: _Scene) -> dict[str, Any]:
    """The fields of a deed that not every kind has."""
    match deed.kind:
        case "pod":
            return {"policy": draw(st.sampled_from(POLICIES)), "workloads": draw(containers)}
        case "controller":
            return {"policy": POLICIES[0], "workloads": (RUN_ON,), "wanted": draw(st.integers(1, 3))}
        case "scale":
            return {"wanted": draw(st.sampled_from((1, 0, 2, 3)))}
        case "kill-container" | "kill-by-engine" | "out-of-memory":
            return {"container": f"c{draw(st.integers(1, scene.members[deed.target]))}"}
        case _:
            return {}


PREFIX = dict.fromkeys(OF_NODES, "n") | {"scale": "rc"} | dict.fromkeys(OF_PODS, "p")
"""How the names begin of what a kind of deed is done to."""

NOT_IN = {"seed": ("cordon-node", "uncordon-node"), "v0.17.0": ("break-disk",)}
"""Deeds of which a profile says nothing."""


def is_possible(family: tuple[str, ...], about: About, profile: str) -> bool:
    """Whether the runtime can do all of a family, and the profile knows it."""
    needs = Story(tuple(Deed(kind, "") for kind in family)).needs
    return not (about.under(profile).why_not(needs) or set(family) & set(NOT_IN.get(profile, ())))


# --- what came of them ----------------------------------------------------------------------------------------------

BAD = (Verdict.FAIL, Verdict.ERROR)


@dataclass(frozen=True)
class Told:
    """A story that was lived: its history, and what the judge says."""

    story: Story
    records: tuple[Record, ...]
    judgement: Judgement

    @property
    def rules(self) -> frozenset[str]:
        """What it is failed by: rules, or that the adapter (or the judge) broke."""
        bad = [finding for finding in self.judgement.findings if finding.verdict in BAD]
        return frozenset(rule for f in bad for rule in (f.rules if f.verdict is Verdict.FAIL else ("error",)))

    @property
    def reason(self) -> str:
        """The first thing that is wrong."""
        return next((str(f.reason) for f in self.judgement.findings if f.verdict in BAD), "")


@dataclass(frozen=True)
class Limits:
    """How far to go: seconds (None: no end), stories, stories side by side; whether to steer."""

    budget: float | None = None
    examples: int = 1000
    jobs: int = 1
    steer: bool = True
    without: tuple[str, ...] = ()
    """Kinds of deeds that no story shall have: what they do is known to be wrong."""


ROUND, SEEDS = 50, 1000
"""Stories after which the weights are looked at again; and how far the seeds of two rounds are apart."""

GENERATION = 2 / 3
"""The share of the budget in which stories are made up; the rest is for making a failure shorter."""


@dataclass
class Explored:
    """What came of an exploration. ``found`` is the failure as it was found, ``shortest`` what it was made of; ``told``
    and ``shrunk`` count the stories that were lived until it was found, and to make it shorter; ``known`` those asked
    for whose verdict was known. ``others`` are failures by other rules, not made shorter."""

    verdicts: Counter[str] = field(default_factory=Counter)
    coverage: dict[str, Counted] = field(default_factory=lambda: defaultdict(Counted))
    found: Told | None = None
    shortest: Told | None = None
    told: int = 0
    shrunk: int = 0
    known: int = 0
    kept: int = 0
    """Failures of earlier runs that were tried first."""
    others: dict[frozenset[str], Told] = field(default_factory=dict)
    seconds: float = 0.0
    found_after: float | None = None
    whole: bool = True
    """Whether the failure could be made as short as possible before the budget was used up."""


class _Enough(BaseException):
    """The exploration is to end: Hypothesis lets through what is no Exception."""


class Explorer:
    """One exploration of one runtime under one profile."""

    def __init__(self, runtime: Runtime, settings: Settings, limits: Limits, say: Callable[[str], None]) -> None:
        self.runtime, self.about = runtime, runtime.describe()
        self.settings, self.limits, self._say = settings, limits, say
        self.profile: Profile = settings.profile
        self.explored = Explored()
        self._begun = time.monotonic()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._known: dict[Story, Future[Told]] = {}
        self._visited: list[tuple[frozenset[str], frozenset[tuple[str, str]]]] = []
        """The kinds of deeds of each story, and the rows that it went through, with their tables."""

    # --- one story --------------------------------------------------------------------------------------------------

    def tell(self, story: Story) -> Told:
        """Live a story and judge it; one that was lived before is not lived again."""
        with self._lock:
            future = self._known.get(story)
            if mine := future is None:
                future = self._known[story] = Future()
            else:
                self.explored.known += 1
        assert future is not None
        if mine:
            try:
                future.set_result(self._lived(story))
            except BaseException as error:
                future.set_exception(error)
                raise
        return future.result()

    def _lived(self, story: Story) -> Told:
        settings = replace(self.settings, seed=story.seed)
        history = runner.record(self.runtime, self.about, story.scenario, settings, stop=self._stop)
        judgement = judge(recordings.of_records(story.scenario.id, history.records), self.profile)
        if self._stop.is_set():
            raise _Enough
        return Told(story, tuple(history.records), judgement)

    # --- many stories -----------------------------------------------------------------------------------------------

    def explore(self, database: ExampleDatabase | None = None, key: bytes = b"") -> Explored:
        """Explore until something fails, or enough has been done, and make what fails shorter."""
        explored = self.explored
        kept = sorted(_kept(database, key), key=lambda story: story.size)
        timer = self._timer(1.0)
        try:
            for story in kept:
                explored.kept += 1
                self._take(story)
            self._generate()
        except _Enough:
            pass
        if explored.found is not None:
            explored.found_after = time.monotonic() - self._begun
            self._stop.clear()
            try:
                self._shorten(explored.found)
            except _Enough:
                explored.whole = False
            assert explored.shortest is not None
            if database is not None:
                database.save(key, msgspec.json.encode(explored.shortest.story))
        if timer:
            timer.cancel()
        explored.seconds = time.monotonic() - self._begun
        return explored

    def _timer(self, share: float) -> threading.Timer | None:
        """Stops what runs when this share of the budget is used up."""
        if self.limits.budget is None:
            return None
        timer = threading.Timer(share * self.limits.budget, self._stop.set)
        timer.daemon = True
        timer.start()
        return timer

    def _left(self, share: float) -> bool:
        """Whether less than this share of the budget is used up."""
        budget = self.limits.budget
        return budget is None or time.monotonic() - self._begun < share * budget

    def _generate(self) -> None:
        """Several Hypotheses side by side, each with a seed of its own."""
        jobs = self.limits.jobs
        each = [len(range(n, self.limits.examples, jobs)) for n in range(jobs)]
        if jobs == 1:
            self._made_up(self.settings.seed, each[0])
            return
        seeds = {self.settings.seed + n: many for n, many in enumerate(each) if many}
        with ThreadPoolExecutor(jobs) as pool:
            running = [pool.submit(self._made_up, *one) for one in seeds.items()]
            try:
                problems = [future.exception() for future in running]
            except BaseException:
                self._stop.set()
                raise
        for problem in problems:
            if problem is not None and not isinstance(problem, _Enough):  # `_Enough` of one is that of all
                raise problem

    def _made_up(self, seed: int, examples: int) -> None:
        """Round by round, each with the weights that the rounds before it suggest."""
        for number in itertools.count():
            many = min(ROUND, examples - number * ROUND)
            if many <= 0:
                return

            @hypothesis.seed(seed + SEEDS * number)
            @hypothesis.settings(
                max_examples=many, database=None, deadline=None, suppress_health_check=list(HealthCheck),
                phases=[Phase.generate],
            )  # fmt: skip
            @hypothesis.given(stories(self.about, self._weights()))
            def check(story: Story) -> None:
                self._take(story)

            check()

    def _weights(self) -> dict[Family, int]:
        """How often each family is to be chosen: those most in whose stories rows were visited that rarely are."""
        barred = set(self.limits.without)
        possible = [f for f in FAMILIES if not barred & set(f) and is_possible(f, self.about, self.profile.name)]
        if not self.limits.steer:
            return dict.fromkeys(possible, 1)
        with self._lock:
            total = self.explored.coverage
            worth: dict[Family, list[float]] = {family: [] for family in possible}
            for kinds, rows in self._visited:
                rarity = max((1 / total[table].rows[row] for table, row in rows), default=0.0)
                for family in possible:
                    if kinds & set(family):
                        worth[family].append(rarity)
        mean = {family: sum(some) / len(some) if some else 1.0 for family, some in worth.items()}
        ranked = sorted(possible, key=lambda family: mean[family])
        return {family: 1 + 3 * ranked.index(family) // len(ranked) for family in possible}

    def _take(self, story: Story) -> None:
        """Live a story, unless it is enough, and remember what came of it."""
        if self.explored.found is not None or not self._left(GENERATION):
            raise _Enough
        told = self.tell(story)
        explored = self.explored
        with self._lock:
            explored.told += 1
            explored.verdicts[str(told.judgement.verdict)] += 1
            for table, counted in told.judgement.coverage.items():
                explored.coverage[table].add(counted)
            rows = frozenset((table, row) for table, one in told.judgement.coverage.items() for row in one.rows)
            self._visited.append((frozenset(deed.kind for deed in story.deeds), rows))
            if told.rules and explored.found is None:
                explored.found = explored.shortest = told
                self._stop.set()
        self._say(f"{told.judgement.verdict} {len(story.deeds)} deeds")
        if told.rules:
            raise _Enough

    # --- a shorter story --------------------------------------------------------------------------------------------

    def _shorten(self, told: Told) -> None:
        """As long as a smaller story fails by one of the same rules, it is that one."""
        wanted = told.rules
        self._try(iter([without(told.story, *refused(told.records))]), wanted)
        while self._try(smaller(self._shortest, is_virtual(self.about)), wanted):
            pass

    @property
    def _shortest(self) -> Story:
        assert self.explored.shortest is not None
        return self.explored.shortest.story

    def _try(self, candidates: Iterator[Story], wanted: frozenset[str]) -> bool:
        """Try stories, several at a time, until one fails; of those tried together the first counts."""
        size = self._shortest.size
        fresh = iter(dict.fromkeys(story for one in candidates if (story := canonical(one)).size < size))
        with ThreadPoolExecutor(self.limits.jobs) as pool:
            while some := list(itertools.islice(fresh, self.limits.jobs)):
                for told in pool.map(self._attempt, some) if len(some) > 1 else map(self._attempt, some):
                    if told.rules & wanted:
                        self.explored.shortest = told
                        self._say(f"shorter: {len(told.story.deeds)} deeds")
                        return True
                    if told.rules:
                        self.explored.others.setdefault(told.rules, told)
        return False

    def _attempt(self, story: Story) -> Told:
        if not self._left(1.0):
            raise _Enough
        known = len(self._known)
        told = self.tell(story)
        self.explored.shrunk += len(self._known) > known
        return told


def _kept(database: ExampleDatabase | None, key: bytes) -> Iterator[Story]:
    """The stories that failed before. What is none any more is left alone."""
    for value in database.fetch(key) if database is not None else ():
        try:
            yield msgspec.json.decode(value, type=Story)
        except msgspec.MsgspecError:
            continue


LUCK = 10
"""Seeds that a smaller story is tried with: under the one it has, the moment may be missed that matters."""


def smaller(story: Story, is_lucky: bool) -> Iterator[Story]:
    """Stories that are smaller in some way, those first that leave out most: halves, one deed, two, then what is in
    them; at last, if another seed may bring luck, the same with other seeds."""
    places = range(len(story.deeds))
    for length in (len(places) // 2, len(places) // 4):
        if length > 2:
            for start in range(0, len(places), length):
                yield without(story, *places[start : start + length])
    yield from (without(story, place) for place in reversed(places))
    yield from (without(story, *pair) for pair in itertools.combinations(reversed(places), 2))
    for place in places:
        yield from (_replaced(story, place, simpler) for simpler in _simpler(story.deeds[place]))
    if is_lucky:
        for seed in range(LUCK):
            yield Story(story.deeds, seed)
            yield from (Story(without(story, place).deeds, seed) for place in places)


def _replaced(story: Story, place: int, deed: Deed) -> Story:
    return Story((*story.deeds[:place], deed, *story.deeds[place + 1 :]), story.seed)


def _simpler(deed: Deed) -> Iterator[Deed]:
    """The same deed with fewer containers or replicas, shorter workloads, plainer steps, no wait or the plain one."""
    change = msgspec.structs.replace
    for n, workload in enumerate(deed.workloads):
        before, after = deed.workloads[:n], deed.workloads[n + 1 :]
        if before or after:
            yield change(deed, workloads=(*before, *after))
        for m, step in enumerate(workload):
            if len(workload) > 1:
                yield change(deed, workloads=(*before, (*workload[:m], *workload[m + 1 :]), *after))
            if step != RunOn():
                yield change(deed, workloads=(*before, (*workload[:m], RunOn(), *workload[m + 1 :]), *after))
    if deed.wanted > 1:
        yield change(deed, wanted=1)
    for wait in (0.0, REAL_WAITS[0], VIRTUAL_WAITS[0]):
        if deed.wait > wait:
            yield change(deed, wait=wait)
