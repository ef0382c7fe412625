"""The inner loops of `model.lts.fast`, compiled by Numba once for all networks: what a network is comes as arrays.

Types are left out here: Numba finds them itself, one kernel for one set of argument types.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

compiled = njit(nogil=True, cache=True, error_model="numpy")
inlined = njit(nogil=True, inline="always", error_model="numpy")
"""For what is called for every transition: a call would count references to all the arrays."""

CHUNK = 64
"""Rows are looked at by chunks: a flag tells whether there is anything in one."""

REFUSED = np.int64(-(2**63))
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class Program(NamedTuple):
    """The moves of a network. Digit ``d`` of block ``b`` has the entries from ``first[offsets[b] + d]`` to the next.

    An entry adds ``delta`` to the number of a state and, for each of its further blocks ``x`` (from ``extra_first`` to
    the next), ``table[extra_table[x] + digit]``, where REFUSED says that it cannot be taken. All are int64.
    """

    sizes: Any
    weights: Any
    offsets: Any
    first: Any
    delta: Any
    extra_first: Any
    extra_block: Any
    extra_table: Any
    table: Any


class Images(NamedTuple):
    """What the entries do to the bits of a row. Entry ``e`` picks those in ``source[number[e]]``, and, if not
    ``whole``, takes each bit to the bits ``target``; a bit counts as ``degree`` transitions."""

    number: Any
    whole: Any
    source: Any
    target: Any
    degree: Any


class Likeness(NamedTuple):
    """Which states are alike. ``renamed[r, offsets[b] + d]`` is the digit (in block ``moved[r, b]``) that digit ``d``
    of block ``b`` becomes under renaming ``r``: the least of those that are alike inside the block, of which there are
    ``alike``. The blocks ``members[sorts[g]:sorts[g + 1]]`` may be permuted."""

    renamed: Any
    moved: Any
    sorts: Any
    members: Any
    alike: Any


@intrinsic
def ones(_typing: Any, _word: Any) -> Any:
    """How many bits of a word are set."""

    def code(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), code


@intrinsic
def lowest(_typing: Any, _word: Any) -> Any:
    """The place of the lowest bit that is set in a word, which is not zero."""

    def code(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), code


@inlined
def digits_of(program, number, digits):
    """Writes the digits of a state's number."""
    for b in range(len(digits)):
        digits[b] = number % program.sizes[b]
        number //= program.sizes[b]


@inlined
def after(program, entry, number, digits):
    """The number of the state after an entry; -1 if it cannot be taken."""
    number += program.delta[entry]
    for x in range(program.extra_first[entry], program.extra_first[entry + 1]):
        add = program.table[program.extra_table[x] + digits[program.extra_block[x]]]
        if add == REFUSED:
            return np.int64(-1)
        number += add
    return number


# --- rows of bits ---------------------------------------------------------------------------------------------------
# A row is the states that agree in all blocks but the first: one bit for each digit of the first, in words of 64.
# Threads share the work by chunks; each has its own ``fresh`` rows to write to.


@compiled
def expand_rows(program, images, thread, threads, frontier, flags, fresh, touched):
    """Sets in ``fresh`` the successors of the ``frontier``; returns how many transitions there are."""
    rows, words = frontier.shape
    blocks = len(program.sizes)
    digits = np.zeros(blocks, np.int64)
    chosen = np.zeros(words, np.uint64)
    transitions = 0
    for chunk in range(thread, len(flags), threads):
        if not flags[chunk]:
            continue
        for row in range(chunk * CHUNK, min((chunk + 1) * CHUNK, rows)):
            some = np.uint64(0)
            for w in range(words):
                some |= frontier[row, w]
            if some == 0:
                continue
            digits_of(program, row, digits)
            for b in range(blocks):
                at = program.offsets[b] + digits[b]
                for e in range(program.first[at], program.first[at + 1]):
                    to = after(program, e, row, digits)
                    if to < 0:
                        continue
                    i = images.number[e]
                    some = np.uint64(0)
                    for w in range(words):
                        chosen[w] = frontier[row, w] & images.source[i, w]
                        some |= chosen[w]
                    if some == 0:
                        continue
                    touched[to // CHUNK] = 1
                    if images.whole[i]:
                        for w in range(words):
                            fresh[to, w] |= chosen[w]
                            transitions += np.int64(ones(chosen[w]))
                        continue
                    for w in range(words):
                        bits = chosen[w]
                        while bits:
                            bit = w * 64 + lowest(bits)
                            bits &= bits - np.uint64(1)
                            transitions += images.degree[i, bit]
                            for v in range(words):
                                fresh[to, v] |= images.target[i, bit, v]
    return transitions


@compiled
def merge_rows(thread, threads, frontier, flags, fresh, touched, known):
    """Makes what is ``fresh`` (by thread) and not ``known`` the frontier; returns how many states that is."""
    rows, words = frontier.shape
    total = 0
    for chunk in range(thread, len(flags), threads):
        some = False
        for t in range(len(fresh)):
            some |= touched[t, chunk] != 0
        if not some and not flags[chunk]:
            continue
        count = 0
        for row in range(chunk * CHUNK, min((chunk + 1) * CHUNK, rows)):
            for w in range(words):
                bits = np.uint64(0)
                for t in range(len(fresh)):
                    if touched[t, chunk]:
                        bits |= fresh[t, row, w]
                        fresh[t, row, w] = 0
                bits &= ~known[row, w]
                known[row, w] |= bits
                frontier[row, w] = bits
                count += np.int64(ones(bits))
        for t in range(len(fresh)):
            touched[t, chunk] = 0
        flags[chunk] = count > 0
        total += count
    return total


@compiled
def numbers_of_rows(frontier, flags, size, numbers):
    """Writes the numbers of the states of the frontier, ascending."""
    rows, words = frontier.shape
    count = 0
    for chunk in range(len(flags)):
        if flags[chunk]:
            for row in range(chunk * CHUNK, min((chunk + 1) * CHUNK, rows)):
                for w in range(words):
                    bits = frontier[row, w]
                    while bits:
                        numbers[count] = row * size + w * 64 + lowest(bits)
                        bits &= bits - np.uint64(1)
                        count += 1
    return count


# --- numbers in hashed sets -----------------------------------------------------------------------------------------
# A set is split among owners, one for each thread; its length is a power of two, -1 is a free slot.


@inlined
def canonical(program, like, number, digits):
    """The least number of all states that are like this one, and how many renamings lead there."""
    least = np.int64(2**63 - 1)
    ties = 0
    for r in range(len(like.renamed)):
        rest = number
        for b in range(len(digits)):
            digit = rest % program.sizes[b]
            rest //= program.sizes[b]
            digits[like.moved[r, b]] = like.renamed[r, program.offsets[b] + digit]
        for g in range(len(like.sorts) - 1):
            sort(digits, like.members[like.sorts[g] : like.sorts[g + 1]])
        candidate = np.int64(0)
        for b in range(len(digits)):
            candidate += digits[b] * program.weights[b]
        if candidate < least:
            least, ties = candidate, 1
        elif candidate == least:
            ties += 1
    return least, ties


@inlined
def sort(digits, members):
    """Sorts the digits of these blocks."""
    for i in range(1, len(members)):
        j = i
        while j > 0 and digits[members[j - 1]] > digits[members[j]]:
            digits[members[j - 1]], digits[members[j]] = digits[members[j]], digits[members[j - 1]]
            j -= 1


@inlined
def stands_for(program, like, number, digits):
    """How many states are like this one, whose number is the least of them."""
    _, ties = canonical(program, like, number, digits)
    digits_of(program, number, digits)
    count = np.int64(len(like.renamed) // ties)
    for b in range(len(digits)):
        count *= like.alike[program.offsets[b] + digits[b]]
    for g in range(len(like.sorts) - 1):
        run = 0
        for i in range(like.sorts[g], like.sorts[g + 1]):
            same = i > like.sorts[g] and digits[like.members[i]] == digits[like.members[i - 1]]
            run = run + 1 if same else 1
            count = count * (i - like.sorts[g] + 1) // run
    return count


@inlined
def hashed(number):
    """Two independent hashes of a number: for its owner and for its slot."""
    mixed = np.uint64(number) * MULTIPLIER
    mixed = (mixed ^ (mixed >> np.uint64(32))) * MULTIPLIER
    return np.int64(mixed >> np.uint64(48)), np.int64((mixed >> np.uint64(8)) & np.uint64(0xFFFFFFFFFF))


@compiled
def expand_numbers(program, like, symmetric, numbers, found, counts, totals):
    """Writes the successors of ``numbers`` to ``found[owner]``, ``counts[owner]`` of them (the least of their like, if
    ``symmetric``); adds to ``totals`` how many states and transitions these numbers stand for."""
    digits = np.zeros(len(program.sizes), np.int64)
    scratch = np.zeros(len(program.sizes), np.int64)
    counts[:] = 0
    for number in numbers:
        digits_of(program, number, digits)
        degree = 0
        for b in range(len(digits)):
            at = program.offsets[b] + digits[b]
            for e in range(program.first[at], program.first[at + 1]):
                to = after(program, e, number, digits)
                if to < 0:
                    continue
                degree += 1
                if symmetric and to != number:
                    to, _ = canonical(program, like, to, scratch)
                if to == number:
                    continue
                owner = hashed(to)[0] % len(found)
                found[owner, counts[owner]] = to
                counts[owner] += 1
        likes = stands_for(program, like, number, scratch) if symmetric else np.int64(1)
        totals[0] += likes
        totals[1] += likes * degree


@compiled
def insert(known, numbers, fresh):
    """Adds ``numbers`` to the set ``known``; writes those that it did not have to ``fresh``; returns how many."""
    mask = len(known) - 1
    count = 0
    for number in numbers:
        slot = hashed(number)[1] & mask
        while known[slot] != number and known[slot] != -1:
            slot = (slot + 1) & mask
        if known[slot] == -1:
            known[slot] = number
            fresh[count] = number
            count += 1
    return count


@compiled
def grow(known, larger):
    """Adds all of a set to a larger one."""
    mask = len(larger) - 1
    for number in known:
        if number != -1:
            slot = hashed(number)[1] & mask
            while larger[slot] != -1:
                slot = (slot + 1) & mask
            larger[slot] = number


@compiled
def first_before(program, like, symmetric, numbers, goal):
    """The first of ``numbers`` from which one move leads to ``goal`` (or to one that is like it); -1 if none does."""
    digits = np.zeros(len(program.sizes), np.int64)
    scratch = np.zeros(len(program.sizes), np.int64)
    for number in numbers:
        digits_of(program, number, digits)
        for b in range(len(digits)):
            at = program.offsets[b] + digits[b]
            for e in range(program.first[at], program.first[at + 1]):
                to = after(program, e, number, digits)
                if to >= 0 and symmetric:
                    to, _ = canonical(program, like, to, scratch)
                if to == goal:
                    return number
    return np.int64(-1)
