"""What is read, mutated by Hypothesis: an answer comes, whatever it is. KUBEPHASE_FUZZ=1000 tries more, and others."""

from __future__ import annotations

import gzip
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance import opening
from tests.fuzz import mutate, targets

EXAMPLES = int(os.environ.get("KUBEPHASE_FUZZ", "40"))
few = settings(max_examples=EXAMPLES, deadline=20_000, derandomize=EXAMPLES == 40)
chance = st.randoms(use_true_random=False)


@pytest.mark.parametrize("name", targets.TARGETS)
@few
@given(at=chance)
def test_whatever_is_read_is_judged_or_refused_in_words(name: str, at: random.Random) -> None:
    data = targets.begin(name, at)
    for _ in range(at.choice((1, 1, 3))):
        data = targets.changed(name, data, at)
    targets.TARGETS[name](data)


@pytest.mark.parametrize("name", targets.TARGETS)
@few
@given(data=st.binary(max_size=300))
def test_any_bytes_are_refused_in_words(name: str, data: bytes) -> None:
    targets.TARGETS[name](data)


@pytest.mark.parametrize("pack", mutate.COMPRESS[:2], ids=["gzip", "zstd"])
def test_compressed_data_may_be_damaged_at_any_byte(pack: Callable[[bytes], bytes]) -> None:
    """Cut off there, or one byte of it another."""
    lines = targets.RECORDINGS[0].read_bytes().splitlines(keepends=True)[:3]
    packed = pack(b"".join(lines)[:1500])
    for place in range(len(packed)):
        targets.packed(packed[:place])
        targets.packed(packed[:place] + bytes([packed[place] ^ 0x55]) + packed[place + 1 :])


# --- memory ---------------------------------------------------------------------------------------------------------

POD = (
    b'{"t": 1, "stream": "pods", "object": {"type": "MODIFIED", "object": {"kind": "Pod", "metadata": {"name": "p", '
    b'"uid": "u", "resourceVersion": "7"}, "spec": {"containers": [{"name": "c"}], "host": "n"}, "status": {"phase": '
    b'"Running"}}}}\n'
)
MIB = 2**20
BOMBS: dict[str, Callable[[], list[bytes]]] = {
    "one line": lambda: [b" " * MIB] * 150,
    "one string": lambda: [b'{"kind": "', *[b"x" * MIB] * 150],
    "empty lines": lambda: [b"\n" * MIB] * 2,
    "brackets": lambda: [b"{\n" * 1000] * 150,
    "short lines of an object": lambda: [b"{\n", *[b"1234\n" * MIB] * 2],
    "bad lines": lambda: [b"x\n" * 1000] * 50,
    "long bad lines": lambda: [b'{"t": 1, "stream": "' + b"x" * 4 * MIB + b'", "object": {}}\n'] * 20,
    "long unknown words": lambda: [b'{"kind": "seen", "what": {"type": "' + b"x" * 4 * MIB + b'"}}\n'] * 20,
    "the same again": lambda: [POD * 1000] * 5,
    "long ends": lambda: [
        POD.replace(
            b'"phase"',
            b'"containerStatuses": [{"name": "c", "state": {"termination": {"exitCode": 1, "message": "%d%s"}}}],'
            b'"phase"'
            % (n, b"x" * 4 * MIB),
        )
        for n in range(60)
    ],
    "a node record": lambda: [b'{"kind": "Node", "apiVersion": "v1beta3", ', *[b" " * MIB] * 150],
}  # fmt: skip
"""What is small when it is compressed, and large when it is not."""

LIMIT = 250 * MIB
"""Bytes of addresses that a process may have beyond those that it has when it begins to read."""

CHILD = """
import resource, sys
from click.testing import CliRunner
import kubephase
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + int(sys.argv[1]),) * 2)
done = CliRunner().invoke(kubephase.cli, ["trace", "--window", "5", *sys.argv[2:]])
print(len(done.output), done.exit_code, repr(done.exception))
assert isinstance(done.exception, SystemExit | None), repr(done.exception)
assert len(done.output) < 100_000
assert "the judge broke" not in done.output, done.output
assert "expected" in done.stderr, done.stderr
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the addresses of a process, as Linux does")
def test_a_small_file_that_becomes_large_takes_bounded_memory(tmp_path: Path) -> None:
    paths = []
    for number, (name, parts) in enumerate(BOMBS.items()):
        paths.append(tmp_path / name.replace(" ", "-"))
        if number % 2:
            paths[-1].write_bytes(zstandard.compress(b"".join(parts()), 1))
        else:
            with gzip.open(paths[-1], "wb", 1) as file:
                file.writelines(parts())
        assert paths[-1].stat().st_size < 2 * MIB
    command = [sys.executable, "-c", CHILD, str(LIMIT), *map(str, paths)]
    done = subprocess.run(command, cwd=targets.ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-8000:]


def test_a_frame_of_zstd_that_asks_for_much_memory_is_refused(tmp_path: Path) -> None:
    """Its header may ask for a window of any size."""
    asked = zstandard.ZstdCompressionParameters(window_log=29, write_content_size=False)
    wide = zstandard.ZstdCompressor(compression_params=asked).compressobj()
    path = tmp_path / "wide.zst"
    path.write_bytes(wide.compress(POD * 100) + wide.flush())
    with pytest.raises(opening.UnreadableFile, match="damaged or cut off"), opening.opened(path):
        pass
