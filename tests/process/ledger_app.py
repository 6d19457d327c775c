# SPDX-License-Identifier: MIT
"""The application of these tests, copied beside a ``settings.json``. Each task writes down in a
ledger what happens to it, in lines that several processes can append at once."""

import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from huey_green import (
    FileHuey,
    MemoryHuey,
    PriorityRedisHuey,
    RedisHuey,
    SqliteHuey,
    TaskInterrupted,
)
from huey_green import signals as s

_HERE = Path(__file__).parent
_SETTINGS = json.loads((_HERE / "settings.json").read_text())
_KINDS = {
    "list": RedisHuey,
    "zset": PriorityRedisHuey,
    "sqlite": SqliteHuey,
    "file": FileHuey,
    "memory": MemoryHuey,
}
_ledger = os.open(_HERE / "ledger", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

huey = _KINDS[_SETTINGS["kind"]](_SETTINGS["name"], **_SETTINGS["options"])


def note(*words):
    os.write(_ledger, (" ".join(str(word) for word in words) + "\n").encode())


@huey.on_startup()
def started():
    note("started", os.getpid())


@huey.on_shutdown()
def stopped():
    note("stopped", os.getpid())


@huey.signal(s.SIGNAL_INTERRUPTED)
def interrupted(signal, task):
    note("interrupted", *task.args[:1])


@huey.task()
def quick(n):
    note("ran", n)
    return n


@huey.task(retries=1)
def stumble(n):
    note("tried", n)
    raise LookupError(f"no {n} here")


@huey.task()
def hold(n, megabytes):
    """Leaves as much memory in use."""
    held.append(bytearray(megabytes * 1_000_000))
    note("ran", n)


held = []


@huey.task()
def go_away(n):
    """Leaves the process in a directory that is gone, without its environment and streams."""
    directory = tempfile.mkdtemp()
    os.chdir(directory)
    os.rmdir(directory)
    os.environ.clear()
    sys.stdout.close()
    note("ran", n)


@huey.task()
def wait(n, seconds=3600):
    """Runs for so long, or until the first run has been seen to begin."""
    again = _has("began", n)
    note("began", n)
    try:
        if not (again and seconds == 3600):
            time.sleep(seconds)
        note("ran", n)
    finally:
        note("left", n)
    return n


@huey.task()
def whose(n, seconds):
    """Returns the process that ran it."""
    note("began", n)
    time.sleep(seconds)
    note("ran", n)
    return os.getpid()


@huey.task()
def stubborn(n):
    """Swallows its interruption and works on."""
    note("began", n)
    while True:
        try:
            time.sleep(3600)
        except TaskInterrupted:
            note("swallowed", n)


@huey.task()
def swallow(n):
    """Swallows its interruption and ends as if nothing had been."""
    note("began", n)
    try:
        time.sleep(3600)
    except TaskInterrupted:
        note("swallowed", n)
    note("ran", n)
    return n


@huey.task()
def busy(n):
    """Holds the whole process until a file says stop, or it is run again."""
    again = _has("began", n)
    note("began", n)
    try:
        while not again and not (_HERE / "enough").exists():
            pass
        note("ran", n)
    finally:
        note("left", n)


@huey.task(retries=2, retry_delay=0.2, context=True)
def flaky(n, task=None):
    note("tried", n)
    if task.retries:
        raise ValueError(n)
    note("ran", n)
    return n


@huey.task()
def half(n):
    note("half", n)
    return n


@huey.task()
def poison(n):
    note("poisoned", n)
    os.kill(os.getpid(), signal.SIGKILL)


@huey.task(at_most_once=True)
def at_most_once(n, seconds=0):
    note("ran", n)
    time.sleep(seconds)


@huey.task(at_most_once=True)
def stubborn_once(n):
    note("ran", n)
    while True:
        try:
            time.sleep(3600)
        except TaskInterrupted:
            note("swallowed", n)


def _has(*words):
    return " ".join(str(word) for word in words) in (_HERE / "ledger").read_text().splitlines()
