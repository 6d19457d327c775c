# SPDX-License-Identifier: MIT
"""Many callers in one process, each a thread: ``python -m benchmarks.callers URL COUNT``."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

from redis import Redis

from benchmarks.app import build
from benchmarks.runner import PATIENCE

#: Bytes of a thread's stack; waiting needs little.
STACK = 256 * 1024


def main(url: str, count: int) -> None:
    app = build(url, "list", results=True)
    answered_at: list[float] = []

    def call(value: int, result: Any) -> None:
        waits.release()
        if result.get(blocking=True, timeout=2 * PATIENCE) != value:
            raise RuntimeError(f"a wrong answer to {value}")
        answered_at.append(time.perf_counter())

    waits = threading.Semaphore(0)
    threading.stack_size(STACK)
    # Enqueued by one thread, so that its connection is the only one beside that of the waiting.
    calls = [(value, app.echo(value)) for value in range(count)]
    threads = [threading.Thread(target=call, args=one) for one in calls]
    for thread in threads:
        thread.start()
    for _ in threads:
        waits.acquire()
    time.sleep(1.0)  # The last of them goes and waits.
    redis = Redis.from_url(url)
    redis.set("callers-wait", 1)
    redis.close()
    for thread in threads:
        thread.join()
    if len(answered_at) != count:
        sys.exit(f"{count - len(answered_at)} callers had no answer")
    redis.set("callers-done", repr(answered_at[-1] - answered_at[0]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
