# SPDX-License-Identifier: MIT
"""The lock of a folder: first among the threads of this process, then among the processes."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from huey_green import clock, native
from huey_green.exceptions import ConfigurationError, StorageUnavailable
from huey_green.storage.file.disk import create, file_mode, make_folders

try:
    import fcntl
except ImportError:  # Windows.
    fcntl = None  # type: ignore[assignment]

#: Who waits holds the first and asks for the second; who works holds the second alone. So the
#: one that waits is next, and a busy process that locks again and again cannot keep it out.
FILES = ("turn", "lock")

#: Seconds between two tries: there is no flock that waits for so long and no longer. They get
#: shorter, so that who has waited longer is served sooner, until who has the lock seems to hang.
FIRST_PAUSE = 0.002
SHORTEST_PAUSE = 0.0002
PAUSE_SHRINKING = 0.7
HANGING_AFTER = 1.0
HANGING_PAUSE = 0.01

#: What the system says where a file system has no locks.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}


class FolderLock:
    """Held while anything in a folder is read or written.

    Calls block their native thread, and are made where that stops no event loop. A process
    that dies lets go: the system takes its lock off the file.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._mutex: Any = native.thread_lock()
        self._fds: list[int] = []
        self._identities: list[tuple[int, int]] = []

    @contextmanager
    def held(self, timeout: float, needs_files: bool) -> Iterator[None]:
        """Hold the lock; raise ``StorageUnavailable`` when it is not free for ``timeout`` seconds.

        Without ``needs_files`` a file system that has no locks will do.
        """
        started_at = clock.monotonic()
        if not self._mutex.acquire(timeout=timeout):
            raise self._unavailable(timeout, "a thread of this process")
        try:
            self._lock_files(started_at, timeout, needs_files)
            try:
                yield
            finally:
                self._unlock_files()
        finally:
            self._mutex.release()

    @contextmanager
    def lent(self, timeout: float, needs_files: bool) -> Iterator[None]:
        """While it is held: let other processes have it, but no other thread of this one."""
        self._unlock_files()
        yield
        self._lock_files(clock.monotonic(), timeout, needs_files)

    def close(self) -> None:
        """Close the files; for who knows that nobody holds the lock."""
        fds, self._fds = self._fds, []
        for fd in fds:
            with suppress(OSError):
                os.close(fd)

    def start_anew(self) -> None:
        """In a forked child: let go of what is the parent's.

        Its files are closed, not unlocked: the lock may be held by the parent, and is one.
        """
        self._mutex = native.thread_lock()
        self.close()

    def _lock_files(self, started_at: float, timeout: float, needs_files: bool) -> None:
        ends_at = started_at + timeout
        while True:
            self._open()
            turn, lock = self._fds
            try:
                self._flock(turn, ends_at, timeout)
                try:
                    self._flock(lock, ends_at, timeout)
                finally:
                    fcntl.flock(turn, fcntl.LOCK_UN)
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
                if needs_files:
                    raise ConfigurationError(
                        f"the file system of {self._root} has no locks ({error.strerror}): use a "
                        "folder on a local disk. If one process alone uses this one, "
                        "use_thread_lock=True does without."
                    ) from error
            if self._are_in_place():
                return
            self.close()  # Somebody deleted the folder, and may be creating it again.

    def _unlock_files(self) -> None:
        if self._fds:
            with suppress(OSError):
                fcntl.flock(self._fds[1], fcntl.LOCK_UN)

    def _open(self) -> None:
        if self._fds:
            return
        make_folders(self._root, 0o700)
        mode = file_mode(self._root)
        paths = [os.path.join(self._root, name) for name in FILES]
        try:
            for path in paths:
                self._fds.append(_opened(path, mode))
        except BaseException:
            self.close()
            raise
        found = [os.fstat(fd) for fd in self._fds]
        self._identities = [(one.st_dev, one.st_ino) for one in found]

    def _are_in_place(self) -> bool:
        try:
            found = os.stat(os.path.join(self._root, FILES[1]))
        except FileNotFoundError:
            return False
        return (found.st_dev, found.st_ino) == self._identities[1]

    def _flock(self, fd: int, ends_at: float, timeout: float) -> None:
        pause = FIRST_PAUSE
        hangs_at = clock.monotonic() + HANGING_AFTER
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                now = clock.monotonic()
                if now >= ends_at:
                    raise self._unavailable(timeout, "another process") from None
            _pause(min(pause, ends_at - now))
            shorter = max(pause * PAUSE_SHRINKING, SHORTEST_PAUSE)
            pause = shorter if now < hangs_at else HANGING_PAUSE

    def _unavailable(self, timeout: float, who: str) -> StorageUnavailable:
        return StorageUnavailable(
            f"the folder {self._root} stayed locked for {timeout:g} s by {who}. "
            "Look for one that was stopped or hangs in a file operation, or raise timeout."
        )


def _opened(path: str, mode: int) -> int:
    """Return the file at ``path``, as it is; created with this mode if there is none."""
    while True:
        try:
            return os.open(path, os.O_RDWR)
        except FileNotFoundError:
            with suppress(FileExistsError):  # Somebody else was faster.
                return create(path, mode)


def check_system() -> None:
    """Raise ``ConfigurationError`` where folders cannot be shared."""
    if fcntl is None:
        raise ConfigurationError(
            "FileStorage needs the file locks of Unix, which this system does not have: "
            "use SqliteStorage."
        )


def _pause(seconds: float) -> None:
    """Wait in this native thread; gevent's sleep would look for a hub in it."""
    lock = native.thread_lock()
    lock.acquire()
    lock.acquire(timeout=seconds)
