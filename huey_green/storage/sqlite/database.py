# SPDX-License-Identifier: MIT
"""The file and the connections to it: one for each native thread, none across a fork."""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from huey_green import clock, native
from huey_green.exceptions import ConfigurationError, StorageUnavailable
from huey_green.storage.sqlite.options import Options, file_of_uri
from huey_green.storage.sqlite.schema import FORMAT, TABLES, upgrade

Answer = TypeVar("Answer")

#: The mode of the file: it is its owner's.
_PRIVATE = 0o600

#: What SQLite says, and what that means to the reader of a log.
_TROUBLES = (
    (
        ("locked", "busy"),
        "stayed locked for {timeout:g} s: another process holds the write lock. "
        "Look for a transaction left open (a shell, a backup), or raise timeout",
    ),
    (("full",), "has no room left: free some space on its disk"),
    (
        ("unable to open", "readonly", "read-only"),
        "cannot be opened for writing: let this user write the file and its directory",
    ),
    (("disk i/o",), "could not be read or written: look at the disk and the system's log"),
    (
        ("not a database", "malformed"),
        "is damaged, or no SQLite database: move the file away or restore it from a backup",
    ),
)


class _Connection:
    """A connection, opened at need, and the lock that keeps its closing out of its calls."""

    __slots__ = ("db", "lock", "version")

    def __init__(self) -> None:
        self.db: sqlite3.Connection | None = None
        self.version: int | None = None
        self.lock = native.thread_lock()

    def close(self) -> None:
        if self.db is not None:
            self.db.close()
            self.db = self.version = None


class Database:
    """Runs work on an SQLite file, off the event loop, each piece whole or not at all.

    ``in_child`` is called in a child after a fork.
    """

    def __init__(self, options: Options, in_child: Callable[[], None]) -> None:
        self.filename = options.filename
        self.timeout = options.timeout
        self._options = options
        self._is_uri = bool(options.connect.get("uri")) and self.filename.startswith("file:")
        # Absolute, so that a process that changes its directory keeps its database.
        self._path = self.filename if self._is_uri else os.path.abspath(self.filename)
        self._in_child = in_child
        self._pragmas = (
            # NORMAL: what is committed survives the end of the process, kill -9 included; when
            # the power fails the last commits may be missing, the file stays whole.
            f"PRAGMA synchronous = {'FULL' if options.fsync else 'NORMAL'}",
            f"PRAGMA cache_size = {-round(1024 * options.cache_mb)}",
        )
        self._lane = native.Lane()
        self._connections: dict[int, _Connection] = {}
        self._quiet: list[_Connection] = []
        # A connection that nobody closed is closed with us, or when the interpreter ends.
        weakref.finalize(self, _close_all, self._connections, os.getpid())
        _databases.add(self)

    def read(self, work: Callable[..., Answer], *args: Any) -> Answer:
        """Return ``work(connection, *args)``; for one statement, which needs no transaction."""
        return self._call(work, args)

    def write(
        self,
        work: Callable[..., Answer],
        *args: Any,
        then: Callable[[Answer], object] | None = None,
    ) -> Answer:
        """Return ``work(connection, *args)``, carried out in one transaction or not at all.

        A greenlet that is killed while it waits leaves the transaction to its end; ``then`` is
        given the answer after the commit even so.
        """

        def whole(db: sqlite3.Connection) -> Answer:
            answer = _transact(db, work, args)
            if then is not None:
                then(answer)
            return answer

        return self._call(whole, ())

    def has_changed(self, db: sqlite3.Connection) -> bool:
        """Inside work: say whether others wrote since this was last asked on this connection."""
        connection = self._connections[native.thread_ident()]
        before = connection.version
        [connection.version] = db.execute("PRAGMA data_version").fetchone()
        return connection.version != before

    def close(self) -> None:
        """Close all connections, each when the call that runs on it has ended."""
        self._lane.call(_close_all, self._connections, os.getpid())
        self._lane.close()

    def _call(self, work: Callable[..., Answer], args: tuple[Any, ...]) -> Answer:
        ends_at = clock.monotonic() + self.timeout
        while True:
            try:
                answer: Answer = self._lane.call(self._run, work, args)
                return answer
            except _OpeningLocked as locked:
                # SQLite does not wait by itself where two connections switch a new file to WAL.
                if clock.monotonic() >= ends_at:
                    raise self._unavailable(locked) from locked
                clock.sleep(0.01)

    def _run(self, work: Callable[..., Answer], args: tuple[Any, ...]) -> Answer:
        """Do the work in this native thread. No lock of gevent's, and no switch, in here."""
        connection = self._connections.setdefault(native.thread_ident(), _Connection())
        with connection.lock:
            if connection.db is None:
                connection.db = self._open()
            try:
                answer: Answer = work(connection.db, *args)
                return answer
            except sqlite3.DatabaseError as error:
                if type(error) not in (sqlite3.OperationalError, sqlite3.DatabaseError):
                    raise  # A mistake in a statement or an argument.
                if not _is_locked(error):
                    connection.close()  # It may be broken; the next call tries with another.
                raise self._unavailable(error) from error

    def _open(self) -> sqlite3.Connection:
        self._create_private()
        try:
            options: dict[str, Any] = {
                **self._options.connect,
                "timeout": self.timeout,
                "isolation_level": None,  # Transactions begin where this module says so.
                "check_same_thread": False,  # Another thread may close it.
            }
            db: sqlite3.Connection = sqlite3.connect(self._path, **options)
        except sqlite3.OperationalError as error:
            raise self._unavailable(error) from error
        try:
            self._prepare(db)
        except BaseException as error:
            db.close()
            if isinstance(error, sqlite3.DatabaseError):
                if _is_locked(error):
                    raise _OpeningLocked(str(error)) from error
                raise self._unavailable(error) from error
            raise
        return db

    def _create_private(self) -> None:
        """Create the file for this user only; SQLite gives its other files the same mode."""
        named = file_of_uri(self._path) if self._is_uri else self._path
        if named is None:
            return
        path = os.path.realpath(named)  # What a link leads to may be missing as well.
        try:
            fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, _PRIVATE)
        except FileExistsError:
            return
        except FileNotFoundError as error:
            raise ConfigurationError(
                f"filename={self.filename!r}: there is no directory {os.path.dirname(path)}. "
                "Create it, or name another file."
            ) from error
        except OSError as error:
            raise StorageUnavailable(
                f"{self.describe()} cannot be created: {error.strerror}"
            ) from error
        try:
            if os.name == "posix":
                os.fchmod(fd, _PRIVATE)  # The umask may have taken something away.
        finally:
            os.close(fd)

    def _prepare(self, db: sqlite3.Connection) -> None:
        [mode] = db.execute("PRAGMA journal_mode").fetchone()
        if mode != self._options.journal_mode:
            db.execute(f"PRAGMA journal_mode = {self._options.journal_mode}")
        for pragma in self._pragmas:
            db.execute(pragma)
        if not _has_tables(db):
            _transact(db, _create_tables, ())
        if _version(db) < FORMAT:
            _transact(db, upgrade, ())
        version = _version(db)
        if version != FORMAT:
            raise ConfigurationError(
                f"{self.describe()} was written in format {version}, this version of huey_green "
                f"knows format {FORMAT}: use the version that wrote it, or another file."
            )

    def _unavailable(self, error: Exception) -> StorageUnavailable:
        said = str(error)
        for words, meaning in _TROUBLES:
            if any(word in said.lower() for word in words):
                told = meaning.format(timeout=self.timeout)
                return StorageUnavailable(f"{self.describe()} {told}. (SQLite: {said})")
        return StorageUnavailable(f"{self.describe()} failed: {said}")

    def describe(self) -> str:
        """Name the file to a person."""
        return f"SQLite {self._path}"

    # A fork copies SQLite's books of its locks, but not the locks: a child that used the file
    # with them could see its log deleted by others. So no connection is open across a fork.

    def before_fork(self) -> None:
        for connection in list(self._connections.values()):
            # A call ends within the busy timeout; a fork from inside one must not wait for ever.
            if connection.lock.acquire(timeout=self.timeout + 1):
                self._quiet.append(connection)
                connection.close()

    def after_fork(self, in_child: bool) -> None:
        quiet, self._quiet = self._quiet, []
        if in_child:
            self._lane = native.Lane()
            # What is open all the same is the parent's: neither used nor closed here.
            _inherited.extend(one for one in self._connections.values() if one.db is not None)
            self._connections = {}
            weakref.finalize(self, _close_all, self._connections, os.getpid())
            self._in_child()
        for connection in quiet:
            connection.lock.release()


class _OpeningLocked(Exception):
    """The file is locked while it is being opened."""


def _transact(db: sqlite3.Connection, work: Callable[..., Answer], args: Iterable[Any]) -> Answer:
    # IMMEDIATE: a transaction that reads first and asks for the write lock later can be refused.
    db.execute("BEGIN IMMEDIATE")
    try:
        answer: Answer = work(db, *args)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite ends it by itself after some errors.
            db.execute("ROLLBACK")
        raise
    return answer


def _has_tables(db: sqlite3.Connection) -> bool:
    found = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'green_format'")
    return found.fetchone() is not None


def _create_tables(db: sqlite3.Connection) -> None:
    if not _has_tables(db):  # Another process may have been faster.
        for statement in TABLES:
            db.execute(statement)


def _version(db: sqlite3.Connection) -> int:
    [version] = db.execute("SELECT version FROM green_format").fetchone()
    return int(version)


def _is_locked(error: Exception) -> bool:
    return "locked" in str(error)


def _close_all(connections: dict[int, _Connection], pid: int) -> None:
    if pid != os.getpid():
        return
    for connection in list(connections.values()):
        # At the end of the interpreter a thread may have been stopped inside its call.
        if connection.lock.acquire(timeout=_CLOSE_WAIT):
            try:
                connection.close()
            finally:
                connection.lock.release()


#: Seconds that closing waits for a call to end: above any busy timeout that is sensible.
_CLOSE_WAIT = 30.0

_databases: weakref.WeakSet[Database] = weakref.WeakSet()
_inherited: list[_Connection] = []


def _before_fork() -> None:
    for database in list(_databases):
        database.before_fork()


def _after_fork(in_child: bool) -> None:
    for database in list(_databases):
        database.after_fork(in_child)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=lambda: _after_fork(in_child=False),
        after_in_child=lambda: _after_fork(in_child=True),
    )
