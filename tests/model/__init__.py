"""Tests of the specification and of the machinery under it."""
