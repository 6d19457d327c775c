# SPDX-License-Identifier: MIT
"""A child that a task forks is no second consumer: of all greenlets it keeps the one that forked.

gevent leaves a child copies of all greenlets, and the sockets on which they wait. As soon as the
child waits for anything, the copies of the consumer's services and of all other tasks would go
on, and take from the sockets what the storage answers to the parent.
"""

from __future__ import annotations

import logging
import os
import signal
import weakref
from collections.abc import Mapping
from typing import Any, Protocol, cast

import gevent
from gevent._hub_local import get_hub_if_exists, set_hub, set_loop
from gevent._hub_primitives import WaitOperationsGreenlet
from greenlet import greenlet

from huey_green.native import thread_ident

log = logging.getLogger("huey_green.consumer")

#: Whether this process is such a child.
is_child = False

#: The exit status of a child that came back from its task.
CAME_BACK = 70


class Runs(Protocol):
    """What has to be known of a consumer: the greenlets in which its tasks run."""

    @property
    def running(self) -> Mapping[greenlet, Any]:
        """What runs, by its greenlet."""


#: The consumers of this process.
_consumers: weakref.WeakSet[Any] = weakref.WeakSet()

#: The hubs of processes that are a consumer and nothing else.
_hubs: weakref.WeakSet[Any] = weakref.WeakSet()

#: What a child is to do with signals for which its parent has handlers of its own.
_handlers: dict[int, Any] = {}

#: The signal masks from before a fork, by the native thread that forks.
_masks: dict[int, set[int]] = {}


class _Last(WaitOperationsGreenlet):
    """Where a greenlet of a child goes when it has ended: there is no hub that waits for it."""

    def __init__(self, main: greenlet) -> None:
        super().__init__(None, main)
        self.loop: Any = self

    def run(self, *_: Any) -> None:
        os._exit(0)

    def run_callback(self, *_: Any) -> None:
        """Stand in for a loop that would tell others of the end."""

    def handle_error(self, *error: Any) -> None:
        """Stand in for a hub."""
        log.error("a child that a task had forked raised an error", exc_info=error[-3:])


def look_after(consumer: Runs) -> None:
    """See to the children of a consumer's tasks."""
    _consumers.add(consumer)


def look_after_all(handlers: Mapping[int, Any]) -> None:
    """See to the children of whatever greenlet: this process is a consumer and nothing else.

    ``handlers`` are those of process signals that a child is to have instead of its parent's.
    """
    _hubs.add(gevent.get_hub())
    _handlers.update(handlers)


def end_child(task: Any) -> None:
    """End a child that came back from the function of its task; the parent goes on with that."""
    log.error(
        "a child that %s had forked came back from it and was ended; call os._exit() in a child",
        task,
    )
    os._exit(CAME_BACK)


def _before() -> None:
    # Python forgets what signals have come for handlers of its own when a child begins: one that
    # is told to stop at once would not.
    if _handlers:
        _masks[thread_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, _handlers)


def _after() -> None:
    mask = _masks.pop(thread_ident(), None)
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _in_child() -> None:
    for number, handler in _handlers.items():
        signal.signal(number, handler)
    _after()
    hub, here = get_hub_if_exists(), gevent.getcurrent()
    if hub is None or here is hub or here is hub.parent:
        return
    if hub in _hubs or any(here in one.running for one in _consumers):
        _leave_all_others(hub, here)


def _leave_all_others(hub: Any, here: greenlet) -> None:
    global is_child
    is_child = True
    # The next who asks gets a hub with a loop for which nobody waits. It cannot have the one of
    # now, with all its watchers: there is one loop with which children can be waited for.
    set_hub(cast(Any, None))
    set_loop(cast(Any, None))
    hub.loop.destroy()
    here.parent = _Last(hub.parent)


os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_in_child)
