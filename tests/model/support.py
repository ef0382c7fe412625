"""What several tests need: tables from arrows, references as text, and a plain exploration to compare with."""

from __future__ import annotations

import functools
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.lts import network as networks
from model.lts.explore import Exploration, explore
from model.lts.network import Network, Vector
from model.lts.table import Refused, Row, Table

DATA = Path(__file__).parent.parent / "data"

State = tuple[str, ...]
Step = tuple[State, str, State]


@functools.cache
def reference(name: str) -> str:
    """A reference document that rules quote."""
    return (DATA / name).read_text(encoding="utf-8")


def arrow(text: str, *rules: str) -> Row:
    """A row from its own printed form, ``a --go--> b``."""
    source, _, rest = text.partition(" --")
    event, _, target = rest.partition("--> ")
    return Row(source, event, target, rules or ("some.rule",))


def table(*arrows: str, name: str = "tiny", initial: str | None = None) -> Table:
    """A table from arrows; its states in order of appearance, the first one initial."""
    rows = tuple(arrow(text) for text in arrows)
    states = tuple(dict.fromkeys(state for row in rows for state in (row.source, row.target)))
    return Table(name, states, initial or states[0], rows)


def alone(machine: Table) -> Network:
    """A network of one component ``m``, whose vectors are named like its events."""
    return Network(machine.name, {"m": machine}, tuple(Vector(event, {"m": event}) for event in machine.events))


def explored(network: Network) -> Exploration:
    return explore(networks.compile(network))


@dataclass(frozen=True)
class Plain:
    """What a plain breadth-first search over `Network.fire` finds: distances by state, and how often each step."""

    distance: dict[State, int]
    steps: Counter[Step]


def plain(network: Network) -> Plain:
    """Every reachable state by `Network.fire` alone; what is enabled is read off the message of a refusal."""
    names = tuple(network.components)

    def key(state: Mapping[str, str]) -> State:
        return tuple(state[name] for name in names)

    start = network.initial()
    distance, steps, level = {key(start): 0}, Counter[Step](), [start]
    while level:
        further = []
        for state in level:
            for vector in enabled(network, state):
                for after in network.fire(state, vector):
                    steps[key(state), vector, key(after)] += 1
                    if key(after) not in distance:
                        distance[key(after)] = distance[key(state)] + 1
                        further.append(after)
        level = further
    return Plain(distance, steps)


def enabled(network: Network, state: Mapping[str, str]) -> tuple[str, ...]:
    """The vectors that ``state`` does not refuse."""
    try:
        network.fire(state, "no such vector")
    except Refused as refused:
        return refused.allowed
    raise AssertionError("a vector that does not exist was not refused")


def replay(network: Network, path: Sequence[str]) -> list[dict[str, str]]:
    """The states that firing ``path`` from the initial state may end in. Raises AssertionError where nothing fires."""
    states = [network.initial()]
    for name in path:
        further: dict[State, dict[str, str]] = {}
        for state in states:
            try:
                fired = network.fire(state, name)
            except Refused:
                continue
            further |= {tuple(after.values()): after for after in fired}
        assert further, f"{name} of {path} is refused in {states}"
        states = list(further.values())
    return states


def refuses(call: Callable[[], object]) -> Refused:
    """The refusal that ``call`` ends in."""
    try:
        call()
    except Refused as refused:
        return refused
    raise AssertionError("not refused")


def random_table(rng: random.Random, name: str, states: int, events: Sequence[str], rows: int) -> Table:
    """A table with at most that many states, all reachable; often nondeterministic."""
    drawn = {(f"s{rng.randrange(states)}", rng.choice(events), f"s{rng.randrange(states)}") for _ in range(rows)} | {
        ("s0", events[0], f"s{states - 1}")
    }
    reached, before = {"s0"}, 0
    while len(reached) > before:
        before = len(reached)
        reached |= {target for source, _, target in drawn if source in reached}
    kept = tuple(Row(*row, ("some.rule",)) for row in sorted(drawn) if row[0] in reached)
    return Table(name, tuple(sorted(reached)), "s0", kept)
