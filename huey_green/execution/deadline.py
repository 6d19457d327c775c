# SPDX-License-Identifier: MIT
"""A timeout that interrupts what waits, answers for nothing but itself, and can be asked."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from huey_green import clock
from huey_green.exceptions import TaskTimeout
from huey_green.native import stoppable_hub
from huey_green.task import Task


@contextmanager
def deadline(task: Task) -> Iterator[None]:
    """Raise ``TaskTimeout`` when the task inside has run for its ``timeout``.

    Where gevent runs the task is interrupted at whatever it waits for. Elsewhere, in plain
    threads, nothing can; the task may ask ``check_timeout()``. A timeout that a task has set
    for itself with gevent passes through.
    """
    seconds = task.timeout
    assert seconds is not None
    task.deadline = clock.monotonic() + seconds
    try:
        if stoppable_hub() is None:
            yield
        else:
            with _interrupting(seconds):
                yield
    except BaseException:
        # In a native thread it may still go on, and ask.
        if not task.native_thread:
            task.deadline = None
        raise
    task.deadline = None


@contextmanager
def _interrupting(seconds: float) -> Iterator[None]:
    # Not an Exception while it is inside the task, so that no `except Exception` there takes it.
    kind = sys.modules["gevent"].Timeout
    timer = kind.start_new(seconds)
    try:
        yield
    except kind as expired:
        if expired is not timer:
            raise
        # With the traceback, which tells where it was interrupted.
        late = TaskTimeout(f"timeout {seconds:g}s").with_traceback(expired.__traceback__)
        raise late from None
    finally:
        timer.close()
