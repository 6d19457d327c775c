# SPDX-License-Identifier: MIT
"""One change under way: its words, their data, and what follows for other files."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable

from huey_green.storage.file.disk import Disk
from huey_green.storage.file.journal import EFFECTS, RECORD_SIZE, Journal, Word
from huey_green.storage.file.messages import Ref
from huey_green.storage.file.state import State
from huey_green.storage.file.values import NEVER, Values, packed

log = logging.getLogger("huey_green.storage")

#: Where bodies are that are too large for the journal, which is copied from time to time.
BODIES = "bodies"

#: Bytes from which on data has a file of its own.
LARGE = 1 << 16


class Change:
    """What one transition says, carried out as it is said; ``commit`` makes it count.

    What is said has happened in ``state`` at once. If anything raises before ``commit`` has
    returned, the state is of no use any more.
    """

    def __init__(
        self, journal: Journal, disk: Disk, values: Values, state: State | None, fsync: bool
    ) -> None:
        self.values = values
        self._journal = journal
        self._disk = disk
        self._state = state
        self._fsync = fsync
        self._base = journal.head.committed + RECORD_SIZE
        self._words: list[Word] = []
        self._data: list[bytes] = []
        self._size = 0

    @property
    def state(self) -> State:
        """What the journal amounts to; not there for a change that said it needs none."""
        assert self._state is not None
        return self._state

    def say(self, *word: object) -> None:
        """Add a word of the journal, or an effect on other files."""
        self._words.append(list(word))
        if self._state is not None:
            self._state.apply(self._base, self._words[-1])

    def data(self, body: bytes) -> list[int] | str:
        """Return what a word says in place of bytes."""
        return self._add([body], body)

    def say_value(self, key: str, value: bytes, ends_at: float = NEVER) -> None:
        """Put a value together with what else this change says."""
        data = self._add(packed(key, value, ends_at), value)
        self.say("value", key, data, None if ends_at == NEVER else ends_at)

    def _add(self, parts: Iterable[bytes], body: bytes) -> list[int] | str:
        if len(body) >= LARGE:
            name = f"{BODIES}/{secrets.token_hex(16)}"
            self._disk.write(name, parts, self._fsync)
            return name
        self._data.append(body)
        self._size += len(body)
        return [self._size - len(body), len(body)]

    def read(self, ref: Ref) -> bytes:
        """Return the bytes that a word said before."""
        if not isinstance(ref, str):
            return self._journal.read(*ref)
        body = self._disk.read(ref)
        if body is None:
            # Somebody deleted it. To raise would keep all those behind it from being delivered.
            log.error("%s is missing: a message or a note is empty", self._disk.path(ref))
            return b""
        return body

    def note_change(self) -> None:
        """Announce a change that is made in ``values`` directly, in one step of its own."""
        self._journal.note_change()

    def commit(self) -> None:
        """Make all count that was said, or nothing, if this raises or the process dies."""
        if self._words:
            self._journal.append(self._words, self._data, self._fsync)
            if self._state is not None:
                self._state.at = self._journal.head.committed


def carry_out(journal: Journal, values: Values) -> None:
    """Do to other files what the journal tells of and is not known to have been done.

    Whoever takes the lock does it, so that nobody sees a change by half. It does no harm to do
    it again: who did it before may have died on the way.
    """
    head = journal.head
    if head.applied == head.committed:
        return
    for base, words in journal.records(head.applied, head.committed):
        for word in words:
            if word[0] in EFFECTS:
                _carry_out(journal, values, base, *word)
    journal.note_applied()


def _carry_out(
    journal: Journal,
    values: Values,
    base: int,
    effect: str,
    key: str = "",
    data: list[int] | str = "",
    ends_at: float | None = None,
) -> None:
    if effect == "clear":
        values.clear()
    elif effect == "drop":
        values.drop(key)
    elif isinstance(data, str):
        values.move_in(data, key, NEVER if ends_at is None else ends_at)
    else:
        value = journal.read(base + data[0], data[1])
        values.put(key, value, NEVER if ends_at is None else ends_at)
