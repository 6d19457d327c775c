# SPDX-License-Identifier: MIT
"""Storages that tell of the periodic tasks that they let in, and in which a process can be made
to die, or be told to stop, in the middle of a chosen step.

$CHAOS_DEATH is "STEP:CALL:SECONDS:SIGNAL": so long after it has begun the so-manieth call of a
method (fetch, settle, promote, reclaim, extend, release...) the process gets that signal, from a
native thread: whatever it does then, it does not finish if it is a SIGKILL.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from gevent import monkey

from huey_green import storage
from huey_green.storage.base import BaseStorage

VARIABLE = "CHAOS_DEATH"

_CLASSES = {
    "list": "RedisStorage",
    "zset": "PriorityRedisStorage",
    "sqlite": "SqliteStorage",
    "file": "FileStorage",
}


def observed_storage(kind: str, on_tick: Callable[[str, bytes], None]) -> type[BaseStorage]:
    """Return the storage class of a kind, mortal if the environment says so.

    ``on_tick`` is told the key and the message of each ``enqueue_once`` that was let in.
    """
    found: type[BaseStorage] = getattr(storage, _CLASSES[kind])

    def enqueue_once(
        self: BaseStorage, data: bytes, key: str, ttl: float, priority: float | None = None
    ) -> bool:
        was_let_in = found.enqueue_once(self, data, key, ttl, priority)
        if was_let_in:
            on_tick(key, data)
        return was_let_in

    methods: dict[str, Any] = {"enqueue_once": enqueue_once}
    said = os.environ.get(VARIABLE)
    if said:
        step, call, seconds, number = said.split(":")
        method = methods.get(step) or getattr(found, step)
        methods[step] = _fatal(method, int(call), float(seconds), int(number))
    return type(f"Observed{found.__name__}", (found,), methods)


def _fatal(
    method: Callable[..., Any], call: int, seconds: float, number: int
) -> Callable[..., Any]:
    calls = 0

    def called(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            monkey.get_original("_thread", "start_new_thread")(_die, (seconds, number))
        return method(*args, **kwargs)

    return called


def _die(seconds: float, number: int) -> None:
    monkey.get_original("time", "sleep")(seconds)
    os.kill(os.getpid(), number)


def death(step: str, call: int, seconds: float, number: int = signal.SIGKILL) -> dict[str, str]:
    """Return the variable that has a process sent this signal in the middle of a step."""
    return {VARIABLE: f"{step}:{call}:{seconds:.6f}:{number:d}"}
