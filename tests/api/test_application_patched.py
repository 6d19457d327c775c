# SPDX-License-Identifier: MIT
"""The tests of an application whose test suite runs under gevent, all of it patched."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

RUN = """
from gevent import monkey

monkey.patch_all()

import sys

import pytest

raise SystemExit(pytest.main(sys.argv[1:]))
"""


def test_an_application_can_be_tested_in_a_patched_process():
    done = subprocess.run(
        [
            *(sys.executable, "-W", "error", "-c", RUN, "-q", "-p", "no:cacheprovider"),
            *("-k", "memory or consumer or lock or immediate", HERE / "test_application.py"),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout
