# SPDX-License-Identifier: MIT
"""A folder in which a queue is kept, and the one way to work in it."""

from __future__ import annotations

import errno
import logging
import os
import weakref
from collections.abc import Callable
from typing import TypeVar

from huey_green import clock, native
from huey_green.exceptions import ConfigurationError, StorageUnavailable
from huey_green.storage.file.change import BODIES, Change, carry_out
from huey_green.storage.file.disk import INCOMING, Disk, clear_away
from huey_green.storage.file.journal import HEAD_SIZE, NEXT_FILE, Journal
from huey_green.storage.file.lock import FolderLock
from huey_green.storage.file.options import Options
from huey_green.storage.file.state import State
from huey_green.storage.file.values import Values

log = logging.getLogger("huey_green.storage")

Answer = TypeVar("Answer")

#: A journal of fewer bytes is never written anew; a longer one is when half of it is of no use.
ROOM = 4 << 20

#: Bytes of the journal that are read while others have the lock, and how often that is tried
#: when somebody writes it anew meanwhile.
FAR_BEHIND = 1 << 20
TRIES = 3

#: What the system says, and what that means to the reader of a log.
_TROUBLES = {
    errno.ENOSPC: "has no room left: free some space on its disk",
    errno.EDQUOT: "has no room left: the quota of this user is used up",
    errno.EACCES: "may not be used: let this user read and write it and all that is in it",
    errno.EPERM: "may not be used: let this user read and write it and all that is in it",
    errno.EROFS: "cannot be written: its file system is read-only",
    errno.ENOTDIR: "is no folder: name another path, or move away what is there",
    errno.EEXIST: "is no folder: name another path, or move away what is there",
    errno.EMFILE: "cannot be opened: this process has too many open files",
    errno.EIO: "could not be read or written: look at the disk and the system's log",
}


class Folder:
    """The folder ``root``. One object stands for it in a process, whatever handles there are."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._lock = FolderLock(root)
        self._disk = Disk(root)
        self._journal = Journal(root)
        self._state: State | None = None
        self._is_tidy = False
        self._trash: list[str] = []
        self._shrink_at = 0
        # Who lets go of it last closes its files.
        weakref.finalize(self, _close, self._lock, self._journal).atexit = False

    def work(
        self,
        options: Options,
        work: Callable[..., Answer],
        *args: object,
        needs_state: bool = True,
        then: Callable[[Answer], object] | None = None,
    ) -> Answer:
        """Return ``work(change, *args)``; what it said counts as a whole, or not at all.

        ``then`` is given the answer as soon as it counts. Without ``needs_state`` the work does
        not ask what the journal amounts to, and a process that only enqueues need not know.
        Blocks its native thread. Raises ``StorageUnavailable`` with nothing changed, unless the
        system failed in the very step that makes it count.
        """
        try:
            with self._lock.held(options.timeout, options.needs_lock_files):
                try:
                    values = self._enter(options)
                    if needs_state:
                        values = self._come_near(options, values)
                    state = self._up_to_date(needs_state)
                    change = Change(self._journal, self._disk, values, state, options.fsync)
                    answer = work(change, *args)
                    change.commit()
                except BaseException:
                    self._state = None  # It may know of things that did not come to pass.
                    raise
                if then is not None:
                    then(answer)
                trash = self._finish(values)
        except OSError as error:
            raise self._unavailable(error) from error
        clear_away(trash)
        return answer

    def glance(self) -> bytes:
        """Return what differs after every change; needs no lock, and no change reads it."""
        try:
            return self._journal.glance()
        except OSError as error:
            raise self._unavailable(error) from error

    def start_anew(self) -> None:
        """In a forked child: let go of what is the parent's."""
        self._lock.start_anew()
        self._journal.close()
        self._state = None

    def _enter(self, options: Options) -> Values:
        """Look at what others did, and finish what somebody began who has died."""
        journal = self._journal
        if journal.refresh(options.levels):
            self._state = None
        levels = journal.head.levels
        if levels != options.levels:
            raise ConfigurationError(
                f"levels={options.levels}: the results in {self.root} are kept in {levels} levels "
                "of directories. Set that, or use another folder."
            )
        values = Values(self._disk, levels, options.fsync)
        carry_out(journal, values)
        return values

    def _come_near(self, options: Options, values: Values) -> Values:
        """Read most of what is new in the journal while others have the lock: it stays there."""
        for _ in range(TRIES):
            read = HEAD_SIZE if self._state is None else self._state.at
            if self._journal.head.committed - read < FAR_BEHIND:
                break
            with self._lock.lent(options.timeout, options.needs_lock_files):
                self._state = self._read_up(self._journal.head.committed)
            values = self._enter(options)
        return values

    def _up_to_date(self, needs_state: bool) -> State | None:
        end = self._journal.head.committed
        if needs_state and (self._state is None or self._state.at != end):
            self._state = self._read_up(end)
        if needs_state and not self._is_tidy:
            self._remove_leftovers()
        return self._state if self._state is not None and self._state.at == end else None

    def _read_up(self, end: int) -> State:
        state, self._state = self._state, None  # None if it stops half-way.
        if state is None:
            state = State(HEAD_SIZE)
        for base, words in self._journal.records(state.at, end):
            for word in words:
                state.apply(base, word)
        state.at = end
        state.take_freed()  # Who said it removes the files.
        return state

    def _remove_leftovers(self) -> None:
        """Remove the files of who died between writing or freeing one and saying so."""
        assert self._state is not None
        known = self._state.files()
        for name in self._disk.names(BODIES):
            if f"{BODIES}/{name}" not in known:
                self._disk.remove(f"{BODIES}/{name}")
        for name in (INCOMING, NEXT_FILE):
            self._disk.remove(name)
        self._trash = self._disk.trash()
        self._is_tidy = True

    def _finish(self, values: Values) -> list[str]:
        """Do what follows from a change that counts; return the trash.

        What fails here is done by the next one who takes the lock, or learns there that it
        cannot be done: this change has been made.
        """
        try:
            carry_out(self._journal, values)
            state = self._state
            if state is not None and state.at == self._journal.head.committed:
                self._shrink(state)
            if values.were_cleared:
                self._trash = self._disk.trash()
            trash, self._trash = self._trash, []
            return trash
        except OSError as error:
            self._state = None
            log.warning("%s", self._unavailable(error))
            return []

    def _shrink(self, state: State) -> None:
        """Delete what nobody needs any more."""
        for name in state.take_freed():
            self._disk.remove(name)
        end = self._journal.head.committed
        if end < max(self._shrink_at, ROOM):
            return
        if 2 * state.size() > end:
            self._shrink_at = 2 * end
            return
        self._journal.rewrite(state.retold(self._journal.read, clock.wall()))
        self._state = None
        self._shrink_at = 0

    def _unavailable(self, error: OSError) -> StorageUnavailable:
        meaning = _TROUBLES.get(error.errno or 0)
        if meaning is None:
            return StorageUnavailable(f"the folder {self.root} failed: {error}")
        return StorageUnavailable(f"the folder {self.root} {meaning}. ({error})")


def _close(lock: FolderLock, journal: Journal) -> None:
    lock.close()
    journal.close()


_folders: weakref.WeakValueDictionary[str, Folder] = weakref.WeakValueDictionary()
_folders_lock = native.thread_lock()


def folder_at(path: str) -> Folder:
    """Return the folder at ``path``: the same one for all paths that lead there."""
    root = os.path.realpath(path)
    with _folders_lock:
        folder = _folders.get(root)
        if folder is None:
            folder = _folders[root] = Folder(root)
        return folder


def _in_child() -> None:
    global _folders_lock
    _folders_lock = native.thread_lock()
    for folder in list(_folders.values()):
        folder.start_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
