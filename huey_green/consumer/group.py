# SPDX-License-Identifier: MIT
"""Consumers of several queues in one process, which share the room for tasks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import gevent
from gevent import monkey

from huey_green.consumer.consumer import Consumer
from huey_green.consumer.sharing import Pool, Share
from huey_green.exceptions import ConfigurationError
from huey_green.settings import settings_from

if TYPE_CHECKING:
    from huey_green.huey import Huey

log = logging.getLogger("huey_green.consumer")


class ConsumerGroup:
    """Runs the tasks of several queues, up to ``workers`` at once of all of them together.

    While all have work, each queue has its share of the room, by ``weights`` (1 each, unless
    said otherwise); what one does not need is for the others. With ``strict`` a queue gets only
    what those before it do not need. ``limits`` are the most tasks of each queue at once, None
    for no limit. The other options are those of ``Consumer``, for each of the queues.

    A queue whose storage is away keeps none of the others from being worked off. It needs a
    process that gevent has patched: the command does that.
    """

    def __init__(
        self,
        hueys: Sequence[Huey],
        *,
        weights: Sequence[float] | None = None,
        limits: Sequence[int | None] | None = None,
        strict: bool = False,
        **options: Any,
    ) -> None:
        """Raises ``ConfigurationError`` for options that do not fit."""
        self.settings = settings_from(options)
        #: Called when ``max_tasks`` have run, of all queues together.
        self.when_spent: Callable[[], None] | None = None
        shares = _shares(len(hueys), weights, limits, strict)
        _check_distinct(hueys)
        pool = Pool(self.settings.workers, strict)
        own = {**vars(self.settings), "max_tasks": None}
        counted = None if self.settings.max_tasks is None else self._note_executed
        self.consumers = [Consumer(huey, **own) for huey in hueys]
        for consumer, share in zip(self.consumers, shares, strict=True):
            consumer.share(pool, share, counted)
        self._executed = 0

    def start(self) -> None:
        """Begin to consume; returns when the services run.

        Raises ``StorageUnavailable`` when one of the storages does not answer, and
        ``ConfigurationError`` in a process that gevent has not patched.
        """
        if not monkey.is_module_patched("socket"):
            raise ConfigurationError(
                "several queues in one process share greenlets, and gevent has not patched this "
                "process: call gevent.monkey.patch_all() first, or use one Consumer for each"
            )
        started = []
        try:
            for consumer in self.consumers:
                consumer.start()
                started.append(consumer)
        except BaseException:
            for consumer in started:
                consumer.stop()
            raise

    def stop(self, graceful: bool = False) -> None:
        """Stop consuming, all at once; see ``Consumer.stop``."""
        stopping = [gevent.spawn(consumer.stop, graceful) for consumer in self.consumers]
        gevent.joinall(stopping, raise_error=True)

    def run(self) -> int:
        """Consume until a process signal says stop; return the exit status for the process."""
        from huey_green.consumer.process import Process

        return Process(self).run()

    def interrupt(self) -> None:
        """End a graceful ``stop`` that is under way; see ``Consumer.interrupt``."""
        for consumer in self.consumers:
            consumer.interrupt()

    @property
    def is_running(self) -> bool:
        """Whether ``start`` was called and ``stop`` was not."""
        return any(consumer.is_running for consumer in self.consumers)

    def _note_executed(self) -> None:
        self._executed += 1
        if self._executed == self.settings.max_tasks and self.when_spent is not None:
            self.when_spent()


def _shares(
    count: int,
    weights: Sequence[float] | None,
    limits: Sequence[int | None] | None,
    strict: bool,
) -> list[Share]:
    """Return the share of each queue, or say what is wrong with what was given."""
    if not count:
        raise ConfigurationError("a ConsumerGroup takes the Hueys of at least one queue")
    if strict and weights is not None:
        raise ConfigurationError("weights (--weights) and strict (--strict) exclude each other")
    given_weights = [1.0] * count if weights is None else list(weights)
    given_limits = [None] * count if limits is None else list(limits)
    for name, given in (("weights", given_weights), ("limits", given_limits)):
        if len(given) != count:
            raise ConfigurationError(
                f"{name} (--{name}) has {len(given)} numbers for {count} queues: one for each"
            )
    for weight in given_weights:
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not weight > 0:
            raise ConfigurationError(f"weights (--weights) are more than 0, not {weight!r}")
    for limit in given_limits:
        if limit is not None and (
            isinstance(limit, bool) or not isinstance(limit, int) or limit < 1
        ):
            raise ConfigurationError(f"limits (--limits) are at least 1, not {limit!r}")
    return [Share(*both) for both in zip(given_weights, given_limits, strict=True)]


def _check_distinct(hueys: Sequence[Huey]) -> None:
    places = [(huey.storage.describe(), huey.name) for huey in hueys]
    for place, name in places:
        if places.count((place, name)) > 1:
            raise ConfigurationError(f"the queue {name!r} on {place} is given twice")
