"""A compiled workload does in a real shell what `step_of` says, incarnation after incarnation."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.workload import (
    RUN_ON,
    Exit,
    OutOfMemory,
    Put,
    Reach,
    RunOn,
    Serve,
    Take,
    UseDisk,
    Workload,
    compile_to_sh,
    step_of,
)

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


@contextlib.contextmanager
def running(
    shell: tuple[str, ...], workload: Workload, counter: Path, path: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """One incarnation that runs, and is killed in the end with all that it has begun."""
    script = compile_to_sh(workload, str(counter))
    environment = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}"} if path else None
    process = subprocess.Popen([*shell, "-c", script], start_new_session=True, env=environment,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(path: Path) -> None:
    """Wait until there is such a file."""
    end = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < end, f"there is no {path}"
        time.sleep(0.01)


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


@pytest.mark.parametrize("moment", ["echo", "mv"])
def test_a_kill_between_the_steps_of_counting_never_loses_the_count(
    shell: tuple[str, ...], tmp_path: Path, moment: str
) -> None:
    """Killed when the redirection has emptied its file but nothing is written yet; and before the new one is moved."""
    workload = (Exit(1, 0), Exit(2, 0), Exit(3, 0))
    counter = tmp_path / "counter"
    assert run(shell, workload, counter) == 1
    script = moment + "() { kill -9 $$; }\n" + compile_to_sh(workload, str(counter))
    done = subprocess.run([*shell, "-c", script], timeout=PATIENCE, check=False)
    assert done.returncode == -signal.SIGKILL
    assert counter.read_text() == "1\n"
    assert run(shell, workload, counter) == 2


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


@pytest.mark.parametrize("code", [0, 3])
def test_a_child_that_runs_out_of_memory_leaves_the_exit_code_to_the_container(
    shell: tuple[str, ...], tmp_path: Path, code: int
) -> None:
    assert run(shell, (OutOfMemory(0, code=code),), tmp_path / "counter", MEMORY) == code


# --- the volume -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["greeting", "two words", "it's", "$HOME", "*"])
def test_what_one_incarnation_puts_another_container_takes(shell: tuple[str, ...], tmp_path: Path, name: str) -> None:
    """From the folder of the counters, which they share."""
    assert run(shell, (Put(name, code=3),), tmp_path / "c1.count") == 3
    assert (tmp_path / name).exists()
    assert run(shell, (Take(name),), tmp_path / "c2.count") == 0


def test_put_without_a_code_runs_on(shell: tuple[str, ...], tmp_path: Path) -> None:
    with running(shell, (Put("greeting"),), tmp_path / "counter") as process:
        wait_for(tmp_path / "greeting")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)


def test_take_waits_for_its_file(shell: tuple[str, ...], tmp_path: Path) -> None:
    with running(shell, (Take("greeting"),), tmp_path / "counter") as process:
        wait_for(tmp_path / "counter")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        (tmp_path / "greeting").touch()
        assert process.wait(PATIENCE) == 0


def test_take_gives_up_after_a_minute(shell: tuple[str, ...], tmp_path: Path) -> None:
    script = TELLING_SLEEP + compile_to_sh((Take("greeting"),), str(tmp_path / "counter"))
    done = subprocess.run([*shell, "-c", script], timeout=PATIENCE, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert sum(map(float, done.stdout.split())) == 60.0


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A volume of its own with room for a few files."""
    volume = tmp_path / "volume"
    volume.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", volume], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("a volume of a limited size cannot be mounted here (needs root)")
    try:
        yield volume
    finally:
        subprocess.run(["umount", "--lazy", volume], check=True)


def fill(volume: Path) -> Path:
    """Write until nothing more fits."""
    with (volume / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return volume / "filler"


def test_a_disk_is_used_until_it_is_gone(shell: tuple[str, ...], tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    with running(shell, (UseDisk(code=9),), volume / "counter") as process:
        wait_for(volume / "counter")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        volume.rename(tmp_path / "elsewhere")
        assert process.wait(PATIENCE) == 9


def test_who_uses_a_disk_finds_out_that_it_has_filled_up(shell: tuple[str, ...], tiny: Path) -> None:
    """Also if its own file is there already: to write that once more takes no room."""
    with running(shell, (UseDisk(),), tiny / "counter") as process:
        wait_for(tiny / "counter")
        time.sleep(0.5)
        filler = fill(tiny)
        assert process.wait(PATIENCE) == 5
    assert run(shell, (UseDisk(),), tiny / "counter") == 5
    filler.unlink()
    with running(shell, (UseDisk(),), tiny / "counter") as process, pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)


def test_a_full_disk_does_not_lose_the_count(shell: tuple[str, ...], tiny: Path) -> None:
    workload = (Exit(1, 0), Exit(2, 0), Exit(3, 0))
    assert run(shell, workload, tiny / "counter") == 1
    filler = fill(tiny)
    assert run(shell, workload, tiny / "counter") == 2
    assert (tiny / "counter").read_text() == "1\n"
    filler.unlink()
    assert [run(shell, workload, tiny / "counter") for _ in range(2)] == [2, 3]


# --- the network ----------------------------------------------------------------------------------------------------


@pytest.fixture
def netcat(tmp_path: Path) -> Path:
    """A folder with an ``nc`` that takes -l -p PORT, to be looked in first."""
    busybox = shutil.which("busybox")
    if busybox is None or "-l" not in subprocess.run([busybox, "nc", "--help"], capture_output=True, text=True,
                                                     check=False).stderr:  # fmt: skip
        pytest.skip("there is no busybox here whose nc listens")
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "nc").symlink_to(busybox)
    return folder


@pytest.fixture
def port() -> int:
    """A TCP port on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_who_serves_is_reached_again_and_again(shell: tuple[str, ...], tmp_path: Path, netcat: Path, port: int) -> None:
    """By who was there before, and by who comes later."""
    with running(shell, (Reach(port=port),), tmp_path / "c2.count", netcat) as early:
        wait_for(tmp_path / "c2.count")
        with pytest.raises(subprocess.TimeoutExpired):
            early.wait(0.3)
        with running(shell, (Serve(port),), tmp_path / "c1.count", netcat) as server:
            assert early.wait(PATIENCE) == 0
            with running(shell, (Reach("127.0.0.1", port),), tmp_path / "c3.count", netcat) as late:
                assert late.wait(PATIENCE) == 0
            assert server.poll() is None


def test_who_reaches_nobody_gives_up_after_a_minute(
    shell: tuple[str, ...], tmp_path: Path, netcat: Path, port: int
) -> None:
    script = TELLING_SLEEP + compile_to_sh((Reach(port=port),), str(tmp_path / "counter"))
    environment = {**os.environ, "PATH": f"{netcat}:{os.environ['PATH']}"}
    done = subprocess.run([*shell, "-c", script], timeout=PATIENCE, capture_output=True, text=True, env=environment,
                          check=False)  # fmt: skip
    assert done.returncode == 1
    assert sum(map(float, done.stdout.split())) == 60.0


# --- what is compiled -----------------------------------------------------------------------------------------------


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
