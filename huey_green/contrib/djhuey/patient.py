# SPDX-License-Identifier: MIT
"""SQLite connections whose waits for a lock let other greenlets run.

SQLite itself would sleep in C, and with it the greenlet that holds the lock: if that is in the
same process, until the timeout has passed and the statement has failed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, TypeVar

import gevent

from huey_green import clock

R = TypeVar("R")

#: Seconds between two tries at first, and at most.
SHORTEST, LONGEST = 0.001, 0.025

#: SQLITE_BUSY, which Python 3.10 has no name for.
BUSY = 5

#: What begins or divides a transaction, and takes no lock.
_TAKES_NO_LOCK = ("BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "PRAGMA")


class PatientConnection(sqlite3.Connection):
    """``factory`` for ``sqlite3.connect``. ``timeout`` means what it means there."""

    def __init__(self, database: Any, timeout: float = 5.0, **options: Any) -> None:
        super().__init__(database, timeout=0, **options)
        self._timeout = timeout
        self._holds_lock = False

    def cursor(self, factory: Any = sqlite3.Cursor) -> Any:
        """Return a cursor of the class ``factory`` that is patient, too."""
        return super().cursor(_patient(factory))

    def execute(self, *args: Any) -> sqlite3.Cursor:
        """Carry out a statement."""
        cursor: sqlite3.Cursor = self.cursor()
        return cursor.execute(*args)

    def commit(self) -> None:
        """Commit; while others still read, later."""
        self.patiently(super().commit)

    def carry_out(self, statement: str, call: Callable[..., R], *args: Any) -> R:
        """Carry out a statement by ``call``.

        As in SQLite, one that fails in a transaction which has read already fails at once: it
        waits for somebody who may wait for that transaction to end.
        """
        if not self.in_transaction:
            self._holds_lock = False
        answer = call(*args) if self._holds_lock else self.patiently(call, *args)
        if self.in_transaction and not statement.lstrip().upper().startswith(_TAKES_NO_LOCK):
            self._holds_lock = True
        return answer

    def patiently(self, call: Callable[..., R], *args: Any) -> R:
        """Call until no lock is in the way, for ``timeout`` seconds."""
        gives_up_at = clock.monotonic() + self._timeout
        pause = SHORTEST
        while True:
            try:
                return call(*args)
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or clock.monotonic() >= gives_up_at:
                    raise
            gevent.sleep(pause)
            pause = min(pause * 2, LONGEST)


class _PatientCursor:
    """Mixed into the class of cursors that Django asks for."""

    connection: PatientConnection
    _last: tuple[Any, ...] = ()
    _has_given = False

    def execute(self, statement: str, *args: Any) -> Any:
        self._last, self._has_given = (statement, *args), False
        call = super().execute  # type: ignore[misc]
        return self.connection.carry_out(statement, call, statement, *args)

    def executemany(self, statement: str, rows: Iterable[Any]) -> Any:
        call = super().executemany  # type: ignore[misc]
        if self.connection.in_transaction:
            return self.connection.carry_out(statement, call, statement, list(rows))
        for row in rows:  # Each is a transaction, and not to be repeated with the next.
            self.execute(statement, row)
        return self

    def fetchone(self) -> Any:
        return self._fetched(super().fetchone)  # type: ignore[misc]

    def fetchmany(self, *args: Any) -> Any:
        return self._fetched(super().fetchmany, *args)  # type: ignore[misc]

    def fetchall(self) -> Any:
        return self._fetched(super().fetchall)  # type: ignore[misc]

    def _fetched(self, call: Callable[..., R], *args: Any) -> R:
        """Fetch rows. What an INSERT ... RETURNING outside of a transaction has done is committed
        with its last row; when that cannot be, it was not done at all, and is done anew."""
        if self._has_given or self.connection.in_transaction:
            return call(*args)
        try:
            rows = call(*args)
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise
            rows = self.connection.patiently(self._anew, call, *args)
        self._has_given = True
        return rows

    def _anew(self, call: Callable[..., R], *args: Any) -> R:
        self.execute(*self._last)
        return call(*args)


@lru_cache
def _patient(factory: type[Any]) -> type[Any]:
    return type(factory.__name__, (_PatientCursor, factory), {})


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return getattr(error, "sqlite_errorcode", BUSY) == BUSY and "is locked" in str(error)
