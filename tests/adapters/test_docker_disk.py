"""Disks that can be made to fail: a real mount, real processes, real errors."""

from __future__ import annotations

import contextlib
import ctypes.util
import errno
import importlib.util
import mmap
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters.docker import disk
from adapters.docker.disk import DiskError, Disks, ErrnoName, missing, probe, sweep

if missing():
    pytest.skip(f"disks that fail: {missing()}", allow_module_level=True)

DEADLINE = 10.0
"""Seconds after which what should happen at once has not."""

HOLDER = """
import errno, os, sys
def attempt(action):
    try:
        action()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "ok"
path = sys.argv[1]
handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
os.chdir(os.path.dirname(path))
actions = {
    "write": lambda: os.write(handle, b"line\\n"),
    "read": lambda: os.pread(handle, 9, 0),
    "stat": lambda: os.fstat(handle),
    "sync": lambda: os.fsync(handle),
    "grow": lambda: os.ftruncate(handle, os.fstat(handle).st_size + 1000),
    "shrink": lambda: os.ftruncate(handle, 5),
    "reopen": lambda: os.close(os.open(path, os.O_RDONLY)),
    "create": lambda: os.close(os.open("new", os.O_CREAT | os.O_EXCL)),
    "mkdir": lambda: os.mkdir("folder"),
    "symlink": lambda: os.symlink("x", "symlink"),
    "link": lambda: os.link(path, "hardlink"),
    "list": lambda: os.listdir("."),
    "statvfs": lambda: os.statvfs("."),
    "chmod": lambda: os.chmod(path, 0o644),
    "rename": lambda: (os.rename(path, path + "2"), os.rename(path + "2", path)),
    "unlink": lambda: os.unlink("victim"),
}
print("ready", flush=True)
for line in sys.stdin:
    print(attempt(actions[line.strip()]), flush=True)
"""
"""A process that keeps a file of a disk open and a folder of it as its own, and does what its stdin says."""

RUN = """
import os, sys, time
from pathlib import Path
from adapters.docker.disk import Disks
disks = Disks(Path(sys.argv[1]))
disks.add("a")
if os.fork() == 0:  # keeps what the run had open, and outlives it
    os.setsid()
    time.sleep(60)
    os._exit(0)
print("ready", flush=True)
time.sleep(60)
"""

WRITER = """
import os, sys, time
path, end, good, bad = sys.argv[1], time.monotonic() + 1.0, 0, 0
while time.monotonic() < end:
    try:
        with open(path, "a") as file:
            file.write("line" * 500)
        os.listdir(os.path.dirname(path))
        good += 1
    except OSError:
        bad += 1
print(good, bad)
"""


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disks]:
    with Disks(tmp_path_factory.mktemp("disks")) as mounted:
        yield mounted


@pytest.fixture
def folder(disks: Disks, request: pytest.FixtureRequest) -> Path:
    """A disk of the test's own, called as the test."""
    return disks.add(request.node.name.replace("[", "-").rstrip("]"))


class Holder:
    """A running HOLDER."""

    def __init__(self, path: Path) -> None:
        command = [sys.executable, "-c", HOLDER, str(path)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert self._answer() == "ready"

    def __enter__(self) -> Holder:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def __call__(self, *actions: str) -> dict[str, str]:
        """What came of each action."""
        return {action: self._do(action) for action in actions}

    def _do(self, action: str) -> str:
        assert self.process.stdin
        self.process.stdin.write(action + "\n")
        return self._answer()

    def _answer(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()


READING = ("read", "stat", "sync", "reopen", "list", "statvfs")
GROWING = ("write", "grow", "create", "mkdir", "symlink", "link")
OTHER = ("shrink", "chmod", "rename", "unlink")


def sh(script: str, where: Path) -> str:
    """What a busybox shell says, standing in a folder of a disk."""
    done = subprocess.run(
        ["busybox", "sh", "-ec", script], cwd=where, capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def await_true(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def is_mounted(path: Path) -> bool:
    return f" {path} " in Path("/proc/self/mountinfo").read_text(encoding="utf-8")


def servers(base: Path) -> list[int]:
    """The processes that serve a base."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if process.joinpath("cmdline").read_bytes().endswith(f"serve\0{base}\0".encode()):
                found.append(int(process.name))
    return found


# --- a folder like any other ----------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("busybox") is None, reason="needs busybox, as the containers do")
def test_a_shell_works_in_a_disk_as_anywhere(folder: Path, tmp_path: Path) -> None:
    script = """
        echo one > a; echo two >> a; mkdir -p d/e; mv a d/e/b; cat d/e/b; ln -s d/e/b s; cat s; readlink s
        ln d/e/b h; [ d/e/b -ef h ] && echo same; rm d/e/b; cat h; ls -A; find . -type f
        echo x > over; echo y > z; mv z over; cat over; : > over; wc -c < over; mkfifo p; [ -p p ] && echo fifo
        touch -d '2020-01-02 03:04:05' h; date -r h +%Y; touch -a h; date -r h +%Y; touch h; date -r h +%Y
        rm -r d; rmdir d 2> /dev/null || echo gone; chmod 640 h; stat -c '%a %h %F' h; ls | wc -l
    """
    assert sh(script, folder) == sh(script, tmp_path)


def test_a_big_file_comes_back_as_it_was_written(folder: Path, disks: Disks) -> None:
    data = os.urandom(8_000_001)
    (folder / "big").write_bytes(data)
    assert (folder / "big").read_bytes() == data
    with (folder / "big").open("r+b") as file:
        file.seek(5_000_000)
        file.write(b"here")
        file.truncate(6_000_000)
    assert (folder / "big").read_bytes() == data[:5_000_000] + b"here" + data[5_000_004:6_000_000]
    assert (disks.base / "backing" / folder.name / "big").stat().st_size == 6_000_000


def test_a_folder_lists_inodes_and_types(folder: Path) -> None:
    (folder / "file").write_text("x")
    (folder / "folder").mkdir()
    (folder / "link").symlink_to("folder")
    os.mkfifo(folder / "fifo")
    with os.scandir(folder) as entries:
        found = {e.name: (e.inode(), e.is_symlink(), e.is_dir(follow_symlinks=False), e.is_file()) for e in entries}
    kinds = {"file": (False, False, True), "folder": (False, True, False), "link": (True, False, False)}
    kinds["fifo"] = (False, False, False)
    assert found == {name: ((folder / name).lstat().st_ino, *kind) for name, kind in kinds.items()}


def test_nothing_is_mapped_shared_behind_which_a_fault_could_hide(folder: Path) -> None:
    (folder / "f").write_text("x")
    with (folder / "f").open("r+b") as file:
        with pytest.raises(OSError, match="No such device"):
            mmap.mmap(file.fileno(), 1, mmap.MAP_SHARED)
        assert mmap.mmap(file.fileno(), 1, mmap.MAP_PRIVATE)[:] == b"x"  # programs can be run


def test_permissions_hold_for_who_is_not_root(folder: Path) -> None:
    (folder / "secret").write_text("x")
    (folder / "secret").chmod(0o600)
    script = """
        cat secret 2> /dev/null || echo refused
        umask 077; echo x > mine; mkdir d; ln -s x l; umask 0; echo x > ours; mkdir e
        stat -c "%n %u %g %a" *
    """
    user = ["setpriv", "--reuid=1234", "--regid=2345", "--clear-groups"]
    done = subprocess.run([*user, "sh", "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    expected = ["refused", "d 1234 2345 700", "e 1234 2345 777", "l 1234 2345 777", "mine 1234 2345 600"]
    expected += ["ours 1234 2345 666", "secret 0 0 600"]
    assert done.stdout.splitlines() == expected, done.stderr


def test_a_file_deleted_while_open_can_still_be_used_and_is_not_seen(folder: Path, disks: Disks) -> None:
    handle = os.open(folder / "f", os.O_RDWR | os.O_CREAT)
    (folder / "f").unlink()
    os.write(handle, b"still here")
    assert os.pread(handle, 99, 0) == b"still here"
    assert os.fstat(handle).st_size == 10
    assert list(folder.iterdir()) == []
    disks.fail(folder.name, "EIO")  # its last trace must go even then
    with pytest.raises(OSError, match="Input/output"):
        os.close(handle)
    backing = disks.base / "backing" / folder.name
    await_true(lambda: list(backing.iterdir()) == [], "the deleted file is still there")


def test_nothing_moves_from_disk_to_disk(folder: Path, disks: Disks) -> None:
    other = disks.add("another")
    (folder / "f").write_text("x")
    for action in (os.rename, os.link):
        with pytest.raises(OSError, match="cross-device") as caught:
            action(folder / "f", other / "f")
        assert caught.value.errno == errno.EXDEV
    assert (folder / "f").read_text() == "x"


# --- faults ---------------------------------------------------------------------------------------------------------


def test_a_dead_disk_fails_everything_for_who_has_it_open_and_recovers_as_it_was(folder: Path, disks: Disks) -> None:
    (folder / "victim").write_text("x")
    with Holder(folder / "f") as holder:
        assert set(holder("write", *READING).values()) == {"ok"}
        disks.fail(folder.name, "EIO")
        answers = holder(*READING, *GROWING, *OTHER)
        assert set(answers.values()) == {"EIO"}, answers
        for look in (os.listdir, os.stat, os.statvfs):  # from outside, and of the folder itself
            with pytest.raises(OSError, match="Input/output"):
                look(folder)
        disks.mend(folder.name)
        answers = holder(*READING, *GROWING, *OTHER)
        assert set(answers.values()) == {"ok"}, answers
    assert (folder / "f").read_text() == "line\n"
    assert {path.name for path in folder.iterdir()} == {"f", "new", "folder", "symlink", "hardlink"}


def test_a_full_disk_fails_what_needs_space_and_can_be_read(folder: Path, disks: Disks) -> None:
    (folder / "victim").write_text("x")
    with Holder(folder / "f") as holder:
        assert holder("write") == {"write": "ok"}
        disks.fail(folder.name, "ENOSPC")
        answers = holder(*GROWING)
        assert set(answers.values()) == {"ENOSPC"}, answers
        answers = holder(*READING, *OTHER)
        assert set(answers.values()) == {"ok"}, answers
        assert os.statvfs(folder).f_bavail == 0
        assert (folder / "f").read_text() == "line\n"
        disks.mend(folder.name)
        assert set(holder(*GROWING).values()) == {"ok"}
    assert (folder / "f").read_text() == "line\nline\n" + "\0" * 1000
    assert os.statvfs(folder).f_bavail > 0


@pytest.mark.parametrize(("name", "number"), [("EIO", errno.EIO), ("ENOSPC", errno.ENOSPC)])
def test_a_probe_tells_the_errno_and_other_disks_do_not_notice(
    folder: Path, disks: Disks, name: ErrnoName, number: int
) -> None:
    other = disks.add(f"beside-{name}")
    with Holder(other / "f") as holder:
        assert probe(folder) is None
        disks.fail(folder.name, name)
        assert (probe(folder), probe(other)) == (number, None)
        assert set(holder("write", *READING).values()) == {"ok"}
        disks.fail(folder.name, "ENOSPC" if name == "EIO" else "EIO")  # from fault to fault
        assert probe(folder) == {errno.EIO, errno.ENOSPC}.difference({number}).pop()
        disks.mend(folder.name)
        disks.mend(folder.name)
        assert probe(folder) is None
    assert list(folder.iterdir()) == []


def test_a_probe_is_right_about_any_folder(tmp_path: Path) -> None:
    assert probe(tmp_path) is None
    assert probe(tmp_path / "nowhere") == errno.ENOENT
    assert list(tmp_path.iterdir()) == []


def test_a_bind_mount_in_another_mount_namespace_sees_faults_and_recovery(
    folder: Path, disks: Disks, tmp_path: Path
) -> None:
    """As a container has it: the folder is the root of a mount, and is never looked up by its name again."""
    script = f"""
        mount --bind {folder} {tmp_path} && cd {tmp_path} && echo ready
        while read line; do
            (echo $line >> {tmp_path}/f && cat f > /dev/null && ls {tmp_path} > /dev/null) 2>&1 | grep -o Input.* \
                | tail -n 1 | grep . || echo ok
        done
    """
    with subprocess.Popen(
        ["unshare", "-m", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as inside:
        assert inside.stdin
        assert inside.stdout
        assert inside.stdout.readline() == "ready\n"
        for fault, answer in ((False, "ok\n"), (True, "Input/output error\n"), (False, "ok\n")):
            disks.fail(folder.name, "EIO") if fault else disks.mend(folder.name)
            assert probe(folder) == (errno.EIO if fault else None)
            inside.stdin.write(f"{fault}\n")
            assert inside.stdout.readline() == answer
        inside.stdin.close()
    assert (folder / "f").read_text() == "False\nFalse\n"


def test_many_writers_and_flipping_faults_do_not_hang(disks: Disks) -> None:
    folders = [disks.add(f"busy-{i}") for i in range(4)]
    paths = [folders[0] / "x"] * 2 + [folder / name for folder in folders[1:] for name in ("x", "y")]
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, p], stdout=subprocess.PIPE, text=True) for p in paths]
    faults: tuple[ErrnoName, ...] = ("EIO", "ENOSPC")
    while any(writer.poll() is None for writer in writers[:1]):
        for folder in folders[1:]:
            for fault in faults:
                disks.fail(folder.name, fault)
            disks.mend(folder.name)
        time.sleep(0.002)
    try:
        counts = [[int(n) for n in writer.communicate(timeout=DEADLINE)[0].split()] for writer in writers]
    finally:
        for writer in writers:
            writer.kill()
    assert all(good for good, _ in counts), counts
    assert all(bad == 0 for _, bad in counts[:2]), counts  # of the disk that was left alone
    assert sum(bad for _, bad in counts[2:]) > 0, counts
    assert [probe(folder) for folder in folders] == [None] * 4
    assert (folders[0] / "x").stat().st_size == (counts[0][0] + counts[1][0]) * 2000  # they append to one file


# --- the run's side -------------------------------------------------------------------------------------------------


def test_names_are_checked(folder: Path, disks: Disks) -> None:
    for name in ("", ".", "..", "../x", "a/b", ".new", "a\n", "x" * 300):
        with pytest.raises(DiskError, match="cannot be the name"):
            disks.add(name)
        with pytest.raises(DiskError, match="no disk"):
            disks.fail(name, "EIO")
        with pytest.raises(DiskError, match="no disk"):
            disks.remove(name)
    with pytest.raises(DiskError, match="there is a disk"):
        disks.add(folder.name)
    with pytest.raises(DiskError, match="cannot fail with"):
        disks.fail(folder.name, "EPERM")  # type: ignore[arg-type]  # what a caller without types would do


def test_a_removed_disk_is_gone_and_its_name_is_free_and_healthy(folder: Path, disks: Disks) -> None:
    (folder / "f").write_text("x")
    with Holder(folder / "g") as holder:
        disks.fail(folder.name, "EIO")
        disks.remove(folder.name)
        assert holder("list") == {"list": "ENOENT"}
    assert not folder.exists()
    assert disks.add(folder.name) == folder
    assert (probe(folder), list(folder.iterdir())) == (None, [])


def test_a_disk_is_removed_while_somebody_fills_it(folder: Path, disks: Disks) -> None:
    for i in range(3000):  # which takes its time to delete
        (disks.base / "backing" / folder.name / f"old-{i}").touch()
    script = "i=0; while : > $((i += 1)); do :; done"
    with subprocess.Popen(["sh", "-c", script], cwd=folder, stderr=subprocess.DEVNULL) as filling:
        try:
            await_true(lambda: (folder / "50").exists(), "nobody fills it")
            disks.remove(folder.name)
            filling.wait(DEADLINE)
        finally:
            filling.kill()
    assert folder.name not in {path.name.lstrip(".") for path in (disks.base / "backing").iterdir()}


def test_close_unmounts_even_while_in_use_and_can_be_repeated(tmp_path: Path) -> None:
    disks = Disks(tmp_path)
    folder = disks.add("a")
    (pid,) = servers(tmp_path)
    with Holder(folder / "f") as holder:
        begun = time.monotonic()
        threads = [threading.Thread(target=disks.close) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE)
        assert time.monotonic() - begun < disk.END, "it did not end by itself"
        assert not is_mounted(disks.mount)
        assert not Path(f"/proc/{pid}").exists()
        assert holder("write")["write"] in ("ENOTCONN", "ECONNABORTED")
    disks.close()
    for action in (lambda: disks.add("b"), lambda: disks.fail("a", "EIO"), lambda: disks.mend("a")):
        with pytest.raises(DiskError, match="has ended"):
            action()
    assert (tmp_path / "backing" / "a" / "f").exists()


def test_an_exception_in_the_run_leaves_nothing(tmp_path: Path) -> None:
    def run() -> None:
        with Disks(tmp_path) as disks:
            disks.add("a")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run()
    assert not is_mounted(tmp_path / "disks")
    assert servers(tmp_path) == []


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_killed_leaves_neither_mount_nor_process(tmp_path: Path, end: signal.Signals) -> None:
    """Not even if a fork of it lives on that keeps the pipe open."""
    root = Path(disk.__file__).parents[2]
    command = [sys.executable, "-c", RUN, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, start_new_session=True) as run:
        assert run.stdout
        assert run.stdout.readline() == b"ready\n"
        children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text(encoding="ascii").split()
        (server,) = servers(tmp_path)
        (fork,) = (int(child) for child in children if int(child) != server)
        try:
            await_true(lambda: os.getsid(fork) == fork, "the fork has not left the group")
            assert probe(tmp_path / "disks" / "a") is None
            os.killpg(run.pid, end)
            run.wait(DEADLINE)
            await_true(lambda: not is_mounted(tmp_path / "disks"), "the mount is left")
            await_true(lambda: not servers(tmp_path), "the process is left")
        finally:
            os.kill(fork, signal.SIGKILL)


def test_as_many_files_can_be_open_as_the_machine_allows(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    try:
        disks = Disks(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with disks, contextlib.ExitStack() as opened:
        folder = disks.add("a")
        for i in range(200):
            opened.enter_context((folder / str(i)).open("w"))


def test_ctrl_c_does_not_reach_the_file_system(tmp_path: Path) -> None:
    with Disks(tmp_path) as disks:
        disks.add("a")
        (server,) = servers(tmp_path)
        assert os.getsid(server) == server != os.getsid(0)


def test_a_stale_mount_is_swept_and_a_living_one_is_not(tmp_path: Path) -> None:
    strange = tmp_path / "with a space"
    with Disks(strange) as dead, Disks(tmp_path / "living") as living:
        folder = living.add("a")
        dead.add("a")
        with pytest.raises(DiskError, match="another run"):
            Disks(living.base)
        (server,) = servers(strange)
        os.kill(server, signal.SIGKILL)
        await_true(lambda: probe(strange / "disks" / "a") == errno.ENOTCONN, "the mount is not stale")
        with pytest.raises(DiskError, match="has ended"):
            dead.fail("a", "EIO")
        assert sweep(strange / "elsewhere") == []
        assert sweep(tmp_path) == [dead.mount]
        assert sweep(tmp_path) == []
        assert probe(folder) is None


def test_a_new_start_takes_the_place_of_a_stale_mount_without_its_faults(tmp_path: Path) -> None:
    with Disks(tmp_path) as first:
        (first.add("a") / "f").write_text("kept")
        first.fail("a", "EIO")
        (server,) = servers(tmp_path)
        os.kill(server, signal.SIGKILL)
        await_true(lambda: not servers(tmp_path), "the process is left")
        with Disks(tmp_path) as second:
            assert (second.mount / "a" / "f").read_text() == "kept"


def test_a_start_that_fails_quotes_what_was_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUSE_LIBRARY_PATH", "/nowhere/libfuse3.so")
    with pytest.raises(DiskError, match=r"did not start: (.|\n)*/nowhere/libfuse3\.so"):
        Disks(tmp_path)
    assert not is_mounted(tmp_path / "disks")
    assert servers(tmp_path) == []


def test_a_start_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 60\n")
    silent.chmod(0o755)
    for name, value in (("READY", 0.1), ("END", 0.1)):
        monkeypatch.setattr(disk, name, value)
    monkeypatch.setattr(sys, "executable", str(silent))
    with pytest.raises(DiskError, match=r"not mounted within 0\.1 s: it said nothing"):
        Disks(tmp_path / "base")


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FUSE_LIBRARY_PATH", raising=False)
    monkeypatch.setattr(ctypes.util, "find_library", lambda _: None)
    assert "apt-get install fuse3 libfuse3-3" in missing()
    with pytest.raises(DiskError, match="libfuse3-3"):
        Disks(tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert "mfusepy" in missing()
    monkeypatch.undo()
    unprivileged = subprocess.run(
        ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", sys.executable, "-c",
         "from adapters.docker.disk import missing; print(missing())"],
        capture_output=True, text=True, cwd=Path(disk.__file__).parents[2], check=False,
    )  # fmt: skip
    assert "CAP_SYS_ADMIN" in unprivileged.stdout, unprivileged.stderr
