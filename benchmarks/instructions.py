# SPDX-License-Identifier: MIT
"""Instructions that a few small paths take, counted by valgrind: a figure that repeats exactly.

This module is two things: ``counted`` starts it under cachegrind and reads the counts; started
so, it warms every path up and runs each in a forked child of its own, which differ in nothing
else. A child that runs none is what the others are compared with.

Counts differ between versions of Python, and stay comparable beside those of a ``yardstick``:
plain pickle, uuid and attribute access, in the same process.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable
from types import SimpleNamespace

from benchmarks.runner import ROOT

#: Runs of each path: the first ones fill caches and are not counted.
WARM_UP = 50
COUNTED = 200

#: Settlements in one batch; a run of the path ``settle`` is one of them.
BATCH = 100

YARDSTICK = "yardstick"
NOTHING = "nothing"

#: Seconds; a quiet machine needs ten.
PATIENCE = 120.0

Path = Callable[[], object]


class NoCounts(RuntimeError):
    """The instructions could not be counted; the message says why."""


def counted() -> dict[str, float] | None:
    """Return the instructions of each path as multiples of the yardstick's.

    None when there is no valgrind. Raises ``NoCounts`` when it fails.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        return None
    # A private log: children write to it as they end, each line with its process id.
    with tempfile.TemporaryDirectory() as directory:
        log = os.path.join(directory, "log")
        done = subprocess.run(
            [
                *(valgrind, "--tool=cachegrind", "--cache-sim=no", f"--log-file={log}"),
                f"--cachegrind-out-file={os.devnull}",
                *(sys.executable, "-m", "benchmarks.instructions"),
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        with open(log, encoding="utf-8", errors="replace") as file:
            totals = dict(re.findall(r"==(\d+)== I\s+refs:\s+([\d,]+)", file.read()))
    if done.returncode:
        raise NoCounts(f"counting instructions failed:\n{done.stderr[-2000:]}")
    pids = json.loads(done.stdout.splitlines()[-1])
    counts = {name: int(totals[str(pid)].replace(",", "")) for name, pid in pids.items()}
    nothing = counts.pop(NOTHING)
    yardstick = counts.pop(YARDSTICK) - nothing
    return {name: (count - nothing) / yardstick for name, count in counts.items()}


def _paths() -> dict[str, Path]:
    """Return what is counted: each call does the same again, without a storage behind it."""
    from huey_green import BlackHoleHuey
    from huey_green.message import Delivery, Effects, Settlement
    from huey_green.storage.redis.keys import Keys
    from huey_green.storage.redis.settling import Settling

    huey = BlackHoleHuey("instructions")

    @huey.task()
    def noop(number: int) -> int:
        return number

    task = noop.s(1)
    body = huey.serialize_task(task)
    delivery = Delivery(body, f"{task.id}:1")
    keys = Keys("instructions")
    effects = Effects(results=((task.id, pickle.dumps(1)),))
    batch = [Settlement(delivery, effects)] * BATCH

    plain = SimpleNamespace(name="noop", args=(1,), kwargs={})

    def yardstick() -> object:
        message = (uuid.uuid4().hex, plain.name, plain.args, plain.kwargs, None, 0, 0, None)
        return pickle.loads(pickle.dumps(message))

    return {
        NOTHING: lambda: None,
        YARDSTICK: yardstick,
        "enqueue": lambda: noop(1),
        "encode": lambda: huey.serialize_task(task),
        "decode": lambda: huey.deserialize_task(body),
        "open and execute": lambda: huey.executor.run(delivery),
        f"settle {BATCH}": lambda: Settling(keys, None, "consumer", batch).call(),
    }


def main() -> None:
    paths = _paths()
    for path in paths.values():
        for _ in range(WARM_UP):
            path()
    pids = {}
    for name, path in paths.items():
        # No other thread runs: a fork is safe, and the child leaves nothing to clean up.
        child = os.fork()
        if child == 0:
            for _ in range(COUNTED):
                path()
            os._exit(0)
        pids[name] = child
        _, status = os.waitpid(child, 0)
        if status:
            sys.exit(f"{name} failed")
    print(json.dumps(pids))


if __name__ == "__main__":
    main()
