# SPDX-License-Identifier: MIT
"""Consumers that start and stop inside of one process, again and again: nothing may be left.

``python -m chaos.soak_cycles COUNT patched|unpatched URL`` is that process. In one that gevent
has patched the consumer lives in its hub; in another it has a native thread, and a hub there.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and "patched" in sys.argv:
    from gevent import monkey

    monkey.patch_all()

import json
import os
import subprocess
from typing import Any

from chaos.processes import ROOT, Failed
from chaos.soak_look import look_at, outside
from chaos.soak_verdict import Row, compare_processes
from chaos.watchdog import run_watched
from huey_green import RedisHuey
from huey_green.testing.redis import PrivateRedis

#: Tasks that may run at once, and seconds for the value of one.
WORKERS, PATIENCE = 4, 60.0

#: Native threads in which gevent looks up names, and of which now and then one more is made.
RESOLVERS = 10

#: Share of the cycles after which the first look is taken.
WARM = 0.1


def run(cycles: int) -> list[Row]:
    """Have a patched and an unpatched process go through so many cycles each."""
    rows: list[Row] = []
    with PrivateRedis() as server:
        for how in ("patched", "unpatched"):
            command = [sys.executable, "-m", "chaos.soak_cycles", str(cycles), how, server.url]
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            done = run_watched(command, env=environment, stdout=subprocess.PIPE)
            if done.returncode != 0:
                raise Failed(f"{how}: ended with {done.returncode}")
            before, after = json.loads(done.stdout)
            rows += compare_processes(how, before, after, 0, 0, RESOLVERS)
            rows.append(Row(f"{how}: connections", before["clients"], after["clients"], 1))
    return rows


def _look(huey: Any) -> dict[str, Any]:
    huey.storage.close()
    clients = huey.storage.link.execute("CLIENT", "LIST").count(b"\n")
    found = {**look_at(huey), "clients": clients}
    return {**found, "outside": outside(os.getpid())}


def main(cycles: int, url: str) -> None:
    """Go through the cycles, and print what there was after the first of them and at the end."""
    huey = RedisHuey("cycles", url=url)

    @huey.task()
    def double(value: int) -> int:
        return 2 * value

    @huey.task(native_thread=True)
    def triple(value: int) -> int:
        return 3 * value

    looks = []
    for number in range(cycles):
        consumer = huey.create_consumer(workers=WORKERS, periodic=False)
        consumer.start()
        results = [double(number), triple(number)]
        values = [one.get(blocking=True, timeout=PATIENCE) for one in results]
        assert values == [2 * number, 3 * number], values
        consumer.stop(graceful=True)
        if number + 1 in (max(1, int(cycles * WARM)), cycles):
            looks.append(_look(huey))
    print(json.dumps([looks[0], looks[-1]]))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[3])
