"""Opening what is to be read: a file, a pipe or standard input; plain, or compressed with gzip or zstd.

How it is compressed is told by its first bytes, never by its name.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import zstandard

from conformance.wording import printable

STDIN = Path("-")
"""In place of a file: standard input."""

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"

CHUNK = 2**20
"""Bytes that are read at once."""


PIECE = 512
"""Bytes that are handed to zstd at once: in the worst case they stand for 16 MiB."""

HEAD = 2**16
"""Bytes that can be looked at before any are read."""


class UnreadableFile(Exception):
    """A file that cannot be read at all, or holds no history: the message says what was expected."""


class Damaged(OSError):
    """Compressed data that is damaged or cut off."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"the compressed data is damaged or cut off ({error}): record or copy it again")


def name_of(path: Path) -> str:
    """How a file is called in what we print."""
    return "stdin" if path == STDIN else printable(str(path))


def uncompressed(path: Path) -> Path:
    """A file's name without the ending that tells how it is compressed."""
    return path.with_suffix("") if path.suffix in (".gz", ".zst") else path


@contextlib.contextmanager
def opened(path: Path) -> Iterator[io.BufferedReader[Any]]:
    """What a file holds, uncompressed as it is read. `peek` shows its first HEAD bytes.

    Raises UnreadableFile if it cannot be read. Damage that is met later is raised by whoever reads (`Damaged`).
    """
    with contextlib.ExitStack() as stack:
        try:
            source = stack.enter_context(open(0 if path == STDIN else path, "rb", closefd=path != STDIN))
            file = io.BufferedReader(_Chunks(_with_head(_plain(source))), CHUNK)
            file.peek()
        except OSError as error:
            raise UnreadableFile(f"{name_of(path)}: {error.strerror or error}") from error
        yield file


class _Chunks(io.RawIOBase):
    """Bytes that come in chunks, as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what BufferedReader hands over
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def _with_head(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same chunks, the first of them not shorter than HEAD if there is as much."""
    head, size = [], 0
    for chunk in chunks:
        head.append(chunk)
        size += len(chunk)
        if size >= HEAD:
            break
    yield b"".join(head)
    yield from chunks


def _plain(source: BinaryIO) -> Iterator[bytes]:
    """What there is, uncompressed, in chunks that are not empty."""
    magic = source.read(len(ZSTD))
    chunks = itertools.chain([magic], _read(source))
    try:
        if magic.startswith(GZIP):
            yield from _read(gzip.GzipFile(fileobj=io.BufferedReader(_Chunks(chunks), CHUNK)))
        elif magic == ZSTD:
            yield from _unzstd(chunks)
        else:
            yield from chunks
    except (gzip.BadGzipFile, EOFError, zlib.error, zstandard.ZstdError) as error:
        raise Damaged(error) from error


def _read(source: BinaryIO | gzip.GzipFile) -> Iterator[bytes]:
    return iter(lambda: source.read1(CHUNK), b"")  # type: ignore[union-attr]  # both are buffered


def _unzstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """One frame after the other: the library's own readers take a frame that is cut off for the end of the file."""
    pieces = (chunk[at : at + PIECE] for chunk in chunks for at in range(0, len(chunk), PIECE))
    data = next(pieces, b"")
    while data:
        frame = zstandard.ZstdDecompressor().decompressobj()
        while not frame.eof:
            if not data:
                raise EOFError("it ends within a frame")
            if plain := frame.decompress(data):
                yield plain
            data = frame.unused_data or next(pieces, b"")
