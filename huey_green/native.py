# SPDX-License-Identifier: MIT
"""Calls that block a native thread, kept off gevent's event loop.

gevent is used where it already runs and is never imported first: a plain threaded or asyncio
process that uses this package calls everything directly.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, TypeVar

Answer = TypeVar("Answer")


def unpatched(module: str, name: str) -> Any:
    """Return a function of the standard library as it was before gevent replaced it."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey.get_original(module, name) if monkey else getattr(import_module(module), name)


#: Names the native thread; gevent's own names the greenlet.
thread_ident: Callable[[], int] = unpatched("_thread", "get_ident")
#: Makes a lock between native threads; gevent's own would switch greenlets inside a native call.
thread_lock: Callable[[], Any] = unpatched("_thread", "allocate_lock")

#: The same, for who may hold it already.
thread_rlock: Callable[[], Any] = unpatched("_thread", "RLock")

#: The hubs that lent a call to a native thread, by the thread, while that runs it.
_homes: dict[int, Any] = {}


def has_own_sockets() -> bool:
    """Say whether gevent has made the sockets of each native thread its own."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("socket"))


def stoppable_hub() -> Any | None:
    """Return the hub that a blocking call here would stop, None when there is none."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is None or not monkey.is_module_patched("threading"):
        return None
    if is_lent():
        return None  # Made for blocking, even if a call in it has made a hub.
    # gevent.get_hub() would make a hub in every thread that asks.
    hub = sys.modules["gevent._hub_local"].get_hub_if_exists()
    return None if hub is None or sys.modules["gevent"].getcurrent() is hub else hub


class NativePool:
    """Native threads, up to ``size``, made as calls come."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._pools: dict[int, Any] = {}

    def call(self, function: Callable[..., Answer], *args: Any) -> Answer:
        """Run ``function`` there where it would stop a hub, else directly.

        A greenlet that is killed meanwhile stops waiting; the function is carried to its end.
        """
        hub = stoppable_hub()
        if hub is None:
            return function(*args)
        pool = self._pools.get(id(hub))
        if pool is None or pool.hub is not hub:
            pool = import_module("gevent.threadpool").ThreadPool(self._size, hub=hub)
            self._pools[id(hub)] = pool
        answer: Answer = in_pool(pool, _away, (hub, function, args))
        return answer

    def close(self, patience: float | None = None) -> None:
        """End the threads; the next call starts others.

        Returns when they have ended, or after ``patience`` seconds: one that is busy then ends
        after its call.
        """
        hub = stoppable_hub()
        pools = [self._pools.pop(key) for key in list(self._pools)]
        for pool in pools:
            if pool.hub is not hub:
                continue  # A pool may be ended from its own hub's thread only.
            if patience is None:
                pool.kill()
            else:
                import_module("gevent").spawn(pool.kill).join(patience)


class Lane(NativePool):
    """One native thread of its own, whose calls run one after another and wait for no others."""

    def __init__(self) -> None:
        super().__init__(1)


def in_pool(pool: Any, function: Callable[..., Answer], args: tuple[Any, ...]) -> Answer:
    """Run ``function`` in a pool of gevent's native threads, which print none of its errors."""
    answer: Answer = _answer(*pool.apply(_caught, (function, args)))
    return answer


def _answer(answer: Any, error: BaseException | None) -> Any:
    if error is None:
        return answer
    try:
        raise error
    finally:
        del error  # Or the traceback would keep this frame alive, and all that it holds.


def is_lent() -> bool:
    """Say whether this native thread runs a call for the greenlets of another one."""
    return bool(_homes) and thread_ident() in _homes


class AtHome:
    """Stands before an object; its methods run in the event loop that lent the caller's thread.

    For what uses sockets, locks or events: gevent's belong to one loop, and to use them from two
    native threads fails, or crashes the process.
    """

    def __init__(self, target: Any) -> None:
        self._target = target

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._target, name)
        return partial(_at_home, attribute) if callable(attribute) else attribute


def _at_home(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    ended = thread_lock()
    ended.acquire()
    caught: list[tuple[Any, Any]] = []

    def carry_out() -> None:
        caught.append(_caught(partial(function, **kwargs), args))
        ended.release()

    loop = _homes[thread_ident()].loop
    loop.run_callback_threadsafe(import_module("gevent").spawn, carry_out)
    ended.acquire()
    return _answer(*caught.pop())


def _away(hub: Any, function: Callable[..., Answer], args: tuple[Any, ...]) -> Answer:
    here = thread_ident()
    _homes[here] = hub
    try:
        return function(*args)
    finally:
        del _homes[here]
        # Who slept here, or used a socket, has made one. No thread can end it later on.
        if sys.modules["gevent._hub_local"].get_hub_if_exists() is not None:
            end_hub()


def end_hub() -> None:
    """Free the hub of this native thread, and all that hangs on it."""
    hub = sys.modules["gevent"].get_hub()
    hub.destroy(destroy_loop=True)
    # gevent stops its loop and lets it wait for ever then, in a greenlet that nothing can end once
    # the thread is gone: the hub and what it has seen last would never be freed.
    if not hub.dead:
        hub.throw()


def _caught(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, Any]:
    """Return (answer, None) or (None, error): gevent prints what a pool's thread raises."""
    try:
        return function(*args), None
    except BaseException as error:  # Raised again in the greenlet that waits.
        return None, error
