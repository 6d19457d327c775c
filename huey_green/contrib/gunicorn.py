# SPDX-License-Identifier: MIT
"""A consumer in each worker of gunicorn, for its configuration file (``gunicorn.conf.py``)::

worker_class = "gevent"

from huey_green.contrib.gunicorn import embed

post_worker_init, worker_exit = embed("shop.tasks.huey", workers=200)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from huey_green import clock
from huey_green.huey import Huey
from huey_green.loading import load_huey

if TYPE_CHECKING:
    from huey_green.consumer.embedded import EmbeddedConsumer

__all__ = ["Hooks", "embed"]

#: Seconds between two looks whether gunicorn has told a worker to end.
LOOK_EVERY = 0.5

#: Seconds before gunicorn's patience ends at which tasks are interrupted: what they need to clean
#: up and go back to the queue.
MARGIN = 5.0


class Hooks(NamedTuple):
    """What gunicorn is to call. Hooks of your own call these in turn."""

    post_worker_init: Callable[[Any], None]
    worker_exit: Callable[[Any, Any], None]


def embed(huey: str | Huey, **options: Any) -> Hooks:
    """Return the hooks that start a consumer in each worker and stop it with the worker.

    ``huey`` is an import path, as for the command: it is imported in the worker, so that a reload
    brings new code; or a Huey. ``options`` are those of ``Huey.embedded_consumer``.

    When a worker is to end, by a reload, ``max_requests`` or a signal, its requests are answered
    first. Running tasks then get what is left of gunicorn's ``graceful_timeout`` and
    ``timeout``, or ``shutdown_timeout`` where that is less; those that do not end go back to the
    queue.
    """
    embedded = _Embedded(huey, options)
    return Hooks(embedded.start, embedded.stop)


class _Embedded:
    """The consumer of a worker."""

    def __init__(self, huey: str | Huey, options: dict[str, Any]) -> None:
        self._huey = huey
        self._options = options
        self._consumer: EmbeddedConsumer | None = None
        self._pid = 0
        #: When the worker was told to end, monotonic.
        self._told_at: float | None = None

    def start(self, worker: Any) -> None:
        """Called in the worker, after the fork, when its application is there."""
        huey = load_huey(self._huey) if isinstance(self._huey, str) else self._huey
        consumer = huey.embedded_consumer(**self._options)
        consumer.start()
        import gevent

        self._consumer, self._pid, self._told_at = consumer, os.getpid(), None
        gevent.spawn(self._look, worker)

    def _look(self, worker: Any) -> None:
        while worker.alive:
            clock.sleep(LOOK_EVERY)
        self._told_at = clock.monotonic()

    def stop(self, server: Any, worker: Any) -> None:
        """Called in the worker when that has answered its requests, and by gunicorn itself for a
        worker that is gone."""
        if self._consumer is None or self._pid != os.getpid():
            return
        consumer, self._consumer = self._consumer, None
        consumer.stop(graceful=True, timeout=self._patience(worker.cfg))

    def _patience(self, settings: Any) -> float:
        """Return the seconds until gunicorn would kill this worker, without the margin."""
        waited = 0.0 if self._told_at is None else clock.monotonic() - self._told_at + LOOK_EVERY
        left = settings.graceful_timeout - waited
        if settings.timeout:
            left = min(left, settings.timeout)  # It has given its last sign of life just now.
        return max(0.0, float(left) - MARGIN)
