"""Rewrite the blocks of the README that show real output, between ``<!-- name -->`` and ``<!-- end -->``, and draw the
picture of a coverage that it shows.

    python tools/readme.py                 every block, as part of `make docs`
    python tools/readme.py performance     this one, as part of `make benchmark-docs`

The seconds in the output are those of the machine that ran it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from adapters.simulator import FAULTS
from conformance import references
from conformance.scenario import selected
from model import registry
from model.listings import LISTINGS
from model.profiles import PROFILES

ROOT = Path(__file__).parent.parent
RECORDINGS = "tests/data/recordings/v0.17.0"


def kubephase(*arguments: str) -> str:
    """What the command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "kubephase", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )  # fmt: skip
    return done.stdout.rstrip()


def demo() -> str:
    """The output of `make demo`."""
    with tempfile.TemporaryDirectory() as folder:
        shown = kubephase("demo", "--recordings", RECORDINGS, "--out", folder).replace(folder, "out")
    return f"```\n{shown}\n```"


def trace() -> str:
    """The output of `kubephase trace` on a recording that breaks a rule of the document."""
    arguments = ("trace", "--profile", "seed", f"{RECORDINGS}/s17-kubelet-killed.ndjson")
    return f"```\n$ kubephase {' '.join(arguments)}\n{kubephase(*arguments)}\n```"


def counts() -> str:
    """How much there is."""
    lines = []
    for name in PROFILES:
        held = [r for r in registry.all_rules().values() if name in r.profiles]
        describe = len(references.describing(name))
        checked = len(held) - describe - len(references.unchecked(name))
        lines.append(f"- `{name}`: {len(held)} rules, {checked} checked, {describe} only describe")
    tables = [(profile.name, table) for profile in PROFILES.values() for table in profile.tables()]
    rows = {(name, table.name, str(row)) for name, table in tables for row in table.all_rows()}
    lines.append(f"- {len(rows)} rows in {len(tables)} tables")
    lines.append(f"- {sum(len(one.rows) for one in LISTINGS)} entries in {len(LISTINGS)} listings")
    scenarios = [f"{len(selected(name))} under `{name}`" for name in PROFILES]
    lines.append(f"- scenarios: {', '.join(scenarios)}")
    return "\n".join([*lines, f"- {len(FAULTS)} wrong builds of the simulator, each failed by a rule that it breaks"])


def coverage() -> None:
    """Draw docs/coverage.svg: what a run of a wrong build covered of a container, and where it failed."""
    with tempfile.TemporaryDirectory() as folder:
        kubephase("conform", "--fault", "oom-is-success", "--report", folder)
        kubephase("draw", "--report", folder, "--out", folder)
        shutil.copyfile(Path(folder) / "seed" / "container-onfailure.svg", ROOT / "docs" / "coverage.svg")


def performance() -> str:
    """What `make benchmark-docs` has measured last."""
    return (ROOT / "benchmarks" / "results.md").read_text(encoding="utf-8").rstrip()


BLOCKS = {"demo": demo, "trace": trace, "counts": counts, "performance": performance}


def main(names: Sequence[str]) -> None:
    """Rewrite these blocks of the README in place."""
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    for name in names or BLOCKS:
        block = f"<!-- {name} -->\n{BLOCKS[name]()}\n<!-- end -->"
        text, found = re.subn(rf"<!-- {name} -->\n.*?\n<!-- end -->", lambda _, b=block: b, text, flags=re.DOTALL)
        if not found:
            raise SystemExit(f"README.md has no block {name}")
    path.write_text(text, encoding="utf-8")
    coverage()


if __name__ == "__main__":
    main(sys.argv[1:])
