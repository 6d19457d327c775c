# SPDX-License-Identifier: MIT
"""A consumer that a test starts and stops in its own process, patched by gevent or not."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import by_hand_program
import pytest


def test_a_consumer_is_started_and_stopped_inside_of_a_test(huey):
    before = set(threading.enumerate())
    by_hand_program.drive(huey)
    left = {thread.name for thread in set(threading.enumerate()) - before}
    assert not any("consumer" in name for name in left), left


@pytest.mark.parametrize("storage", ["memory", "sqlite", "file", "redis"])
def test_a_consumer_is_started_and_stopped_inside_of_a_patched_program(request, tmp_path, storage):
    place = tmp_path / "queue"
    if storage == "redis":
        place = request.getfixturevalue("redis_server").url
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "error", by_hand_program.__file__, storage, str(place)],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
