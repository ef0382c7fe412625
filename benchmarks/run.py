"""The figures that the README quotes: ratios taken side by side in one run.

make benchmark                      prints them
make benchmark-docs                 and writes them where the README quotes them
python benchmarks/run.py --quick    small sizes, once each
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import click
import explore
import growth
import judging
import suite
from measure import Table, machine, say

ROUNDS = 3


def plan(quick: bool, rounds: int) -> list[Callable[[], Table]]:
    """The tables to make, in order."""
    networks = explore.SIZES[:1] if quick else explore.SIZES
    frames, own = ([10_000], [10_000]) if quick else ([10_000, 100_000, 1_000_000], [100_000])
    return [
        lambda: explore.spin_table(networks, rounds),
        lambda: explore.stepping_table(networks[-1], rounds),
        lambda: growth.table(growth.QUICK if quick else growth.SIZES, rounds),
        lambda: judging.table(frames, own, rounds),
        lambda: suite.table(rounds),
    ]


@click.command()
@click.option("--quick", is_flag=True, help="Small sizes, once each: to see that it works, not to quote.")
@click.option("--rounds", type=click.IntRange(1), metavar="N",
              help=f"How often each is measured; medians are told. Default: {ROUNDS}, with --quick 1.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="For programs: times in seconds, memory in MB.")
def main(quick: bool, rounds: int | None, as_json: bool) -> None:
    """Print the tables that the README quotes, in Markdown. It takes some fifteen minutes, with --quick two."""
    explore.check_spin()
    begun, where = time.monotonic(), machine()
    tables = [make() for make in plan(quick, rounds or (1 if quick else ROUNDS))]
    say(f"{time.monotonic() - begun:.0f} s in all")
    if as_json:
        told = [{"title": table.title, "text": table.text, "rows": table.rows} for table in tables]
        click.echo(json.dumps({"machine": where, "tables": told}, ensure_ascii=False))
    else:
        click.echo("\n\n".join([f"Measured on {where}.", *(table.markdown() for table in tables)]))


if __name__ == "__main__":
    main()
