# SPDX-License-Identifier: MIT
"""Callers that wait for results, as a process: ``python -m chaos.callers COUNT SECONDS``.

Each waits in a thread for a task that runs in so many seconds, and waits again when the storage
was away, until the result is there.
"""

from __future__ import annotations

import random
import sys
import threading
import time

from chaos import app
from huey_green import StorageUnavailable


def main(count: int, seconds: float) -> None:
    """Wait with so many threads until all have a result."""
    waiting = [threading.Thread(target=_call, args=(n, seconds)) for n in range(count)]
    for thread in waiting:
        thread.start()
    for thread in waiting:
        thread.join()


def _call(number: int, seconds: float) -> None:
    job, due_at = f"{app.WHO}-{number}", time.time() + seconds
    app.ledger.note("sends", job=job, kind="scheduled", due_at=due_at)
    result = app.enqueue("scheduled", job, 0.0, seconds)
    app.ledger.note("accepted", job=job, kind="scheduled", result=result, due_at=due_at)
    app.ledger.note("waits", job=job)
    while True:
        try:
            if app.huey.storage.wait_result(result):
                break
        except StorageUnavailable:
            time.sleep(random.uniform(0.5, 1.5))
    app.ledger.note("answered", job=job)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
