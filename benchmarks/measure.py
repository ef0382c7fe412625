"""What all measurements share: tables, work in a process of its own, and the name of the machine."""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from tabulate import tabulate

ROOT = Path(__file__).parent.parent

Row = dict[str, Any]

COUNT, SECONDS, MILLISECONDS = "{:,}".format, "{:.3g} s".format, "{:.2f} ms".format
MICROSECONDS, MEGABYTES = "{:.1f} µs".format, "{:,.0f} MB".format


def times(ratio: float) -> str:
    """A ratio, with no more places than it is worth."""
    return f"{ratio:,.1f} ×" if ratio < 100 else f"{ratio:,.0f} ×"


@dataclass(frozen=True)
class Table:
    """A table: what it shows, how it was measured, and its rows by column. ``columns`` say how a value is written; one
    that a row has not is left empty."""

    title: str
    text: str
    columns: dict[str, Callable[[Any], str]]
    rows: list[Row]

    def markdown(self) -> str:
        """As the README has it."""
        shown = [[say(row[name]) if name in row else "" for name, say in self.columns.items()] for row in self.rows]
        aligned = ["right" if say is not str else "left" for say in self.columns.values()]
        table = tabulate(shown, list(self.columns), tablefmt="pipe", disable_numparse=True, colalign=aligned)
        return f"**{self.title}.** {self.text}\n\n{table}"


def machine() -> str:
    """What the figures depend on: processor, cores, Python, date, and how busy it was at the start."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(": ")[2] if names else model
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{model}, {os.cpu_count()} cores, {platform.system()}; {python}; {today}; load {os.getloadavg()[0]:.1f}"


def say(text: str) -> None:
    """Progress, on the standard error."""
    click.echo(f"  {text}", err=True)


def alone(script: str, *arguments: object) -> Row:
    """What a script of this folder prints as JSON, run in a process of its own."""
    command = [sys.executable, str(Path(__file__).parent / script), *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    found: Row = json.loads(done.stdout)
    return found


def peak() -> float:
    """The most memory that this process has had so far, in MB. Of the kernel's own account, as that of `resource`
    includes the process from which this one was started."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1000


def of(rounds: int) -> str:
    """How often it was measured, as the text of a table says it."""
    return f"Medians of {rounds} rounds" if rounds > 1 else "Measured once"


def medians(rounds: Iterable[Sequence[Row]]) -> list[Row]:
    """Of rounds, each with the same rows, the rows with the medians of their numbers."""
    return [
        {
            name: statistics.median([row[name] for row in same]) if isinstance(value, float) else value
            for name, value in same[0].items()
        }
        for same in zip(*rounds, strict=True)
    ]
