"""Every row of every table removed, redirected and added in turn: what notices it, and what nothing notices.

    python tools/mutants.py                         all tables, on all cores (make mutants)
    python tools/mutants.py 'seed container'        those whose id begins so
    python tools/mutants.py --json > mutants.json   every mutant, by what it is noticed, and the words of it
    python tools/mutants.py --witnesses             only the rules of scenarios: tests/data/witnesses.toml is rewritten

A mutant that nothing notices is a hole, unless `tests/data/mutants.toml` lists it with the reason. Then come the rules
of scenarios of which nothing shows that a scenario fails by them, but for those that the same file lists. The exit code
is 1 if there is a hole or such a rule, or if something is listed that is not so.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import sys
from collections import Counter, defaultdict
from pathlib import Path

from tabulate import tabulate

sys.path.insert(0, str(Path(__file__).parent.parent))  # the tests are no installed package

from model.profiles import PROFILES
from tests import mutants, shown

WAYS = ("building", "principle", "property", "idle", "recording", "suite", "build")


def main() -> int:
    """Try the mutants, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("begin", nargs="?", default="", help="only mutants whose id begins so: 'v0.17.0 sandbox'")
    parser.add_argument("--json", action="store_true", help="machine-readable, to standard output")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes; default: one for each core")
    parser.add_argument("--witnesses", action="store_true", help="rewrite the witnesses of rules, and try no mutants")
    options = parser.parse_args()
    if options.witnesses:
        shown.WITNESSES.write_text(shown.written(witnesses(options.jobs)), encoding="utf-8")
        return 0
    chosen = [m for p in PROFILES.values() for m in mutants.mutants(p) if m.id.startswith(options.begin)]
    found = tried(chosen, options.jobs)
    listed = mutants.equivalent()
    holes = [m.id for m in chosen if not found[m.id][0] and m.id not in listed]
    rotten = [i for i in listed if i.startswith(options.begin) and found.get(i, ("no such mutant",))[0]]
    ways = {} if options.begin else witnesses(options.jobs)
    missing = {p: shown.claimed(p).keys() - found_ways.keys() for p, found_ways in ways.items()}
    wrong = sorted(f"{p} {rule}" for p, rules in missing.items() for rule in rules ^ shown.excused(p).keys())
    if options.json:
        data = {
            "mutants": [{"id": m.id, "by": found[m.id][0] or None, "what": found[m.id][1]} for m in chosen],
            "holes": holes,
            "listed": listed,
            "not_shown": {p: sorted(rules) for p, rules in missing.items()},
        }
        print(json.dumps(data, ensure_ascii=False, indent=2))
    else:
        print(_table(chosen, found))
        for title, lines in (
            ("nothing notices", holes),
            ("listed in tests/data/mutants.toml, and there is none or it is noticed", rotten),
            ("rules whose scenario nothing makes fail by them, or that are listed so and are shown", wrong),
        ):
            print("\n".join([f"\n{title}:", *(f"  {line}" for line in lines)]) if lines else f"\n{title}: none")
        reasons = Counter(listed[m.id] for m in chosen if m.id in listed)
        print("".join(f"\n{count} equivalent: {reason}" for reason, count in reasons.items()))
    return int(bool(holes or rotten or wrong))


def witnesses(jobs: int) -> dict[str, dict[str, list[shown.Witness]]]:
    """By profile, everything that shows a rule of a scenario."""
    print("which scenario fails by which rule, whatever is broken", file=sys.stderr)
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        return dict(zip(PROFILES, pool.map(shown.shown, PROFILES), strict=True))


def tried(chosen: list[mutants.Mutant], jobs: int) -> dict[str, tuple[str, str]]:
    """By what each mutant is noticed, and the words of it."""
    mutants.warm_up()  # before the fork, so that it is done once
    found: dict[str, tuple[str, str]] = {}
    spread = random.Random(0).sample(chosen, len(chosen))  # neighbours cost about the same
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        for number, (one, by) in enumerate(pool.imap_unordered(_try, spread, chunksize=8), 1):
            found[one] = by
            if number % 100 == 0 or number == len(spread):
                survivors = sum(not way for way, _ in found.values())
                print(f"\r{number:,} of {len(spread):,} mutants, {survivors} unnoticed", end="", file=sys.stderr)
    print(file=sys.stderr)
    return found


def _try(mutant: mutants.Mutant) -> tuple[str, tuple[str, str]]:
    return mutant.id, mutants.noticed(mutant)


def _table(chosen: list[mutants.Mutant], found: dict[str, tuple[str, str]]) -> str:
    """The score of each table: by what its mutants are noticed, and how many are not."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for mutant in chosen:
        for name in (f"{mutant.profile} {mutant.table}", "all"):
            counts[name][found[mutant.id][0] or "unnoticed"] += 1
    counts["all"] = counts.pop("all", Counter())
    rows = []
    for name, by in counts.items():
        score = f"{1 - by['unnoticed'] / max(1, by.total()):.1%}"
        rows.append([name, by.total(), *(by[way] or "" for way in WAYS), by["unnoticed"] or "", score])
    return tabulate(rows, ["table", "mutants", *WAYS, "unnoticed", "score"], colalign=("left",))


if __name__ == "__main__":
    raise SystemExit(main())
