# SPDX-License-Identifier: MIT
"""A producer as a process of its own: ``python -m chaos.producer SEED RATE SECONDS [KIND...]``.

It enqueues jobs at random, ``RATE`` a second, each of about so many seconds, until its standard
input is closed. What the storage accepted is in the ledger; so is what may not have arrived.
"""

from __future__ import annotations

import random
import select
import sys
import time

from chaos import app, jobs
from huey_green import StorageUnavailable

#: Seconds after a refusal before the next attempt.
PAUSE = 0.05


def main(seed: str, rate: float, seconds: float, kinds: list[str]) -> None:
    """Produce until nobody holds our standard input any more."""
    chance = random.Random(seed)
    shares = [jobs.KINDS[kind].share for kind in kinds]
    number, starts_at = 0, time.monotonic()
    while not _is_over(max(0.0, starts_at + number / rate - time.monotonic())):
        kind = chance.choices(kinds, shares)[0]
        _produce(kind, f"{app.WHO}-{number}", chance, seconds)
        number += 1
    app.ledger.note("finished", jobs=number)


def _produce(kind: str, job: str, chance: random.Random, seconds: float) -> None:
    work, delay = chance.uniform(0, 2 * seconds), chance.uniform(0.1, 2.0)
    due_at = time.time() + delay if kind == "scheduled" else None
    app.ledger.note("sends", job=job, kind=kind, due_at=due_at)
    try:
        result = app.enqueue(kind, job, work, delay)
    except StorageUnavailable as error:
        # It may be there all the same: then it runs, and is no duplicate.
        app.ledger.note("unknown", job=job, kind=kind, error=str(error)[:200])
        time.sleep(PAUSE)
    else:
        app.ledger.note("accepted", job=job, kind=kind, result=result, due_at=due_at)


def _is_over(seconds: float) -> bool:
    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(readable)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.argv[4:] or list(jobs.KINDS))
