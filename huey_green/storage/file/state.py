# SPDX-License-Identifier: MIT
"""What the journal amounts to, kept in memory, and how it is told in fewer words.

Bodies stay where they are. Every process makes the same of the same words, so that nothing
here depends on anything else, not on the clock either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from huey_green.storage.file.journal import EFFECTS, Word, pack
from huey_green.storage.file.messages import Messages, Ref
from huey_green.storage.file.notes import Notes, Schedule

#: Bytes that a word takes, about.
ENTRY = 60

#: Bytes of data, and words, after which another record is begun.
RECORD_DATA = 1 << 20
RECORD_WORDS = 1000


class State:
    """The queue, the schedule and the notes, as of position ``at`` in the journal."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.messages = Messages()
        self.schedule = Schedule()
        self.notes = Notes()
        self._meanings = self._dictionary()

    def apply(self, base: int, word: Word) -> None:
        """Do what a word says; its data begins at ``base``."""
        meaning, *rest = word
        if meaning not in EFFECTS:
            self._meanings[meaning](base, *rest)

    def take_freed(self) -> list[str]:
        """Return the files that nothing refers to any more, each once."""
        freed = self.messages.freed + self.notes.freed
        self.messages.freed, self.notes.freed = [], []
        return freed

    def files(self) -> set[str]:
        """Return the files in which data is kept."""
        every = [one.body for one in self.messages.every.values()]
        every += [one.body for one in self.schedule.every.values()]
        return {ref for ref in (*every, *self.notes.refs()) if isinstance(ref, str)}

    def size(self) -> int:
        """Return about how many bytes of the journal are needed to say all this."""
        notes = self.notes
        refs = [one.body for one in self.messages.every.values()]
        refs += [one.body for one in self.schedule.every.values()]
        refs += notes.refs()
        entries = len(refs) + len(notes.once) + len(notes.counters) + len(notes.marks)
        entries += len(notes.claims) + sum(len(one.at) for one in notes.hits.values())
        return ENTRY * entries + sum(ref[1] for ref in refs if not isinstance(ref, str))

    def _dictionary(self) -> dict[str, Callable[..., None]]:
        messages, schedule, notes = self.messages, self.schedule, self.notes
        meanings: list[Callable[..., None]] = [
            *(self.number, messages.enqueue, messages.lease, messages.extend, messages.forget),
            *(messages.begin, messages.remove, messages.back, messages.permit, messages.park),
            *(messages.unpark, messages.flush, messages.flush_held, messages.message),
            *(schedule.plan, schedule.planned, self.promote, self.unplan, self.flush_schedule),
            *(notes.once_until, notes.count, notes.uncount, notes.uncount_all),
            *(notes.bury, notes.exhume, notes.mark, notes.unmark, notes.unmark_all),
            *(notes.note, notes.noted, notes.join, notes.claim, notes.unclaim, notes.unclaim_all),
            *(
                notes.hit,
                notes.unhit,
                notes.cancel,
                notes.ended,
                notes.tell,
                notes.told,
                notes.untell,
                notes.forget_all,
            ),
        ]
        return {meaning.__name__: meaning for meaning in meanings}

    # Words that concern more than one part.

    def number(self, base: int, message: int, planned: int) -> None:
        """Say which numbers come next: none is used twice, for receipts and claims hold them."""
        self.messages.next_number = message
        self.schedule.next_number = planned

    def promote(self, base: int, *promoted: list[Any]) -> None:
        bodies = self.schedule.pop([number for number, _ in promoted])
        for (_, priority), body in zip(promoted, bodies, strict=True):
            self.messages.enqueue_at(priority, body)

    def unplan(self, base: int, numbers: list[int]) -> None:
        bodies = self.schedule.pop(numbers)
        self.messages.freed += [body for body in bodies if isinstance(body, str)]

    def flush_schedule(self, base: int) -> None:
        self.unplan(base, list(self.schedule.every))

    # The whole in fewer words.

    def retold(self, read: Callable[[int, int], bytes], now: float) -> Iterator[bytes]:
        """Yield records that amount to this state, but for what has ended at ``now``."""
        record = _Record(read)
        for word, ref in self._words(now):
            record.add(word, ref)
            if record.is_full:
                yield record.packed()
                record = _Record(read)
        yield record.packed()

    def _words(self, now: float) -> Iterator[tuple[Word, Ref | None]]:
        """Yield words, and the data that is their last argument."""
        messages, schedule = self.messages, self.schedule
        for message, told in messages.words():
            yield ["message", told], message.body
        yield ["number", messages.next_number, schedule.next_number], None
        for consumer, ends_at in messages.consumers.items():
            yield ["extend", consumer, ends_at], None
        for number, planned in sorted(schedule.every.items()):
            yield ["planned", number, planned.at], planned.body
        yield from self._words_of_notes(self.notes, now)

    def _words_of_notes(self, notes: Notes, now: float) -> Iterator[tuple[Word, Ref | None]]:
        for key, ends_at in notes.once.items():
            if ends_at > now:
                yield ["once_until", key, ends_at, now], None
        for key, amount in notes.counters.items():
            yield ["count", key, amount], None
        for key, letter in notes.letters.items():
            yield ["bury", key, letter.died_at], letter.record
        for key, mark_ends_at in notes.marks.items():
            if mark_ends_at is None or mark_ends_at > now:
                yield ["mark", key, mark_ends_at], None
        for chord, noted in notes.chords.items():
            news_at = notes.chord_news.get(chord)
            head = "note" if news_at is None else "noted"
            tail = [] if news_at is None else [news_at]
            for index, value in noted.items():
                yield [head, chord, index, *tail], value
        for key, claimed in notes.claims.items():
            if not claimed.has_ended(now):
                yield ["claim", key, *claimed], None
        # By their own clock: who counts them may give another moment than the present.
        last_hit_at = max((at[-1] for _, at in notes.hits.values() if at), default=now)
        for key, (per, at) in notes.hits.items():
            if at and at[-1] > last_hit_at - per:
                yield ["hit", key, per, *at], None
        for key, since in notes.cancels.items():
            yield ["cancel", key, since], None
        for key, progress in notes.progress.items():
            told_at = notes.progress_news.get(key)
            yield ["tell", key] if told_at is None else ["told", key, told_at], progress


class _Record:
    """Words, and their data copied together."""

    def __init__(self, read: Callable[[int, int], bytes]) -> None:
        self._read = read
        self._words: list[Word] = []
        self._data: list[bytes] = []
        self._size = 0

    @property
    def is_full(self) -> bool:
        return self._size >= RECORD_DATA or len(self._words) >= RECORD_WORDS

    def add(self, word: Word, ref: Ref | None) -> None:
        if ref is not None:
            # The data goes with what it belongs to: the last list, or the word itself.
            (word[-1] if word[0] == "message" else word).append(self._copied(ref))
        self._words.append(word)

    def packed(self) -> bytes:
        return pack(self._words, self._data)

    def _copied(self, ref: Ref) -> list[int] | str:
        if isinstance(ref, str):
            return ref
        data = self._read(*ref)
        self._data.append(data)
        self._size += len(data)
        return [self._size - len(data), len(data)]
