"""Fuzzing: whatever is read, an answer comes, in bounded time and memory, and no traceback.

`mutate` makes bad input out of good; `targets` are the ways in, with what must hold; the tests here mutate with
Hypothesis, and tools/fuzz.py (`make fuzz`) with atheris, guided by what of our code has run. What either finds is kept
in tests/fuzz/cases, one file each, and tried by every run of the tests.
"""
