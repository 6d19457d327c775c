# SPDX-License-Identifier: MIT
"""Results and other values: a file for each, in as many levels of directories as one wants.

A file is named by a hash of its key and holds the key. One that ends has another name, so that
the others can be counted without opening them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import blake2b
from typing import NamedTuple

from huey_green.storage.file.disk import Disk

FOLDER = "results"
ENDING = ".ttl"

MAGIC = b"hgv1"
#: The sizes of key and value, and when the value ends.
_HEAD = struct.Struct("<4sIQd")
NEVER = float("inf")


class Value(NamedTuple):
    """A value as it is kept; ``ends_at`` is in epoch seconds."""

    key: str
    data: bytes
    ends_at: float


class Values:
    """The values in a folder. All of it is for who holds the folder's lock.

    Putting, dropping and clearing can be repeated: a change that was interrupted is.
    """

    def __init__(self, disk: Disk, levels: int, fsync: bool) -> None:
        self._disk = disk
        self._levels = levels
        self._fsync = fsync
        self.were_cleared = False

    def put(self, key: str, data: bytes, ends_at: float = NEVER) -> None:
        self._disk.write(self._name(key, ends_at), packed(key, data, ends_at), self._fsync)
        self._drop_other(key, ends_at)

    def move_in(self, name: str, key: str, ends_at: float) -> None:
        """Put a value that is in a file already, packed; the file is gone afterwards."""
        if self._disk.move(name, self._name(key, ends_at), self._fsync):
            self._drop_other(key, ends_at)

    def get(self, key: str, now: float) -> bytes | None:
        found = self._get(key, now)
        return None if found is None else found.data

    def has(self, key: str, now: float) -> bool:
        return self._get(key, now, head_only=True) is not None

    def drop(self, key: str) -> None:
        lasting, ending = self._name(key, NEVER), self._name(key, 0)
        if not self._disk.exists(lasting):
            self._disk.remove(ending)
            return
        with suppress(OSError):  # Of no account after this.
            self._disk.remove(ending)
        self._disk.remove(lasting)

    def clear(self) -> None:
        self._disk.throw_away(FOLDER)
        self.were_cleared = True

    def size(self, now: float) -> int:
        return sum(1 for name in self._disk.walk(FOLDER) if self._counts(name, now))

    def forget_ended(self, names: Iterable[str], now: float) -> None:
        """Delete those of these files, whose names have the ending, whose values have ended."""
        for name in names:
            self._counts(name, now)

    def items(self, now: float) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for name in self._disk.walk(FOLDER):
            if self._counts(name, now):
                value = self._read(name)
                if value is not None:
                    found[value.key] = value.data
        return found

    def _get(self, key: str, now: float, head_only: bool = False) -> Value | None:
        found = self._read(self._name(key, NEVER), head_only)
        if found is None:
            found = self._read(self._name(key, 0), head_only)
        return found if found is not None and found.ends_at > now else None

    def _counts(self, name: str, now: float) -> bool:
        """Say whether a file is a value; delete it when that has ended."""
        if not name.endswith(ENDING):
            return True
        found = self._read(name, head_only=True)
        if found is None or found.ends_at <= now:
            self._disk.remove(name)
            return False
        return not self._disk.exists(name.removesuffix(ENDING))

    def _drop_other(self, key: str, ends_at: float) -> None:
        """Delete the value that was put before under the other name: the lasting one counts."""
        if ends_at != NEVER:
            if self._disk.exists(lasting := self._name(key, NEVER)):
                self._disk.remove(lasting)
        else:
            with suppress(OSError):  # Of no account any more.
                self._disk.remove(self._name(key, 0))

    def _read(self, name: str, head_only: bool = False) -> Value | None:
        content = self._disk.read(name, _HEAD.size if head_only else -1)
        if content is None or len(content) < _HEAD.size:
            return None
        magic, key_size, data_size, ends_at = _HEAD.unpack_from(content)
        if magic != MAGIC:
            return None
        if head_only:
            return Value("", b"", ends_at)
        data_at = _HEAD.size + key_size
        if len(content) != data_at + data_size:
            return None  # Lost with the power; a process that was killed leaves none of these.
        key = content[_HEAD.size : data_at].decode("utf-8", "surrogatepass")
        return Value(key, content[data_at:], ends_at)

    def _name(self, key: str, ends_at: float) -> str:
        name = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        ending = "" if ends_at == NEVER else ENDING
        return "/".join((FOLDER, *name[: self._levels], name + ending))


def packed(key: str, data: bytes, ends_at: float) -> Iterator[bytes]:
    """Yield the parts of a value's file."""
    name = key.encode("utf-8", "surrogatepass")
    yield _HEAD.pack(MAGIC, len(name), len(data), ends_at) + name
    yield data
