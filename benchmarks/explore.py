"""Exploring a network of pods: against SPIN, side by side, and against stepping the same table through two libraries.

SPIN is run as `spin -a`, `gcc -O3 -DSAFETY -DNOREDUCE`, on a model of one process whose options are the moves of the
network (`benchmarks/promela.py`). Only the time that its verifier needs counts, not generating and compiling it; ours
is all that follows the network's tables, cutting it into blocks included. Rounds alternate; medians are compared. It
fails if the two do not find the same states and transitions.
"""

from __future__ import annotations

import functools
import operator
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import statemachine
import transitions
from measure import COUNT, SECONDS, Table, of, say, times
from promela import promela

from model.cluster import Size, network
from model.lts import network as networks
from model.lts.fast import count
from model.lts.network import Compiled
from model.lts.table import Table as Lifecycle
from model.profiles import profile

SIZES = [Size("Never", pods=2, containers=2, nodes=2), Size("Always", pods=3, containers=2, nodes=1)]
"""2.3 million states, and 34 million."""

STEPS = 20_000
"""How many steps a library takes in a round."""


NETWORK = "pods × containers × nodes"


def shown(size: Size) -> str:
    return f"{size.policy}, {size.pods} × {size.containers} × {size.nodes}"


def compiled(size: Size) -> Compiled:
    return networks.compile(network(profile("seed"), size))


def built(size: Size, folder: Path) -> Callable[[], tuple[int, int, float]]:
    """SPIN's verifier of the network; called, it gives states, transitions and seconds."""
    (folder / "network.pml").write_text(promela(compiled(size)), encoding="utf-8")
    subprocess.run(["spin", "-a", "network.pml"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    source = (folder / "pan.c").read_text(encoding="latin-1")
    (folder / "pan.c").write_text(source.replace("%9.8g", "%9.15g"), encoding="latin-1")  # counts in full, not 3.2e+08
    options = ["-O3", "-DSAFETY", "-DNOREDUCE", "-w"]
    subprocess.run(["gcc", *options, "-o", "pan", "pan.c"], cwd=folder, check=True)

    def run() -> tuple[int, int, float]:
        begun = time.perf_counter()
        # A depth that it does not reach, and a hash table about as large as the states are many: enlarging costs time.
        said = subprocess.run(["./pan", "-m5000000", "-w25"], cwd=folder, check=True, capture_output=True, text=True)
        took = time.perf_counter() - begun
        numbers = {word: int(n) for n, word in re.findall(r"(\d+) (?:states, )?(stored|matched|errors)", said.stdout)}
        if "errors: 0" not in said.stdout or "max search depth too small" in said.stdout:
            sys.exit(f"SPIN did not finish:\n{said.stdout}")
        # SPIN counts the initial state as stored, though no transition led to it.
        return numbers["stored"], numbers["stored"] + numbers["matched"] - 1, took

    return run


def check_spin() -> str:
    """Which SPIN there is. Ends the run if there is none."""
    if not (shutil.which("spin") and shutil.which("gcc")):
        sys.exit("SPIN and gcc are needed: apt-get install spin gcc")
    said = subprocess.run(["spin", "-V"], check=True, capture_output=True, text=True).stdout
    return said.split("--")[0].strip()


def spin_table(sizes: list[Size], rounds: int) -> Table:
    """The same states and transitions by SPIN and by us."""
    version, rows = check_spin(), []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            spin, cut = built(size, Path(folder)), compiled(size)
            count(cut, way="bits")  # loads the compiled code
            theirs, ours = [], []
            for number in range(1, rounds + 1):
                states, edges, took = spin()
                found = count(cut)
                if (states, edges) != (found.states, found.transitions):
                    sys.exit(f"{shown(size)}: SPIN finds {states:,} states and {edges:,} transitions, we find {found}")
                theirs.append(took)
                ours.append(found.seconds)
                say(f"exploring, round {number}: {shown(size)}: SPIN {took:.2f} s, ours {found.seconds:.3f} s")
        slow, fast = statistics.median(theirs), statistics.median(ours)
        rows.append({NETWORK: shown(size), "states": states, "transitions": edges, "SPIN": slow, "kubephase": fast,
                     "SPIN / kubephase": slow / fast})  # fmt: skip
    return Table(
        "Exploring, beside SPIN",
        f"{version}, `-O3 -DSAFETY -DNOREDUCE`, on one core; kubephase visits every state (`model.lts.fast`), on all "
        f"cores. Both must find the same states and transitions. {of(rounds)}, in turns.",
        {NETWORK: str, "states": COUNT, "transitions": COUNT, "SPIN": SECONDS, "kubephase": SECONDS,
         "SPIN / kubephase": times},
        rows,
    )  # fmt: skip


# --- stepping the same table through libraries ----------------------------------------------------------------------


def walk(table: Lifecycle, steps: int) -> list[str]:
    """The events of a random walk through a deterministic table."""
    choose, state, events = random.Random(0), table.initial, []
    for _ in range(steps):
        row = choose.choice([row for row in table.rows if row.source == state and row.event != "kill"])
        events.append(row.event)
        state = row.target
    return events


def with_transitions(table: Lifecycle) -> Callable[[str], object]:
    machine = transitions.Machine(states=list(table.states), initial=table.initial, auto_transitions=False)
    for row in table.rows:
        machine.add_transition(row.event, row.source, row.target)
    return machine.trigger


def with_statemachine(table: Lifecycle) -> Callable[[str], object]:
    sources = {row.source for row in table.rows}
    states = {s: statemachine.State(initial=s == table.initial, final=s not in sources) for s in table.states}
    events = {
        event: functools.reduce(
            operator.or_, (states[r.source].to(states[r.target]) for r in table.rows if r.event == event)
        )
        for event in table.events
    }
    return type("Stepped", (statemachine.StateMachine,), {**states, **events})().send


def stepping_table(size: Size, rounds: int) -> Table:
    """Transitions per second by each library, and by exploring a network of the same tables."""
    table = profile("seed").containers["Always"]
    events, big = walk(table, STEPS), compiled(size)
    rates: dict[str, list[float]] = {}
    count(big, way="bits")  # loads the compiled code
    for number in range(1, rounds + 1):
        for name, start in (("`transitions`", with_transitions), ("`python-statemachine`", with_statemachine)):
            fire = start(table)
            begun = time.perf_counter()
            for event in events:
                fire(event)
            rates.setdefault(name, []).append(len(events) / (time.perf_counter() - begun))
        found = count(big)
        rates.setdefault("kubephase, exploring", []).append(found.transitions / found.seconds)
        say(f"stepping, round {number}: {', '.join(f'{name} {rate[-1]:,.0f}/s' for name, rate in rates.items())}")
    medians = {name: statistics.median(measured) for name, measured in rates.items()}
    best = max(medians.values())
    return Table(
        "Exploring, beside stepping the same table",
        f"A random walk of {STEPS:,} steps through the table of a container under Always, by the libraries. What is "
        f"explored is {shown(size)} ({NETWORK}), made of this table and others. {of(rounds)}, in turns.",
        {"by": str, "transitions per second": COUNT, "exploring is faster": times},
        [
            {
                "by": name,
                "transitions per second": round(rate),
                **({"exploring is faster": best / rate} if rate < best else {}),
            }
            for name, rate in medians.items()
        ],
    )
