"""Any command line: a message or an answer, exit code 0, 1 or 2, and no traceback."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kubephase
from tests.fuzz import mutate, targets

EXAMPLES = int(os.environ.get("KUBEPHASE_FUZZ", "30"))

COMMANDS = [name for name in kubephase.cli.commands if name != "nodes"]  # what it starts it leaves running
SMALL = {
    "verify": ["--policy", "Never", "--max-states", "2000"],
    "conform": ["--select", "pod.restart.success.never", "--jobs", "2"],
    "faults": ["moves-pods", "--profile", "seed", "--jobs", "1", "--seeds", "1"],
    "soak": ["--runtime", "module:Nowhere"],
    "demo": ["--recordings", "{empty}"],
    "draw": ["--out", "{file}/x"],
}
"""What keeps a command small that takes long: it stands last, so that it holds."""

TEXTS = ("", "x", "-", "--", "-1", "0", "1", "2", "seed", "v0.17.0", "pod", "pod.restart", "simulator", "Always", "a:b",
         "{bad.py}:X", "{dir}:X", "\udcff", "é\n", "\x1b[31m", "%", "{}", "٣", "1e9", "nan", "inf", "9" * 400,
         "x" * 300)  # fmt: skip
PATHS = ("{good}", "{history}", "{random}", "{empty}", "{dir}", "{missing}", "{file}/x", "{loop}", "{odd}", "{record}",
         "{bad-record}", "{toml}", "{damaged}", "/dev/null", "/proc/self/mem", "x" * 300, "")  # fmt: skip


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files and folders of every kind."""
    folder = tmp_path_factory.mktemp("places")
    at = random.Random(1)
    record = b'{"kind": "Minion", "apiVersion": "v1beta1", "id": "n1", "x": "%s"}' % (
        at.randbytes(60_000).hex().encode()
    )
    contents = {
        "good": targets.RECORDINGS[0].read_bytes(), "history": targets.histories()[0], "random": at.randbytes(5000),
        "record": targets.MINION, "bad-record": targets.NODE[:-9], "toml": targets.DEVIATIONS, "bad.py": b"1 / 0",
        "file": b"x", "empty-file": b"", "odd": b"{}", "damaged": mutate.COMPRESS[0](record)[:-9],
    }  # fmt: skip
    found = {}
    for name, content in contents.items():
        path = folder / (name if name != "odd" else os.fsdecode(b"odd-\xff\n"))
        path.write_bytes(content)
        found[name] = str(path)
    (folder / "loop").symlink_to("loop")
    for name in ("dir", "empty"):
        (folder / name).mkdir()
    (folder / "dir" / "x.ndjson").mkdir()
    return {**found, **{name: str(folder / name) for name in ("dir", "empty", "loop", "missing")}}


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """What is written goes there."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def values(param: click.Parameter) -> st.SearchStrategy[str]:
    """Arguments for a parameter: half of them of its kind."""
    kind = param.type
    if isinstance(kind, click.Choice):
        return st.sampled_from([*map(str, kind.choices), *TEXTS])
    if isinstance(kind, click.Path):
        return st.sampled_from(PATHS)
    if isinstance(kind, click.types.IntParamType | click.types.FloatParamType):
        return st.sampled_from(("1", "2", "3", "0", "-1", "1.5", "x", "", "nan", "99999999999999999999"))
    return st.sampled_from(TEXTS)


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """A command and its arguments."""
    name = draw(st.sampled_from(COMMANDS))
    command = kubephase.cli.commands[name]
    line = [name]
    for param in command.params:
        if not draw(st.booleans() if param.required else st.sampled_from((True, False, False, False))):
            continue
        for _ in range(draw(st.integers(1, 2)) if param.multiple or param.nargs == -1 else 1):
            if isinstance(param, click.Option):
                line.append(draw(st.sampled_from(param.opts)))
            if not getattr(param, "is_flag", False):
                line.append(draw(values(param)))
    if draw(st.sampled_from((True, *[False] * 9))):
        line.insert(draw(st.integers(0, len(line))), draw(st.sampled_from(TEXTS)))
    return [*line, *SMALL.get(name, [])]


@settings(
    max_examples=EXAMPLES, deadline=30_000, derandomize=EXAMPLES == 30, suppress_health_check=[HealthCheck.too_slow]
)
@given(line=command_lines(), stdin=st.sampled_from((b"", b"x", b"{\n" * 100, targets.MINION)))
def test_any_command_line_gets_an_answer(
    places: dict[str, str], tmp_path_factory: pytest.TempPathFactory, line: list[str], stdin: bytes
) -> None:
    given_ = [_placed(word, places) for word in line]
    with inside(tmp_path_factory.mktemp("run")):
        done = CliRunner().invoke(kubephase.cli, given_, input=stdin)
    assert done.exception is None or isinstance(done.exception, SystemExit), given_
    assert done.exit_code in (0, 1, 2)
    assert "Traceback" not in done.output
    assert "the judge broke" not in done.output


def _placed(word: str, places: dict[str, str]) -> str:
    for name, place in places.items():
        word = word.replace(f"{{{name}}}", place)
    return word


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize(
    "option", ["trace", "trace --json", "trace --sequence out", "conform --deviations", "conform --report"]
)
def test_any_file_gets_an_answer(places: dict[str, str], tmp_path: Path, option: str, kind: str) -> None:
    line = [*option.split(), _placed(kind, places), *SMALL.get(option.split()[0], [])]
    with inside(tmp_path):
        done = CliRunner().invoke(kubephase.cli, line)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert done.exit_code in (0, 1, 2)
    assert "the judge broke" not in done.output


def test_a_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    """It has no size, and its writer goes away in the middle of a line."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    data = targets.RECORDINGS[0].read_bytes()
    writer = threading.Thread(target=pipe.write_bytes, args=(data[:-20],))
    writer.start()
    done = CliRunner().invoke(kubephase.cli, ["trace", "--profile", "v0.17.0", str(pipe)])
    writer.join()
    assert "the line is truncated" in done.stderr
    assert done.exit_code in (1, 2)


def test_a_pipe_beside_a_recording_is_left_alone(tmp_path: Path) -> None:
    """Nobody writes into it: to read it would take for ever."""
    os.mkfifo(tmp_path / "x.json")
    (tmp_path / "x.ndjson").write_bytes(targets.RECORDINGS[0].read_bytes())
    assert (
        CliRunner().invoke(kubephase.cli, ["trace", "--profile", "v0.17.0", str(tmp_path / "x.ndjson")]).exit_code == 0
    )
