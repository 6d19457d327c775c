# SPDX-License-Identifier: MIT
"""What consumers say of themselves: a file for each, named by a hash of its consumer's name.

They stand in no journal: a report is of no use to anybody after some seconds, and whoever
waits for a change of the journal is not to be woken by one.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from hashlib import blake2b

from huey_green.report import Counts
from huey_green.storage.file.change import Change
from huey_green.storage.file.disk import Disk
from huey_green.storage.file.results import FileResults

FOLDER = "reports"

#: When the report ends, in epoch seconds; what was said follows.
_HEAD = struct.Struct("<d")


class FileReports(FileResults):
    """Mixed into the storage."""

    def put_report(self, consumer: str, data: bytes, ttl: float) -> None:
        self._value(_put, Disk(self.path), _file_of(consumer), data, self.time(), ttl)

    def forget_report(self, consumer: str) -> None:
        self._value(_forget, Disk(self.path), _file_of(consumer))

    def reports(self, consumers: Sequence[str]) -> dict[str, bytes]:
        return self._value(_read, Disk(self.path), consumers, self.time())

    def counts(self) -> Counts:
        return self._work(_counts)._replace(results=self.result_store_size())


def _counts(change: Change) -> Counts:
    """Return all but the results; no body is read."""
    state = change.state
    messages = state.messages
    return Counts(
        waiting=messages.ready_count,
        scheduled=len(state.schedule.every),
        parked=len(messages.all_parked()),
        in_flight=sum(map(len, messages.held.values())),
        dead=len(state.notes.letters),
        results=0,
    )


def _put(change: Change, disk: Disk, name: str, data: bytes, now: float, ttl: float) -> None:
    for one in disk.names(FOLDER):
        if _living(disk, f"{FOLDER}/{one}", now) is None:
            disk.remove(f"{FOLDER}/{one}")  # Of one that was killed, or what is no report.
    disk.write(name, (_HEAD.pack(now + ttl), data), fsync=False)


def _forget(change: Change, disk: Disk, name: str) -> None:
    disk.remove(name)


def forget_all(change: Change, disk: Disk) -> None:
    for one in disk.names(FOLDER):
        disk.remove(f"{FOLDER}/{one}")


def _read(change: Change, disk: Disk, consumers: Sequence[str], now: float) -> dict[str, bytes]:
    found = {name: _living(disk, _file_of(name), now) for name in consumers}
    return {name: data for name, data in found.items() if data is not None}


def _living(disk: Disk, name: str, now: float) -> bytes | None:
    """Return what a report says whose time is not over."""
    data = disk.read(name)
    if data is None or len(data) < _HEAD.size or _HEAD.unpack_from(data)[0] <= now:
        return None
    return data[_HEAD.size :]


def _file_of(consumer: str) -> str:
    return f"{FOLDER}/{blake2b(consumer.encode(), digest_size=16).hexdigest()}"
