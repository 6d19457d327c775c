# SPDX-License-Identifier: MIT
"""The journal: one file in which every change is one record, there from one write on.

A head at its beginning says how far it counts. A change is appended behind that, and then the
head is moved on: so it is made whole or not at all, wherever its process is killed. What it does
to other files is done after that, and by the next one who takes the lock if need be.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from huey_green import clock
from huey_green.exceptions import ConfigurationError, StorageUnavailable
from huey_green.storage.file import disk

log = logging.getLogger("huey_green.storage")

FILE = "journal"
#: The next journal, while it is being written.
NEXT_FILE = "journal.next"

#: Raised when the words change in a way that an older version cannot work with.
FORMAT = 2

#: Earlier ones, all of whose words are still known: such a journal is continued in the present.
KNOWN_FORMATS = (1,)

MAGIC = b"hueygrn\n"
_HEAD = struct.Struct("<8sIIQQQ8s")
_CHECK = struct.Struct("<I")
HEAD_SIZE = 64

#: The size of the data, that of the words, and a checksum of both.
_RECORD = struct.Struct("<QII")
RECORD_SIZE = _RECORD.size

#: Bytes that are read at a time.
BLOCK = 1 << 20

#: A word and what it says: one step of a change.
Word = list[Any]
#: Where a record's data begins, and its words.
Record = tuple[int, list[Word]]


class Head(NamedTuple):
    """What the head says; positions in bytes.

    The journal counts up to ``committed``, and up to ``applied`` all has been done to other
    files. ``changes`` counts what was changed beside the journal. ``boot`` names the system's
    run.
    """

    levels: int
    committed: int
    applied: int
    changes: int
    boot: bytes

    def packed(self) -> bytes:
        head = _HEAD.pack(MAGIC, FORMAT, *self)
        return (head + _CHECK.pack(zlib.crc32(head))).ljust(HEAD_SIZE, b"\0")


class Journal:
    """The journal in ``root``. All but ``glance`` is for who holds the folder's lock."""

    def __init__(self, root: str) -> None:
        self._disk = disk.Disk(root)
        self._path = self._disk.path(FILE)
        self._fd = -1
        self._identity = (0, 0)
        self.head = Head(0, 0, 0, 0, b"")

    def close(self) -> None:
        """Close the file; it is opened again at need."""
        fd, self._fd, self._identity = self._fd, -1, (0, 0)
        if fd >= 0:
            os.close(fd)

    def glance(self) -> bytes:
        """Return what differs after every change; needs no lock."""
        return self._disk.read(FILE, HEAD_SIZE) or b""

    def refresh(self, levels: int) -> bool:
        """Read the head; say whether this is another journal than before."""
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            self._create(levels)
            found = os.stat(self._path)
        is_other = (found.st_dev, found.st_ino) != self._identity
        if is_other:
            self.close()
            self._fd = os.open(self._path, os.O_RDWR)
        head = _read_head(disk.read_at(self._fd, HEAD_SIZE, 0), self._path)
        if head is None or (is_other and head.boot != _boot()):
            # The system may have gone down without writing what it had been handed.
            head = self._mended(head, levels)
        self.head = head
        self._identity = (found.st_dev, found.st_ino)
        return is_other

    def append(self, words: Sequence[Word], data: Iterable[bytes], fsync: bool) -> None:
        """Make a change: all of it counts when this returns, and none of it before."""
        head = self.head
        record = pack(words, data)
        disk.write_at(self._fd, record, head.committed)
        end = head.committed + len(record)
        is_applied = all(word[0] not in EFFECTS for word in words)
        self._write(head._replace(committed=end, applied=end if is_applied else head.applied))
        if fsync:
            # Head and record may reach the disk in any order: the record has a checksum.
            os.fsync(self._fd)

    def note_applied(self) -> None:
        """Note that all has been done to other files that the journal tells of."""
        self._write(self.head._replace(applied=self.head.committed))

    def note_change(self) -> None:
        """Note that something else is about to change, for those who wait for it.

        Before it changes: who is woken asks for the lock first. So a change that is killed
        half-way was announced at worst for nothing.
        """
        self._write(self.head._replace(changes=self.head.changes + 1))

    def read(self, at: int, size: int) -> bytes:
        """Return data of a record."""
        return disk.read_at(self._fd, size, at)

    def records(self, start: int, end: int) -> Iterator[Record]:
        """Yield the records from one position to another; raise when one is damaged."""
        for at, size, content in self._scan(start, end):
            if content is None:
                raise StorageUnavailable(
                    f"{self._path} is damaged at byte {at}: move the folder away or restore it "
                    "from a backup."
                )
            yield at + RECORD_SIZE, json.loads(content[size:])

    def rewrite(self, records: Iterable[bytes]) -> None:
        """Put another journal in place, in one step: with ``records``, which say the same."""
        path = self._disk.path(NEXT_FILE)
        # As the one before: somebody may have let others read it.
        fd = disk.create_anew(path, stat.S_IMODE(os.fstat(self._fd).st_mode))
        try:
            end = HEAD_SIZE
            for record in records:
                disk.write_at(fd, record, end)
                end += len(record)
            head = self.head
            changes = head.changes + 1
            disk.write_at(fd, Head(head.levels, end, end, changes, head.boot).packed(), 0)
            # Once in a long while, so always: without it the loss of power could take all.
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(path, self._path)
        self._disk.sync_names(self._disk.root)

    def _write(self, head: Head) -> None:
        disk.write_at(self._fd, head.packed(), 0)
        self.head = head

    def _create(self, levels: int) -> None:
        # Not from zero: who waits has seen another journal here if the folder was deleted.
        changes = int(clock.wall() * 1e6)
        end = HEAD_SIZE
        # A number is never used twice, even by a folder that was deleted and created again.
        first = pack([["number", changes, changes]], ())
        end += len(first)
        head = Head(levels, end, end, changes, _boot())
        self._disk.write(FILE, (head.packed(), first), fsync=True)

    def _mended(self, head: Head | None, levels: int) -> Head:
        """Return a head that ends before the first damaged record, and write it."""
        size = os.fstat(self._fd).st_size
        end = last = HEAD_SIZE
        for at, _, content in self._scan(end, size if head is None else head.committed):
            if content is None:
                break
            last, end = at, at + RECORD_SIZE + len(content)
        if head is None:
            # Whatever was being done, it was the last of it that may not have been.
            head = Head(levels, end, last, int(clock.wall() * 1e6), _boot())
        elif end < head.committed:
            log.warning("%s: %d bytes were lost with the power", self._path, head.committed - end)
        applied = min(head.applied, end)
        self._write(head._replace(committed=end, applied=applied, boot=_boot()))
        return self.head

    def _scan(self, start: int, end: int) -> Iterator[tuple[int, int, bytes | None]]:
        """Yield position, size of the data, and data and words; None for what is damaged."""
        block, block_at = b"", start
        at = start
        while at < end:
            need = RECORD_SIZE
            content: bytes | None = None
            for _ in range(2):  # First the record's own head, then all of it.
                if at + need > block_at + len(block):
                    block = self.read(at, min(max(need, BLOCK), end - at))
                    block_at = at
                offset = at - block_at
                if len(block) - offset < need:
                    break
                data_size, words_size, check = _RECORD.unpack_from(block, offset)
                need = RECORD_SIZE + data_size + words_size
            else:
                content = block[offset + RECORD_SIZE : offset + need]
            if content is None or zlib.crc32(content) != check:
                yield at, 0, None
                return
            yield at, data_size, content
            at += need


#: What is done to other files than the journal. Doing it again changes nothing.
EFFECTS = frozenset({"value", "drop", "clear"})


def pack(words: Sequence[Word], data: Iterable[bytes]) -> bytes:
    """Return a record."""
    told = json.dumps(words, separators=(",", ":")).encode()
    content = b"".join((*data, told))
    return _RECORD.pack(len(content) - len(told), len(told), zlib.crc32(content)) + content


def _read_head(head: bytes, path: str) -> Head | None:
    """Return the head of a journal; None when it is damaged."""
    if len(head) < HEAD_SIZE or head[: len(MAGIC)] != MAGIC:
        raise StorageUnavailable(
            f"{path} is damaged, or no journal of huey_green: move the folder away or restore it "
            "from a backup."
        )
    _, version, *fields = _HEAD.unpack_from(head)
    (check,) = _CHECK.unpack_from(head, _HEAD.size)
    if check != zlib.crc32(head[: _HEAD.size]):
        return None
    if version not in (FORMAT, *KNOWN_FORMATS):
        raise ConfigurationError(
            f"{path} was written in format {version}, this version of huey_green knows format "
            f"{FORMAT}: use the version that wrote it, or another folder."
        )
    return Head(*fields)


def _boot() -> bytes:
    """Return what names this run of the system; nothing where that is not told."""
    try:
        name = Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        return b""
    return bytes.fromhex(name.replace("-", "")[:16])
