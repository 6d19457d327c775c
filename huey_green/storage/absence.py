# SPDX-License-Identifier: MIT
"""Waiting through an outage: for callers that wait anyway, and so may wait for the storage too."""

from __future__ import annotations

import logging
import math
import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from huey_green import clock
from huey_green.backoff import exponential, jittered
from huey_green.exceptions import StorageRefused, StorageUnavailable
from huey_green.native import has_own_sockets, thread_ident

if TYPE_CHECKING:
    from huey_green.storage.documented import DocumentedStorage

log = logging.getLogger("huey_green")

Answer = TypeVar("Answer")

#: Seconds: the first wait, and the longest.
FIRST_WAIT, LONGEST_WAIT = 0.1, 1.0

#: Seconds that no lock waits for; some cannot wait for longer.
LONG = 1e6

#: Seconds: who fails so soon after the last question meets the same outage. A server that answers
#: questions may still take no writes.
CALM = 5.0


class Absence:
    """What all who wait for results of one storage know of its being away.

    One of them asks whether it is back, for all. When that one goes, another one does.
    """

    def __init__(self, storage: DocumentedStorage) -> None:
        self._storage = storage
        self._process, self._thread = os.getpid(), thread_ident()
        self._asking = threading.Lock()
        #: How often it was seen to be back.
        self._returns = 0
        #: How often it was asked in this outage, and when last, by the monotonic clock.
        self._tries = 0
        self._asked_at = -math.inf

    @property
    def is_orphaned(self) -> bool:
        """Whether this is a forked child: nobody who waits, or has the lock, is left."""
        return self._process != os.getpid()

    @property
    def is_ours(self) -> bool:
        """Whether the caller can wait together with the others."""
        # gevent's locks, like its sockets, belong to one native thread.
        is_at_home = self._thread == thread_ident() or not has_own_sockets()
        return is_at_home and not self.is_orphaned

    def sit_out(self, error: StorageUnavailable, ends_at: float | None) -> None:
        """Return when the storage, which has failed with ``error``, answers again.

        At ``ends_at``, by the monotonic clock, an error is raised; and at once if it is one that
        waiting does not cure.
        """
        returns = self._returns
        left = left_until(ends_at)
        if isinstance(error, StorageRefused) or left == 0:
            raise error
        if not self._asking.acquire(timeout=-1 if left is None else min(left, LONG)):
            raise error
        try:
            if self._returns == returns:
                self._ask_until_it_answers(error, ends_at)
        finally:
            self._asking.release()

    def _ask_until_it_answers(self, error: StorageUnavailable, ends_at: float | None) -> None:
        if clock.monotonic() - self._asked_at > CALM:
            self._tries = 0
            log.warning("%s. Those who wait for results wait for it to come back", error)
        while (left := left_until(ends_at)) != 0:
            pause = jittered(exponential(self._tries, FIRST_WAIT, 1.5, LONGEST_WAIT))
            clock.sleep(pause if left is None else min(left, pause))
            self._tries += 1
            try:
                self._storage.ping()
            except StorageRefused:
                raise
            except StorageUnavailable as again:
                error = again
            else:
                self._returns += 1
                return
            finally:
                self._asked_at = clock.monotonic()
        raise error


def patiently(
    storage: DocumentedStorage, ends_at: float | None, question: Callable[[], Answer]
) -> Answer:
    """Return what ``question`` returns, which may be asked again and again.

    While the storage is away it is waited for, until ``ends_at`` by the monotonic clock; then
    the ``StorageUnavailable`` is raised, and a ``StorageRefused`` at once.
    """
    while True:
        try:
            return question()
        except StorageUnavailable as error:
            absence_of(storage).sit_out(error, ends_at)


def absence_of(storage: DocumentedStorage) -> Absence:
    """Return what is shared by those who wait for a storage, and by us if we can share it."""
    shared: Absence | None = storage.__dict__.get("_absence")
    if shared is not None and shared.is_ours:
        return shared
    own = Absence(storage)
    if shared is None or shared.is_orphaned:
        storage.__dict__["_absence"] = own
    return own


def wait_patiently(
    storage: DocumentedStorage,
    keys: Sequence[str],
    is_ready: Callable[[], bool],
    timeout: float | None,
    *pace: float,
) -> bool:
    """As the storage's ``wait_until``, through its outages."""
    ends_at = end_of(timeout)
    return patiently(
        storage, ends_at, lambda: storage.wait_until(keys, is_ready, left_until(ends_at), *pace)
    )


def end_of(timeout: float | None) -> float | None:
    """Return when a timeout that begins now ends, by the monotonic clock."""
    return None if timeout is None else clock.monotonic() + timeout


def left_until(ends_at: float | None) -> float | None:
    """Return the seconds that are left, at least 0; None for ever."""
    return None if ends_at is None else max(0.0, ends_at - clock.monotonic())
