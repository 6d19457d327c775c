# SPDX-License-Identifier: MIT
"""Spoiled messages, in a few thousands; ``python -m chaos fuzz`` makes them in millions."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("lane", ["list pickle", "zset json", "sqlite pickle", "file json"])
def test_each_of_many_spoiled_messages_is_accounted_for(lane):
    # In a process of its own, whose memory is bounded.
    command = [sys.executable, "-m", "chaos.fuzz", "--seed", "of the tests", "--batch", "500"]
    done = subprocess.run(
        [*command, "--messages", "1000", "--only", lane],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every one is accounted for" in done.stdout
