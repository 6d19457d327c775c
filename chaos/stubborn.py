# SPDX-License-Identifier: MIT
"""Tasks that do not end when their consumer stops; a scenario's settings name this module.

That such a run does not heed its interruption goes on record when it begins: its message is
handed back while it goes on, and nobody else can tell.
"""

from __future__ import annotations

import time

from gevent import monkey

from chaos.app import execution, huey, ledger
from huey_green import TaskInterrupted

_native_sleep = monkey.get_original("time", "sleep")


@huey.task()
def swallowing(job: str, seconds: float) -> str:
    """Catches what is to interrupt it, and works on."""
    with execution(job) as run:
        ledger.note("deaf", run=run)
        ends_at = time.monotonic() + seconds
        while (left := ends_at - time.monotonic()) > 0:
            try:
                time.sleep(left)
            except TaskInterrupted:
                ledger.note("swallowed", run=run)
    return job


@huey.task()
def holding(job: str, seconds: float) -> str:
    """Lets nothing else run in the process."""
    with execution(job):
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            sum(range(1000))
    return job


@huey.task(native_thread=True)
def native(job: str, seconds: float) -> str:
    """Sits in a native thread, where nothing can interrupt it."""
    with execution(job) as run:
        ledger.note("deaf", run=run)
        _native_sleep(seconds)
    return job
