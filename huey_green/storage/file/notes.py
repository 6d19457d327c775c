# SPDX-License-Identifier: MIT
"""What the journal tells beside the queue: the schedule, counters, claims, dead letters...

The methods that take ``base`` are words of the journal.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

from huey_green.storage.base import CANCEL_KEPT
from huey_green.storage.file.messages import Ref, place


class Planned(NamedTuple):
    """A message on the schedule."""

    at: float
    body: Ref


class Schedule:
    """The messages with a moment, each under a number of its own."""

    def __init__(self) -> None:
        self.next_number = 0
        self.every: dict[int, Planned] = {}
        self._order: list[tuple[float, int]] = []

    def due(self, now: float, limit: int | None) -> list[int]:
        """Return the numbers of what is due at ``now``, the earliest first."""
        end = bisect_left(self._order, (now, self.next_number))
        return [number for _, number in self._order[:end][:limit]]

    @property
    def next_at(self) -> float | None:
        """The moment of the earliest message, None when there is none."""
        return self._order[0][0] if self._order else None

    def plan(self, base: int, *planned: list[Any]) -> None:
        for at, data in planned:
            self.planned(base, self.next_number, at, data)

    def planned(self, base: int, number: int, at: float, data: list[int] | str) -> None:
        self.every[number] = Planned(at, place(base, data))
        self.next_number = max(self.next_number, number + 1)
        insort(self._order, (at, number))

    def pop(self, numbers: list[int]) -> list[Ref]:
        """Take messages off the schedule; return their bodies."""
        taken = [self.every.pop(number) for number in numbers]
        if len(numbers) == 1:
            del self._order[bisect_left(self._order, (taken[0].at, numbers[0]))]
        elif numbers:
            gone = set(numbers)
            self._order = [entry for entry in self._order if entry[1] not in gone]
        return [one.body for one in taken]


class Claimed(NamedTuple):
    """Who holds a claim, until when, and the message on the schedule that it stands for."""

    owner: str
    ends_at: float | None
    planned: int | None = None

    def has_ended(self, now: float) -> bool:
        return self.ends_at is not None and self.ends_at <= now


class Letter(NamedTuple):
    """A dead letter, and when it died."""

    died_at: float
    record: Ref


class Hits(NamedTuple):
    """When hits were counted, and for how many seconds they count."""

    per: float
    at: deque[float]


class Notes:
    """Everything else, by its key."""

    def __init__(self) -> None:
        #: Files that hold something nobody needs any more.
        self.freed: list[str] = []
        self._begin()

    def _begin(self) -> None:
        self.once: dict[str, float] = {}
        self.counters: dict[str, int] = {}
        self.letters: dict[str, Letter] = {}
        #: Revocations, and when each ends.
        self.marks: dict[str, float | None] = {}
        self.chords: dict[str, dict[int, Ref]] = {}
        self.claims: dict[str, Claimed] = {}
        self.hits: dict[str, Hits] = {}
        self.cancels: dict[str, float] = {}
        self.progress: dict[str, Ref] = {}
        #: When there was news of a chord, or of the progress of a task: as far as that was told.
        self.chord_news: dict[str, float] = {}
        self.progress_news: dict[str, float] = {}

    def once_until(self, base: int, key: str, ends_at: float, now: float) -> None:
        self.once = {known: ends for known, ends in self.once.items() if ends > now}
        self.once[key] = ends_at

    def count(self, base: int, key: str, amount: int) -> None:
        self.counters[key] = self.counters.get(key, 0) + amount

    def uncount(self, base: int, *keys: str) -> None:
        for key in keys:
            self.counters.pop(key, None)

    def uncount_all(self, base: int) -> None:
        self.counters.clear()

    def bury(self, base: int, key: str, died_at: float, data: list[int] | str) -> None:
        self.exhume(base, key)
        self.letters[key] = Letter(died_at, place(base, data))

    def exhume(self, base: int, *keys: str) -> None:
        for key in keys:
            letter = self.letters.pop(key, None)
            self._free(letter and letter.record)

    def mark(self, base: int, key: str, ends_at: float | None) -> None:
        self.marks[key] = ends_at

    def unmark(self, base: int, *keys: str) -> None:
        for key in keys:
            self.marks.pop(key, None)

    def unmark_all(self, base: int) -> None:
        self.marks.clear()

    def note(self, base: int, chord: str, index: int, data: list[int] | str) -> None:
        self.chords.setdefault(chord, {})[index] = place(base, data)

    def noted(self, base: int, chord: str, index: int, at: float, data: list[int] | str) -> None:
        self.note(base, chord, index, data)
        self.chord_news[chord] = at

    def join(self, base: int, chord: str) -> None:
        self.chord_news.pop(chord, None)
        for value in self.chords.pop(chord, {}).values():
            self._free(value)

    def claim(
        self, base: int, key: str, owner: str, ends_at: float | None, planned: int | None = None
    ) -> None:
        self.claims[key] = Claimed(owner, ends_at, planned)

    def unclaim(self, base: int, *keys: str) -> None:
        for key in keys:
            self.claims.pop(key, None)

    def unclaim_all(self, base: int) -> None:
        self.claims.clear()

    def hit(self, base: int, key: str, per: float, *at: float) -> None:
        window = self.hits[key].at if key in self.hits else deque[float]()
        window.extend(at)
        while window and window[0] <= at[-1] - per:
            window.popleft()
        self.hits[key] = Hits(per, window)

    def unhit(self, base: int, key: str) -> None:
        self.hits.pop(key, None)

    def cancel(self, base: int, key: str, at: float) -> None:
        self.ended(base, at)
        self.cancels[key] = at

    def ended(self, base: int, now: float) -> None:
        """Forget the moments of periodic tasks, and who is to be stopped, whose time is over."""
        self.once = {key: ends_at for key, ends_at in self.once.items() if ends_at > now}
        kept = now - CANCEL_KEPT
        self.cancels = {key: since for key, since in self.cancels.items() if since > kept}

    def tell(self, base: int, key: str, data: list[int] | str) -> None:
        self.untell(base, key)
        self.progress[key] = place(base, data)

    def told(self, base: int, key: str, at: float, data: list[int] | str) -> None:
        self.tell(base, key, data)
        self.progress_news[key] = at

    def untell(self, base: int, *keys: str) -> None:
        for key in keys:
            self.progress_news.pop(key, None)
            self._free(self.progress.pop(key, None))

    def forget_all(self, base: int) -> None:
        """Forget everything."""
        for ref in self.refs():
            self._free(ref)
        self._begin()

    def refs(self) -> Iterable[Ref]:
        """Yield where the data is that is kept here."""
        yield from (letter.record for letter in self.letters.values())
        yield from (value for noted in self.chords.values() for value in noted.values())
        yield from self.progress.values()

    def revoked_until(self) -> float:
        """Return when the last revocation ends, in epoch seconds; 0.0 without any."""
        ends = (float("inf") if end is None else end for end in self.marks.values())
        return max(ends, default=0.0)

    def _free(self, ref: Ref | None) -> None:
        if isinstance(ref, str):
            self.freed.append(ref)
