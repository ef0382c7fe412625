"""Disks that can be made to fail: folders for the volumes of pods, one a pod, on a file system of our own.

    with Disks(Path("/run/kubephase/x")) as disks:
        folder = disks.add("pod-1")      # to be mounted into the containers
        disks.fail("pod-1", "EIO")       # dead: from now on every operation below the folder fails
        disks.mend("pod-1")              # as before, nothing is lost

Below the base lie `backing` (the contents), `disks` (where the file system is mounted), `faults` (the switches) and
`log` (what the file system complained of). A switch is a symbolic link from the disk's name to an errno's name:
there for a fault, absent for health. It is read at every operation, which is one system call, and it is replaced in
one, so there is nothing half written to be read.

A full disk fails what needs space and answers the rest. The kernel is told to cache nothing, so that a fault is seen at
once, also by who has the file open; only an operation already under way may still succeed. That has a price: a file
cannot be mapped shared (ENODEV; SQLite's WAL mode wants that). And of the flags of renameat2, RENAME_EXCHANGE
is taken for a plain rename (mfusepy drops it), extended attributes and fallocate are not offered.

The file system is a process of its own, which this file starts from itself. It ends with the run, however that ends.
It has one thread: no operation waits for another one, so none can block the rest, and with many writers Python's lock
makes libfuse's threads several times slower than one.
"""

# The operations hand paths of text to system calls, thousands of times a second; pathlib would double the cost.
# ruff: noqa: PTH101, PTH102, PTH104, PTH106, PTH108, PTH115, PTH116, PTH119, PTH211

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import errno
import importlib
import importlib.util
import os
import re
import resource
import select
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

ErrnoName = Literal["EIO", "ENOSPC"]

TYPE = "kubephase-disks"
"""What the mount is called in /proc/self/mountinfo, after "fuse."."""
READY = 15.0
"""Seconds after which a file system that has not said it is mounted never will; it takes about 0.2."""
END = 5.0
"""Seconds that the file system has to unmount itself before it is killed; it takes some milliseconds."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
"""A disk's name. It begins with no dot: such names are a switch being made and a content being deleted."""
HIDDEN = ".fuse_hidden"
"""What libfuse calls a file that was unlinked while open; it unlinks it when it is closed."""

MNT_DETACH, UMOUNT_NOFOLLOW = 2, 8
CAP_SYS_ADMIN = 1 << 21
UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2


class DiskError(Exception):
    """A disk that is not there, a name that cannot be one, or a file system that does not start or has ended."""


# --- what it needs --------------------------------------------------------------------------------------------------


def missing() -> str:
    """Why there can be no such disks here, and what to do about it; "" if there can."""
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        return f"/dev/fuse cannot be opened: {error.strerror}"
    if not _libfuse():
        return "there is no libfuse 3 (Debian: apt-get install fuse3 libfuse3-3)"
    if importlib.util.find_spec("mfusepy") is None:
        return "mfusepy is not installed (pip install mfusepy)"
    capabilities = re.search(r"^CapEff:\s*(\w+)", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    if capabilities is None or not int(capabilities[1], 16) & CAP_SYS_ADMIN:
        return "nothing can be mounted without CAP_SYS_ADMIN: run as root"
    return ""


def _libfuse() -> str | None:
    """The library to load. mfusepy would take version 2 first, if there is one: other options, another behaviour."""
    return os.environ.get("FUSE_LIBRARY_PATH") or ctypes.util.find_library("fuse3")


# --- mounts ---------------------------------------------------------------------------------------------------------


def sweep(folder: Path) -> list[Path]:
    """Unmount what is left below a folder of file systems whose process is gone, and say which they were.

    Those of a living run stay. Nothing but the list of mounts is looked through: to walk into a dead one is an error.
    Raises OSError if one cannot be unmounted.
    """
    left = [m for m in _mounts() if m.is_relative_to(folder.resolve()) and _is_stale(m)]
    for mount in left:
        _detach(mount)
    return left


def _mounts() -> list[Path]:
    """Where file systems of this kind are mounted, as this process sees it."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    points = [line.split(" ")[4] for line in lines if f" - fuse.{TYPE} " in line]
    return [Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), point)) for point in points]


def _is_stale(mount: Path) -> bool:
    """Whether nobody serves the mount any more ("transport endpoint is not connected")."""
    try:
        os.stat(mount)
    except OSError as error:
        return error.errno in (errno.ENOTCONN, errno.ECONNABORTED)
    return False


def _detach(mount: Path) -> None:
    """Unmount at once, even if somebody is in it. It is no error if nothing is mounted there; any other is OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(os.fsencode(mount), MNT_DETACH | UMOUNT_NOFOLLOW) == 0:
        return
    number = ctypes.get_errno()
    if number not in (errno.EINVAL, errno.ENOENT):
        raise OSError(number, os.strerror(number), str(mount))


# --- the run's side -------------------------------------------------------------------------------------------------


class Disks:
    """The disks of one run. All methods may be called by any thread.

    A new one begins without faults; contents that an earlier run left below the base stay, and their names are taken.
    Raises DiskError if the file system cannot start; then nothing is left behind.
    """

    def __init__(self, base: Path) -> None:
        if reason := missing():
            raise DiskError(reason)
        self.base = base.resolve()
        self.mount = self.base / "disks"
        self._backing, self._faults, self._log = (self.base / name for name in ("backing", "faults", "log"))
        self._switching = threading.Lock()
        self._prepare()
        self._child = self._start()
        try:
            self._await_ready()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Disks:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, name: str) -> Path:
        """Make a disk, empty and healthy; return the folder to mount, which everybody may write to, as in emptyDir."""
        if not NAME.fullmatch(name):
            raise DiskError(f"{name!r} cannot be the name of a disk")
        self._check_serving()
        try:
            (self._backing / name).mkdir()
        except FileExistsError:
            raise DiskError(f"there is a disk {name}") from None
        (self._backing / name).chmod(0o777)
        return self.mount / name

    def fail(self, name: str, errno_name: ErrnoName) -> None:
        """From now on the disk is dead (EIO) or full (ENOSPC)."""
        if errno_name not in get_args(ErrnoName):
            raise DiskError(f"a disk cannot fail with {errno_name}")
        self._check_serving()
        self._check_known(name)
        made = self._faults / ".new"
        with self._switching:
            made.unlink(missing_ok=True)
            made.symlink_to(errno_name)
            made.replace(self._faults / name)

    def mend(self, name: str) -> None:
        """From now on the disk works again; that of a healthy one is no error."""
        self._check_serving()
        self._check_known(name)
        (self._faults / name).unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Forget the disk with its content. Whoever still has it mounted finds nothing there (ENOENT)."""
        self._check_known(name)
        aside = (self._backing / name).rename(self._backing / f".{name}")  # or who still writes would keep it filled
        shutil.rmtree(aside)
        (self._faults / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount and end the process. The folders stay, the contents in `backing`. A second time does nothing."""
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe:
                pipe.close()
        try:
            self._child.wait(END)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        if self.mount in _mounts():
            _detach(self.mount)

    def _prepare(self) -> None:
        sweep(self.base)
        if self.mount in _mounts():
            raise DiskError(f"{self.base} is used by another run")
        for folder in (self._backing, self._faults, self.mount):
            folder.mkdir(parents=True, exist_ok=True)
        for fault in self._faults.iterdir():
            fault.unlink()

    def _start(self) -> subprocess.Popen[bytes]:
        """Its own session keeps the terminal's Ctrl-C away; -P, the modules beside this file out of its imports."""
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-P", __file__, "serve", str(self.base)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
            )  # fmt: skip

    def _await_ready(self) -> None:
        assert self._child.stdout
        if not select.select([self._child.stdout], [], [], READY)[0]:
            raise DiskError(f"the file system of the disks was not mounted within {READY:g} s: {self._complaint()}")
        if self._child.stdout.readline() != b"ready\n":
            raise DiskError(f"the file system of the disks did not start: {self._complaint()}")

    def _check_serving(self) -> None:
        if (code := self._child.poll()) is not None:
            raise DiskError(f"the file system of the disks has ended ({code}): {self._complaint()}")

    def _check_known(self, name: str) -> None:
        if not NAME.fullmatch(name) or not (self._backing / name).is_dir():
            raise DiskError(f"there is no disk {name}")

    def _complaint(self) -> str:
        """The end of what the file system wrote to stderr."""
        return self._log.read_text(encoding="utf-8", errors="replace").strip()[-2000:] or "it said nothing"


def probe(path: Path) -> int | None:
    """The errno with which a disk fails to take, give back and delete a small hidden file; None if it works.

    Nothing is consulted but the path, so it is right about any folder. EIO also if what comes back is something else.
    """
    file = str(path / f".probe-{os.getpid()}-{threading.get_ident()}")
    try:
        same = _round_trip(file, b"probe")
        os.unlink(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(file)
        return error.errno or errno.EIO
    return None if same else errno.EIO


def _round_trip(file: str, data: bytes) -> bool:
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, data)
        return os.pread(handle, len(data) + 1, 0) == data
    finally:
        os.close(handle)


# --- the file system's side -----------------------------------------------------------------------------------------


class _Operations:
    """What the kernel asks of the file system; the names and arguments are mfusepy's, which fixes them.

    Paths begin with a slash and the disk's name. An OSError is the answer. mfusepy takes every attribute that is called
    like an operation for one, so those that are none begin with an underscore.
    """

    use_ns = True

    def __init__(self, base: str, caller: Callable[[], tuple[int, int, int]], mounted: Callable[[], None]) -> None:
        """`caller` gives the uid, gid and pid of who asks; `mounted` is called once the kernel is connected."""
        self._backing, self._faults = f"{base}/backing", f"{base}/faults/"
        self._caller, self._mounted = caller, mounted

    def init(self, path: str) -> None:  # noqa: ARG002
        self._mounted()

    # --- the switch

    def _check(self, path: str | None, grows: bool = False) -> None:
        """Raise what the disk of the path fails with; `grows` if the operation needs space."""
        if path is None:  # a folder deleted while open
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        disk = path.split("/", 2)[1]
        try:
            fault = os.readlink(self._faults + disk)
        except OSError:
            return
        if fault != "ENOSPC" or grows:
            number = getattr(errno, fault)
            raise OSError(number, os.strerror(number))

    def _real(self, path: str | None, grows: bool = False) -> str:
        """Where the content of the path is, if the disk allows the operation."""
        self._check(path, grows)
        return f"{self._backing}{path}"

    def _real_pair(self, old: str, new: str, grows: bool = False) -> tuple[str, str]:
        """The same for two paths, which must be on one disk, as with real ones."""
        pair = self._real(old), self._real(new, grows)
        if old.split("/", 2)[1] != new.split("/", 2)[1]:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return pair

    def _give(self, real: str) -> None:
        """Make who asks the owner of what was just made, which is root's."""
        uid, gid, _ = self._caller()
        if uid or gid:
            os.lchown(real, uid, gid)

    # --- operations that read

    def getattr(self, path: str | None, fh: int | None = None) -> dict[str, int]:
        real = self._real(path)
        return _attributes(os.lstat(real) if fh is None else os.fstat(fh))

    def readlink(self, path: str) -> str:
        return os.readlink(self._real(path))

    def opendir(self, path: str) -> int:
        self._check(path)
        return 0

    def readdir(self, path: str | None, fh: int) -> list[tuple[str, dict[str, int], int]]:  # noqa: ARG002
        real = self._real(path)
        here = {"st_ino": os.lstat(real).st_ino, "st_mode": stat.S_IFDIR}
        with os.scandir(real) as entries:
            inside = [(e.name, _kind(e), 0) for e in entries if not e.name.startswith(HIDDEN)]
        return [(".", here, 0), ("..", here, 0), *inside]

    def open(self, path: str, flags: int) -> int:
        return os.open(self._real(path), _flags(flags))

    def read(self, path: str | None, size: int, offset: int, fh: int) -> bytes:
        self._check(path)
        return os.pread(fh, size, offset)

    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._real(path))
        figures = {name: getattr(found, name) for name in dir(found) if name.startswith("f_")}
        try:
            self._check(path, grows=True)
        except OSError:
            figures |= dict.fromkeys(("f_bfree", "f_bavail", "f_ffree", "f_favail"), 0)
        return figures

    # --- operations that need space

    def create(self, path: str, mode: int, flags: int) -> int:
        real = self._real(path, grows=True)
        handle = os.open(real, _flags(flags) | os.O_CREAT, mode)
        self._give(real)
        return handle

    def write(self, path: str | None, data: bytes, offset: int, fh: int) -> int:
        self._check(path, grows=True)
        return os.pwrite(fh, data, offset)

    def truncate(self, path: str | None, length: int, fh: int | None = None) -> None:  # noqa: ARG002
        real = self._real(path)
        if length > os.lstat(real).st_size:
            self._check(path, grows=True)
        os.truncate(real, length)

    def mkdir(self, path: str, mode: int) -> None:
        real = self._real(path, grows=True)
        os.mkdir(real, mode)
        self._give(real)

    def mknod(self, path: str, mode: int, dev: int) -> None:
        real = self._real(path, grows=True)
        os.mknod(real, mode, dev)
        self._give(real)

    def symlink(self, path: str, content: str) -> None:
        real = self._real(path, grows=True)
        os.symlink(content, real)
        self._give(real)

    def link(self, new: str, old: str) -> None:
        real_old, real_new = self._real_pair(old, new, grows=True)
        os.link(real_old, real_new, follow_symlinks=False)

    # --- other changes

    def rename(self, old: str, new: str) -> None:
        os.rename(*self._real_pair(old, new))

    def unlink(self, path: str) -> None:
        # What was unlinked while open is gone for everybody; a trace that outlived a fault would stay for ever.
        hidden = os.path.basename(path).startswith(HIDDEN)
        os.unlink(f"{self._backing}{path}" if hidden else self._real(path))

    def rmdir(self, path: str) -> None:
        os.rmdir(self._real(path))

    def chmod(self, path: str, mode: int) -> None:
        os.chmod(self._real(path), mode)

    def chown(self, path: str, uid: int, gid: int) -> None:
        os.lchown(self._real(path), uid, gid)

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> None:
        """Times are in ns. libfuse says "now" and "leave it" as numbers no time has, and mfusepy passes them on."""
        real = self._real(path)
        now, before = time.time_ns(), os.lstat(real)
        kept = (before.st_atime_ns, before.st_mtime_ns)
        asked = zip(times or (now, now), kept, strict=True)
        atime, mtime = ({UTIME_NOW: now, UTIME_OMIT: old}.get(new, new) for new, old in asked)
        os.utime(real, ns=(atime, mtime), follow_symlinks=False)

    # --- the life of an open file

    def flush(self, path: str | None, fh: int) -> None:  # noqa: ARG002
        self._check(path)

    def fsync(self, path: str | None, datasync: int, fh: int) -> None:  # noqa: ARG002
        self._check(path)  # and no more: the content need not outlive the machine, and others would wait for it

    def release(self, path: str | None, fh: int) -> None:  # noqa: ARG002
        os.close(fh)  # a dead disk, too, lets go of what was open


def _flags(flags: int) -> int:
    """As asked, but not through links (the kernel has followed them), nor with O_DIRECT: it wants aligned memory."""
    return (flags | os.O_NOFOLLOW | os.O_CLOEXEC) & ~os.O_DIRECT


def _attributes(found: os.stat_result) -> dict[str, int]:
    return {
        "st_mode": found.st_mode, "st_ino": found.st_ino, "st_nlink": found.st_nlink, "st_uid": found.st_uid,
        "st_gid": found.st_gid, "st_rdev": found.st_rdev, "st_size": found.st_size, "st_blocks": found.st_blocks,
        "st_blksize": found.st_blksize, "st_atime": found.st_atime_ns, "st_mtime": found.st_mtime_ns,
        "st_ctime": found.st_ctime_ns,
    }  # fmt: skip


def _kind(entry: os.DirEntry[str]) -> dict[str, int]:
    """The inode and the type of an entry; the type may be 0, unknown. Costs no system call."""
    if entry.is_symlink():
        mode = stat.S_IFLNK
    elif entry.is_dir(follow_symlinks=False):
        mode = stat.S_IFDIR
    else:
        mode = stat.S_IFREG if entry.is_file(follow_symlinks=False) else 0
    return {"st_ino": entry.inode(), "st_mode": mode}


def serve(base: Path) -> None:
    """Be the file system of a base until the parent closes stdin or ends. Says "ready" on stdout when it is mounted."""
    if library := _libfuse():
        os.environ["FUSE_LIBRARY_PATH"] = library
    fuse = importlib.import_module("mfusepy")  # only here: to import it loads the library, or fails if there is none
    os.umask(0)  # the kernel has applied the caller's
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    def mounted() -> None:
        threading.Thread(target=_end_with_parent, args=(base / "disks",), daemon=True).start()
        with contextlib.suppress(OSError):
            os.write(1, b"ready\n")

    fuse.FUSE(
        _Operations(str(base), fuse.fuse_get_context, mounted), str(base / "disks"), foreground=True, nothreads=True,
        fsname=TYPE, subtype=TYPE, allow_other=True, default_permissions=True, use_ino=True,
        direct_io=True, attr_timeout=0, entry_timeout=0, negative_timeout=0,
    )  # fmt: skip


def _end_with_parent(mount: Path) -> None:
    """Unmount and exit when stdin ends or the parent is gone.

    Only stdin is sure if the parent was gone before we looked; only its process is if a fork of it keeps the pipe. It
    begins after the mount, or it could unmount too early. We exit at once: containers that still have a disk mounted
    keep the connection up, and libfuse would wait for them.
    """
    waits = select.poll()
    waits.register(0, select.POLLIN)
    with contextlib.suppress(OSError):  # an old kernel, or a parent in another PID namespace
        waits.register(os.pidfd_open(os.getppid()), select.POLLIN)
    waits.poll()
    try:
        _detach(mount)
    finally:
        os._exit(0)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] != "serve":
        sys.exit("usage: disk.py serve BASE")
    serve(Path(sys.argv[2]))
