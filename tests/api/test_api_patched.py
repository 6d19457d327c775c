# SPDX-License-Identifier: MIT
"""The API inside a program that gevent has patched: the consumer lives in its event loop."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_patched_program_consumes_whatever_its_tasks_raise(tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, "-W", "error"),
            *(Path(__file__).with_name("patched_program.py"), tmp_path / "queue.db"),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
