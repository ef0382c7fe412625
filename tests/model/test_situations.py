"""The situations hold, and each of their properties is violated by a table or a vector that is wrong on purpose."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import pytest

from model import registry
from model.lts.network import Network, Vector, When
from model.lts.properties import Always, AlwaysStep, Eventually, Sometimes, SometimesStep
from model.lts.table import Row, Table
from model.profiles import PROFILES, Profile
from model.situations import situations
from model.situations.situation import Crossing, Situation, crossings, inside
from model.verify import verify_situation

from .support import explored, replay, table
from .test_verify import rebuilt, rows_of

BOTH = list(PROFILES)
EVERY = [
    pytest.param(profile, one, id=f"{profile.name}-{one.name}")
    for profile in PROFILES.values()
    for one in situations(profile)
]


def named(profile: str, name: str) -> Situation:
    [found] = [one for one in situations(PROFILES[profile]) if one.name == name]
    return found


# --- the situations hold --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("profile", "one"), EVERY)
def test_every_situation_holds_and_is_small(profile: Profile, one: Situation) -> None:
    done = verify_situation(one)
    assert [verdict.property.name for verdict in done.verdicts if not verdict.holds] == []
    assert done.holds
    assert len(done.verdicts) == len(one.properties)
    assert len(done.exploration.states) < 50_000
    for verdict in done.verdicts:
        if isinstance(verdict.property, Sometimes | SometimesStep):
            assert verdict.path is not None
            assert replay(one.network, verdict.path)


@pytest.mark.parametrize(("profile", "one"), EVERY)
def test_properties_name_rules_of_their_profile_and_only_once(profile: Profile, one: Situation) -> None:
    for prop in one.properties:
        assert prop.rules, prop.name
        for rule in prop.rules:
            assert profile.name in registry.rule(rule).profiles, f"{prop.name}: {rule}"
    names = [prop.name for prop in one.properties]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("profile", "one"), EVERY)
def test_beside_what_holds_always_stands_what_happens_sometimes(profile: Profile, one: Situation) -> None:
    always = [prop for prop in one.properties if isinstance(prop, Always | AlwaysStep)]
    assert always
    assert any(isinstance(prop, Sometimes | SometimesStep) for prop in one.properties)
    assert any(isinstance(prop, Eventually) for prop in one.properties)


@pytest.mark.parametrize(("profile", "one"), EVERY)
def test_every_vector_is_taken(profile: Profile, one: Situation) -> None:
    """None is cut off by its own conditions."""
    found = explored(one.network)
    taken = {found.compiled.moves[number].vector.name for number in set(found.move.tolist())}
    assert {vector.name for vector in one.network.vectors} - taken == set()


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_every_row_of_the_controllers_is_taken_in_some_situation(profile: Profile) -> None:
    taken: set[tuple[str, str]] = set()
    wanted = {(part.name, str(row)) for part in profile.parts.values() for row in part.rows}
    for one in situations(profile):
        found = explored(one.network)
        for place, (component, machine) in enumerate(one.network.components.items()):
            for source, move, target in zip(found.source, found.move, found.target, strict=True):
                vector = found.compiled.moves[move].vector
                event = vector.moves.get(component) or vector.broadcast.get(component)
                if event:
                    before, now = (machine.states[found.states[number, place]] for number in (source, target))
                    taken.add((machine.name, f"{before} --{event}--> {now}"))
    assert wanted - taken == set()


def test_a_crossing_makes_one_vector_of_the_rows_that_are_its_case() -> None:
    light = table("off --press--> on", "on --press--> off", "on --hit--> broken", "off --hit--> broken", name="light")
    cases = (
        Crossing("lit", lambda s: s == "off", lambda s: s == "on", {"meter": "start"}),
        Crossing("dark", lambda s: s == "on", lambda s: s != "on", {"meter": "stop"}),
        Crossing("", lambda s: s == "off", lambda s: s == "broken"),
    )
    assert crossings("l1", light, "press", cases) == [
        Vector("press(l1,lit)", {"l1": "press", "meter": "start"}, {}, (inside("l1", "off"),)),
        Vector("press(l1,dark)", {"l1": "press", "meter": "stop"}, {}, (inside("l1", "on"),)),
    ]
    assert [vector.name for vector in crossings("l1", light, "hit", cases, "hall")] == ["hit(hall,dark)", "hit(hall)"]


# --- networks that are wrong on purpose -----------------------------------------------------------------------------

Edit = Callable[[Network], Network]


def rows(component: str, *add: str, drop: tuple[str, ...] = ()) -> Edit:
    """Another table in the places whose names match: with more rows, or without those that print like ``drop``."""

    def edit(network: Network) -> Network:
        changed: dict[str, Table] = {}
        for name, old in network.components.items():
            changed[name] = rebuilt(old, drop, rows_of(add)) if re.fullmatch(component, name) else old
        assert any(changed[name] is not old for name, old in network.components.items()), component
        return Network(network.name, changed, tuple(v for v in (_fitted(v, changed) for v in network.vectors) if v))

    return edit


def _fitted(vector: Vector, components: Mapping[str, Table]) -> Vector | None:
    """The vector without what the tables no longer have; None if it cannot be taken any more."""
    if any(event not in components[name].events for name, event in vector.moves.items()):
        return None
    heard = {name: event for name, event in vector.broadcast.items() if event in components[name].events}
    known = [{state for name in when.components for state in components[name].states} for when in vector.when]
    when = tuple(replace(one, states=one.states & states) for one, states in zip(vector.when, known, strict=True))
    return replace(vector, broadcast=heard, when=when)


def vectors(pattern: str, change: Callable[[Vector], Vector | None]) -> Edit:
    """Other vectors in the places of those whose names begin like ``pattern``."""

    def edit(network: Network) -> Network:
        chosen = [vector for vector in network.vectors if re.match(pattern, vector.name)]
        assert chosen, pattern
        changed = [change(vector) if vector in chosen else vector for vector in network.vectors]
        assert changed != list(network.vectors), pattern
        return Network(network.name, network.components, tuple(vector for vector in changed if vector))

    return edit


def gone(pattern: str) -> Edit:
    return vectors(pattern, lambda _: None)


def free(pattern: str, component: str) -> Edit:
    """Without the conditions on components whose names match."""
    return vectors(
        pattern,
        lambda v: replace(
            v, when=tuple(w for w in v.when if not all(re.fullmatch(component, c) for c in w.components))
        ),
    )


def needs(pattern: str, component: str, *states: str) -> Edit:
    """With one more condition."""
    return vectors(pattern, lambda v: replace(v, when=(*v.when, inside(component, *states))))


def needs_not(pattern: str, component: str, *states: str) -> Edit:
    def edit(network: Network) -> Network:
        others = tuple(s for s in network.components[component].states if s not in states)
        return needs(pattern, component, *others)(network)

    return edit


def deaf(pattern: str, component: str = ".*") -> Edit:
    """Not heard by components whose names match."""
    return vectors(
        pattern,
        lambda v: replace(v, broadcast={c: e for c, e in v.broadcast.items() if not re.fullmatch(component, c)}),
    )


def heard(pattern: str, **events: str) -> Edit:
    """Heard by more components."""
    return vectors(pattern, lambda v: replace(v, broadcast={**v.broadcast, **events}))


def alone(pattern: str, component: str) -> Edit:
    """Not moving a component that should move with the rest."""
    return vectors(pattern, lambda v: replace(v, moves={c: e for c, e in v.moves.items() if c != component}))


def plus(name: str, moves: dict[str, str], *when: When) -> Edit:
    return lambda net: Network(net.name, net.components, (*net.vectors, Vector(name, moves, when=when)))


def unless_another(pattern: str, standing: str) -> Edit:
    """Not while another pod has this standing (at the node that the vector names, if the standing ends in ``@``)."""

    def condition(vector: Vector, network: Network) -> Vector:
        [own] = [name for name in vector.moves if re.fullmatch(r"p\d", name)]
        others = tuple(name for name in network.components if re.fullmatch(r"p\d", name) and name != own)
        place = vector.name.rpartition(",")[2].rstrip(")") if standing.endswith("@") else ""
        barred = re.compile(f"({standing}){place}")
        states = frozenset(s for s in network.components[own].states if not barred.match(s))
        return replace(vector, when=(*vector.when, When("every", others, states)))

    return lambda network: vectors(pattern, lambda v: condition(v, network))(network)


def every(*edits: Edit) -> Edit:
    def edit(network: Network) -> Network:
        for one in edits:
            network = one(network)
        return network

    return edit


@dataclass(frozen=True)
class Wrong:
    """A mistake, and the property that must notice it: exactly this one, and what cannot but go wrong with it."""

    profile: str
    situation: str
    noticed_by: str
    edit: Edit
    why: str
    also: frozenset[str]

    def __str__(self) -> str:
        return f"{self.profile} {self.situation}: {self.noticed_by}: {self.why}"


def wrong(profiles: list[str], situation: str, noticed_by: str, edit: Edit, why: str, *also: str) -> list[Wrong]:
    return [Wrong(profile, situation, noticed_by, edit, why, frozenset(also)) for profile in profiles]


SEED, CODE = ["seed"], ["v0.17.0"]
LIST, SCHEDULING, SHARING, REPLICATION, LOSS = (
    "node list", "scheduling", "sharing", "replication", "loss of a node",
)  # fmt: skip

ADMISSION, RESTARTING, ENDING, MIRRORING, RECORDING = (
    "admission", "restarting", "ending", "mirroring", "recording",
)  # fmt: skip

STATIC = "in static mode only hands make and delete records after the start"
WITHOUT_RECORD = "a pod is bound to a node without a record"
LEFT_OVER = "the record of a machine that is gone is deleted"
TAKES = "a Pending pod is bound once there is a candidate that stays"
NETWORK = "a container runs only while its pod has a network"
VOLUME = "a container runs only with the volume set up"
CONTENT = "what was written to the volume is there as long as the pod is"
STARTED = "it is started once the pod has what it shares"
DESTROYED = "a volume is destroyed only at the end of its pod"
LAYER_ONLY = "a layer is lost and the volume is not"
BALANCE = "a pod is made only if one is missing, and removed only if there is one too many"
TOLD = "a controller wants what it is told to"
MOVED = "an old pod is never moved"
WAITING = "a controller waits that has too few"
ONE_STEP = "nothing is made or removed till the last is seen, or waited for long enough"
NUMBER = "the number of pods becomes the one that is wanted"
RUN = "so many pods run as are wanted, if a node stays fit"
SAME_NODE, OTHER_NODE = "a replacement is bound to the same node", "a replacement is bound to another node"
FIRES_LATE = "a time-out fires only after its time, while the node is lost"
MARKED = "the pods of a node that stays lost are marked"
DELAY = "the eviction delay does not elapse before the grace period"
EVICTED = "the pods of a node that stays cut off are evicted"
AS_IT_IS = "till it is evicted a pod stays as it is"

MONITORED = {mode: f"a lost node is noticed in mode {mode}" for mode in ("Cloud", "CloudOff", "Static")}
AGAIN = "and is deleted again, though the machine is there"

NOTHING_WANTED = rows(
    "controller", "NoController --submit--> Want0",
    drop=("NoController --submit--> Want1", "Want0 --scale_up--> Want1", "Want1 --scale_up--> Want2"),
)  # fmt: skip

WRONG = [
    # the node list
    *wrong(BOTH, LIST, "the loop makes a record only for a machine on the list, and deletes only of one that is not",
           free("sync_create", "machine"), "a record for a machine that is not there"),
    *wrong(BOTH, LIST, "the loop makes a record only for a machine on the list, and deletes only of one that is not",
           free("sync_delete", "machine"), "a record is deleted though the machine is there"),
    *wrong(SEED, LIST, "the loop does nothing unless the controller follows the list", free("sync_", "sync"),
           "--sync_nodes=false has no effect"),
    *wrong(CODE, LIST, "the loop does nothing unless the controller follows the list", free("sync_", "sync"),
           "it follows the list in every mode", STATIC),
    *wrong(BOTH, LIST, "a machine on the list gets its record", rows("noderecord", "NoRecord --create--> NoRecord"),
           "creation may fail for ever"),
    *wrong(SEED, LIST, LEFT_OVER, rows("noderecord", "Recorded --delete--> Recorded"), "deletion may fail for ever"),
    *wrong(CODE, LIST, LEFT_OVER, rows("noderecord", "Bare --delete--> Bare"), "deletion may fail for ever"),
    *wrong(BOTH, LIST, "a pod is bound only to a node with a record", free("bind", "noderecord"), "no check"),
    *wrong(SEED, LIST, "a pod is bound", gone("bind"), "no scheduler"),
    *wrong(CODE, LIST, "a pod is bound", gone("bind"), "no scheduler", WITHOUT_RECORD, *MONITORED.values()),
    *wrong(SEED, LIST, "with its record a node loses its pods, whoever deletes it", deaf("delete_by_hand"),
           "its pods stay if a hand deletes it, as in v0.17.0"),
    *wrong(SEED, LIST, "the synchronisation is on, but with --sync_nodes=false",
           rows("sync", "Starting --start_off--> On", drop=("Starting --start_off--> Off",)), "the flag is ignored"),
    *(one for start in ("start", "start_named", "start_off", "start_off_named")
      for one in wrong(SEED, LIST, f"a controller begins without a record: {start}", gone(f"{start}$"), "it cannot")),
    *wrong(SEED, LIST, "a node that --machines names has a record from the start",
           rows("noderecord", "NoRecord --register--> NoRecord"), "registration may fail"),
    *wrong(SEED, LIST, "with synchronisation off there is a record of no machine on the list", gone("start_off"),
           "it cannot be switched off",
           *(f"a controller begins without a record: {start}" for start in ("start_off", "start_off_named"))),
    *wrong(SEED, LIST, "a record is added by hand", gone("add_by_hand"), "no kubectl"),
    *wrong(CODE, LIST, "the pods of a machine that is gone are deleted at once", deaf("sync_delete"), "they stay"),
    *wrong(CODE, LIST, "a record deleted by hand takes no pods along", heard("delete_by_hand", p1="evict@n1"),
           "its pods go, as in the seed", WITHOUT_RECORD),
    *wrong(CODE, LIST, WITHOUT_RECORD, gone("delete_by_hand"), "no kubectl delete"),
    *wrong(CODE, LIST, STATIC,
           plus("reconcile(n1)", {"noderecord": "create"}, inside("sync", "Static")), "a static node is made again"),
    *wrong(CODE, LIST, "a record made by hand is bare, and no other",
           rows("noderecord", "NoRecord --add_by_hand--> Filled"), "kubectl fills in addresses"),
    *wrong(CODE, LIST, "a record made by hand is bare, and no other", rows("noderecord", "NoRecord --create--> Bare"),
           "the loop does not fill in addresses"),
    *wrong(CODE, LIST, "registering leaves a record as it is", rows("noderecord", "Bare --register--> Filled"),
           "registration completes what is there"),
    *wrong(CODE, LIST, "a pass whose list fails changes nothing", heard("list_failed", noderecord="delete"),
           "a list that fails counts as empty"),
    *wrong(CODE, LIST, "registration ends in static mode, and so does a start without machines",
           rows("sync", "Registering --register--> Cloud", drop=("Registering --register--> Static",)),
           "it goes on to follow the cloud"),
    *wrong(CODE, LIST, "registration is given up", gone("give_up"), "it is tried for ever"),
    *wrong(CODE, LIST, "a controller starts without a cloud and without machines", gone("start_static_unnamed"),
           "it refuses to start"),
    *wrong(CODE, LIST, "the loop deletes a record made by hand", gone("add_by_hand"), "creation by hand is refused"),
    *wrong(CODE, LIST, "in static mode a record is made at the start", gone("register"), "--machines has no effect"),
    *wrong(CODE, LIST, "a record is made for a machine that is listed in upper case",
           needs_not("sync_create", "machine", "ListedInUpperCase"), "the loop knows the name"),
    *wrong(CODE, LIST, AGAIN, needs_not("sync_delete", "machine", "ListedInUpperCase"), "letters are compared alike"),
    *(one for mode, name in MONITORED.items()
      for one in wrong(CODE, LIST, name, needs_not("evict", "sync", mode), "it is not monitored there")),
    # scheduling
    *wrong(BOTH, SCHEDULING, "a pod is bound only to a node that can take it", free(r"bind\(p1,n1\)", "n1"),
           "no check"),
    *wrong(CODE, SCHEDULING, "a pod is bound only to a node that can take it", free(r"bind\(p1,n2\)", "n2cordon"),
           "no look at unschedulable"),
    *wrong(SEED, SCHEDULING, "a pod is bound to n1", gone(r"bind\(p1,n1\)"), "n1 is never taken", TAKES),
    *wrong(CODE, SCHEDULING, "a pod is bound to n1", gone(r"bind\(p1,n1\)"), "n1 is never taken", TAKES,
           "a pod is bound to a node of phase Terminated"),
    *wrong(BOTH, SCHEDULING, "a pod is bound to n2", gone(r"bind\(p1,n2\)"), "n2 is never taken", TAKES),
    *wrong(BOTH, SCHEDULING, "a pod has never two homes", rows("p1", "Bound@n1 --bind@n2--> Bound@n2"), "bound again"),
    *wrong(BOTH, SCHEDULING, "what has ended stays as it ended, until it is gone",
           rows("p1", "Succeeded@n1 --fail--> Failed@n1"), "a success is taken back"),
    *wrong(BOTH, SCHEDULING, "a pod has ended well", gone("succeed"), "no pod ends"),
    *wrong(BOTH, SCHEDULING, "a pod goes only by an actor, not by itself", rows("p1", "Bound@n1 --fail--> Deleted"),
           "a pod that fails vanishes"),
    *wrong(BOTH, SCHEDULING, TAKES, rows("p1", "Unbound --bind@n1--> Unbound"), "binding may fail for ever"),
    *wrong(BOTH, SCHEDULING, "a pod waits without a candidate", gone("settle"), "the world never rests"),
    *wrong(SEED, SCHEDULING, "only what has ended expires", rows("p1", "Bound@n1 --expire--> Deleted"),
           "a running pod expires"),
    *wrong(SEED, SCHEDULING, "a pod expires", gone("expire"), "no reaper"),
    *wrong(CODE, SCHEDULING, "a cordon touches no pod", heard("cordon", p1="fail"), "it drains the node"),
    *wrong(CODE, SCHEDULING, "a pod is on a cordoned node", gone("cordon"), "no cordon"),
    *wrong(CODE, SCHEDULING, "a phase touches no pod", heard("write_terminated", p1="fail"), "Terminated ends pods"),
    *wrong(CODE, SCHEDULING, "a pod is bound to a node of phase Terminated",
           needs_not(r"bind\(p1,n1\)", "n1phase", "Terminated"), "the scheduler looks at the phase", TAKES),
    *wrong(CODE, SCHEDULING, "a pod is told to fit nowhere only if there is no candidate",
           free("fit_nowhere", "n1.*"), "n1 is not asked"),
    *wrong(CODE, SCHEDULING, "a pod is told to fit nowhere", gone("fit_nowhere"), "nothing is said"),
    *wrong(CODE, SCHEDULING, "a node that the cloud lists no more takes its pod along", gone("remove_by_cloud"),
           "the cloud is not asked"),
    # sharing
    *wrong(SEED, SHARING, NETWORK, deaf("release", "p1c1"), "a container runs on when the pod's network is gone"),
    *wrong(CODE, SHARING, NETWORK, deaf("release", "p1c1"), "a container runs on when the pod's network is gone",
           VOLUME, DESTROYED),
    *wrong(SEED, SHARING, NETWORK, free("start", "sandbox"), "a container is started whether there is a network"),
    *wrong(CODE, SHARING, NETWORK, free("start", "sandbox"), "a container is started whether there is a sandbox",
           VOLUME, DESTROYED),
    *wrong(BOTH, SHARING, VOLUME, free("start", "volume"), "a container is started without its volume"),
    *wrong(BOTH, SHARING, "both containers run", gone(r"start\(p1c2\)"), "one is forgotten", STARTED),
    *wrong(BOTH, SHARING, CONTENT, rows("volume", "Written --set_up--> Empty"), "set-up empties it"),
    *wrong(BOTH, SHARING, CONTENT, every(rows("volume", "Written --empty--> Empty"), heard("restart", volume="empty")),
           "a restart empties it"),
    *wrong(BOTH, SHARING, "a container is restarted when something is in the volume", gone("restart"), "no restarts"),
    *wrong(BOTH, SHARING, STARTED, rows("p1c.", "Waiting --start--> Waiting"), "a start may fail for ever"),
    *wrong(CODE, SHARING, "no container outlives its sandbox", deaf("sandbox_died"), "containers stay", NETWORK),
    *wrong(CODE, SHARING, "a sandbox dies while containers run",
           every(needs_not("sandbox_died", "p1c1", "Running"), needs_not("sandbox_died", "p1c2", "Running")),
           "only an idle sandbox dies"),
    *wrong(CODE, SHARING, "a sandbox is replaced when something is in the volume",
           rows("sandbox", drop=("Dead --create_sandbox--> Addressed",)), "a dead sandbox stays dead", STARTED),
    *wrong(CODE, SHARING, "a new container has a clean layer", deaf(r"(restart|liveness_failed)\(p1c1\)", "layer"),
           "the old container is started again", LAYER_ONLY),
    *wrong(CODE, SHARING, LAYER_ONLY, gone("write_outside"), "nothing is written outside the volume"),
    *wrong(CODE, SHARING, "a container runs in the network of the host", gone("create_on_host"), "no host network"),
    *wrong(CODE, SHARING, DESTROYED, free("destroy", "sandbox"),
           "at any time", VOLUME, CONTENT, STARTED),
    *wrong(CODE, SHARING, "a volume is destroyed", gone("destroy"), "directories are left behind"),
    # replication
    *wrong(BOTH, REPLICATION, "the controller counts the pods that are there and have not ended",
           alone(r"delete\(p1\)", "active"), "a pod that was deleted still counts", BALANCE, NUMBER, RUN),
    *wrong(BOTH, REPLICATION, TOLD,
           rows("controller", "Want0 --scale_up--> Want2", drop=("Want0 --scale_up--> Want1",)), "one more than asked"),
    *wrong(BOTH, REPLICATION, BALANCE, free("replace", "controller|active"), "a pod too many is made", NUMBER, RUN),
    *wrong(BOTH, REPLICATION, BALANCE, free("remove", "controller|active"), "a pod is removed that is wanted",
           NUMBER, RUN),
    *wrong(SEED, REPLICATION, "there are too few pods", NOTHING_WANTED, "nothing is ever wanted", TOLD, SAME_NODE,
           OTHER_NODE),
    *wrong(CODE, REPLICATION, "there are too few pods", NOTHING_WANTED, "nothing is ever wanted", TOLD, SAME_NODE,
           OTHER_NODE, WAITING),
    *wrong(SEED, REPLICATION, "there are too many pods", gone("create|scale_down|withdraw"), "only more are wanted"),
    *wrong(CODE, REPLICATION, "there are too many pods", gone("create|scale_down|withdraw"), "only more are wanted",
           "a controller is deleted that has pods"),
    *wrong(SEED, REPLICATION, "a replacement is a new pod", rows("p1", "NodeLost@n1 --create--> Bound@n2"),
           "the old pod is moved", MOVED),
    *wrong(CODE, REPLICATION, "a replacement is a new pod", rows("p1", "Refused@n1 --create--> Bound@n2"),
           "the old pod is moved", MOVED),
    *wrong(BOTH, REPLICATION, MOVED, rows("p1", "Bound@n1 --bind@n2--> Bound@n2"), "a bound pod is bound again"),
    *wrong(BOTH, REPLICATION, "every pod is bound to a node that is fit", free("bind", "n."), "no check", NUMBER, RUN),
    *wrong(BOTH, REPLICATION, "a pod is given up only when its node is lost", free("node_timed_out|evict", "n."),
           "pods of good nodes are given up", NUMBER, RUN),
    *wrong(BOTH, REPLICATION, NUMBER, needs("remove", "world", "Restless"), "too many are left"),
    *wrong(BOTH, REPLICATION, NUMBER, needs("replace", "world", "Restless"), "too few are left", RUN),
    *wrong(BOTH, REPLICATION, RUN, needs("bind", "world", "Restless"), "what is made is not bound"),
    *wrong(BOTH, REPLICATION, SAME_NODE, unless_another("bind", "(Failed|DiskDied|NodeLost|Refused)@"),
           "a replacement must be elsewhere", RUN),
    *wrong(BOTH, REPLICATION, OTHER_NODE, gone(r"bind\(p.,n2\)"), "n2 is never taken", RUN),
    *wrong(CODE, REPLICATION, "a controller that is deleted leaves its pods",
           plus("withdraw(p1)", {"controller": "withdraw", "active": "lose", "p1": "delete"},
                inside("p1", "Unbound", "Bound@n1")), "it takes one along"),
    *wrong(CODE, REPLICATION, "a controller is deleted that has pods", gone("withdraw"), "no deletion"),
    *wrong(CODE, REPLICATION, "a controller that is refused changes nothing",
           rows("controller", "NoController --submit_other_policy--> Want1"), "policy Never is accepted"),
    *wrong(CODE, REPLICATION, "a controller with another policy than Always is refused", gone("submit_other_policy"),
           "nothing is said"),
    *wrong(CODE, REPLICATION, "of too many pods those without a node go first",
           free(r"remove\(p1,bound\)", "p[23]"), "any goes"),
    *wrong(CODE, REPLICATION, "failed pods pile up beside their replacements",
           unless_another("refuse_admission", "Refused"), "only one is refused at a time"),
    *wrong(CODE, REPLICATION, "a pod of a lost node counts", gone("lost"), "no node is lost"),
    *wrong(CODE, REPLICATION, ONE_STEP, rows("expectation", "Open --expect--> Open"), "it does not wait"),
    *wrong(CODE, REPLICATION, WAITING,
           rows("expectation", "Met --expect--> Met", drop=("Met --expect--> Open",)), "there is nothing to wait for"),
    *wrong(CODE, REPLICATION, "no pod is ended by its programs",
           plus("succeed(p1)", {"p1": "succeed", "active": "lose"}), "an exit with 0 ends it"),
    # the loss of a node, by the document
    *wrong(SEED, LOSS, "a time-out that was cancelled does not run on", deaf(r".*,back\)", "timer"),
           "the node's coming back cancels nothing", FIRES_LATE, MARKED,
           "a node comes back just before its time-out fires"),
    *wrong(SEED, LOSS, "the time-out of a node that is lost begins with its loss",
           rows("timer", "Idle --arm--> Elapsed", drop=("Idle --arm--> Armed",)), "it has elapsed at once"),
    *wrong(SEED, LOSS, FIRES_LATE, rows("timer", "Armed --fire--> Fired"), "it fires before its time"),
    *wrong(SEED, LOSS, "a time-out fires", gone("time_out"), "no node controller", MARKED,
           "a node that is back has a failed pod and a new one"),
    *wrong(SEED, LOSS, "till the time-out the pods of a lost node are left as they are",
           plus("give_up(p1)", {"p1": "node_timed_out@n1"}, inside("timer", "Armed")), "a pod is given up at once"),
    *wrong(SEED, LOSS, "the time-out marks every pod of the node", deaf("time_out", "p2"), "one is forgotten", MARKED),
    *wrong(SEED, LOSS, "the node's coming back changes no pod", heard(r".*,back\)", p2="fail"), "it ends a pod"),
    *wrong(SEED, LOSS, "a node comes back just before its time-out fires", needs_not(r".*,back\)", "timer", "Elapsed"),
           "an elapsed time-out cannot be cancelled"),
    *wrong(SEED, LOSS, "a controller that is restarted waits anew", rows("timer", "Elapsed --restart--> Elapsed"),
           "it remembers"),
    *wrong(SEED, LOSS, "a restart puts off a time-out that had elapsed", gone("restart_controller"), "no restarts"),
    *wrong(SEED, LOSS, MARKED, rows("timer", "Armed --elapse--> Armed"), "it may run for ever"),
    *wrong(SEED, LOSS, "a node that is back has a failed pod and a new one", unless_another("bind", "NodeLost"),
           "a node that lost a pod takes no other"),
    # the loss of a node, by the code
    *wrong(CODE, LOSS, "a node that is not heard becomes Unknown",
           rows("n1", "Recorded/Absent --never_reported--> Recorded/False"), "it is taken to be not ready"),
    *wrong(CODE, LOSS, "Ready becomes Unknown only after the grace period, if nothing was heard since",
           rows("grace", "Armed --fire--> Fired"), "at once"),
    *wrong(CODE, LOSS, "a heartbeat arms the timers anew", rows("grace", "Elapsed --cancel--> Elapsed"),
           "a heartbeat that comes late is not noticed"),
    *wrong(CODE, LOSS, "the clock of the node times nothing", heard("skew", eviction="cancel"), "a jump cancels"),
    *wrong(CODE, LOSS, "a node with a wrong clock is heard", needs("post_ready", "clock", "Right"),
           "a heartbeat with a wrong time is passed over"),
    *wrong(CODE, LOSS, "a node whose record cannot be read is skipped", heard("read_failed", p2="evict@n1"),
           "it counts as gone", AS_IT_IS),
    *wrong(CODE, LOSS, "no write of a status succeeds, and the pass goes on", gone("write_failed"), "it never fails"),
    *wrong(CODE, LOSS, "the pods of a lost node are evicted only after the eviction delay, in a later pass",
           every(free(r"evict\(all\)", "n1"),
                 needs(r"evict\(all\)", "n1", "Recorded/True", "Recorded/False", "Recorded/Unknown")),
           "in the pass that finds it lost"),
    *wrong(CODE, LOSS, DELAY, free("elapse_eviction", "grace"), "the delay is counted by itself"),
    *wrong(CODE, LOSS, "a node that is not ready is evicted only if it has not just been Unknown",
           free(r"evict\(not_ready\)", "stamp"), "at once"),
    *wrong(CODE, LOSS, "a node that is not ready is evicted", gone(r"evict\(not_ready\)"), "only lost nodes are"),
    *wrong(CODE, LOSS, "the node controller marks no pod failed",
           plus("mark_failed(p1)", {"p1": "fail"}, inside("n1", "Recorded/Unknown")), "as in the seed", AS_IT_IS),
    *wrong(CODE, LOSS, AS_IT_IS, plus("guess(p1)", {"p1": "succeed"}, inside("link", "Cut")), "its phase is guessed"),
    *wrong(CODE, LOSS, "while its node is cut off nothing is stopped there", free("stop_on_node", "link"),
           "a deleted pod is stopped from afar"),
    *wrong(CODE, LOSS, "a node is back in time, and its pod has run all the while",
           needs_not("post_ready", "n1", "Recorded/Unknown"), "an Unknown node never becomes ready"),
    *wrong(CODE, LOSS, "an eviction takes all pods of the node", deaf(r"evict\(all\)", "p2"), "one is forgotten",
           EVICTED),
    *wrong(CODE, LOSS, "an eviction takes a token", every(alone("evict", "tokens"), heard("evict", tokens="take")),
           "it takes one only if there is one"),
    *wrong(CODE, LOSS, "the last token is taken for nothing", rows("tokens", drop=("Some --take--> None",)),
           "tokens are never spent"),
    *wrong(CODE, LOSS, "a pod that came later is evicted as well", rows("eviction", drop=("Fired --fire--> Fired",)),
           "evicted once only", EVICTED),
    *wrong(CODE, LOSS, "a controller that is restarted waits anew", rows("stamp", "Old --restart--> Old"),
           "it remembers when Ready changed"),
    *wrong(CODE, LOSS, "a restart puts off an eviction", gone("restart_controller"), "no restarts"),
    *wrong(CODE, LOSS, "however silent a node is, its record is kept",
           rows("n1", "Recorded/True --silent--> Removed"), "a silent node is deleted"),
    *wrong(CODE, LOSS, "a node without a record is neither heard nor visited",
           rows("n1", "Removed --post_ready--> Recorded/True"), "a kubelet registers its node"),
    *wrong(CODE, LOSS, "a pod runs on a node whose record was deleted", gone("remove"), "records stay"),
    *wrong(CODE, LOSS, EVICTED, rows("eviction", "Armed --elapse--> Armed"), "the delay may last for ever"),
    *wrong(CODE, LOSS, "a pod that is deleted runs on", heard(r"(delete\(p1\)|evict)", instance="stop_on_node"),
           "deletion stops it at once", "while its node is cut off nothing is stopped there"),
    *wrong(CODE, LOSS, "what runs without its pod is stopped once the node is back", gone("stop_on_node"),
           "nobody stops it"),
    # admission
    *wrong(CODE, ADMISSION, "refuse_port: only for its cause", free("refuse_port", "earlier"),
           "a port that is free again counts as taken"),
    *wrong(CODE, ADMISSION, "what has begun to work does not wait to begin",
           rows("working", "Working --kill--> NotStarted"), "what is killed may be started again"),
    *wrong(CODE, ADMISSION, "refuse_selector: only for its cause", free("refuse_selector", "nodelabels"), "no look"),
    *wrong(CODE, ADMISSION, "refuse_capacity: only for its cause", free("refuse_capacity", "wishes"), "no look"),
    *wrong(CODE, ADMISSION, "refuse_port: it happens", gone("refuse_port"), "ports are not compared"),
    *wrong(CODE, ADMISSION, "refuse_selector: it happens", gone("refuse_selector"), "labels are not compared",
           "other labels of its node kill a pod that runs"),
    *wrong(CODE, ADMISSION, "refuse_capacity: it happens", gone("refuse_capacity"), "capacity is not compared"),
    *wrong(CODE, ADMISSION, "a pod fails for no other cause", rows("admitted", "Running --finish--> Failed"),
           "it fails by itself"),
    *wrong(CODE, ADMISSION, "other labels of its node kill a pod that runs", deaf("refuse_selector"), "it runs on"),
    *wrong(CODE, ADMISSION, "a pod that has ended is in the way of another", needs("refuse_", "earlier", "Running"),
           "only pods that run count"),
    *wrong(CODE, ADMISSION, "a pod that may not run does not fail for it", heard("forbid", admitted="refuse_port"),
           "it fails", "a pod fails for no other cause"),
    *wrong(CODE, ADMISSION, "what may not run is killed", gone("kill_forbidden"), "it runs on"),
    *wrong(CODE, ADMISSION, "that a disk dies changes nothing", heard("disk_died", working="kill"),
           "what runs is killed, as in the document", "a pod works on without its disk"),
    *wrong(CODE, ADMISSION, "a pod works on without its disk", needs_not("disk_died", "working", "Working"),
           "disks of pods that run do not die"),
    *wrong(CODE, ADMISSION, "a pod is started only with its volumes", free(r"run\(little", "mount"), "no look"),
    *wrong(CODE, ADMISSION, "a pod that fits is started", rows("admitted", "Pending --run--> Pending"),
           "a start may fail for ever"),
    # restarting
    *wrong(CODE, RESTARTING, "what runs well is kept", rows("newest", "Running --probe_error--> ExitedBadly"),
           "a probe that cannot be made counts as failed"),
    *wrong(CODE, RESTARTING, "a sync leaves nothing dead that is to be restarted",
           free(r"publish_running\(dead", "image"), "a sync may end first: a back-off", "what has failed is restarted"),
    *wrong(CODE, RESTARTING, "a container is restarted while its node is cut off", needs("restart", "link", "Up"),
           "the master is asked", "what has failed is restarted"),
    *wrong(CODE, RESTARTING, "a change elsewhere makes a sync due", gone("any_change"), "only the period does"),
    *wrong(CODE, RESTARTING, "what has failed is restarted", rows("newest", "ExitedBadly --restart--> ExitedBadly"),
           "a restart may fail for ever"),
    *wrong(CODE, RESTARTING, "what has ended well is started again only on an error of the runtime",
           free("restart_ended", "runtime"), "it is started again as under Always"),
    *wrong(CODE, RESTARTING, "an error of the runtime starts what has ended well", gone("restart_ended"),
           "an error stops the sync"),
    *wrong(CODE, RESTARTING, "what had finished is created anew: its record was gone",
           needs("create", "past", "Unfinished"), "the kubelet remembers what has finished"),
    *wrong(CODE, RESTARTING, "a crash makes the kubelet forget an end that it has not written", deaf("crash"),
           "it keeps its memory on disk"),
    *wrong(CODE, RESTARTING, "the old instance is kept until it is collected",
           rows("old", "NoneKept --keep--> NoneKept"), "it is removed at once"),
    *wrong(CODE, RESTARTING, "a count is too low only after a restart of the kubelet",
           free(r"restart\(undercounted", "agent"), "it miscounts at any time"),
    *wrong(CODE, RESTARTING, "a count is too low", gone(r"restart\(undercounted"), "it counts what is there"),
    *wrong(CODE, RESTARTING, "what has been created is not started yet",
           rows("newest", "NoInstance --create--> Running"), "creating starts"),
    *wrong(CODE, RESTARTING, "a container has ended as its exit code says",
           rows("newest", "Running --exit_failure--> ExitedWell"), "the exit code is lost"),
    *wrong(CODE, RESTARTING, "a hook that fails ends the container", rows("newest", "Running --hook_failed--> Running"),
           "it is ignored"),
    *wrong(CODE, RESTARTING, "a pull that fails changes nothing",
           rows("newest", "ExitedBadly --pull_failed--> NoInstance"), "the dead instance is removed first"),
    *wrong(CODE, RESTARTING, "without its image a dead container shows as it ended", gone(r"publish_running\(dead"),
           "the status waits for the image"),
    *wrong(CODE, RESTARTING, "the status tells of the newest instance", free("publish_running$", "newest"),
           "a pod counts as running whatever it does", "a sync leaves nothing dead that is to be restarted",
           "what has failed is restarted"),
    *wrong(CODE, RESTARTING, "no state is set: nobody knows of the image", gone("publish_unset"), "it is missing then"),
    *wrong(CODE, RESTARTING, "the status stays while the runtime cannot be asked", free("publish_running$", "runtime"),
           "the last known containers are published again"),
    *wrong(CODE, RESTARTING, "the sandbox ends with the pod", gone("end_sandbox"), "it is left"),
    *wrong(CODE, RESTARTING, "the sandbox ends with the pod only", free("end_sandbox", "memory"), "it may end before"),
    # ending
    *wrong(CODE, ENDING, "a deletion takes the object away at once", rows("object", "Running --delete--> Running"),
           "it only marks the pod"),
    *wrong(CODE, ENDING, "a period of grace changes nothing", rows("object", "Running --delete_gracefully--> Running"),
           "the pod is there for a while, as in later releases"),
    *wrong(CODE, ENDING, "a pod is deleted with a period of grace", gone("delete_gracefully"), "it is refused"),
    *wrong(CODE, ENDING, "a deletion writes no phase", rows("object", "Running --delete--> GoneFailed"),
           "the pod counts as failed"),
    *wrong(CODE, ENDING, "a deletion records nothing", heard("delete$", told="record_killing"), "it records killing",
           "killing is recorded only by the kubelet that started the container",
           "the containers of a pod that is gone are stopped"),
    *wrong(CODE, ENDING, "nothing is stopped before every source has reported", free("ask_to_stop$", "sources"),
           "a kubelet that has just started kills all"),
    *wrong(CODE, ENDING, "killing is recorded only by the kubelet that started the container",
           heard(r"ask_to_stop\(adopted", told="record_killing"), "it always is"),
    *wrong(CODE, ENDING, "the kubelet that started a container records its killing", alone("ask_to_stop$", "told"),
           "it never is"),
    *wrong(CODE, ENDING, "a container is stopped by another run of the kubelet", gone(r"ask_to_stop\(adopted"),
           "it stops only its own", "the containers of a pod that is gone are stopped"),
    *wrong(CODE, ENDING, "no hook is run once a container is to stop",
           plus("pre_stop", {"hooks": "post_start"}, inside("member", "Stopping")), "PreStop is run"),
    *wrong(CODE, ENDING, "a write takes the end of a pod back", gone("write_(pending|running)"), "the API refuses it"),
    *wrong(CODE, ENDING, "the containers of a pod that is gone are stopped", gone("report"),
           "a source is silent for ever", "a container is stopped by another run of the kubelet"),
    # mirroring
    *wrong(CODE, MIRRORING, "the containers of a static pod stay when its mirror is deleted",
           heard("evict", static="exit_static"), "they are killed"),
    *wrong(CODE, MIRRORING, "no phase is published without a mirror", alone("evict", "shownphase"),
           "the phase is left behind", "a mirror is made anew once the kubelet can"),
    *wrong(CODE, MIRRORING, "a new mirror is Pending, and so is one whose containers start",
           rows("shownphase", "Nothing --new_object--> Running"), "it is made with the phase that it had"),
    *wrong(CODE, MIRRORING, "a mirror goes back to Pending", gone("show_pending"), "once Running, always Running"),
    *wrong(CODE, MIRRORING, "a mirror is deleted when its node is lost", gone("evict"), "mirrors are spared"),
    *wrong(CODE, MIRRORING, "a mirror is made anew once the kubelet can", gone("make_mirror"),
           "it is made only once", "a mirror is deleted when its node is lost", "a mirror goes back to Pending",
           "a pod is cut off while it is listed"),
    *wrong(CODE, MIRRORING, "endpoints go on listing a pod that is cut off",
           plus("unlist_lost", {"endpoint": "unlist_pod"}, inside("link", "Cut")), "the endpoints look at the node"),
    *wrong(CODE, MIRRORING, "a pod is cut off while it is listed", gone("list_pod"), "static pods are not listed"),
    # recording
    *wrong(CODE, RECORDING, "online is recorded only if Ready was stored as anything but True",
           free(r"post_ready\(online", "Ready"), "every heartbeat records it"),
    *wrong(CODE, RECORDING, "whenever it was, online is recorded", free("post_ready$", "Ready"), "it may be left out"),
    *wrong(CODE, RECORDING, "online is recorded though the node is not ready",
           needs_not(r"post_not_ready\(online", "Ready", "False"), "it is recorded once"),
    *wrong(CODE, RECORDING, "an event like an earlier one is merged with it", rows("stored", "Once --write--> Once"),
           "it is written anew"),
    *wrong(CODE, RECORDING, "an event is lost", gone("drop"), "each one arrives"),
    *wrong(CODE, RECORDING, "an event that is not lost is written", gone("write$"), "none arrives"),
]  # fmt: skip


def kind(name: str) -> str:
    """A property's name without the container that it is stated for."""
    return re.sub(r"^p\d+c\d+: ", "", name)


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_a_wrong_situation_is_noticed_by_its_property_and_no_other(case: Wrong) -> None:
    """And its counterexample replays on the plain semantics."""
    right = named(case.profile, case.situation)
    changed = replace(right, network=case.edit(right.network))
    done = verify_situation(changed)
    violated = [verdict for verdict in done.verdicts if not verdict.holds]
    assert {kind(verdict.property.name) for verdict in violated} == {case.noticed_by, *case.also}
    assert not done.holds
    for verdict in violated:
        if isinstance(verdict.property, Sometimes | SometimesStep):
            assert verdict.path is None
        else:
            assert verdict.path is not None
            assert replay(changed.network, verdict.path)
        if isinstance(verdict.property, Eventually):
            assert verdict.loop


@pytest.mark.parametrize(("profile", "one"), EVERY)
def test_every_property_has_a_wrong_situation(profile: Profile, one: Situation) -> None:
    stated = {kind(prop.name) for prop in one.properties}
    noticed = {case.noticed_by for case in WRONG if (case.profile, case.situation) == (profile.name, one.name)}
    assert stated - noticed == set()
    assert noticed - stated == set()


def test_a_row_names_its_rules() -> None:
    """Rows that are made by a formula, too."""
    assert all(
        isinstance(row, Row) and row.rules
        for profile in PROFILES.values()
        for part in profile.parts.values()
        for row in part.rows
    )
