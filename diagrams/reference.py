"""The reference: every rule with its sources and with all that encodes or checks it, and every table, as Markdown."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from tabulate import tabulate

from diagrams.draw import stem
from model import events, registry
from model.container import POLICIES
from model.listing import Listing
from model.listings import LISTINGS
from model.lts.table import Row, Table
from model.profiles import PROFILES, Profile
from model.registry import Rule, Source
from model.situations import situations
from model.situations.situation import Situation

T = TypeVar("T")
K = TypeVar("K")

COMMAND = "kubephase draw --out docs --reference"
ENCODING = ("row", "decision", "entry")
"""The kinds of references that encode a rule; the others check it."""


class Ref(Protocol):
    """One thing that refers to a rule, as `conformance.references` lists them."""

    @property
    def kind(self) -> str:
        """``row``, ``decision``, ``entry``, ``property``, ``scenario`` or ``judge``."""

    @property
    def place(self) -> str:
        """In which table or module."""

    @property
    def name(self) -> str:
        """Which one there."""


References = Mapping[str, Sequence[Ref]]


def write_reference(out: Path, references: References) -> list[Path]:
    """Write ``<out>/reference/*.md`` and ``<out>/unchecked.txt`` and return the files.

    Raises UnknownRule for a reference to a rule that does not exist.
    """
    for rule_id in references:
        registry.rule(rule_id)
    rules = list(registry.all_rules().values())
    contents = {
        "reference/README.md": _index(rules, references),
        "reference/tables.md": _tables(list(PROFILES.values())),
        "reference/listings.md": _listings(LISTINGS),
        "reference/situations.md": _situations(list(PROFILES.values())),
    }
    for page, its in _grouped(rules, _page).items():
        contents[f"reference/{page}"] = _rules(page, its, references)
    contents["unchecked.txt"] = _unchecked(rules, references)
    (out / "reference").mkdir(parents=True, exist_ok=True)
    for name, text in contents.items():
        (out / name).write_text(text, encoding="utf-8", newline="\n")
    return [out / name for name in contents]


# --- the index ------------------------------------------------------------------------------------------------------

INTRODUCTION = f"""\
# Reference

What a kubelet, a virtual kubelet, a pod runtime or a simulator has to do so that nodes and pods live and die as they
should. Each sentence of the sources is one rule. These pages are written by
`{COMMAND}`
from `model/rules/*.toml`, from the tables, and from what refers to a rule; do not edit them.

- [The tables](tables.md): each state machine with its picture, its rows, and the rules that a row encodes.
- [The listings](listings.md): the tables that are no machines: the node record, flags and constants, and others.
- [The situations](situations.md): which tables move together in the networks of the controllers, and what holds there.
- The rules, by topic: see below.
- [What nothing checks yet](../unchecked.txt).

## How to read a rule

- Its **id** names its topic and never changes. The beginning of an id, as `pod.restart`, stands for all rules under it.
- **MUST**, **SHOULD**, **MAY**: how binding it is. A rule of the level MAY says what can be seen and need not be.
- **Profiles**: in which reading of the lifecycle it holds.{{profiles}}
- **Source**: where it stands, and a few words of the original.
- **Reading**: how a sentence that contradicts another one, or itself, is read here, and why.
- **Divergence**: how document and code differ; the rows are those of table N of `v0.17.0.md`.
- **Encoded by**: the rows of the tables and the entries of the listings. A table refuses every event for which a state
  has no row.
- **Checked by**: properties, which are proved for the tables; scenarios, which are run against a runtime; and what is
  looked for in every history, whatever it was recorded for.
- **Only describes**: the sentence demands nothing that could be seen, and why.

## Rules by group

A rule counts as checked if anything refers to it. One that only describes counts neither as checked nor as unchecked.
"""


def _index(rules: Sequence[Rule], references: References) -> str:
    lines = []
    for page, on_page in _grouped(rules, _page).items():
        for group, its in _grouped(on_page, lambda rule: rule.group).items():
            lines.append([f"[{group}]({page}#{group})", *_counts(its, references)])
    lines.append(["all", *_counts(rules, references)])
    headers = ["group", "rules", *registry.PROFILES, "checked", "unchecked", "only describe"]
    profiles = "".join(f"\n  - `{profile.name}`: {profile.summary}." for profile in PROFILES.values())
    return INTRODUCTION.format(profiles=profiles) + "\n" + _table(lines, headers)


def _counts(rules: Sequence[Rule], references: References) -> list[int]:
    checked = sum(rule.id in references for rule in rules)
    by_profile = [sum(name in rule.profiles for rule in rules) for name in registry.PROFILES]
    describing = sum(bool(rule.describes) for rule in rules)
    return [len(rules), *by_profile, checked, len(rules) - checked - describing, describing]


def _unchecked(rules: Sequence[Rule], references: References) -> str:
    first = f"# The rules that nothing refers to, though they demand something. Written by: {COMMAND}"
    return "\n".join([first, *sorted(r.id for r in rules if r.id not in references and not r.describes)]) + "\n"


# --- a page of rules ------------------------------------------------------------------------------------------------


def _rules(page: str, rules: Sequence[Rule], references: References) -> str:
    groups = _grouped(rules, lambda rule: rule.group)
    contents = [f"- [{group}](#{group}) ({len(its)})" for group, its in groups.items()]
    text = [f"# {page.removesuffix('.md')}", "[Reference](README.md) · [tables](tables.md)", "\n".join(contents)]
    for group, its in groups.items():
        text.append(f"## {_anchor(group)}{group}")
        for rule in its:
            text += _entry(rule, references.get(rule.id, ()))
    return "\n\n".join(text) + "\n"


def _entry(rule: Rule, refs: Sequence[Ref]) -> Iterator[str]:
    yield f"### {_anchor(rule.id)}{rule.id}"
    yield f"**{rule.level}** · {', '.join(rule.profiles)}"
    yield _plain(rule.statement)
    yield _list("Source" if len(rule.sources) == 1 else "Sources", map(_source, rule.sources))
    if rule.reading:
        yield f"Reading: {_plain(rule.reading)}"
    if rule.divergence:
        numbers = rule.divergence.rows
        rows = f" (table N, row{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))})" if numbers else ""
        yield f"Divergence{rows}: {_plain(rule.divergence.text)}"
    if rule.describes:
        yield f"Only describes: {_plain(rule.describes)}"
    elif not refs:
        yield "*Nothing refers to it yet.*"
    encoded, checked = ([r for r in refs if (r.kind in ENCODING) is wanted] for wanted in (True, False))
    if encoded:
        yield _list("Encoded by", _collapsed(encoded))
    if checked:
        yield _list("Checked by", _collapsed(checked))


def _source(source: Source) -> str:
    return f"{source}: “{_plain(source.quote)}”"


def _list(title: str, items: Iterable[str]) -> str:
    every = list(items)
    return f"{title}: {every[0]}" if len(every) == 1 else "\n".join([f"{title}:\n", *(f"- {item}" for item in every)])


# --- references, collapsed ------------------------------------------------------------------------------------------


def _collapsed(refs: Sequence[Ref]) -> Iterator[str]:
    """One line for what differs only in its profile, its table or its restart policy."""
    for kind, its in _grouped(refs, lambda ref: ref.kind).items():
        yield from LINES.get(kind, _other_lines)(its)


def _row_lines(refs: Sequence[Ref]) -> Iterator[str]:
    """One line for the rows that stand in the same tables: ``seed pod Always, OnFailure; v0.17.0 pod Always: ...``."""
    tables = {name: tuple(ref.place for ref in its) for name, its in _grouped(refs, lambda ref: ref.name).items()}
    for places, names in _grouped(tables, lambda name: tables[name]).items():
        alike = _grouped(places, lambda place: place.partition("/")[0])
        where = "; ".join(_table_links(kind, its) for kind, its in alike.items())
        yield f"{where}: {', '.join(f'`{name}`' for name in names)}"


def _table_links(kind: str, places: Sequence[str]) -> str:
    """Links to tables that differ in their policy only; a place is ``seed: pod/Always``."""
    profile, _, table = kind.partition(": ")
    if places == [kind]:
        return f"{profile} [{table}](tables.md#{_place(profile, table)})"
    policies = [place.rpartition("/")[2] for place in places]
    return f"{profile} {table} " + ", ".join(f"[{p}](tables.md#{_place(profile, f'{table}/{p}')})" for p in policies)


def _decision_lines(refs: Sequence[Ref]) -> Iterator[str]:
    for name, its in _grouped(refs, lambda ref: ref.name).items():
        links = ", ".join(f"[{ref.place}](tables.md#{_place(ref.place, 'decisions')})" for ref in its)
        yield f"decision table of {links}: “{name}”"


def _entry_lines(refs: Sequence[Ref]) -> Iterator[str]:
    for place, its in _grouped(refs, lambda ref: ref.place).items():
        yield f"[{place}](listings.md#{_slug(place)}): {', '.join(ref.name for ref in its)}"


def _property_lines(refs: Sequence[Ref]) -> Iterator[str]:
    """``always: a deleted pod does not come back (seed, v0.17.0 Never)``; a profile alone stands for every policy, and
    the name of a situation for that situation."""
    for (kind, name), its in _grouped(refs, lambda ref: (ref.place.partition(": ")[2], ref.name)).items():
        models = [ref.place.partition(": ")[0].partition(" ") for ref in its]
        where = [p + _policies(place for *_, place in ones) for p, ones in _grouped(models, lambda m: m[0]).items()]
        yield f"property, *{kind}*: {name} ({', '.join(where)})"


def _scenario_lines(refs: Sequence[Ref]) -> Iterator[str]:
    for name, its in _grouped(refs, lambda ref: ref.name.partition("[")[0]).items():
        policies = _policies(ref.name.partition("[")[2].removesuffix("]") for ref in its)
        yield f"scenario `{name}`{policies and f' under{policies}'}"


def _other_lines(refs: Sequence[Ref]) -> Iterator[str]:
    for ref in refs:
        yield f"{ref.place}: {ref.name}"


LINES: dict[str, Callable[[Sequence[Ref]], Iterator[str]]] = {
    "row": _row_lines,
    "decision": _decision_lines,
    "entry": _entry_lines,
    "property": _property_lines,
    "scenario": _scenario_lines,
}
"""How the references of each kind are written."""


def _policies(names: Iterable[str]) -> str:
    """`` Always, Never``, or nothing for all of them."""
    every = list(dict.fromkeys(names))
    return "" if set(every) == set(POLICIES) else f" {' and '.join(every)}"


# --- the tables -----------------------------------------------------------------------------------------------------

ABOUT_TABLES = """\
# The tables

[Reference](README.md)

Each state machine of each profile. In the pictures the black dot points to the initial state, a double border marks a
state that nothing leads out of, and the events under the line inside a state leave it as it is. Grey and dashed is
waiting, green is running, blue has succeeded, red with a thick border has failed, and black is gone.

An event that has no row in the present state is refused: it changes nothing. An event that has several rows may take
any of them. `@node` stands for the node that a pod is bound to."""


def _tables(profiles: Collection[Profile]) -> str:
    contents = [
        f"- {profile.name}: "
        + ", ".join(f"[{name}](#{_place(profile.name, name)})" for name in [*_names(profile), "decisions"])
        for profile in profiles
    ]
    contents = [textwrap.fill(line, 120, subsequent_indent="  ", break_on_hyphens=False) for line in contents]
    coded = any(profile.name == "v0.17.0" for profile in profiles)
    text = [ABOUT_TABLES, "\n".join([*contents, *(["- [events of v0.17.0](#v0.17.0-events)"] if coded else [])])]
    named: set[str] = set()
    for profile in profiles:
        text += [f"## {profile.name}", f"{profile.summary[0].upper()}{profile.summary[1:]}."]
        for table in profile.tables():
            text.append(_one_table(profile, table))
            named.update(rule for row in table.all_rows() for rule in row.rules)
        text.append(_decisions(profile))
        named.update(rule for decision in profile.decisions() for rule in decision.rules)
    if coded:
        text.append(_kinds_of_events())
        named.update(rule for row in (*events.KINDS, *events.NEVER) for rule in row.rules)
    text.append("\n".join(f"[{rule_id}]: {_page(registry.rule(rule_id))}#{rule_id}" for rule_id in sorted(named)))
    return "\n\n".join(text) + "\n"


def _kinds_of_events() -> str:
    """The events of v0.17.0: who records what, and what nobody does."""
    kinds = [[kind.reason, kind.component, kind.about, kind.when, _links(kind.rules)] for kind in events.KINDS]
    never = [[row.component, row.about, row.words.replace("|", ", ") or "anything", _links(row.rules)]
             for row in events.NEVER]  # fmt: skip
    return "\n\n".join([
        f"## {_anchor('v0.17.0-events')}Events of v0.17.0",
        _table(kinds, ["reason", "recorded by", "about a", "when", "rules"]).rstrip(),
        "What is never recorded: other reasons with one of these words in them.",
        _table(never, ["by", "about a", "with", "rules"]).rstrip(),
    ])  # fmt: skip


def _names(profile: Profile) -> list[str]:
    return [table.name for table in profile.tables()]


def _one_table(profile: Profile, table: Table) -> str:
    picture = f"![{table.name} in the profile {profile.name}](../diagrams/{profile.name}/{stem(table)}.svg)"
    headers = ["state", "event", "next state", "rules", "recorded"]
    lines = [
        [before + row.source, row.event, before + row.target, _links(row.rules), ", ".join(row.records)]
        for before, row in _rows(table)
    ]
    if not any(line[-1] for line in lines):
        lines, headers = [line[:-1] for line in lines], headers[:-1]
    heading = f"### {_anchor(_place(profile.name, table.name))}{profile.name}: {table.name}"
    return f"{heading}\n\n{picture}\n\n{_table(lines, headers)}".rstrip()


def _rows(table: Table, before: str = "") -> Iterator[tuple[str, Row]]:
    """All rows, each with what its states' names begin with: ``Running/NodeReady/`` in a region."""
    yield from ((before, row) for row in table.rows)
    for state, regions in table.regions.items():
        for region in regions:
            yield from _rows(region, f"{before}{state}/{region.name}/")


def _decisions(profile: Profile) -> str:
    """The decision table and what it decides by."""
    decisions = [
        [d.name, ", ".join(d.has), ", ".join(d.lacks), *d.phases, _links(d.rules)] for d in profile.decisions()
    ]
    classes = [
        [name, ", ".join(state for state, its in profile.class_of.items() if its == name)]
        for name in dict.fromkeys(profile.class_of.values())
    ]
    return "\n\n".join([
        f"### {_anchor(_place(profile.name, 'decisions'))}{profile.name}: decisions",
        "The phase of a pod from the states of its containers (F-T1 of `v0.17.0.md`): the first row that fits decides.",
        _table(decisions, ["row", "some container is", "none is", *POLICIES, "rules"]).rstrip(),
        "What a container in each state counts as:",
        _table(classes, ["counts as", "states"]).rstrip(),
    ])  # fmt: skip


# --- the listings ---------------------------------------------------------------------------------------------------

ABOUT_LISTINGS = """\
# The listings

[Reference](README.md) · [tables](tables.md)

The tables that are no state machines. Functions of the model read them: they convert and check a node record, choose a
node, or tell how long something takes."""


def _listings(listings: Sequence[Listing]) -> str:
    named = {rule for listing in listings for row in listing.rows for rule in row.rules}
    contents = ", ".join(f"[{one.name}](#{_slug(one.name)})" for one in listings)
    text = [ABOUT_LISTINGS, contents, *map(_one_listing, listings)]
    text.append("\n".join(f"[{rule_id}]: {_page(registry.rule(rule_id))}#{rule_id}" for rule_id in sorted(named)))
    return "\n\n".join(text) + "\n"


def _one_listing(listing: Listing) -> str:
    lines = [[*map(_cell, cells), _links(row.rules)] for cells, row in zip(listing.cells(), listing.rows, strict=True)]
    headers = [*(column.replace("_", " ") for column in listing.columns), "rules"]
    heading = f"## {_anchor(_slug(listing.name))}{listing.name}"
    return f"{heading}\n\n{listing.about}.\n\n{_table(lines, headers)}".rstrip()


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")


# --- the situations -------------------------------------------------------------------------------------------------

ABOUT_SITUATIONS = """\
# The situations

[Reference](README.md) · [tables](tables.md)

Small networks, one for each controller, that `kubephase verify` explores completely, beside that of the cluster at
large. In each several tables run side by side. A step moves one of them, or several at once: those are listed here.
What *hears* a step takes part if it can, and stays as it is otherwise. The world, that is users, clouds and faults, may
come to rest (`settle`); what holds *eventually* holds then, if nothing that stays possible is put off for ever."""


def _situations(profiles: Collection[Profile]) -> str:
    every = [(profile, one) for profile in profiles for one in situations(profile)]
    named = {rule for _, one in every for prop in one.properties for rule in prop.rules}
    contents = [
        f"- {profile.name}: "
        + ", ".join(f"[{one.name}](#{_place(profile.name, one.name)})" for one in situations(profile))
        for profile in profiles
    ]
    text = [ABOUT_SITUATIONS, "\n".join(contents)]
    text += [_one_situation(profile, one) for profile, one in every]
    text.append("\n".join(f"[{rule_id}]: {_page(registry.rule(rule_id))}#{rule_id}" for rule_id in sorted(named)))
    return "\n\n".join(text) + "\n"


def _one_situation(profile: Profile, one: Situation) -> str:
    tables = _grouped(one.network.components, lambda name: one.network.components[name].name)
    together = [
        [f"`{vector.name}`", _events(vector.moves), _events(vector.broadcast)]
        for vector in one.network.vectors
        if len(vector.moves) + len(vector.broadcast) > 1
    ]
    properties = [[f"*{prop.kind}*", prop.name, _links(prop.rules)] for prop in one.properties]
    return "\n\n".join([
        f"## {_anchor(_place(profile.name, one.name))}{profile.name}: {one.name}",
        f"{one.summary[0].upper()}{one.summary[1:]}.",
        "Tables: " + ", ".join(name if its == [name] else f"{name} ({', '.join(its)})" for name, its in tables.items()),
        _table(properties, ["holds", "property", "rules"]).rstrip(),
        "Steps that move several tables:",
        _table(together, ["step", "moves", "hears"]).rstrip(),
    ])  # fmt: skip


def _events(events: Mapping[str, str]) -> str:
    return ", ".join(f"{component}: {event}" for component, event in events.items())


# --- Markdown -------------------------------------------------------------------------------------------------------


def _grouped(things: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """The things by key, in the order in which the keys first appear."""
    groups: dict[K, list[T]] = {}
    for thing in things:
        groups.setdefault(key(thing), []).append(thing)
    return groups


def _table(lines: Sequence[Sequence[object]], headers: Sequence[str]) -> str:
    return tabulate(lines, headers=headers, tablefmt="github", disable_numparse=[0]) + "\n"


def _links(rules: Iterable[str]) -> str:
    return ", ".join(f"[{rule_id}]" for rule_id in rules)


def _page(rule: Rule) -> str:
    return f"{rule.id.partition('.')[0]}.md"


def _place(profile: str, table: str) -> str:
    """The anchor of a table on its page."""
    return _slug(f"{profile}-{table}".replace("/", "-"))


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")


def _anchor(name: str) -> str:
    return f'<a id="{name}"></a>'


def _plain(text: str) -> str:
    """Text that may hold Markdown, as all our sources do, but no HTML."""
    return re.sub(r"(`[^`]*`)|<(?=[A-Za-z/!])", lambda found: found[1] or "&lt;", text)
