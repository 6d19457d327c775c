# SPDX-License-Identifier: MIT
"""No process of a run outlives its harness, however that ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from huey_green.testing.concurrency import eventually

ROOT = Path(__file__).resolve().parents[2]

#: A harness with children: one that works, one that is suspended, one with a child of its own that
#: heeds no signal, one that has ended. It prints their numbers.
HARNESS = """
import json, signal, subprocess, sys
from pathlib import Path

from chaos import watchdog
from chaos.ledger import Ledger
from chaos.processes import Child

folder = Path(sys.argv[1])
forking = (
    "import os, signal, time\\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\\n"
    "os.fork()\\n"
    "print(os.getpid(), flush=True)\\n"
    "time.sleep(600)"
)
sleeping = "import time; time.sleep(600)"

def child(who, code):
    return Child(who, folder, Ledger(folder / "ledger", who), [sys.executable, "-c", code], {})

works, suspended = child("works", sleeping), child("suspended", sleeping)
suspended.suspend()
forks = child("forks", forking)
forks.wait_for(lambda: len(forks.said.split()) == 2, "a fork")
ended = child("ended", "")
ended.ends()
pids = [works.pid, suspended.pid, *map(int, forks.said.split())]
print(json.dumps([pids, sorted(watchdog._watchdog._watched)]), flush=True)
sys.stdin.read()
"""


def is_running(pid: int) -> bool:
    """Say whether there is a process that has not ended; nobody may ask for its status."""
    command = ["ps", "-o", "stat=", "-p", str(pid)]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return bool(said) and not said.startswith("Z")


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[int], list[int]]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HARNESS, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    pids, watched = json.loads(process.stdout.readline())
    yield process, pids, watched
    process.kill()
    process.communicate()


def test_those_that_run_are_watched_and_those_that_ended_are_not(harness: Any) -> None:
    _, pids, watched = harness
    assert all(map(is_running, pids))
    assert len(pids) == 4
    assert len(watched) == 3
    assert {-number for number in watched} < set(pids)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_all_end_with_their_harness(harness: Any, number: signal.Signals) -> None:
    process, pids, _ = harness
    process.send_signal(number)
    process.wait(30)
    for pid in pids:
        eventually(lambda pid=pid: not is_running(pid), f"the end of {pid}")  # type: ignore[misc]


def test_what_is_run_and_waited_for_ends_with_its_harness_too(tmp_path: Path) -> None:
    code = (
        "import sys; from chaos.watchdog import run_watched\n"
        "run_watched([sys.executable, '-c',"
        " 'import os, time; print(os.getpid(), flush=True); time.sleep(600)'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.kill()
        eventually(lambda: not is_running(pid), "its end")


def test_what_is_run_and_waited_for_tells_what_it_said() -> None:
    from chaos.watchdog import run_watched

    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    done = run_watched([sys.executable, "-c", code], **pipes)
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 3)
