# SPDX-License-Identifier: MIT
"""A consumer inside a web server on gevent: it starts and stops with it, and gives way to it."""

from __future__ import annotations

import logging
import os
import weakref
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

import gevent
from gevent import monkey
from gevent._hub_local import get_hub_if_exists, set_hub, set_loop
from gevent.event import Event

from huey_green.backoff import exponential, jittered
from huey_green.consumer.consumer import CLEAN_UP, LAST_FLUSH, Consumer
from huey_green.consumer.forking import look_after_all
from huey_green.consumer.group import ConsumerGroup, consumer_of
from huey_green.consumer.pace import Pace
from huey_green.exceptions import ConfigurationError, StorageRefused, StorageUnavailable
from huey_green.settings import settings_from

if TYPE_CHECKING:
    from huey_green.huey import Huey

log = logging.getLogger("huey_green.consumer")

#: Options that are for a process of its own, which this one is not.
NOT_HERE = ("max_tasks", "max_rss", "graceful_signal")

#: Seconds between tries to start with a storage that was away: the first pause, and the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0

#: Seconds in which a stop that was cut short still gives back what it has.
LAST_WORDS = CLEAN_UP + LAST_FLUSH

UNPATCHED = (
    "gevent has not patched this process, and an embedded consumer runs tasks in greenlets beside "
    "the requests. Put `from gevent import monkey; monkey.patch_all()` into the first line of the "
    "program, before all other imports; with gunicorn use the worker class gevent, with uWSGI the "
    "options gevent and gevent-early-monkey-patch. For a web server without gevent run the "
    "consumer as a process of its own: `huey_green module.huey`"
)


class EmbeddedConsumer:
    """Runs the tasks of a queue in a web server that gevent has patched.

    As a context manager it consumes inside of the block; ``start`` and ``stop`` are for servers
    that have hooks. It touches neither process signals nor logging, and patches nothing. Made by
    ``Huey.embedded_consumer``.
    """

    def __init__(self, huey: Huey, *, share: float = 0.5, **options: Any) -> None:
        """Raises ``ConfigurationError`` for options that do not fit."""
        self.huey = huey
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:
            raise ConfigurationError(
                f"share is the part of the time that tasks get while requests want it, too: more "
                f"than 0 and at most 1, not {share!r}"
            )
        self._share = share
        settings_from(options)
        for name in NOT_HERE:
            if options.get(name) is not None:
                raise ConfigurationError(
                    f"{name} is for a consumer in a process of its own; this one ends with its web "
                    "server, which may have such an option"
                )
        self._options = options
        self._consumer: Consumer | ConsumerGroup | None = None
        self._pid = 0
        self._stopping = Event()
        self._late: gevent.Greenlet[..., None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether ``start`` was called in this process and ``stop`` was not."""
        return self._consumer is not None and self._pid == os.getpid()

    def start(self) -> None:
        """Begin to consume; returns when the services run. Called again it does nothing.

        A web server is not to wait for a storage that is away: that is logged, and tasks are run
        as soon as it is there. Raises ``StorageRefused`` when waiting does not cure it, and
        ``ConfigurationError`` in a process that gevent has not patched.

        In a server that forks it is called after the fork, in each of the workers.
        """
        if self.is_running:
            return
        if not (monkey.is_module_patched("socket") and monkey.is_module_patched("threading")):
            raise ConfigurationError(UNPATCHED)
        consumer = consumer_of(self.huey, **self._options)
        pace = Pace(self._share)
        for one in consumer.consumers if isinstance(consumer, ConsumerGroup) else (consumer,):
            one.pace = pace
        self._stopping, self._late = Event(), None
        try:
            consumer.start()
        except StorageRefused:
            raise
        except StorageUnavailable as error:
            log.error("no tasks are run until the storage is there; requests are served: %s", error)
            self._late = gevent.spawn(self._start_late, consumer)
        self._consumer, self._pid = consumer, os.getpid()
        _embedded.add(self)
        look_after_all({})  # A child that a request forks is no second consumer either.

    def stop(self, graceful: bool = True, timeout: float | None = None) -> None:
        """Stop consuming; returns when all tasks have ended or were given back to the queue.

        With ``graceful`` running tasks get ``timeout`` seconds to end, or ``shutdown_timeout``
        where that is less; without, none. Whoever is interrupted meanwhile, by Ctrl-C say,
        interrupts the tasks and gives them back before it goes on.
        """
        if not self.is_running:
            return
        consumer, self._consumer = cast("Consumer | ConsumerGroup", self._consumer), None
        self._stopping.set()
        stopping = gevent.spawn(self._stop, consumer, graceful)
        hurry = None if timeout is None else gevent.spawn_later(timeout, consumer.interrupt)
        try:
            stopping.get()
        except BaseException:
            consumer.interrupt()
            stopping.join(LAST_WORDS)
            raise
        finally:
            if hurry is not None:
                hurry.kill(block=False)

    def interrupt(self) -> None:
        """End a graceful ``stop`` that is under way: running tasks are interrupted now."""
        if self._consumer is not None:
            self._consumer.interrupt()

    def _stop(self, consumer: Consumer | ConsumerGroup, graceful: bool) -> None:
        if self._late is not None:
            self._late.join()
        consumer.stop(graceful)

    def _start_late(self, consumer: Consumer | ConsumerGroup) -> None:
        tries = 0
        while not self._stopping.wait(
            jittered(exponential(tries, FIRST_PAUSE, 2.0, LONGEST_PAUSE))
        ):
            tries += 1
            try:
                consumer.start()
            except StorageRefused as error:
                log.error("no tasks are run: %s", error)
            except StorageUnavailable as error:
                log.debug("no tasks are run yet: %s", error)
            else:
                log.info("%s is consumed now", self.huey.storage.describe())
                return

    def __enter__(self) -> EmbeddedConsumer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


#: Those of this process.
_embedded: weakref.WeakSet[EmbeddedConsumer] = weakref.WeakSet()


def _in_child() -> None:
    """Leave a parent's consumers to the parent.

    A server that forks after the start, from the main greenlet, would take copies of all of them
    along. They would read from its sockets as soon as the child waits for anything.
    """
    hub = get_hub_if_exists()
    ours = [one for one in _embedded if one._consumer is not None]
    if not ours or hub is None or gevent.getcurrent() is not hub.parent:
        return
    log.error(
        "this process was forked after an embedded consumer had been started, and has none: start "
        "it after the fork, in each worker (gunicorn: post_worker_init, uWSGI: postfork)"
    )
    set_hub(cast(Any, None))
    set_loop(cast(Any, None))
    hub.loop.destroy()


os.register_at_fork(after_in_child=_in_child)
