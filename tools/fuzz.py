"""Fuzzing with atheris: `make fuzz`, or `python tools/fuzz.py [TARGET]... --seconds 60`.

Each target of tests/fuzz/targets.py runs in a process of its own, guided by which lines of our code have run. What
breaks one is written to tests/fuzz/cases/TARGET, where every run of the tests tries it again. Exit code 1 if anything
broke. Where atheris cannot be installed, this says so and does nothing.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAMES = ("history", "record", "deviation", "packed", "beside")
SEEDS = 60
"""Files that each target begins with."""


def main() -> int:
    """Parse the command line and run the targets side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"one of {', '.join(NAMES)}; all if none is given")
    parser.add_argument("--seconds", type=int, default=60, help="wall time of each target (60)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="targets side by side")
    parser.add_argument("--one", metavar="TARGET", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if unknown := sorted({*asked.targets} - {*NAMES}):
        parser.error(f"no target {unknown[0]}; there are: {', '.join(NAMES)}")
    if importlib.util.find_spec("atheris") is None:
        version = ".".join(map(str, sys.version_info[:2]))
        print(f"fuzz: not done: atheris is not installed (there may be none for Python {version})")
        return 0
    if asked.one:
        fuzz(asked.one, asked.seconds)
    with ThreadPoolExecutor(asked.jobs) as pool:
        return max(pool.map(partial(run, seconds=asked.seconds), asked.targets or NAMES))


def run(name: str, seconds: int) -> int:
    """Run one target in a process of its own, and tell what came of it."""
    cases = ROOT / "tests" / "fuzz" / "cases" / name
    cases.mkdir(parents=True, exist_ok=True)
    before = {*cases.iterdir()}
    command = [sys.executable, __file__, "--one", name, "--seconds", str(seconds)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    found = sorted({*cases.iterdir()} - before)
    told = [line for line in done.stderr.splitlines() if line.startswith(("#", "Done"))]
    print(f"fuzz {name}: {'broke' if done.returncode else 'nothing broke'}; {told[-1] if told else 'nothing ran'}")
    if done.returncode:
        print(done.stdout + done.stderr[-4000:])
        print("\n".join(f"kept as {path.relative_to(ROOT)}" for path in found))
    return int(done.returncode != 0)


def fuzz(name: str, seconds: int) -> None:
    """Fuzz one target in this process; it ends with it."""
    import atheris

    with atheris.instrument_imports(include=["conformance", "model.noderecord", "model.podrecord", "model.scheduler"]):
        from tests.fuzz import targets

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        at = random.Random(seed)
        if at.random() < 0.2:
            return bytes(atheris.Mutate(data, most))
        return targets.changed(name, data, at)[:most]

    with tempfile.TemporaryDirectory() as corpus:
        for seed in range(SEEDS):
            Path(corpus, str(seed)).write_bytes(targets.begin(name, random.Random(seed)))
        cases = ROOT / "tests" / "fuzz" / "cases" / name
        options = [
            f"-max_total_time={seconds}", "-max_len=50000", "-timeout=20", "-rss_limit_mb=2048",
            f"-artifact_prefix={cases}/",
        ]  # fmt: skip
        atheris.Setup([sys.argv[0], corpus, str(cases), *options], targets.TARGETS[name], custom_mutator=mutated)
        atheris.Fuzz()


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
