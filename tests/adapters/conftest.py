"""The tests on real engines: where there can be none they are skipped, in one clear line; where they must run (CI says
so by KUBEPHASE_LIVE=required) that is an error."""

from __future__ import annotations

import os

import pytest

from adapters.docker import disk, nodes

REASON = nodes.missing()

collect_ignore = ["test_docker_nodes.py"] if REASON else []
"""The skipped tests of test_docker.py tell the reason for these, too."""

if os.environ.get("KUBEPHASE_LIVE") == "required" and (why := REASON or disk.missing()):
    raise pytest.UsageError(f"the tests on real engines are required here, but: {why}")
