# SPDX-License-Identifier: MIT
"""File operations that leave a whole file or none; only who holds the folder's lock calls them.

Whatever is lost here is lost with the power alone: a process that is killed takes nothing with
it that it has handed to the system.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress

#: The one file that is being written. Writers take turns, so one name is enough, and what a
#: killed one left is overwritten by the next.
INCOMING = "incoming"

#: What was deleted at once, by one renaming, and is cleared away later.
TRASH = "trash-"


def write_at(fd: int, data: bytes, offset: int) -> None:
    """Write all of ``data``."""
    left = memoryview(data)
    while left:
        written = os.pwrite(fd, left, offset)
        left = left[written:]
        offset += written


def read_at(fd: int, size: int, offset: int) -> bytes:
    """Return ``size`` bytes, fewer where the file ends."""
    data = os.pread(fd, size, offset)
    while 0 < len(data) < size:  # One call reads no more than 2 GB.
        more = os.pread(fd, size - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data


def file_mode(root: str) -> int:
    """Return the mode of new files: for the owner, and the group if it may write to the folder."""
    return 0o660 if os.stat(root).st_mode & stat.S_IWGRP else 0o600


def folder_mode(mode: int) -> int:
    """Return the mode of folders for files of a mode: who may read those may look in these."""
    return mode | (mode & 0o440) >> 2


def create(path: str, mode: int) -> int:
    """Return a new file, of this mode whatever the umask; raises ``FileExistsError``."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
    if stat.S_IMODE(os.fstat(fd).st_mode) != mode:
        os.fchmod(fd, mode)
    return fd


def create_anew(path: str, mode: int) -> int:
    """Return a new file as ``create``, in place of what a killed process may have left."""
    while True:
        try:
            return create(path, mode)
        except FileExistsError:
            os.unlink(path)


def make_folders(path: str, mode: int) -> None:
    """Create a folder, and those above it that are missing, of this mode whatever the umask."""
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
        return
    except FileNotFoundError:
        make_folders(os.path.dirname(path), mode)
        make_folders(path, mode)
        return
    found = stat.S_IMODE(os.stat(path).st_mode)
    if found & 0o777 != mode:
        # The group that its files get is left as the folder above says.
        os.chmod(path, mode | found & stat.S_ISGID)


class Disk:
    """The files of one folder, by their names relative to it."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._mode = 0

    @property
    def mode(self) -> int:
        if not self._mode:
            self._mode = file_mode(self.root)
        return self._mode

    def path(self, name: str) -> str:
        return os.path.join(self.root, name)

    def write(self, name: str, parts: Iterable[bytes], fsync: bool) -> int:
        """Put a file in place, of the one before if there is one; return its size.

        It has its name only when it is whole. With ``fsync`` it survives the loss of power.
        """
        incoming, path = self.path(INCOMING), self.path(name)
        fd = create_anew(incoming, self.mode)
        try:
            size = 0
            for part in parts:
                write_at(fd, part, size)
                size += len(part)
            if fsync:
                os.fsync(fd)
        finally:
            os.close(fd)
        try:
            os.replace(incoming, path)
        except FileNotFoundError:
            self._make_folder_of(path)
            os.replace(incoming, path)
        if fsync:
            self.sync_names(os.path.dirname(path))
        return size

    def move(self, name: str, to: str, fsync: bool) -> bool:
        """Rename a file; say whether it was there."""
        path = self.path(to)
        try:
            os.replace(self.path(name), path)
        except FileNotFoundError:
            if not self.exists(name):
                return False
            self._make_folder_of(path)
            os.replace(self.path(name), path)
        if fsync:
            self.sync_names(os.path.dirname(path))
        return True

    def _make_folder_of(self, path: str) -> None:
        make_folders(os.path.dirname(path), folder_mode(self.mode))

    def read(self, name: str, size: int = -1) -> bytes | None:
        """Return a file, or as much of its beginning; None when there is none."""
        try:
            fd = os.open(self.path(name), os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            return read_at(fd, os.fstat(fd).st_size if size < 0 else size, 0)
        finally:
            os.close(fd)

    def exists(self, name: str) -> bool:
        return os.path.exists(self.path(name))

    def remove(self, name: str) -> bool:
        """Delete a file; say whether it was there."""
        try:
            os.unlink(self.path(name))
        except FileNotFoundError:
            return False
        return True

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder inside of this one, none where it is missing."""
        try:
            return os.listdir(self.path(folder))
        except FileNotFoundError:
            return []

    def walk(self, folder: str) -> Iterator[str]:
        """Yield the files below a folder inside of this one, in whatever depth."""
        for place, _, names in os.walk(self.path(folder)):
            inside = os.path.relpath(place, self.root)
            yield from (os.path.join(inside, name) for name in names)

    def throw_away(self, folder: str) -> None:
        """Delete a folder with all that is in it, in one step: it is renamed, and is trash."""
        with suppress(FileNotFoundError):
            os.rename(self.path(folder), self.path(TRASH + secrets.token_hex(8)))

    def trash(self) -> list[str]:
        """Return the paths of what was thrown away."""
        return [self.path(name) for name in self.names("") if name.startswith(TRASH)]

    def sync_names(self, path: str) -> None:
        """Make the names in a directory survive the loss of power."""
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def clear_away(paths: Iterable[str]) -> None:
    """Delete what was thrown away. Another process may be at it too; no lock is needed."""
    for path in paths:
        shutil.rmtree(path, ignore_errors=True)
