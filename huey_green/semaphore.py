# SPDX-License-Identifier: MIT
"""Semaphore: at most so many at a time, as a context manager or decorator."""

from __future__ import annotations

import logging
import random
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import wraps
from types import TracebackType
from typing import ParamSpec, TypeVar

from huey_green import clock
from huey_green.exceptions import (
    ConfigurationError,
    StorageUnavailable,
    TaskLockedException,
)
from huey_green.locks import check_name, check_seconds, lock_key
from huey_green.storage.base import BaseStorage
from huey_green.task_options import check_decorated

log = logging.getLogger("huey_green")

P = ParamSpec("P")
R = TypeVar("R")

#: Seconds after which a permit is free again whose holder died, unless another time is given.
TTL = 300.0

#: A permit is renewed when a third of its time is over, so that two renewals in a row may fail.
RENEWALS = 3

#: Seconds for which nobody else may have a permit that is being renewed; for which it is tried to
#: take it; between two tries.
RENEWING, TRYING, AGAIN = 10.0, 2.0, 0.02


class Semaphore:
    """The semaphore ``name`` of a queue: ``value`` permits, each with one holder. Never waits.

    ``ttl`` is the seconds after which the permit of a dead holder is free again; None stands
    for five minutes. While a decorated function or a ``with`` block runs, its permit is renewed,
    so that it may take longer than that. As either it raises ``TaskLockedException`` when no
    permit is free.
    """

    def __init__(
        self,
        storage: Callable[[], BaseStorage],
        queue: str,
        name: str,
        value: int = 1,
        ttl: float | None = None,
    ) -> None:
        check_name("a semaphore", name)
        if ttl is not None:
            check_seconds("ttl, the time of a permit,", ttl)
        self._storage = storage
        self._name = name
        #: What ``flush_locks`` frees.
        self.names = self.lock_names(name, value)
        self._permits = [lock_key(queue, one) for one in self.names]
        self._ttl = TTL if ttl is None else ttl
        # One object may be entered by many at once.
        self._entered: list[tuple[int, AbstractContextManager[None]]] = []

    @staticmethod
    def lock_names(name: str, value: int) -> list[str]:
        """Return the names of the locks, one for each permit."""
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ConfigurationError(
                f"the value of semaphore {name!r} is a whole number from 1, not {value!r}"
            )
        return [f"{name}.{index}" for index in range(value)]

    def acquire(self, name: str | None = None) -> str | None:
        """Take a permit for ``name``, or for a new name; return the name, None if none is free.

        A name that has a permit keeps it and gets no second one. Whoever calls this calls
        ``renew`` before the time is over, and ``release``.
        """
        name = name or secrets.token_hex(8)
        return None if self._take(name.encode()) is None else name

    def renew(self, name: str) -> bool:
        """Give the permit of ``name`` its whole time again; say whether there was one."""
        held = self._held_by(name.encode())
        return held is not None and self._renew(held, name.encode())

    def release(self, name: str) -> bool:
        """Free the permit of ``name``; say whether there was one."""
        held = self._held_by(name.encode())
        return held is not None and self._storage().delete_if(held, name.encode())

    def _held_by(self, owner: bytes) -> str | None:
        holders = self._storage().peek_many(self._permits)
        return next((permit for permit, holder in holders.items() if holder == owner), None)

    def _take(self, owner: bytes) -> str | None:
        storage = self._storage()
        holders = storage.peek_many(self._permits)
        for permit in self._permits:
            if holders.get(permit) == owner:
                return permit
        free = [permit for permit in self._permits if permit not in holders]
        # Not all for the same one, who come at the same time.
        for permit in random.sample(free, len(free)):
            if storage.put_if_empty(permit, owner, ttl=self._ttl):
                if not storage.has_data_for_key(_renewal_of(permit)):
                    return permit
                storage.delete_if(permit, owner)  # Free for a moment only: see _renew.
        return None

    def _renew(self, permit: str, owner: bytes) -> bool:
        """Take the permit anew; say whether it was ours or free.

        It cannot be done in one step. While it is done a second key tells all others that the
        permit is not free, and they look at that after they have taken it.
        """
        storage, renewal = self._storage(), _renewal_of(permit)
        if not storage.put_if_empty(renewal, owner, ttl=RENEWING):
            return False
        ends_at = clock.monotonic() + TRYING
        try:
            storage.delete_if(permit, owner)
            while not storage.put_if_empty(permit, owner, ttl=self._ttl):
                # Of one who is about to give it back; or the time was over, and it is another's.
                if clock.monotonic() > ends_at:
                    return False
                clock.sleep(AGAIN)
            return True
        finally:
            storage.delete_if(renewal, owner)

    @contextmanager
    def _holding(self) -> Iterator[None]:
        owner = secrets.token_hex(8).encode()
        try:
            permit = self._take(owner)
        except BaseException:
            # A timeout in the midst of it, say: one may be ours, and nobody else would free it.
            self._try_to_free(owner)
            raise
        if permit is None:
            raise TaskLockedException(
                f"the semaphore {self._name!r} has no free permit, {len(self._permits)} are held"
            )
        ended = threading.Event()
        keeper = threading.Thread(
            target=self._keep,
            args=(permit, owner, ended),
            name="huey_green-semaphore",
            daemon=True,
        )
        try:
            keeper.start()
            yield
        finally:
            ended.set()
            try:
                self._give_back(permit, owner, keeper)
            except BaseException:
                with suppress(StorageUnavailable):
                    self._give_back(permit, owner, keeper)
                raise

    def _give_back(self, permit: str, owner: bytes, keeper: threading.Thread) -> None:
        if keeper.ident is not None:
            keeper.join()  # Or it would take again what is freed here.
        self._storage().delete_if(permit, owner)

    def _try_to_free(self, owner: bytes) -> None:
        with suppress(StorageUnavailable):
            for permit in self._permits:
                self._storage().delete_if(permit, owner)

    def _keep(self, permit: str, owner: bytes, ended: threading.Event) -> None:
        while not ended.wait(self._ttl / RENEWALS):
            try:
                if not self._renew(permit, owner):
                    log.warning("a permit of semaphore %r was lost to another task", self._name)
            except StorageUnavailable as error:
                log.warning("a permit of semaphore %r was not renewed: %s", self._name, error)

    def __enter__(self) -> Semaphore:
        holding = self._holding()
        holding.__enter__()
        self._entered.append((threading.get_ident(), holding))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        ident = threading.get_ident()
        mine = [one for one in self._entered if one[0] == ident]
        innermost = (mine or self._entered)[-1]  # Entered in one thread, left in another.
        self._entered.remove(innermost)
        innermost[1].__exit__(kind, error, trace)

    def __call__(self, fn: Callable[P, R]) -> Callable[P, R]:
        check_decorated(fn, "@huey.lock_task_semaphore(...)")

        @wraps(fn)
        def limited(*args: P.args, **kwargs: P.kwargs) -> R:
            with self._holding():
                return fn(*args, **kwargs)

        return limited


def _renewal_of(permit: str) -> str:
    return f"{permit}.renewal"
