"""Opening what is to be read: a file, a pipe or standard input; plain, or compressed with gzip or zstd.

How it is compressed is told by its first bytes, never by its name.
"""

from __future__ import annotations

import contextlib
import gzip
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import zstandard

STDIN = Path("-")
"""In place of a file: standard input."""

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"

CHUNK = 2**20
"""Bytes that are read at once."""


class UnreadableFile(Exception):
    """A file that cannot be read at all, or holds no history: the message says what was expected."""


def name_of(path: Path) -> str:
    """How a file is called in what we print."""
    return "stdin" if path == STDIN else str(path)


def uncompressed(path: Path) -> Path:
    """A file's name without the ending that tells how it is compressed."""
    return path.with_suffix("") if path.suffix in (".gz", ".zst") else path


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """What a file holds, uncompressed. It can be sought in, whatever it came from.

    Raises UnreadableFile if it cannot be read, or is compressed and damaged or cut off.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = 0 if path == STDIN else path
            source: BinaryIO = stack.enter_context(open(file, "rb", closefd=file != 0))
            if not source.seekable():
                source = _copied(source, stack)
            begin = source.tell()
            magic = source.read(len(ZSTD))
            source.seek(begin)
            if magic.startswith(GZIP):
                source = _copied(stack.enter_context(gzip.open(source)), stack)
            elif magic == ZSTD:
                source = _unzstd(source, stack)
        except (gzip.BadGzipFile, EOFError, zlib.error, zstandard.ZstdError) as error:
            problem = f"the compressed data is damaged or cut off ({error}): record or copy it again"
            raise UnreadableFile(f"{name_of(path)}: {problem}") from error
        except OSError as error:
            raise UnreadableFile(f"{name_of(path)}: {error.strerror or error}") from error
        yield source


def _spool(stack: contextlib.ExitStack) -> BinaryIO:
    return stack.enter_context(tempfile.TemporaryFile())


def _copied(source: BinaryIO | gzip.GzipFile, stack: contextlib.ExitStack) -> BinaryIO:
    copy = _spool(stack)
    shutil.copyfileobj(source, copy, CHUNK)
    copy.seek(0)
    return copy


def _unzstd(source: BinaryIO, stack: contextlib.ExitStack) -> BinaryIO:
    """One frame after the other: the library's own readers take a frame that is cut off for the end of the file."""
    copy = _spool(stack)
    data = source.read(CHUNK)
    while data:
        frame = zstandard.ZstdDecompressor().decompressobj()
        while not frame.eof:
            if not data:
                raise EOFError("it ends within a frame")
            copy.write(frame.decompress(data))
            data = frame.unused_data or source.read(CHUNK)
    copy.seek(0)
    return copy
