"""The command: verify, conform, faults, soak, trace, draw, report, rules, export. Argument parsing and printing only.

Exit codes: 0 what was looked at holds, 1 it does not hold (or cannot be said), 2 wrong usage or bad input.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from tabulate import tabulate

from conformance import (
    coverage,
    deviations,
    noderecord,
    recordings,
    references,
    report,
    runner,
    smoke,
    story,
    trial,
    vectors,
    workers,
)
from conformance.history import as_dict
from conformance.judge import DELIVERY, WINDOW, Judgement, judge, judge_lines
from conformance.opening import HEAD, name_of, opened, uncompressed
from conformance.runner import Outcome, Settings
from conformance.runs import BadReport, Run, of_histories
from conformance.runs import read as read_runs
from conformance.runtime import Measures
from conformance.scenario import selected
from conformance.verdict import SIGN, Verdict, exit_code, worst
from conformance.wording import message, named
from model import actors, registry
from model.cluster import Size
from model.cluster import network as cluster_network
from model.container import POLICIES
from model.lts.bisimulation import of_exploration
from model.lts.explore import TooLarge, explore
from model.lts.export.aut import aut
from model.lts.export.promela import promela
from model.lts.export.tla import configuration, tla
from model.lts.network import Network, alone
from model.lts.network import compile as compile_network
from model.lts.parts import NotComposed
from model.lts.properties import Property
from model.lts.properties import Verdict as PropertyVerdict
from model.profiles import PROFILES, Profile, UnknownProfile
from model.profiles import profile as profile_of
from model.properties import properties
from model.situations import situations
from model.verify import Situated, Verified, verify_situation
from model.verify import verify as verify_model

STDERR = Console(stderr=True)

T = TypeVar("T")


class BadInput(click.ClickException):
    """Wrong usage or bad input: exit code 2, one clear message."""

    exit_code = 2

    def show(self, file: Any = None) -> None:  # noqa: ARG002 - click's signature
        """Print the message."""
        click.echo(f"kubephase: {self.format_message()}", err=True)


class _Profile(click.ParamType[Profile]):
    name = "profile"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Profile:
        try:
            return value if isinstance(value, Profile) else profile_of(value)
        except UnknownProfile as error:
            self.fail(str(error), param, ctx)


class _Engine(click.ParamType[str]):
    name = "engine"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        engine, equals, address = str(value).partition("=")
        if engine != "dask" or bool(equals) != bool(address):
            self.fail(f"{value!r}: expected dask, or dask=ADDRESS, such as dask=tcp://scheduler:8786", param, ctx)
        return str(value)


PROFILE_OPTION = click.option(
    "--profile",
    "profile",
    type=_Profile(),
    default="seed",
    show_default=True,
    metavar="P",
    help=f"Reading of the lifecycle: {', '.join(PROFILES)}.",
)
JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(runner.VERSION, prog_name="kubephase")
def cli() -> None:
    """How Kubernetes nodes and pods live and die: a specification that runs, and a suite for any runtime."""


# --- verify ---------------------------------------------------------------------------------------------------------


@cli.command(
    epilog="Example: kubephase verify --policy Never --containers 4. "
    "A whole cluster: kubephase verify --nodes 3 --pods 4 --containers 2. "
    "With pictures of what is violated: kubephase verify --nodes 1 --sequence out"
)
@PROFILE_OPTION
@click.option(
    "--policy", type=click.Choice([*POLICIES, "all"]), default="all", show_default=True, help="Restart policy."
)
@click.option("--pods", type=click.IntRange(1, 99), default=1, show_default=True, help="Pods in the network.")
@click.option("--containers", type=click.IntRange(1, 99), default=2, show_default=True, help="Containers per pod.")
@click.option("--nodes", type=click.IntRange(0, 99), default=0, show_default=True, help="Nodes; 0 studies pods alone.")
@click.option(
    "--max-states",
    type=click.IntRange(1),
    default=5_000_000,
    show_default=True,
    help="Give up when so many have been visited.",
)
@click.option(
    "--no-symmetry",
    is_flag=True,
    help="Visit every state of all pods, not those of one pod among the nodes, and count each for itself.",
)
@click.option(
    "--sequence",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write each counterexample there as a sequence diagram (Mermaid): POLICY-PROPERTY.mmd.",
)
@JSON_OPTION
def verify(
    profile: Profile, policy: str, pods: int, containers: int, nodes: int, max_states: int, no_symmetry: bool,
    folder: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Explore the model exhaustively, check its properties, prove that the containers refine the pod's phases.

    Pods share nothing but nodes. So one pod among the nodes is visited, and the states of all pods are counted: those
    that differ only by an exchange of pods, containers or nodes once (states), and each for itself (stand for).
    """
    begun = time.perf_counter()
    sizes = [Size(name, pods, containers, nodes) for name in (POLICIES if policy == "all" else (policy,))]
    try:
        with status(f"verifying {profile.name}") as say:
            runs = [verify_model(profile, size, max_states, say, symmetry=not no_symmetry) for size in sizes]
            situated = [verify_situation(situation, progress=say) for situation in situations(profile)]
    except (TooLarge, NotComposed) as error:
        raise BadInput(str(error)) from error
    seconds = time.perf_counter() - begun
    data = verified_data(profile, runs, seconds, situated)
    if folder:
        violated = [prop for prop in data["properties"] if prop["verdict"] == "violated"]
        for prop, path in zip(violated, _write_sequences(folder, map(_counterexample(profile), violated)), strict=True):
            prop["sequence"] = str(path)
    if as_json:
        click.echo(json.dumps(data, ensure_ascii=False, indent=2))
    else:
        click.echo(verified_text(data))
        if folder and data["holds"]:
            click.echo("no sequence diagrams: nothing is violated")
    sys.exit(0 if data["holds"] else 1)


def _counterexample(profile: Profile) -> Callable[[dict[str, Any]], tuple[str, str]]:
    """Name and text of the sequence diagram of a violated property (an entry of `verified_data`)."""
    from diagrams.sequence import mermaid

    def draw(prop: dict[str, Any]) -> tuple[str, str]:
        steps = actors.counterexample(
            profile.name, prop["name"], prop["rules"], prop["path"], prop["loop"], prop.get("step"),
            prop.get("situation", ""),
        )  # fmt: skip
        of = prop.get("policy") or prop["situation"]
        return f"{of}-{prop['name']}", mermaid(f"{profile.name} {of}: {prop['name']}", steps)

    return draw


def _write_sequences(folder: Path, diagrams: Iterable[tuple[str, str]]) -> list[Path]:
    """Write diagrams of a name and a text; no folder where there are none."""
    from diagrams.sequence import write

    try:
        return write(folder, diagrams)
    except OSError as error:
        raise BadInput(f"{folder}: {error.strerror or error}") from error


def verified_data(
    profile: Profile, runs: list[Verified], seconds: float, situated: Sequence[Situated] = ()
) -> dict[str, Any]:
    """The outcome of a verification as JSON types. ``states`` (like ones once), what they stand for and ``transitions``
    (each for itself): sums over the policies; ``depth``: the greatest, null where only one of several pods was visited;
    ``peak_memory``: of the process, in bytes. Those of the situations stand with each of them."""
    return {
        "profile": profile.name,
        "symmetry": all(run.symmetry for run in runs),
        "states": sum(run.counted.states for run in runs),
        "stands_for": sum(run.counted.stands_for for run in runs),
        "transitions": sum(run.counted.transitions for run in runs),
        "depth": max(depths) if (depths := [run.depth for run in runs if run.depth is not None]) else None,
        "seconds": round(seconds, 3),
        "peak_memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "holds": all(run.holds for run in runs) and all(one.holds for one in situated),
        "properties": [
            {"policy": run.size.policy, **_property_data(verdict)} for run in runs for verdict in run.verdicts
        ]
        + [{"situation": one.situation.name, **_property_data(verdict)} for one in situated for verdict in one.verdicts]
        + [
            {
                "policy": run.size.policy,
                "name": f"{count} containers refine the phase machine",
                "kind": "refinement",
                "rules": [],
                "verdict": "holds" if found.holds else "violated",
                "path": list(found.path) if found.path is not None else None,
                "loop": [],
                "step": found.step,
            }
            for run in runs
            for count, found in run.refinements.items()
        ],
        "runs": [
            {
                "policy": run.size.policy,
                "pods": run.size.pods,
                "containers": run.size.containers,
                "nodes": run.size.nodes,
                "states": run.counted.states,
                "stands_for": run.counted.stands_for,
                "transitions": run.counted.transitions,
                "visited": run.visited,
                "depth": run.depth,
                "seconds": round(run.seconds, 3),
                "holds": run.holds,
            }
            for run in runs
        ],
        "situations": [
            {
                "situation": one.situation.name,
                "summary": one.situation.summary,
                "states": len(one.exploration.states),
                "transitions": len(one.exploration.source),
                "depth": one.exploration.depth,
                "seconds": round(one.exploration.seconds, 3),
                "holds": one.holds,
            }
            for one in situated
        ],
    }


def _property_data(verdict: PropertyVerdict) -> dict[str, Any]:
    return {
        "name": verdict.property.name,
        "kind": verdict.property.kind,
        "rules": list(verdict.property.rules),
        "verdict": "holds" if verdict.holds else "violated",
        "path": list(verdict.path) if verdict.path is not None else None,
        "loop": list(verdict.loop),
    }


SIZE_COLUMNS = ("policy", "pods", "containers", "nodes")
COUNT_COLUMNS = {
    "states": "states",
    "stands_for": "stand for",
    "transitions": "transitions",
    "depth": "depth",
    "visited": "visited",
}


def verified_text(data: dict[str, Any]) -> str:
    """The same for people: sizes, then each kind of property, then counterexamples."""

    def counts(of: dict[str, Any], columns: Iterable[str]) -> list[str]:
        return ["·" if of[column] is None else f"{of[column]:,}" for column in columns]

    lines = [
        tabulate(
            [[*(r[k] for k in SIZE_COLUMNS), *counts(r, COUNT_COLUMNS)] for r in data["runs"]],
            (*SIZE_COLUMNS, *COUNT_COLUMNS.values()),
            tablefmt="simple_outline", disable_numparse=True, colalign=("left", *["right"] * 8),
        )
    ]  # fmt: skip
    if data["symmetry"]:
        lines.append("states: those that differ only by an exchange of pods, containers or nodes are one;")
        lines.append("what they stand for, and transitions, are counted one by one (--no-symmetry visits them all)")
    if data["situations"]:
        plain = ("states", "transitions", "depth")
        lines.append(
            tabulate(
                [[s["situation"], s["summary"], *counts(s, plain)] for s in data["situations"]],
                ("situation", "what it is", *plain),
                tablefmt="simple_outline", disable_numparse=True, maxcolwidths=[None, 60, *[None] * 3],
                colalign=("left", "left", *["right"] * 3),
            )
        )  # fmt: skip
    for kind in ("always", "sometimes", "eventually", "refinement"):
        of_kind = [p for p in data["properties"] if p["kind"] == kind]
        held = sum(p["verdict"] == "holds" for p in of_kind)
        if of_kind:
            lines.append(f"{sign(held == len(of_kind))} {kind}: {held} of {len(of_kind)} hold")
    for prop in data["properties"]:
        if prop["verdict"] == "violated":
            where = prop.get("policy") or prop["situation"]
            lines.append(f"{SIGN[Verdict.FAIL]} {where}: {prop['name']}  [{', '.join(prop['rules'])}]")
            lines.append(f"    path: {' → '.join(prop['path'] or []) or 'none: nothing of the kind can be reached'}")
            lines += [f"    then for ever: {', '.join(prop['loop'])}"] if prop["loop"] else []
            lines += [f"    which is: {prop['step']}"] if prop.get("step") else []
            lines += [f"    sequence: {prop['sequence']}"] if "sequence" in prop else []
    cost = f"{data['seconds']} s, {data['peak_memory'] / 2**20:,.0f} MiB at the most"
    lines.append(f"profile {data['profile']} {'holds' if data['holds'] else 'does not hold'} ({cost})")
    return "\n".join(lines)


# --- conform --------------------------------------------------------------------------------------------------------


@cli.command(epilog="Example: kubephase conform --runtime path/to/mine.py:MyRuntime --select pod.restart --report out")
@click.option(
    "--runtime",
    "spec",
    default="simulator",
    show_default=True,
    metavar="NAME|module:Class|path.py:Class",
    help="Runtime to judge.",
)
@PROFILE_OPTION
@click.option(
    "--select",
    "prefixes",
    multiple=True,
    metavar="PREFIX",
    help="Only scenarios that check rules under this id (may be repeated).",
)
@click.option(
    "--report",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write report.jsonl, coverage.json, junit.xml and the histories there.",
)
@click.option(
    "--docker-host",
    "docker_hosts",
    multiple=True,
    metavar="URL",
    help="An engine for the runtime docker, tcp://… or unix://… (may be repeated: each is a node).",
)
@click.option("--image", metavar="NAME", help="An image that the engines have; without one it is made here.")
@click.option("--floor", "with_floor", is_flag=True, help="Measure, too, how long the bare containers take.")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Seed of the run.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=runner.JOBS,
    show_default=True,
    metavar="N",
    help="Scenarios side by side.",
)
@click.option(
    "--deadline",
    type=click.FloatRange(0, min_open=True),
    default=300.0,
    show_default=True,
    metavar="S",
    help="Seconds of the runtime's clock to wait for each goal.",
)
@click.option(
    "--limit",
    type=click.FloatRange(0, min_open=True),
    default=900.0,
    show_default=True,
    metavar="S",
    help="Seconds of wall time after which a scenario is left behind.",
)
@click.option("--fault", metavar="NAME", help="Run a deliberately wrong build of the runtime: the suite must notice.")
@click.option(
    "--deviations",
    "deviations_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Declared deviations of the runtime (TOML).",
)
@click.option("--list-faults", is_flag=True, help="List the wrong builds that the runtime offers.")
@click.option("--all", "hidden", is_flag=True, help="With --list-faults: also those that only kubephase explore finds.")
@click.option("--list", "list_only", is_flag=True, help="List the scenarios that would run, and their rules.")
@click.option("--smoke", "smoke_only", is_flag=True, help="Only check that the adapter works at all.")
@JSON_OPTION
def conform(
    spec: str, profile: Profile, prefixes: tuple[str, ...], folder: Path | None, docker_hosts: tuple[str, ...],
    image: str | None, with_floor: bool, seed: int, jobs: int, deadline: float, limit: float, fault: str | None,
    deviations_file: Path | None, list_faults: bool, hidden: bool, list_only: bool, smoke_only: bool, as_json: bool,
) -> None:  # fmt: skip
    """Run the conformance suite against a runtime."""
    try:
        scenarios = selected(profile.name, prefixes)
        found = runner.runtime_class(spec)
        if list_faults:
            _print_faults(found, hidden, as_json)
            return
        if list_only:
            _print_scenarios(profile, scenarios, as_json)
            return
        if not scenarios:
            raise BadInput(f"no scenario checks a rule of {profile.name} under {', '.join(prefixes)}")
        runtime = runner.start(found, fault, {"docker_hosts": docker_hosts, "image": image}, limit)
        about = runner.described(runtime, limit)
        declared = deviations.load(deviations_file) if deviations_file else []
        histories = _make_folder(folder / "histories") if folder else None
    except (registry.UnknownRule, runner.NoRuntime, deviations.BadDeviations) as error:
        raise BadInput(str(error)) from error
    settings = Settings(profile, seed, jobs, deadline, limit, histories)
    data = report.run_data(about, spec, settings, prefixes, fault)
    for note in data["notes"]:
        click.echo(f"kubephase: {note}", err=True)
    begun = time.perf_counter()
    seconds, floor = 0.0, None
    outcomes: list[Outcome] = []
    interrupted = False
    try:
        with interruptible() as interruption:
            first = smoke.smoke(runtime, settings, about)
            if smoke_only or first.verdict is Verdict.ERROR:
                _print_smoke(first, as_json)
                sys.exit(exit_code(first.verdict))
            with progress("conform", len(scenarios)) as advance:
                interruption.is_awaited = True
                for outcome in runner.run_all(runtime, scenarios, settings, interruption, about):
                    outcomes.append(outcome)
                    advance(f"{SIGN[outcome.verdict]} {outcome.scenario.id}")
            interruption.is_awaited = False
            interrupted = interruption.is_set()
            seconds = time.perf_counter() - begun
            floor = _floor(runtime, jobs) if with_floor and not interrupted else None
    except KeyboardInterrupt:
        interrupted = True
    finally:
        seconds = seconds or time.perf_counter() - begun
        if goodbye := runner.close(runtime, limit):
            click.echo(f"kubephase: {goodbye}", err=True)
    today = datetime.datetime.now(datetime.UTC).date()
    extra = [] if interrupted else deviations.complaints(outcomes, declared, profile.name, today)
    outcomes = sorted((deviations.excuse(o, declared, today) for o in outcomes), key=lambda o: o.scenario.id)
    verdict = worst([*(o.verdict for o in outcomes), *(j.verdict for j in extra), *[Verdict.ERROR] * bool(goodbye)])
    if interrupted and verdict is not Verdict.FAIL:
        verdict = Verdict.UNKNOWN
    end = report.end_data(outcomes, len(scenarios), verdict, seconds, extra, floor)
    if folder:
        try:
            report.write(folder, data, outcomes, end)
        except OSError as error:
            raise BadInput(f"{folder}: {error.strerror or error}") from error
    if as_json:
        click.echo(
            json.dumps(
                {
                    **data,
                    "results": [report.outcome_data(o) for o in outcomes],
                    "coverage": report.coverage_data(outcomes, profile.name),
                    "end": end,
                },
                ensure_ascii=False,
            )
        )
    else:
        _print_outcomes(data, outcomes, extra, end, folder)
    code = 1 if interrupted or verdict is Verdict.SKIP else exit_code(verdict)  # nothing was judged: it cannot be said
    sys.stdout.flush()
    if interrupted or any(runner.STUCK in reason for reason in (goodbye, *(o.reason for o in outcomes))):
        os._exit(code)  # an adapter that hangs must not keep the command from ending
    sys.exit(code)


def _floor(runtime: Any, jobs: int) -> float | None:
    """Seconds that the bare work of the run takes; None, and a message, if that cannot be measured."""
    if not isinstance(runtime, Measures):
        click.echo("kubephase: --floor: this runtime does no work beside the suite's", err=True)
        return None
    try:
        with status("measuring the bare containers"):
            return runner.in_time(lambda: runtime.floor(jobs), runner.LIMIT)
    except Exception as error:  # the report matters more
        click.echo(f"kubephase: --floor: {named(error)}", err=True)
        return None


def _make_folder(folder: Path) -> Path:
    """A folder for histories, without those of an earlier run."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.ndjson"):
            old.unlink()
    except OSError as error:
        raise BadInput(f"{folder}: {error.strerror}") from error
    return folder


def _print_faults(found: type[Any], hidden: bool, as_json: bool) -> None:
    faults = runner.faults_of(found, hidden)
    if as_json:
        click.echo(json.dumps(as_dict(faults), ensure_ascii=False))
    elif faults:
        click.echo(tabulate([(name, build.what) for name, build in faults.items()], ["fault", "what is wrong"]))
    else:
        click.echo("this runtime offers no faults")


def _print_scenarios(profile: Profile, scenarios: list[Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([{"id": s.id, "rules": s.rules(profile.name), "needs": s.needs} for s in scenarios]))
        return
    for s in scenarios:
        click.echo(f"{s.id}\n    checks: {', '.join(s.rules(profile.name))}")
        if s.needs:
            click.echo(f"    needs:  {', '.join(s.needs)}")
    click.echo(f"{len(scenarios)} scenarios for profile {profile.name}")


def _print_smoke(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"kind": "smoke", **report.outcome_data(outcome)}, ensure_ascii=False))
        return
    words = {
        Verdict.PASS: "the adapter works",
        Verdict.ERROR: "the adapter does not work; mend it before judging the runtime",
    }
    other = f"the adapter works, the runtime does not: {outcome.verdict}"
    click.echo(f"{SIGN[outcome.verdict]} smoke: {words.get(outcome.verdict, other)}")
    for line in report.told(outcome.judgement):
        click.echo(line)


def _print_outcomes(
    data: dict[str, Any], outcomes: list[Outcome], extra: list[Judgement], end: dict[str, Any], folder: Path | None
) -> None:
    click.echo(f"{data['runtime_name']} {data['runtime_version']} under profile {data['profile']}, seed {data['seed']}")
    click.echo(report.summary(outcomes))
    for outcome in outcomes:
        if outcome.verdict is Verdict.DISABLED:
            click.echo(f"{SIGN[outcome.verdict]} {outcome.scenario.id}: {outcome.reason}")
        elif outcome.verdict not in (Verdict.PASS, Verdict.SKIP):
            click.echo(f"{SIGN[outcome.verdict]} {outcome.scenario.id}")
            for line in report.told(outcome.judgement, limit=5):
                click.echo(line)
            if outcome.history:
                click.echo(f"      judge again: kubephase trace --profile {data['profile']} {outcome.history}")
    skipped = [o for o in outcomes if o.verdict is Verdict.SKIP]
    for reason in sorted({o.reason for o in skipped}):
        names = dict.fromkeys(f"{o.scenario.section}/{o.scenario.name}" for o in skipped if o.reason == reason)
        click.echo(f"{SIGN[Verdict.SKIP]} skipped, {reason}: {', '.join(names)}")
    for judgement in extra:
        click.echo(f"{SIGN[Verdict.FAIL]} {judgement.name}: {judgement.findings[0].reason}")
    if any(o.judgement.coverage for o in outcomes):
        covered = coverage.merged(o.judgement.coverage for o in outcomes)
        click.echo(coverage.table(PROFILES[data["profile"]], covered))
    if end["interrupted"]:
        click.echo(f"interrupted: {end['scenarios']} of {end['planned']} scenarios were run")
    click.echo(f"verdict: {end['verdict']} ({end['scenarios']} scenarios, {end['seconds']} s)")
    if end["floor"]:
        ratio = end["seconds"] / end["floor"]
        click.echo(f"floor: the bare containers took {end['floor']} s; the run took {ratio:.2f} times that")
    if folder:
        click.echo(f"report: {folder / 'report.jsonl'}, {folder / 'junit.xml'}, {folder / 'histories'}")
        click.echo(f"        {folder / 'coverage.json'}; as a page: kubephase report {folder}")


# --- faults and soak ------------------------------------------------------------------------------------------------

RUNTIME_OPTION = click.option(
    "--runtime",
    "spec",
    default="simulator",
    show_default=True,
    metavar="NAME|module:Class|path.py:Class",
    help="Runtime whose builds are tried.",
)
SEED_OPTION = click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Seed of the first run.")
PROCESSES_OPTION = click.option(
    "--jobs",
    type=click.IntRange(1),
    default=os.cpu_count() or 1,
    show_default="one per processor",
    metavar="N",
    help="Processes side by side.",
)
ONE_PROFILE_OPTION = click.option("--profile", "profile", type=_Profile(), metavar="P", help="Only this profile.")


@cli.command(epilog="Example: kubephase faults moves-pods gives-up-half-way. All of them: kubephase faults")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@RUNTIME_OPTION
@ONE_PROFILE_OPTION
@SEED_OPTION
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=trial.SEEDS,
    show_default=True,
    metavar="N",
    help="Runs that each gets at the most: some errors take an unlucky moment.",
)
@PROCESSES_OPTION
@JSON_OPTION
def faults(
    names: tuple[str, ...], spec: str, profile: Profile | None, seed: int, seeds: int, jobs: int, as_json: bool
) -> None:
    """Try the suite: does it find every deliberately wrong build of a runtime?

    Each is run until a scenario fails by a rule of its topic, under each profile under which it is wrong. Failed only
    by other rules (by accident), or without proof (unknown), it counts as missed. Exit code 1 if any is missed.
    """
    begun = time.perf_counter()
    try:
        total, found = trial.trials(spec, names, profile.name if profile else None, jobs, seed, seeds)
    except runner.NoRuntime as error:
        raise BadInput(str(error)) from error
    done = []
    with progress("faults", total) as advance:
        for one in found:
            done.append(one)
            advance(f"{sign(one.result == 'detected')} {one.fault}")
    done.sort(key=lambda one: (one.build.topic, one.fault, one.profile))
    data = {"detected": sum(one.result == "detected" for one in done), "tried": total,
            "builds": len({one.fault for one in done}), "seconds": round(time.perf_counter() - begun, 1)}  # fmt: skip
    if as_json:
        click.echo(json.dumps({**data, "trials": as_dict(done)}, ensure_ascii=False))
    else:
        _print_trials(done, data)
    sys.exit(0 if data["detected"] == total else 1)


def _print_trials(done: list[trial.Trial], data: dict[str, Any]) -> None:
    by_topic: dict[str, list[bool]] = {}
    for one in done:
        topic = ".".join(one.build.topic[0].split(".")[:2])
        by_topic.setdefault(topic, []).append(one.result == "detected")
    rows = [(sign(all(detected)), topic, sum(detected), len(detected)) for topic, detected in by_topic.items()]
    click.echo(tabulate(rows, ("", "topic", "detected", "of"), tablefmt="simple_outline"))
    for one in done:
        if one.result != "detected":
            click.echo(f"{SIGN[Verdict.FAIL]} {one.fault} ({one.build.what}) under {one.profile}: {one.result}")
            click.echo(f"    {trial.RESULTS[one.result]}; its topic: {', '.join(one.build.topic)}")
            if one.scenario:
                rules = f" [{', '.join(one.rules)}]" if one.rules else ""
                click.echo(f"    {one.scenario}, seed {one.seed}: {one.reason}{rules}")
    click.echo(
        f"score: {data['detected']} of {data['tried']} detected by topic ({data['builds']} wrong builds, under each "
        f"profile that they break; {data['seconds']} s)"
    )


@cli.command(epilog="Example: kubephase soak --runs 1000 --profile seed")
@click.option(
    "--runs",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    metavar="N",
    help="Runs of the whole suite for each profile, each with a seed of its own.",
)
@RUNTIME_OPTION
@ONE_PROFILE_OPTION
@SEED_OPTION
@PROCESSES_OPTION
@JSON_OPTION
def soak(runs: int, spec: str, profile: Profile | None, seed: int, jobs: int, as_json: bool) -> None:
    """Run the whole suite again and again with other seeds: it must never accuse the right build.

    Exit code 1 if any scenario of any run got another verdict than pass (or skip).
    """
    begun = time.perf_counter()
    profiles = [profile.name] if profile else list(PROFILES)
    verdicts: dict[str, int] = {}
    alarms = []
    try:
        with progress("soak", runs * len(profiles)) as advance:
            for run in trial.soak(spec, profiles, range(seed, seed + runs), jobs):
                for verdict, count in run.verdicts.items():
                    verdicts[verdict] = verdicts.get(verdict, 0) + count
                alarms += [run] if run.alarms else []
                advance(f"{sign(not run.alarms)} {run.profile}, seed {run.seed}")
    except runner.NoRuntime as error:
        raise BadInput(str(error)) from error
    seconds = round(time.perf_counter() - begun, 1)
    if as_json:
        data = {"runs": runs, "profiles": profiles, "verdicts": verdicts, "alarms": as_dict(alarms), "seconds": seconds}
        click.echo(json.dumps(data, ensure_ascii=False))
    else:
        for run in alarms:
            for scenario, verdict, reason in run.alarms:
                click.echo(f"{SIGN[Verdict(verdict)]} {run.profile}, seed {run.seed}: {scenario}: {reason}")
        told = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(verdicts.items()))
        click.echo(
            f"{runs:,} runs under {' and '.join(profiles)}, seeds {seed} to {seed + runs - 1}: {told} ({seconds} s)"
        )
    sys.exit(1 if alarms else 0)


# --- explore and replay ---------------------------------------------------------------------------------------------

DOCKER_HOST_OPTION = click.option(
    "--docker-host",
    "docker_hosts",
    multiple=True,
    metavar="URL",
    help="An engine for the runtime docker (may be repeated: each is a node).",
)
IMAGE_OPTION = click.option("--image", metavar="NAME", help="An image that the engines have.")
FAULT_OPTION = click.option(
    "--fault", metavar="NAME", help="A deliberately wrong build of the runtime, hidden ones too."
)


@cli.command(
    "explore",
    epilog="Example: kubephase explore --fault second-new-kubelet-reruns. "
    "On real engines: kubephase nodes up 2 && kubephase explore --runtime docker --budget 120",
)
@RUNTIME_OPTION
@PROFILE_OPTION
@FAULT_OPTION
@click.option(
    "--budget", type=click.FloatRange(1), metavar="S", help="Seconds for it all; two thirds to find a failure."
)
@click.option(
    "--examples",
    type=click.IntRange(1),
    metavar="N",
    help="Stories to make up, at the most.  [default: 1000; with --budget no limit]",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    metavar="N",
    help="Stories side by side.  [default: 1 where time is virtual, else as many as conform runs]",
)
@SEED_OPTION
@click.option(
    "--without",
    multiple=True,
    metavar="KIND",
    help="No deeds of this kind, such as kill-by-engine (may be repeated): what they do is known to be wrong.",
)
@click.option("--no-steering", is_flag=True, help="Do not steer towards rows that were rarely visited.")
@click.option(
    "--database",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".hypothesis/kubephase"),
    show_default=True,
    metavar="DIR",
    help="Keeps the stories that failed: they are tried first.",
)
@click.option(
    "--report",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("out/explore"),
    show_default=True,
    metavar="DIR",
    help="Takes explored.json and, of a failure, story.json, test_explored.py, history.ndjson and sequence.mmd.",
)
@click.option(
    "--rows", "with_rows", is_flag=True, help="Print every row of every table, with how often it was visited."
)
@DOCKER_HOST_OPTION
@IMAGE_OPTION
@JSON_OPTION
def explore_(
    spec: str, profile: Profile, fault: str | None, budget: float | None, examples: int | None, jobs: int | None,
    seed: int, without: tuple[str, ...], no_steering: bool, database: Path, folder: Path, with_rows: bool,
    docker_hosts: tuple[str, ...], image: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Make stories up (pods, faults, deletions, in any order), live them on a runtime, and make what fails short.

    Exit code 1 if a story fails. Then it prints the shortest one as a scenario in Python, how to replay it, and its
    sequence diagram.
    """
    from hypothesis.database import DirectoryBasedExampleDatabase

    from conformance import deeds
    from conformance import explore as exploration

    if unknown := sorted(set(without) - deeds.KINDS.keys()):
        raise BadInput(f"--without: no kind of deed {unknown[0]!r}{registry.nearest(unknown[0], deeds.KINDS)}")
    runtime = _started(spec, fault, docker_hosts, image)
    virtual = exploration.is_virtual(runtime.describe())
    limits = exploration.Limits(
        budget, examples or (1000 if budget is None else sys.maxsize), jobs or (1 if virtual else runner.JOBS),
        not no_steering, without,
    )  # fmt: skip
    try:
        with status(f"exploring {spec}") as say:
            told = exploration.Explorer(runtime, Settings(profile, seed), limits, say).explore(
                DirectoryBasedExampleDatabase(database), f"{spec}/{fault or ''}/{profile.name}".encode()
            )
    finally:
        runtime.close()
    data = _explored_data(told, profile, spec, fault, seed)
    written = _write_explored(folder, data, told, spec, fault)
    if as_json:
        click.echo(json.dumps(data, ensure_ascii=False))
    else:
        _print_explored(data, told, profile, folder, written, with_rows)
    sys.exit(1 if told.shortest else 0)


@cli.command(epilog="Example: kubephase replay out/explore/story.json. On another build: … --runtime docker")
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--runtime", "spec", metavar="NAME", help="Another runtime than that of the file.")
@click.option("--fault", metavar="NAME", help="Another wrong build than that of the file; 'none' for the right one.")
@click.option("--profile", "profile", type=_Profile(), metavar="P", help="Another profile than that of the file.")
@click.option(
    "--sequence",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write the sequence diagram there (Mermaid).",
)
@DOCKER_HOST_OPTION
@IMAGE_OPTION
@JSON_OPTION
def replay(
    path: Path, spec: str | None, fault: str | None, profile: Profile | None, folder: Path | None,
    docker_hosts: tuple[str, ...], image: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Live a story once more that kubephase explore has written, and judge it. Exit code 1 if it fails."""
    from conformance import deeds
    from diagrams.sequence import mermaid

    try:
        file = deeds.load(path)
    except deeds.BadStory as error:
        raise BadInput(str(error)) from error
    spec, profile = spec or file.runtime, profile or profile_of(file.profile)
    fault = None if fault == "none" else fault or (file.fault if spec == file.runtime else None)
    runtime = _started(spec, fault, docker_hosts, image)
    try:
        history = runner.record(runtime, runtime.describe(), file.story.scenario, Settings(profile, file.story.seed))
    finally:
        runtime.close()
    recording = recordings.of_records(path.stem, history.records)
    judgement = judge(recording, profile)
    steps = story.steps(recording, judgement)
    pictures = _write_sequences(folder, [(path.stem, mermaid(str(file.story), steps))]) if folder else []
    if as_json:
        findings = [as_dict(f) for f in judgement.findings]
        told = {"story": as_dict(file.story), "runtime": spec, "fault": fault, "profile": profile.name,
                "verdict": judgement.verdict, "before": file.verdict, "findings": findings}  # fmt: skip
        click.echo(json.dumps(told, ensure_ascii=False))
    else:
        click.echo(
            f"{SIGN[judgement.verdict]} {path}: {judgement.verdict} under {profile.name} (before: {file.verdict})"
        )
        for line in (f"  {number}. {deed}" for number, deed in enumerate(file.story.deeds, 1)):
            click.echo(line)
        for line in report.told(judgement):
            click.echo(line)
        for picture in pictures:
            click.echo(f"  sequence: {picture}")
    sys.exit(exit_code(judgement.verdict))


def _started(spec: str, fault: str | None, docker_hosts: tuple[str, ...], image: str | None) -> Any:
    try:
        return runner.start(runner.runtime_class(spec), fault, {"docker_hosts": docker_hosts, "image": image})
    except runner.NoRuntime as error:
        raise BadInput(str(error)) from error


def _explored_data(told: Any, profile: Profile, spec: str, fault: str | None, seed: int) -> dict[str, Any]:
    """What came of an exploration as JSON types."""
    data: dict[str, Any] = {
        "runtime": spec, "profile": profile.name, "fault": fault, "seed": seed, "stories": told.told,
        "attempts": told.shrunk, "asked_again": told.known, "kept": told.kept, "verdicts": dict(told.verdicts),
        "seconds": round(told.seconds, 2), "coverage": coverage.as_data(profile, told.coverage), "failure": None,
    }  # fmt: skip
    if told.shortest:
        data["failure"] = {
            "rules": sorted(told.shortest.rules), "reason": told.shortest.reason,
            "found": as_dict(told.found.story), "story": as_dict(told.shortest.story), "whole": told.whole,
            "found_after": round(told.found_after, 2),
            "others": [{"rules": sorted(rules), "story": as_dict(one.story)} for rules, one in told.others.items()],
        }  # fmt: skip
    return data


def _write_explored(folder: Path, data: dict[str, Any], told: Any, spec: str, fault: str | None) -> dict[str, str]:
    """Write the report of an exploration; the texts of the files by name."""
    from conformance import deeds
    from conformance.history import encode
    from diagrams.sequence import mermaid

    texts = {"explored.json": json.dumps(data, ensure_ascii=False, indent=1) + "\n"}
    if (failed := told.shortest) is not None:
        file = deeds.StoryFile(failed.story, data["profile"], spec, fault, str(failed.judgement.verdict),
                               tuple(sorted(failed.rules - {"error"})), failed.reason)  # fmt: skip
        recording = recordings.of_records(deeds.SCENARIO, list(failed.records))
        texts["story.json"] = deeds.encoded(file).decode()
        texts["test_explored.py"] = deeds.python(file, deeds.refused(failed.records))
        texts["history.ndjson"] = "".join(encode(record).decode() + "\n" for record in failed.records)
        texts["sequence.mmd"] = mermaid(failed.reason, story.steps(recording, failed.judgement))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{folder}: {error.strerror or error}") from error
    return texts


def _print_explored(
    data: dict[str, Any], told: Any, profile: Profile, folder: Path, texts: dict[str, str], with_rows: bool
) -> None:
    click.echo(coverage.table(profile, told.coverage))
    if with_rows:
        rows = [(table, row, count) for table, one in data["coverage"]["machines"].items() if table in told.coverage
                for row, count in one["rows"].items()]  # fmt: skip
        click.echo(tabulate(rows, ("table", "row", "times"), tablefmt="simple_outline"))
    verdicts = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(told.verdicts.items()))
    click.echo(f"{told.told:,} stories: {verdicts or 'none'} ({data['seconds']} s)")
    if (failure := data["failure"]) is None:
        return
    before = len(told.found.story.deeds)
    click.echo(f"{SIGN[Verdict.FAIL]} found after {failure['found_after']} s: {before} deeds; made "
               f"shorter: {len(told.shortest.story.deeds)} deeds ({told.shrunk} attempts"
               f"{'' if told.whole else '; the budget was used up'})")  # fmt: skip
    for line in report.told(told.shortest.judgement):
        click.echo(line)
    for other in failure["others"]:
        click.echo(f"  on the way there another failure was met, by {', '.join(other['rules'])}")
    click.echo(f"\nas a scenario, {folder / 'test_explored.py'}:\n\n{texts['test_explored.py']}")
    click.echo(f"once more: kubephase replay {folder / 'story.json'}\n")
    click.echo(f"as a sequence diagram, {folder / 'sequence.mmd'}:\n\n{texts['sequence.mmd']}")


# --- nodes ----------------------------------------------------------------------------------------------------------


@cli.group()
def nodes() -> None:
    """Docker engines of our own, each in a network of its own, as nodes for the runtime docker (root, Linux)."""


@nodes.command("up", epilog="Example: kubephase nodes up 2 && kubephase conform --runtime docker")
@click.argument("count", type=click.IntRange(1, 64), default=2)
@JSON_OPTION
def nodes_up(count: int, as_json: bool) -> None:
    """Start COUNT engines. They stay until `kubephase nodes down`.

    Their API is open to everybody who can log in to this machine: only for machines that you have to yourself.
    """
    from adapters.docker import nodes as engines

    with _nodes_errors(), status(f"starting {count} engines") as say:
        found = engines.up(count, say=say)
    _print_nodes(found, as_json)


@nodes.command("list", epilog="Example: kubephase nodes list --json")
@JSON_OPTION
def nodes_list(as_json: bool) -> None:
    """List the engines that `kubephase nodes up` has started."""
    from adapters.docker import nodes as engines

    with _nodes_errors():
        found = engines.running()
    _print_nodes(found, as_json)


@nodes.command("down", epilog="Example: kubephase nodes down")
def nodes_down() -> None:
    """End these engines, and remove whatever they have left, also if they were killed."""
    from adapters.docker import nodes as engines

    with _nodes_errors(), status("ending the engines") as say:
        count = engines.down(say)
    click.echo(f"{count} engines ended")


@contextlib.contextmanager
def _nodes_errors() -> Iterator[None]:
    from adapters.docker.nodes import NodesError

    try:
        yield
    except NodesError as error:
        raise BadInput(str(error)) from error


def _print_nodes(found: list[Any], as_json: bool) -> None:
    data = [{"node": node.number, "url": node.url, "folder": str(node.folder)} for node in found]
    if as_json:
        click.echo(json.dumps(data))
    else:
        click.echo(tabulate(data, headers="keys") if data else "no engines: kubephase nodes up 2 starts two")


# --- trace ----------------------------------------------------------------------------------------------------------


@cli.command(
    epilog="Example: kubephase trace --profile v0.17.0 recordings/*.ndjson. "
    "From a cluster: timeout 600 kubectl get pods -w -o json | kubephase trace -. "
    "With pictures, out/NAME.mmd for each NAME.ndjson: kubephase trace --sequence out recordings/*.ndjson"
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--profile",
    "asked",
    type=_Profile(),
    metavar="P",
    help=f"Reading of the lifecycle: {', '.join(PROFILES)}. Default: that of the run, else seed.",
)
@click.option(
    "--sequence",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Also write each history there as a sequence diagram (Mermaid): who did what to whom, and what was found.",
)
@click.option(
    "--steps",
    "most",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    metavar="N",
    help="Steps in a sequence diagram; of more, those that lead to a failure are kept.",
)
@click.option(
    "--report",
    "report_folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write report.jsonl, coverage.json and the histories there, for kubephase report and draw.",
)
@click.option(
    "--window",
    type=click.IntRange(1),
    default=WINDOW,
    show_default=True,
    metavar="N",
    help="Lines that streams may lag behind one another: what comes later is not held against anybody, nor counts.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Judge in so many processes: several files at once, and of a large one a share of the objects in each.",
)
@click.option(
    "--engine",
    type=_Engine(),
    metavar="dask[=ADDRESS]",
    help="Judge on a Dask cluster: that of a scheduler (dask=tcp://HOST:8786), whose workers see the same files; "
    "without an address, one that is started here with --jobs workers.",
)
@JSON_OPTION
def trace(
    files: tuple[Path, ...], asked: Profile | None, folder: Path | None, most: int, report_folder: Path | None,
    window: int, jobs: int, engine: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Judge recorded histories: our own, or watch frames and engine events; or check a node record (JSON, v1beta1 or
    v1beta3), and with --json convert it.

    What a file holds is recognised by its content: lines {"t", "stream", "object"}; watch frames {"type", "object"};
    what `kubectl get pods -w -o json` (or events, nodes, rc) prints, and lists; what `docker events --format
    '{{json .}}'` prints. Each may be compressed (gzip, zstd), and of any length: it is judged as it is read, in
    constant memory (but with --sequence, which needs all of it). In place of a file, - is standard input.
    """
    several = jobs > 1 or engine is not None
    if several and folder:
        raise click.UsageError("--sequence draws what one process has read: leave out --jobs and --engine")
    workers.collect_rarely()
    begun = time.perf_counter()
    judgements: list[Judgement] = []
    judged: list[tuple[Path | None, Judgement]] = []
    problems: list[str] = []
    results: list[dict[str, Any]] = []
    drawn: list[tuple[dict[str, Any], str, str]] = []
    with progress("trace", len(files)) as advance:
        elsewhere = _elsewhere(files, asked, window, jobs, engine, advance) if several else {}
        for place, path in enumerate(files):
            done = elsewhere.get(place)
            try:
                if done is None:
                    advance(str(path))
                    with opened(path) as file:
                        if noderecord.looks_like_one(file.peek()[:HEAD]):
                            text = file.read(noderecord.MAX + 1)
                            results.append(_node_record(text, name_of(path), problems, as_json))
                            continue
                        reading = recordings.Reading(file, path)
                        profile = asked or profile_of(reading.profile or "seed")
                        lines = _counted(reading, advance) if not folder else list(reading)
                        judgement = judge_lines(reading.name, lines, profile, window)
                        done = workers.done(reading, judgement)
            except (recordings.UnreadableFile, UnknownProfile, OSError) as error:
                known = isinstance(error, recordings.UnreadableFile)
                problems.append(str(error) if known else f"{name_of(path)}: {message(error)}")
                continue
            if done.judgement is None:
                problems.append(done.problem)
                continue
            judgement = done.judgement
            judgements.append(judgement)
            judged.append((path if path.is_file() else None, judgement))
            shown, count = [str(bad) for bad in done.bad[:10]], len(done.bad) + done.more_bad
            if count > len(shown):
                shown.append(f"{name_of(path)}: {count - len(shown)} more lines cannot be read")
            problems += shown
            results.append({**as_dict(judgement), "bad_lines": [as_dict(b) for b in done.bad]})
            if folder:
                entries = [line for line in lines if isinstance(line, recordings.Entry)]
                recording = recordings.Recording(reading.name, entries, [])
                drawn.append((results[-1], *_story(recording, judgement, most)))
            if not as_json:
                _print_judgement(judgement)
    if folder:
        written = _write_sequences(folder, [(name, text) for _, name, text in drawn])
        for (result, _, _), path in zip(drawn, written, strict=True):
            result["sequence"] = str(path)
            if not as_json:
                click.echo(f"sequence: {path}")
    if report_folder:
        _write_traced(judged, time.perf_counter() - begun, report_folder)
    verdict = worst([j.verdict for j in judgements])
    names = list(dict.fromkeys(j.profile for j in judgements)) or [asked.name if asked else "seed"]
    if as_json:
        data = {
            "profile": ", ".join(names),
            "verdict": verdict.value,
            "files": results,
            "coverage": [coverage.as_data(profile, covered) for profile, covered in _covered(judgements)],
            "problems": problems,
        }
        click.echo(json.dumps(data, ensure_ascii=False))
    else:
        if len(judgements) > 1:
            column = f"{len(judgements)} histories under {', '.join(names)}"
            click.echo(f"{report.matrix({column: report.of_judgements(judgements)})}\n{report.LEGEND}")
        for profile, covered in _covered(judgements):
            click.echo(coverage.table(profile, covered))
        if len(judgements) > 1:
            click.echo(f"verdict: {verdict}")
    for problem in problems:
        click.echo(f"kubephase: {problem}", err=True)
    sys.exit(exit_code(verdict) or (2 if problems else 0))


def _elsewhere(
    files: Sequence[Path], asked: Profile | None, window: int, jobs: int, engine: str | None, say: Callable[..., None]
) -> dict[int, workers.Done]:
    """What several workers say of the files, by place; without those that only this process can read."""
    found: dict[int, workers.Done] = {}
    places = [place for place, path in enumerate(files) if path.is_file() and not _is_node_record(path)]
    try:
        with contextlib.ExitStack() as stack:
            say("the workers start", 0)
            if engine is None:
                executor, count = stack.enter_context(workers.processes(jobs)), jobs
            else:
                executor, count = stack.enter_context(workers.dask(engine.partition("=")[2] or None, jobs))
            tasks = workers.tasks([files[place] for place in places], asked.name if asked else None, window, count)
            say(f"{sum(map(len, tasks))} tasks, {count} workers", 0)
            for number, done in workers.judged(executor, tasks):
                found[places[number]] = done
                say(str(files[places[number]]))
    except workers.NoWorkers as error:
        raise BadInput(str(error)) from error
    return found


def _is_node_record(path: Path) -> bool:
    with contextlib.suppress(recordings.UnreadableFile), opened(path) as file:
        return noderecord.looks_like_one(file.peek()[:HEAD])
    return False


def _write_traced(judged: Sequence[tuple[Path | None, Judgement]], seconds: float, folder: Path) -> None:
    names = {judgement.profile for _, judgement in judged}
    if len(names) != 1:
        told = (
            f"histories under {' and '.join(sorted(names))}: --profile P judges all by one" if names else "no history"
        )
        raise BadInput(f"--report: {told}")
    place = (folder / "histories").resolve()
    if any(path and path.resolve().is_relative_to(place) for path, _ in judged):
        raise BadInput(f"--report: the histories themselves are in {folder}, which would be written anew: give another")
    try:
        of_histories(judged, profile_of(names.pop()), seconds, folder)
    except OSError as error:
        raise BadInput(f"{folder}: {error.strerror or error}") from error


def _covered(judgements: Iterable[Judgement]) -> Iterator[tuple[Profile, coverage.Coverage]]:
    """What histories covered together, by profile."""
    found = list(judgements)
    for name in dict.fromkeys(judgement.profile for judgement in found):
        yield profile_of(name), coverage.merged(j.coverage for j in found if j.profile == name)


def _counted(lines: Iterable[T], say: Callable[[str, int], None], each: int = 10_000) -> Iterator[T]:
    """The same lines; how many there were is told now and then."""
    for number, line in enumerate(lines, 1):
        if not number % each:
            say(f"{number:,} lines", 0)
        yield line


def _story(recording: recordings.Recording, judgement: Judgement, most: int) -> tuple[str, str]:
    """Name and text of the sequence diagram of a history."""
    from diagrams.sequence import mermaid

    name = uncompressed(Path(recording.name)).stem
    title = f"{name}: {judgement.verdict} under {judgement.profile}"
    return name, mermaid(title, story.steps(recording, judgement), most)


def _node_record(text: bytes, name: str, problems: list[str], as_json: bool) -> dict[str, Any]:
    try:
        record = noderecord.shown(noderecord.parse(text.decode("utf-8"), name))
    except (noderecord.BadRecord, UnicodeDecodeError) as error:
        problems.append(str(error))
        return {"name": name, "record": None}
    if not as_json:
        keeps = record["no_candidate_unless"]
        candidate = f"; no candidate for pods unless {keeps}" if keeps else "; a candidate for pods"
        click.echo(f"{SIGN[Verdict.PASS]} {name}: node record {record['name']} is accepted{candidate}")
    return {"name": name, "record": record}


def _print_judgement(judgement: Judgement) -> None:
    rules = len(judgement.covered)
    ignored = f", {judgement.ignored} without a rule" if judgement.ignored else ""
    click.echo(
        f"{SIGN[judgement.verdict]} {judgement.name}: {judgement.verdict} under {judgement.profile} "
        f"({judgement.frames:,} lines{ignored}; {rules} rules seen to hold)"
    )
    delivery = [f"{DELIVERY[kind]}: {count:,}" for kind, count in judgement.delivery.items() if kind != "objects"]
    if delivery:
        click.echo(f"  {judgement.delivery['objects']:,} objects; {'; '.join(delivery)}")
    for line in report.told(judgement):
        click.echo(line)


# --- draw and rules -------------------------------------------------------------------------------------------------


@cli.command(
    epilog="Example: kubephase draw --out pictures --profile seed. What a run went through: kubephase draw --report out"
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder for the pictures. Default with --report: DIR/diagrams of the first report.",
)
@click.option("--profile", "profile", type=_Profile(), metavar="P", help="Only this profile.")
@click.option(
    "--reference",
    is_flag=True,
    help="Also write the reference and the list of unchecked rules; pictures go to DIR/diagrams.",
)
@click.option(
    "--report",
    "folders",
    multiple=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Draw what the run whose report is there went through, and how often (may be repeated: they are added up).",
)
def draw(out: Path | None, profile: Profile | None, reference: bool, folders: tuple[Path, ...]) -> None:
    """Draw every machine as SVG, PNG, DOT and Mermaid.

    With --report only those that the judge walks through, as SVG, PNG and DOT: what was covered, with counts, in solid
    blue; what was not, dashed and grey; the rows at which a failure was found, thick and red.
    """
    from diagrams.draw import draw as draw_all  # here, as few commands need to load Graphviz' support
    from diagrams.reference import write_reference

    if folders:
        if reference:
            raise BadInput("--reference and --report do not go together")
        _draw_coverage(folders, out or folders[0] / "diagrams", profile)
        return
    if out is None:
        raise BadInput("--out DIR says where the pictures go")
    profiles = [profile] if profile else list(PROFILES.values())
    try:
        if reference:
            written = draw_all(out / "diagrams", profiles, ("svg", "dot", "mermaid"), say=click.echo)
            written += write_reference(out, references.references())
        else:
            written = draw_all(out, profiles, say=click.echo)
    except OSError as error:
        raise BadInput(f"{out}: {error.strerror or error}") from error
    click.echo(f"{len(written)} files under {out}")


def _draw_coverage(folders: Sequence[Path], out: Path, asked: Profile | None) -> None:
    from diagrams.draw import draw_coverage

    found = [run for run in _runs(folders) if asked in (None, run.profile)]
    covered = [(run, run.coverage) for run in found if run.coverage is not None]
    if not covered:
        under = f" under profile {asked.name}" if asked else ""
        raise BadInput(
            f"no coverage.json{under} in {', '.join(map(str, folders))}: run kubephase conform --report again"
        )
    written = []
    try:
        for name in dict.fromkeys(run.profile.name for run, _ in covered):
            of_profile = [(run, counts) for run, counts in covered if run.profile.name == name]
            title = ", ".join(run.label for run, _ in of_profile)
            total = coverage.merged(counts for _, counts in of_profile)
            written += draw_coverage(out, PROFILES[name], coverage.whole(PROFILES[name]), total, title, say=click.echo)
    except OSError as error:
        raise BadInput(f"{out}: {error.strerror or error}") from error
    click.echo(f"{len(written)} files under {out}")


def _runs(folders: Sequence[Path]) -> list[Run]:
    try:
        return read_runs(folders)
    except BadReport as error:
        raise BadInput(str(error)) from error


@cli.command("report", epilog="Example: kubephase report out/mine out/simulator --out out/page")
@click.argument("folders", nargs=-1, required=True, metavar="DIR...", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder for the page. Default: DIR/page of the first report.",
)
@JSON_OPTION
def write_page(folders: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """Put runs together on one page: rules × runtimes, with reasons, histories, coverage and pictures.

    Each DIR is what `kubephase conform --report DIR` has written, or `kubephase trace --report DIR`. The page needs no
    network.
    """
    import graphviz

    from conformance import page  # here, as no other command needs templates
    from diagrams.draw import WITHOUT_DOT, inline

    found, out = _runs(folders), out or folders[0] / "page"
    pictures = {}
    try:
        for number, run in enumerate(found, 1):
            for table in coverage.whole(run.profile):
                if run.coverage is not None:
                    pictures[number, table.name] = inline(run.profile, table, run.coverage)
    except (graphviz.ExecutableNotFound, subprocess.CalledProcessError):
        click.echo(f"kubephase: {WITHOUT_DOT}", err=True)
    try:
        written = page.write(out, found, pictures)
    except OSError as error:
        raise BadInput(f"{out}: {error.strerror or error}") from error
    if as_json:
        click.echo(json.dumps({"page": str(written[0]), "runs": [run.label for run in found], "files": len(written)}))
    else:
        click.echo(f"{written[0]}: {', '.join(run.label for run in found)}; {len(written) - 1} histories beside it")


@cli.command(epilog="Example: kubephase rules pod.restart --profile seed")
@click.argument("prefix", default="")
@click.option("--profile", "profile", type=_Profile(), metavar="P", help="Only rules of this profile.")
@click.option("--search", metavar="TEXT", help="Only rules with this text in id, statement or source.")
@click.option("--unchecked", is_flag=True, help="Only rules that nothing refers to though they demand something.")
@JSON_OPTION
def rules(prefix: str, profile: Profile | None, search: str | None, unchecked: bool, as_json: bool) -> None:
    """List and search the rules: PREFIX is a rule id or the beginning of one."""
    name = profile.name if profile else None
    try:
        found = registry.select(prefix, name)
    except registry.UnknownRule as error:
        raise BadInput(str(error)) from error
    if unchecked:
        open_ids = {r.id for r in references.unchecked(name)}
        found = [r for r in found if r.id in open_ids]
    if search:
        wanted = search.lower()
        found = [r for r in found if wanted in f"{r.id} {r.statement} {' '.join(s.quote for s in r.sources)}".lower()]
    if as_json:
        known = references.references()
        click.echo(
            json.dumps(
                [{**as_dict(r), "references": as_dict(known.get(r.id, ()))} for r in found],
                ensure_ascii=False,
                indent=1,
            )
        )
        return
    if unchecked:
        for rule in found:
            click.echo(rule.id)
        return
    for rule in found:
        click.echo(f"{click.style(rule.id, bold=True)}  {rule.level}  {', '.join(rule.profiles)}")
        click.echo(f"    {rule.statement}")
        for source in rule.sources:
            click.echo(f"    {source}: {source.quote}")
        if rule.divergence:
            click.echo(f"    differs: {rule.divergence.text}")
        if rule.reading:
            click.echo(f"    reading: {rule.reading}")
        if rule.describes:
            click.echo(f"    only describes: {rule.describes}")
    counts = (len(found), sum(r.id in references.references() for r in found), sum(bool(r.describes) for r in found))
    click.echo("{} rules, {} checked, {} only describe".format(*counts))


# --- export ---------------------------------------------------------------------------------------------------------


@cli.command(
    epilog="Example: kubephase export promela --policy OnFailure --containers 2 --nodes 1 --out pod.pml. "
    "One table: kubephase export aut --table pod/Always. Test vectors: kubephase export json --out vectors.json"
)
@click.argument("form", metavar="promela|aut|tla|json", type=click.Choice(["promela", "aut", "tla", "json"]))
@PROFILE_OPTION
@click.option("--policy", type=click.Choice(POLICIES), help="Restart policy; for json only vectors of this one.")
@click.option("--pods", type=click.IntRange(1, 99), default=1, show_default=True, help="Pods in the network.")
@click.option("--containers", type=click.IntRange(1, 99), default=2, show_default=True, help="Containers per pod.")
@click.option("--nodes", type=click.IntRange(0, 99), default=0, show_default=True, help="Nodes; 0 studies pods alone.")
@click.option("--situation", metavar="NAME", help="Instead: a situation of the controllers, as verify names it.")
@click.option("--table", "table_name", metavar="NAME", help="Instead: a single table, as docs/reference names it.")
@click.option(
    "--max-states", type=click.IntRange(1), default=5_000_000, show_default=True, help="For aut: give up past so many."
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to a file.")
def export(
    form: str, profile: Profile, policy: str | None, pods: int, containers: int, nodes: int, situation: str | None,
    table_name: str | None, max_states: int, out: Path | None,
) -> None:  # fmt: skip
    """The model for other tools: Promela for SPIN, .aut for mCRL2 and CADP, TLA+, or test vectors as JSON.

    The test vectors are those of one pod of 1 up to --containers containers; their schema is
    conformance/vectors.schema.json. A .tla that is written to a file gets its .cfg for TLC beside it.
    """
    try:
        if form == "json":
            if pods > 1 or nodes or situation or table_name:
                raise BadInput("test vectors are those of one pod: only --profile, --policy, --containers go with json")
            written = vectors.text(vectors.vectors(profile, (policy,) if policy else POLICIES, containers))
        else:
            network, stated = _exported(profile, policy, (pods, containers, nodes), situation, table_name)
            written = _in_form(form, network, stated, max_states, out)
    except (TooLarge, ValueError) as error:
        raise BadInput(str(error)) from error
    if out is None:
        click.echo(written, nl=False)
        return
    try:
        out.write_text(written, encoding="utf-8")
        if form == "tla":
            out.with_suffix(".cfg").write_text(configuration(written), encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{out}: {error.strerror or error}") from error


def _exported(
    profile: Profile, policy: str | None, shape: tuple[int, int, int], situation: str | None, table_name: str | None
) -> tuple[Network, Sequence[Property]]:
    """What is asked for: the network, and what is stated of it (of a table nothing)."""
    if sum(asked is not None for asked in (policy, situation, table_name)) != 1:
        raise BadInput("one of --policy, --situation and --table says what to export")
    if policy:
        size = Size(policy, *shape)
        return cluster_network(profile, size), properties(profile, size)
    if situation:
        one = _named(situation, {one.name: one for one in situations(profile)}, "situation")
        return one.network, one.properties
    return alone(_named(table_name or "", {one.name: one for one in profile.tables()}, "table")), ()


def _named(name: str, known: dict[str, T], what: str) -> T:
    if name not in known:
        raise BadInput(f"no {what} {name!r}{registry.nearest(name, known)}; there are: {', '.join(known)}")
    return known[name]


def _in_form(form: str, network: Network, stated: Sequence[Property], max_states: int, out: Path | None) -> str:
    compiled = compile_network(network)
    if form == "promela":
        return promela(compiled, stated)
    if form == "tla":
        return tla(compiled, stated, module=out.stem if out else "kubephase")
    with status("exploring"):
        return aut(of_exploration(explore(compiled, max_states)))


# --- demo -----------------------------------------------------------------------------------------------------------


@cli.command(epilog="Example: kubephase demo --recordings tests/data/recordings/v0.17.0 --out out")
@click.option(
    "--recordings",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    metavar="DIR",
    help="Recordings of a cluster (*.ndjson).",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("out"),
    show_default=True,
    metavar="DIR",
    help="Folder for pictures and reports.",
)
def demo(folder: Path, out: Path) -> None:
    """The main job: verify the model, run the suite on the simulator, judge recordings, draw, and sum up."""
    from diagrams.draw import draw as draw_all

    begun = time.perf_counter()
    files = sorted(folder.glob("*.ndjson"))
    if not files:
        raise BadInput(f"{folder}: no recordings (*.ndjson)")
    click.echo("1. The model, explored exhaustively")
    for profile in PROFILES.values():
        for size in ((1, 4, 0), (4, 2, 2)):
            runs = []
            with status(f"verifying {profile.name}") as say:
                for policy in POLICIES:
                    say(policy)
                    runs.append(verify_model(profile, Size(policy, *size)))
            data = verified_data(profile, runs, sum(r.seconds for r in runs))
            held = sum(p["verdict"] == "holds" for p in data["properties"])
            shape = "{} pod(s) × {} container(s), {} node(s)".format(*size)
            click.echo(
                f"   {sign(data['holds'])} {profile.name}, {shape}: {data['states']:,} states that "
                f"stand for {data['stands_for']:,}, {held} of {len(data['properties'])} properties hold"
            )
        done = [verify_situation(situation) for situation in situations(profile)]
        verdicts = [verdict for one in done for verdict in one.verdicts]
        click.echo(
            f"   {sign(all(one.holds for one in done))} {profile.name}, {len(done)} situations of the controllers: "
            f"{sum(len(one.exploration.states) for one in done):,} states, "
            f"{sum(len(one.exploration.source) for one in done):,} transitions, "
            f"{sum(verdict.holds for verdict in verdicts)} of {len(verdicts)} properties hold"
        )
    click.echo("2. The suite, on the embedded simulator, profile seed")
    seed = PROFILES["seed"]
    scenarios = selected("seed")
    settings = Settings(seed, jobs=min(8, os.cpu_count() or 1), folder=_make_folder(out / "conform" / "histories"))
    runtime = runner.start(runner.runtime_class("simulator"))
    with progress("conform", len(scenarios)) as advance:
        outcomes = []
        for outcome in runner.run_all(runtime, scenarios, settings):
            outcomes.append(outcome)
            advance(outcome.scenario.id)
    outcomes.sort(key=lambda o: o.scenario.id)
    verdict = worst(o.verdict for o in outcomes)
    report.write(
        out / "conform", report.run_data(runtime.describe(), "simulator", settings, (), None), outcomes,
        report.end_data(outcomes, len(scenarios), verdict, time.perf_counter() - begun, []),
    )  # fmt: skip
    click.echo(f"   {SIGN[verdict]} {len(outcomes)} scenarios: {verdict}")
    click.echo(
        "3. Recordings of a real Kubernetes v0.17.0 cluster, judged by the document (it differs) and by the code"
    )
    judged: dict[str, list[Judgement]] = {name: [] for name in PROFILES}
    with progress("trace", len(files)) as advance:
        for path in files:
            advance(path.name)
            recording = recordings.read(path)
            for name, profile in PROFILES.items():
                judged[name].append(judge(recording, profile))
    for name, found in judged.items():
        passed = sum(j.verdict is Verdict.PASS for j in found)
        click.echo(
            f"   {SIGN[worst(j.verdict for j in found)]} under {name}: {passed} of {len(found)} recordings conform"
        )
    click.echo("4. The machines, drawn")
    written = draw_all(out / "diagrams", list(PROFILES.values()), say=lambda text: click.echo(f"   {text}"))
    click.echo(f"   {SIGN[Verdict.PASS]} {len(written)} files under {out / 'diagrams'}")
    click.echo("5. All together: rules by group")
    columns = {
        "simulator": report.by_rule(outcomes),
        **{f"recordings/{n}": report.of_judgements(j) for n, j in judged.items()},
    }
    click.echo(report.matrix(columns))
    click.echo(report.LEGEND)
    click.echo(
        "The real cluster does what its code says (recordings/v0.17.0) and not all that the document says\n"
        "(recordings/seed): `kubephase trace --profile seed FILE` shows each place."
    )
    click.echo(f"done in {time.perf_counter() - begun:.1f} s; report in {out / 'conform'}")
    conforms = all(j.verdict is Verdict.PASS for j in judged["v0.17.0"])
    sys.exit(0 if verdict is Verdict.PASS and conforms else 1)


def sign(holds: bool) -> str:
    """The sign of something that holds or does not."""
    return SIGN[Verdict.PASS if holds else Verdict.FAIL]


# --- showing work ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def progress(what: str, total: int) -> Iterator[Any]:
    """A progress bar on stderr while something runs; the yielded function advances it."""
    columns = (
        TextColumn("[progress.description]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=STDERR, transient=True, disable=not STDERR.is_terminal) as bar:
        task = bar.add_task(what, total=total, note="")
        yield lambda note, steps=1: bar.update(task, advance=steps, note=note)


@contextlib.contextmanager
def status(what: str) -> Iterator[Any]:
    """A spinner on stderr; the yielded function changes what it says."""
    with STDERR.status(what) as spinner:
        yield lambda text: spinner.update(f"{what}: {text}")


class Interruption(threading.Event):
    """Set when the user has interrupted the command; where that ``is_awaited`` nothing else happens, the first time."""

    is_awaited = False


@contextlib.contextmanager
def interruptible() -> Iterator[Interruption]:
    """Ctrl-C and SIGTERM alike end a run in order, so that nothing that is known gets lost; a second one at once."""
    interruption = Interruption()

    def stop(_: int, __: Any) -> None:
        again = interruption.is_set()
        interruption.set()
        if again or not interruption.is_awaited:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main() -> None:
    """The console command."""
    try:
        cli(prog_name="kubephase")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
