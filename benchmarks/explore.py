"""Exploring a network of pods: against SPIN, side by side, and against stepping the same table through two libraries.

make benchmark

SPIN is run as `spin -a`, `gcc -O3 -DSAFETY -DNOREDUCE`, on a model of one process whose options are the moves of the
network (`benchmarks/promela.py`). Only the time that its verifier needs counts, not generating and compiling it; ours
is all that follows the network's tables, cutting it into blocks included. Rounds alternate; medians are compared. It
fails if the two do not find the same states and transitions.
"""

from __future__ import annotations

import functools
import operator
import os
import platform
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

import click
import statemachine
import transitions
from promela import promela
from tabulate import tabulate

from model.cluster import Size, alike, network
from model.lts import network as networks
from model.lts.fast import count
from model.lts.network import Compiled
from model.lts.table import Table
from model.profiles import profile

SIZES = [Size("Never", pods=2, containers=2, nodes=2), Size("Always", pods=3, containers=2, nodes=1)]
"""2.3 million states, and 34 million."""

GROWTH = [
    Size("Always", pods, containers, nodes)
    for pods, containers, nodes in [
        (1, 1, 1), (2, 1, 1), (3, 1, 1), (4, 1, 1), (1, 2, 1), (1, 3, 1), (1, 4, 1), (1, 5, 1), (1, 1, 2), (1, 1, 3),
        (1, 1, 4), (2, 2, 1), (3, 2, 1), (2, 2, 2),
    ]
]  # fmt: skip
ROUNDS = 3


def shown(size: Size) -> str:
    return f"{size.policy}, pods × containers × nodes: {size.pods} × {size.containers} × {size.nodes}"


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


def against_spin(rounds: int) -> list[list[object]]:
    rows = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            spin, ours, cut = built(size, Path(folder)), [], compiled(size)
            theirs = []
            for _ in range(rounds):
                states, edges, took = spin()
                found = count(cut)
                if (states, edges) != (found.states, found.transitions):
                    sys.exit(f"{shown(size)}: SPIN finds {states:,} states and {edges:,} transitions, we find {found}")
                theirs.append(took)
                ours.append(found.seconds)
                click.echo(f"  {shown(size)}: SPIN {took:.2f} s, ours {found.seconds:.3f} s", err=True)
        slow, fast = statistics.median(theirs), statistics.median(ours)
        rows.append(
            [shown(size), f"{states:,}", f"{edges:,}", f"{slow:.1f} s", f"{fast:.2f} s", f"{slow / fast:.0f} ×"]
        )
    return rows


def growing() -> list[list[object]]:
    """What one more pod, container or node costs; and how many states are left when what is alike is counted once."""
    rows = []
    for size in GROWTH:
        cut = compiled(size)
        found, reduced = count(cut), count(cut, alike=alike(size))
        assert (found.states, found.transitions, found.depth) == (reduced.states, reduced.transitions, reduced.depth)
        rows.append([
            size.pods, size.containers, size.nodes, f"{found.states:,}", f"{found.transitions:,}", found.depth,
            found.way, f"{found.seconds:.2f} s", f"{reduced.classes:,}", f"{reduced.seconds:.2f} s",
        ])  # fmt: skip
    return rows


# --- stepping the same table through libraries ----------------------------------------------------------------------


def walk(table: Table, steps: int) -> list[str]:
    """The events of a random walk through a deterministic table."""
    choose, state, events = random.Random(0), table.initial, []
    for _ in range(steps):
        row = choose.choice([row for row in table.rows if row.source == state and row.event != "kill"])
        events.append(row.event)
        state = row.target
    return events


def with_transitions(table: Table) -> Callable[[str], object]:
    machine = transitions.Machine(states=list(table.states), initial=table.initial, auto_transitions=False)
    for row in table.rows:
        machine.add_transition(row.event, row.source, row.target)
    return machine.trigger


def with_statemachine(table: Table) -> Callable[[str], object]:
    sources = {row.source for row in table.rows}
    states = {s: statemachine.State(initial=s == table.initial, final=s not in sources) for s in table.states}
    events = {
        event: functools.reduce(
            operator.or_, (states[r.source].to(states[r.target]) for r in table.rows if r.event == event)
        )
        for event in table.events
    }
    return type("Stepped", (statemachine.StateMachine,), {**states, **events})().send


def stepping(rounds: int) -> list[list[object]]:
    table = profile("seed").containers["Always"]
    events = walk(table, 20_000)
    big = compiled(SIZES[-1])
    rates: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, start in (("transitions", with_transitions), ("python-statemachine", with_statemachine)):
            fire = start(table)
            begun = time.perf_counter()
            for event in events:
                fire(event)
            rates.setdefault(name, []).append(len(events) / (time.perf_counter() - begun))
        found = count(big)
        rates.setdefault("exploring", []).append(found.transitions / found.seconds)
    medians = {name: statistics.median(measured) for name, measured in rates.items()}
    return [[name, f"{rate:,.0f}", f"{medians['exploring'] / rate:,.0f} ×"] for name, rate in medians.items()]


@click.command()
@click.option("--rounds", default=ROUNDS, show_default=True, help="How often each is measured.")
def main(rounds: int) -> None:
    """Print the tables that the README quotes."""
    if not (shutil.which("spin") and shutil.which("gcc")):
        sys.exit("SPIN and gcc are needed: apt-get install spin gcc")
    version = subprocess.run(["spin", "-V"], check=True, capture_output=True, text=True).stdout.split("--")[0].strip()
    click.echo(
        f"{version}; Python {platform.python_version()}; {os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}\n"
    )
    for size in SIZES:
        count(compiled(size), way="bits")  # loads the compiled code
    head = ["network", "states", "transitions", "SPIN", "kubephase", "ratio"]
    click.echo(tabulate(against_spin(rounds), head, tablefmt="github") + "\n")
    head = ["one table's step", "transitions per second", "exploring is"]
    click.echo(tabulate(stepping(rounds), head, tablefmt="github") + "\n")
    head = ["pods", "containers", "nodes", "states", "transitions", "depth", "way", "time", "not alike", "time"]
    click.echo(tabulate(growing(), head, tablefmt="github"))


if __name__ == "__main__":
    main()
