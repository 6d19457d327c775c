# SPDX-License-Identifier: MIT
"""Consumers of several queues in one process, which share the room for tasks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import gevent
from gevent import monkey
from gevent.event import Event

from huey_green.backoff import exponential, jittered
from huey_green.consumer.consumer import Consumer
from huey_green.consumer.parts import Part, parts_of
from huey_green.consumer.sharing import Pool, Share
from huey_green.exceptions import ConfigurationError, StorageRefused, StorageUnavailable
from huey_green.settings import settings_from

if TYPE_CHECKING:
    from huey_green.huey import Huey

log = logging.getLogger("huey_green.consumer")

#: Seconds between tries to start with a shard that was away: the first pause, and the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0


def consumer_of(huey: Huey, **options: Any) -> Consumer | ConsumerGroup:
    """Return a consumer of one queue; of one with shards a group that waits at each of them.

    A process that gevent has not patched looks at the shards by turns, as if they were one storage
    that cannot wait.
    """
    if getattr(huey.storage, "shard_count", 0) and monkey.is_module_patched("socket"):
        return ConsumerGroup([huey], **options)
    return Consumer(huey, **options)


class ConsumerGroup:
    """Runs the tasks of several queues, up to ``workers`` at once of all of them together.

    While all have work, each queue has its share of the room, by ``weights`` (1 each, unless
    said otherwise); what one does not need is for the others. With ``strict`` a queue gets only
    what those before it do not need. ``limits`` are the most tasks of each queue at once, None
    for no limit. The other options are those of ``Consumer``, for each of the queues.

    A queue whose storage is away keeps none of the others from being worked off. Each shard of
    a Huey has a consumer of its own, and they have the share of the one queue together. It needs a
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
        #: For each queue its consumers: one, or one for each shard.
        self._queues: list[list[Consumer]] = []
        for place, (huey, share) in enumerate(zip(hueys, shares, strict=True)):
            parts = [Consumer(part, **own) for part in parts_of(huey)]
            for consumer in parts:
                consumer.share(pool, share._replace(parts=len(parts), place=place), counted)
            self._queues.append(parts)
        self.consumers = [consumer for parts in self._queues for consumer in parts]
        self._executed = 0
        self._stopping = Event()
        #: Consumers of shards that are away, and what tries to start them.
        self._late: dict[Consumer, gevent.Greenlet[..., None]] = {}

    def start(self) -> None:
        """Begin to consume; returns when the services run.

        Raises ``StorageUnavailable`` when one of the storages does not answer, or none of the
        shards of one, and ``ConfigurationError`` in a process that gevent has not patched.
        """
        if not monkey.is_module_patched("socket"):
            raise ConfigurationError(
                "several queues in one process share greenlets, and gevent has not patched this "
                "process: call gevent.monkey.patch_all() first, or use one Consumer for each"
            )
        self._stopping.clear()
        try:
            for parts in self._queues:
                self._start_queue(parts)
        except BaseException:
            self.stop()
            raise

    def _start_queue(self, parts: Sequence[Consumer]) -> None:
        """Start the consumers of one queue; those of some of its shards may follow later."""
        away = []
        for consumer in parts:
            try:
                _start(consumer)
            except StorageRefused:
                raise
            except StorageUnavailable as error:
                away.append((consumer, error))
                if len(away) == len(parts):
                    raise
        for consumer, why in away:
            log.error("%s. The other shards are consumed, and this one when it is there", why)
            self._late[consumer] = gevent.spawn(self._start_late, consumer)

    def _start_late(self, consumer: Consumer) -> None:
        """Start a consumer whose shard is away as soon as it is there."""
        tries = 0
        where = consumer.huey.storage.describe()
        while not self._stopping.wait(
            jittered(exponential(tries, FIRST_PAUSE, 2.0, LONGEST_PAUSE))
        ):
            tries += 1
            try:
                _start(consumer)
            except (StorageUnavailable, ConfigurationError) as error:
                log.log(_level_of(error), "%s is not consumed yet: %s", where, error)
            else:
                log.info("%s is consumed now", where)
                break
        if self._stopping.is_set():
            consumer.stop()
        else:
            del self._late[consumer]

    def stop(self, graceful: bool = False) -> None:
        """Stop consuming, all at once; see ``Consumer.stop``."""
        self._stopping.set()
        late, self._late = self._late, {}
        others = [consumer for consumer in self.consumers if consumer not in late]
        stopping = [gevent.spawn(consumer.stop, graceful) for consumer in others]
        gevent.joinall([*stopping, *late.values()], raise_error=True)

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


def _start(consumer: Consumer) -> None:
    part: object = consumer.huey
    if isinstance(part, Part):
        part.check()
    consumer.start()


def _level_of(error: Exception) -> int:
    """Return the level at which it is told, again and again, that a shard is not there."""
    cures_itself = isinstance(error, StorageUnavailable) and not isinstance(error, StorageRefused)
    return logging.DEBUG if cures_itself else logging.ERROR


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
