"""Bad input out of good: JSON, bytes, lines, compressed data. Whatever is chosen, a `random.Random` chooses, so that
Hypothesis can shrink it and atheris can repeat it."""

from __future__ import annotations

import codecs
import gzip
import json
import random
from collections.abc import Callable
from typing import Any

import zstandard

WORDS = (
    "", " ", "Unknown", "Paused", "ERROR", "BOOKMARK", "pod", "a\nb", "\x1b[31m", "\x00", "²", "٣", "💥", "1e5", "-1",
    "null", "True", "0001-01-01T00:00:00", "9999-12-31T23:59:59.999999-14:00", "{", "[]", "k8s_",
    "k8s_POD_a_b_c_d", "_" * 9, "9" * 400, "9" * 5000, "spec.containers{", "/", "docker://", "x" * 70_000,
)  # fmt: skip
"""Strings that a field is given."""

NUMBERS = (0, -1, 1, 127, 137, 2**31, 2**63, 2**64, -(2**63), 10**400, 10**5000, 0.5, 1e308, -1e308, 5e-324)
"""Numbers that a field is given."""

RAW = (
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b'"\\ud800"', b'"\\udc00\\ud800"', b"{}", b"[]", b"null", b"true", b"",
    b"[" * 3000 + b"]" * 3000, b'{"a":' * 3000 + b"1" + b"}" * 3000, b"\xff", b"01", b"0x1", b"'a'",
)  # fmt: skip
"""What stands in place of a value, as bytes: not all of it is JSON."""

PLACE = "\x02PLACE\x02"


def json_value(value: Any, at: random.Random) -> bytes:
    """A document with one of its values, anywhere in it, dropped, doubled, retyped, nested or replaced."""
    holder: list[Any] = [value]
    container, key = _somewhere(holder, at)
    raw: bytes | None = None
    match at.randrange(8):
        case 0 if container is not holder:
            del container[key]
        case 1:
            container[key] = at.choice(WORDS)
        case 2:
            raw = _number(at.choice(NUMBERS))
        case 3:
            raw = at.choice(RAW)
        case 4:
            container[key] = [container[key]] * at.choice((1, 2, 50))
        case 5:
            container[key] = {at.choice(("name", "kind", "")): container[key]}
        case 6:
            other, name = _somewhere(holder, at)
            container[key] = json.loads(json.dumps(other[name]))
        case _:  # the same key twice, with another value
            if isinstance(container, dict):
                raw = json.dumps(container[key]).encode() + b"," + json.dumps(key).encode() + b":" + at.choice(RAW)
            else:
                container[key] = None
    if raw is not None:
        container[key] = PLACE
    text = json.dumps(holder[0], ensure_ascii=False).encode("utf-8", "surrogatepass")
    return text if raw is None else text.replace(json.dumps(PLACE).encode(), raw)


def _number(number: float) -> bytes:
    if isinstance(number, int) and abs(number) > 10**4000:
        return b"1" + b"0" * 5000  # Python itself does not print so many digits
    return str(number).encode()


def _somewhere(value: list[Any], at: random.Random) -> tuple[Any, Any]:
    """A place in a document: what holds it, and its key or index there."""
    holder: Any = value
    key: Any = 0
    while isinstance(inner := holder[key], dict | list) and inner and at.random() < 0.85:
        holder = inner
        key = at.choice(list(inner)) if isinstance(inner, dict) else at.randrange(len(inner))
    return holder, key


def line(text: bytes, at: random.Random) -> bytes:
    """A line with a JSON document, which is not quite what it was."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return scrambled(text, at)
    for _ in range(at.choice((1, 1, 1, 2, 4))):
        text = json_value(value, at)
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            break
    return text


def scrambled(data: bytes, at: random.Random) -> bytes:
    """Bytes cut off, flipped, doubled, or with others put in."""
    place = at.randrange(len(data) + 1)
    match at.randrange(6):
        case 0:
            return data[:place]
        case 1 if data:
            place = min(place, len(data) - 1)
            return data[:place] + bytes([data[place] ^ (1 << at.randrange(8))]) + data[place + 1 :]
        case 2:
            odd = (
                b"\x00",
                b"\xff\xfe",
                codecs.BOM_UTF8,
                codecs.BOM_UTF16,
                b"\r\n",
                b"\r",
                b"\n",
                b"{\n",
                b"}\n",
                b"\xed\xa0\x80",
                b"\x1a",
            )
            return data[:place] + at.choice(odd) + data[place:]
        case 3:
            return data[:place] + data[place:][: at.randrange(200)] * 3 + data[place:]
        case 4:
            return data[place:]
        case _:
            return data[:place] + at.randbytes(at.randrange(20)) + data[place:]


def lines(data: bytes, at: random.Random, others: bytes = b"") -> bytes:
    """A file of lines, some of them bad, double, missing or in another order; or with those of another file."""
    found = data.splitlines(keepends=True) or [b""]
    more = others.splitlines(keepends=True) or found
    for _ in range(at.choice((1, 1, 2, 5, 20))):
        place = at.randrange(len(found))
        match at.randrange(8):
            case 0 | 1 | 2 | 3:
                found[place] = line(found[place], at) + b"\n"
            case 4:
                found.insert(at.randrange(len(found) + 1), found[place])
            case 5:
                found.insert(place, at.choice(more))
            case 6:
                found[place] = at.choice(found)
            case _ if len(found) > 1:
                del found[place]
    whole = b"".join(found)
    match at.randrange(12):
        case 0:
            at.shuffle(found)
            return b"".join(found)
        case 1:
            return whole.replace(b"\n", b"\r\n")
        case 2:
            return codecs.BOM_UTF8 + whole + codecs.BOM_UTF8 + whole
        case 3:
            return scrambled(whole, at)
        case 4:
            return whole + b"".join(more)
        case _:
            return whole


COMPRESS: tuple[Callable[[bytes], bytes], ...] = (
    lambda data: gzip.compress(data, 1, mtime=0),
    lambda data: zstandard.compress(data, 1),
    lambda data: gzip.compress(data[: len(data) // 2], 1, mtime=0) + gzip.compress(data[len(data) // 2 :], 1, mtime=0),
    lambda data: zstandard.compress(data[: len(data) // 2]) + zstandard.compress(data[len(data) // 2 :]),
    lambda data: gzip.compress(zstandard.compress(data, 1), 1, mtime=0),
)
"""Ways to compress a file, in one piece and in two, and one inside the other."""


def compressed(data: bytes, at: random.Random) -> bytes:
    """A file, compressed, and damaged anywhere."""
    packed = at.choice(COMPRESS)(data)
    return scrambled(packed, at) if at.random() < 0.9 else packed
