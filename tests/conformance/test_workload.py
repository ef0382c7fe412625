"""A compiled workload does in a real shell what `step_of` says, incarnation after incarnation."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.workload import RUN_ON, Exit, OutOfMemory, RunOn, Workload, compile_to_sh, step_of

SHELLS = {"sh": ("sh",), "dash": ("dash",), "bash": ("bash", "--posix"), "busybox": ("busybox", "sh")}

PATIENCE = 30.0
"""Seconds after which a script hangs."""

MEMORY = 64 * 1024
"""Kibibytes that a script may have when it is to run out of memory."""


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The command line of a POSIX shell. Every machine has sh; the others where they are installed."""
    command = SHELLS[request.param]
    if shutil.which(command[0]) is None and command[0] != "sh":
        pytest.skip(f"there is no {command[0]} here")
    return command


def run(shell: tuple[str, ...], workload: Workload, counter: Path, limit: int | None = None) -> int:
    """The exit code of one incarnation; at most ``limit`` kibibytes of memory."""
    script = compile_to_sh(workload, str(counter))
    limited = f"ulimit -v {limit}\n" if limit else ""
    command = [*shell, "-c", limited + script]
    return subprocess.run(command, timeout=PATIENCE, stderr=subprocess.DEVNULL, check=False).returncode


def test_incarnations_exit_in_order_and_the_last_step_repeats(shell: tuple[str, ...], tmp_path: Path) -> None:
    workload = (Exit(3, 0), Exit(0, 0), Exit(255, 0), Exit(7, 0))
    codes = [run(shell, workload, tmp_path / "counter") for _ in range(6)]
    assert codes == [3, 0, 255, 7, 7, 7]
    assert (tmp_path / "counter").read_text() == "6\n"


def test_one_step_serves_every_incarnation(shell: tuple[str, ...], tmp_path: Path) -> None:
    assert [run(shell, (Exit(1, 0),), tmp_path / "counter") for _ in range(3)] == [1, 1, 1]


def test_the_count_goes_on_from_what_the_volume_holds(shell: tuple[str, ...], tmp_path: Path) -> None:
    """A container that is moved to another shell, or to a new script of the same workload, goes on counting."""
    (tmp_path / "counter").write_text("1\n")
    assert run(shell, (Exit(1, 0), Exit(2, 0), Exit(3, 0)), tmp_path / "counter") == 2


@pytest.mark.parametrize("name", ["two words", "it's", 'say "so"', "$HOME", "a;exit 9", "`exit 9`", "back\\slash", "*"])
def test_any_path_will_do_for_the_counter(shell: tuple[str, ...], tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    counter = tmp_path / name / name
    assert [run(shell, (Exit(1, 0), Exit(2, 0)), counter) for _ in range(2)] == [1, 2]
    assert counter.read_text() == "2\n"


TELLING_SLEEP = 'sleep() { echo "$1"; }\n'
"""Put before a script: it does not wait, and tells for how long it would have waited."""


@pytest.mark.parametrize(("after", "told"), [(0, "0"), (0.0, "0"), (0.25, "0.25"), (2.5, "2.5"), (1, "1"), (90, "90")])
def test_an_incarnation_waits_once_for_as_long_as_it_should(
    shell: tuple[str, ...], tmp_path: Path, after: float, told: str
) -> None:
    script = TELLING_SLEEP + compile_to_sh((Exit(4, after),), str(tmp_path / "counter"))
    done = subprocess.run([*shell, "-c", script], timeout=PATIENCE, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (4, f"{told}\n")


@pytest.mark.parametrize("after", [0, 0.25])
def test_the_real_sleep_takes_fractions(shell: tuple[str, ...], tmp_path: Path, after: float) -> None:
    """Never shorter; how much longer is up to the machine."""
    begun = time.monotonic()
    assert run(shell, (Exit(4, after),), tmp_path / "counter") == 4
    assert time.monotonic() - begun >= after


def test_run_on_runs_until_killed_and_the_next_incarnation_follows(shell: tuple[str, ...], tmp_path: Path) -> None:
    workload = (RunOn(), Exit(5, 0))
    script = TELLING_SLEEP + compile_to_sh(workload, str(tmp_path / "counter"))
    with subprocess.Popen([*shell, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        turns = [process.stdout.readline() for _ in range(100)]
        assert process.poll() is None
        process.kill()
    assert turns == [b"1\n"] * 100
    assert process.returncode == -signal.SIGKILL
    assert run(shell, workload, tmp_path / "counter") == 5


def test_out_of_memory_is_an_abnormal_end(shell: tuple[str, ...], tmp_path: Path) -> None:
    """Where memory is limited; in a container the kernel kills the process instead."""
    workload = (OutOfMemory(0), Exit(0, 0))
    assert run(shell, workload, tmp_path / "counter", MEMORY) != 0
    assert run(shell, workload, tmp_path / "counter", MEMORY) == 0, "the limit leaves enough for the other steps"


def test_a_step_only_does_its_own(tmp_path: Path) -> None:
    """No script falls through into the next step, and every step is there once."""
    script = compile_to_sh((Exit(1, 0), OutOfMemory(0.5), RunOn()), str(tmp_path / "counter"))
    cases = [line.strip() for line in script.splitlines() if line.endswith(" ;;")]
    assert [case.split(")")[0] for case in cases] == ["0", "1", "*"]
    assert "exit 1" in cases[0]
    assert "sleep 0.5" in cases[1]


@pytest.mark.parametrize("code", [-1, 256, 1000])
def test_an_exit_code_that_no_process_can_have_is_refused(code: int) -> None:
    with pytest.raises(ValueError, match=f"exit code {code} is not between 0 and 255"):
        compile_to_sh((Exit(0), Exit(code)), "/counter")


@pytest.mark.parametrize("code", [0, 255])
def test_every_other_exit_code_is_accepted(code: int) -> None:
    assert f"exit {code}" in compile_to_sh((Exit(code),), "/counter")


def test_an_empty_workload_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one step"):
        compile_to_sh((), "/counter")


def test_the_plain_workload_runs_on() -> None:
    assert list(RUN_ON) == [RunOn()]
    assert step_of(RUN_ON, 1000) == RunOn()


# Examples are chosen by the source of the test alone; derandomize=False shows others in every run.
@settings(max_examples=20, derandomize=True, deadline=None)
@given(st.lists(st.integers(0, 255), min_size=1, max_size=5), st.integers(0, 3))
def test_the_script_does_what_step_of_says(codes: list[int], more: int) -> None:
    workload = tuple(Exit(code, 0) for code in codes)
    with tempfile.TemporaryDirectory() as folder:
        done = [run(("sh",), workload, Path(folder) / "counter") for _ in range(len(codes) + more)]
    expected = [step_of(workload, number) for number in range(len(done))]
    assert done == [step.code for step in expected if isinstance(step, Exit)]
    assert done == [*codes, *[codes[-1]] * more]


@pytest.mark.parametrize("after", [-1.0, float("inf"), float("nan")])
def test_a_time_that_is_none_is_refused(after: float) -> None:
    with pytest.raises(ValueError, match="cannot take"):
        compile_to_sh((Exit(0, after),), "/counter")


def test_a_long_time_is_written_without_an_exponent() -> None:
    """BusyBox' sleep reads no 1.23457e+06."""
    assert "sleep 1234567; " in compile_to_sh((Exit(0, 1234567.0),), "/counter")
    assert "sleep 0.25; " in compile_to_sh((Exit(0, 0.25),), "/counter")
