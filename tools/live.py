"""docs/live.md: rules × runtimes, from a run on real engines.

    python tools/live.py out/live            write the page (make live-docs)
    python tools/live.py --check out/live    compare: exit code 1 if a verdict on a rule is another one

The columns of the simulator and of the recordings are made anew; that of the engines is judged from the histories of
the run, without its declared deviations, which are told below the table.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from adapters.simulator import Simulator
from conformance import deviations, recordings, report
from conformance.judge import judge
from conformance.runner import Settings, run_all
from conformance.scenario import selected
from conformance.verdict import SIGN, Verdict, worst
from model import registry
from model.profiles import profile

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "live.md"
DECLARED = ROOT / "adapters" / "docker" / "deviations.toml"
RECORDED = ROOT / "tests" / "data" / "recordings" / "v0.17.0"
SEED = profile("seed")
LOOKED_AT = (Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN, Verdict.ERROR)
Column = Mapping[str, Verdict]


def simulator() -> Column:
    """The verdicts of the suite on the embedded simulator."""
    return report.by_rule(run_all(Simulator(), selected("seed"), Settings(SEED)))


def recorded() -> Column:
    """The verdicts of the document on what a real v0.17.0 cluster did."""
    return report.of_judgements(judge(recordings.read(path), SEED) for path in sorted(RECORDED.glob("*.ndjson")))


def live(folder: Path) -> Column:
    """The verdicts on real engines: the histories of a run, judged again."""
    found: dict[str, list[Verdict]] = defaultdict(list)
    for path in sorted((folder / "histories").glob("*.ndjson")):
        judgement = judge(recordings.read(path), SEED)
        for rule, verdict in judgement.by_rule().items():
            # What a broken rule has kept from happening is no finding of its own.
            if not (judgement.verdict is Verdict.FAIL and verdict is Verdict.UNKNOWN):
                found[rule].append(verdict)
    return {rule: worst(verdicts) for rule, verdicts in found.items()}


def page(folder: Path) -> str:
    """The whole page."""
    lines = (folder / "report.jsonl").read_text(encoding="utf-8").splitlines()
    run, end = json.loads(lines[0]), json.loads(lines[-1])
    scenarios = [json.loads(line) for line in lines[1:-1]]
    return "\n".join(
        [
            INTRODUCTION,
            "## Rules × runtimes",
            "",
            f"Docker: {run['runtime_version']}, {end['scenarios']} scenarios. Judged by `seed`, the document. "
            "✔ seen to hold, ✘ seen to be broken, · not looked at.",
            "",
            *table({"simulator": simulator(), "docker": live(folder), "recordings of v0.17.0": recorded()}),
            "",
            "## Where Docker differs from the document",
            "",
            *differences(scenarios),
            SEEN,
        ]
    )


def table(columns: Mapping[str, Column]) -> list[str]:
    """A row for each rule of the document that any of them looked at."""
    lines = [f"| rule | {' | '.join(columns)} |", "|---|" + ":-:|" * len(columns)]
    for rule in registry.all_rules().values():
        found = [column.get(rule.id) for column in columns.values()]
        if "seed" in rule.profiles and any(verdict in LOOKED_AT for verdict in found):
            signs = [SIGN[verdict] if verdict in LOOKED_AT else "·" for verdict in found]
            lines.append(f"| `{rule.id}` | {' | '.join(signs)} |")
    return lines


def differences(scenarios: Iterable[Mapping[str, object]]) -> list[str]:
    """Each declared deviation, and the scenarios that show it."""
    lines: list[str] = []
    shown = list(scenarios)
    for deviation in deviations.load(DECLARED):
        ids = [str(s["id"]) for s in shown if str(s["id"]).startswith(deviation.scenario) and s["verdict"] != "pass"]
        policies = ", ".join(sorted(i.partition("[")[2].rstrip("]") for i in ids))
        sentence = deviation.reason[0].upper() + deviation.reason[1:]
        lines += [
            f"### `{deviation.id}`",
            "",
            f"{sentence} ([see also]({deviation.link})). Under: {policies or 'not shown by this run'}.",
            "",
            "```",
            f"kubephase conform --runtime docker --select {deviation.scenario}",
            "```",
            "",
        ]
    return lines


INTRODUCTION = """# On real engines

What the document says, held against three things: the embedded simulator, real Docker engines, and recordings of a real
Kubernetes v0.17.0 cluster. Made by `make live-docs`; `make live` runs the suite again and compares.

## What a pod is here

A pod is a sandbox container, which holds the network, and members that join its network, its IPC and its volume. Their
restart policy is the engine's own (`always`, `on-failure`, `no`): Docker's restart manager is what is judged. What an
engine cannot know is the adapter's: phase, events, the end of a pod whose sandbox or disk dies, nodes, scheduling,
replication. A node is an engine: reachable if its address answers, ready if its health endpoint says OK.

The faults are real: SIGKILL to a process from the host, the kernel's own out-of-memory killer, a killed engine, a link
that is down or drops packets in one direction, a file system that answers EIO or ENOSPC, a machine that is gone.

| what | how |
|---|---|
| the engine here | `kubephase conform --runtime docker` |
| other engines | `--docker-host tcp://…`, once for each node; or `DOCKER_HOST` |
| engines of our own: node and disk faults | `kubephase nodes up 2`, then the same; `kubephase nodes down` (root) |
| an image of yours | `--image NAME`; without it one is made of a static busybox, and none is ever pulled |
| what the bare containers cost | `--floor` |
| what is known to differ | `--deviations adapters/docker/deviations.toml` |

"""

SEEN = """## What else we have seen

Nothing that the document speaks of, but what somebody who builds on Docker 20.10 would want to know:

- On a busy machine the engine tells of an out-of-memory kill after the container's end (`oom` 70 ms after `die`), and
  then `OOMKilled` is false for good. So the adapter waits up to 1.5 s for the kernel's word after an exit with 137.
- A container that was killed while its engine was down gets no `die` event. An engine that is started again without
  live-restore ends what ran, and then cannot restart the members of a pod, as their sandbox is gone: `cannot join
  network of a non running container`. The pod layer has to do it.
- The main process of a container is the kernel's victim only if no other process there is bigger: to run one out of
  memory from the outside takes many small processes, and an `oom_score_adj` of 1000 for the main one.
"""


def main() -> int:
    """Write the page, or compare it."""
    arguments = [a for a in sys.argv[1:] if a != "--check"]
    if len(arguments) != 1 or not (Path(arguments[0]) / "report.jsonl").is_file():
        print("usage: python tools/live.py [--check] DIR, the report of a run: make live", file=sys.stderr)
        return 2
    text = page(Path(arguments[0]))
    if "--check" not in sys.argv:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    old, new = (set(t.splitlines()) for t in (PAGE.read_text(encoding="utf-8"), text))
    for line in sorted(old ^ new):
        print(f"{'-' if line in old else '+'} {line}")
    print(f"docs/live.md {'differs from this run: make live-docs' if old != new else 'is what this run shows'}")
    return int(old != new)


if __name__ == "__main__":
    raise SystemExit(main())
