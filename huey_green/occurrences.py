# SPDX-License-Identifier: MIT
"""When a wall clock shows given minutes, as epoch seconds, also on the days it is changed. Pure.

Real minutes are counted from the epoch; wall minutes are what a clock shows that was at
1970-01-01 00:00 at 0. Between two changes of the clock they differ by an offset.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import NamedTuple

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_HOUR, _DAY = 60, 24 * 60

#: Minutes to look back for the change that made the clock show a minute again. The largest
#: changes there were are of a day, where a date line was moved.
_LOOK_BACK = 26 * _HOUR

#: Minutes between two looks at the offset: no place changes its clock and back in that time.
_STRIDE = 12 * _HOUR


@dataclass(frozen=True, slots=True)
class Pattern:
    """Minutes of a wall clock; all five fields have to match. Sunday is weekday 0."""

    months: frozenset[int]
    days: frozenset[int]
    weekdays: frozenset[int]
    hours: frozenset[int]
    minutes: frozenset[int]

    def matches(self, moment: datetime) -> bool:
        """Say whether a clock that shows ``moment`` shows one of these minutes."""
        return (
            moment.minute in self.minutes
            and moment.hour in self.hours
            and self._has_day(moment.date())
        )

    def between(self, first: int, last: int) -> Iterator[int]:
        """Yield the wall minutes that match, from ``first`` up to but without ``last``."""
        hours, minutes = sorted(self.hours), sorted(self.minutes)
        for day in range(first // _DAY, (last - 1) // _DAY + 1):
            if not self._has_day(date.fromordinal(_EPOCH_DAY + day)):
                continue
            for hour in hours:
                begins = day * _DAY + hour * _HOUR
                if first - _HOUR < begins < last:
                    yield from (n for m in minutes if first <= (n := begins + m) < last)

    def _has_day(self, day: date) -> bool:
        return (
            day.day in self.days
            and day.month in self.months
            and day.isoweekday() % 7 in self.weekdays
        )


class _Stretch(NamedTuple):
    """Real minutes from ``begin`` up to ``end`` with one offset, and the offset before them."""

    begin: int
    end: int
    offset: int
    before: int


def occurrences(pattern: Pattern, zone: tzinfo, after: float, until: float) -> list[float]:
    """Return the epoch seconds t, ``after`` < t <= ``until``, at which ``pattern`` is due.

    That is the begin of each real minute in which a clock in ``zone`` shows it. Unless the
    pattern has all 24 hours, each time of day is due once: not when the clock shows it again
    because it was put back, and in the first minute after the gap if it was put forward over it.
    """
    first, last = int(after // 60) + 1, int(until // 60) + 1
    if first >= last:
        return []
    found: set[int] = set()
    by_real_time = len(pattern.hours) == 24
    for begin, end, offset, before in _stretches(zone, first, last):
        fresh = begin + offset
        if not by_real_time:
            if any(pattern.between(begin + before, fresh)):
                found.add(begin)
            fresh = max(fresh, begin + before)
        walls = pattern.between(max(fresh, first + offset), min(end, last) + offset)
        found.update(wall - offset for wall in walls)
    return [minute * 60.0 for minute in sorted(found) if first <= minute < last]


def _stretches(zone: tzinfo, first: int, last: int) -> Iterator[_Stretch]:
    """Yield the stretches that cover the real minutes from ``first`` to ``last``, and before."""
    at = begin = first - _LOOK_BACK
    before = offset = _offset(zone, begin)
    while at < last:
        then = min(at + _STRIDE, last)
        if _offset(zone, then) == offset:
            at = then
            continue
        minutes = range(at, then + 1)
        at = minutes[bisect_left(minutes, True, key=lambda m: _offset(zone, m) != offset)]
        yield _Stretch(begin, at, offset, before)
        begin, before, offset = at, offset, _offset(zone, at)
    yield _Stretch(begin, last, offset, before)


def _offset(zone: tzinfo, minute: int) -> int:
    """Return by how many minutes the clock in ``zone`` is ahead of UTC in a real minute."""
    shown = (_EPOCH + timedelta(minutes=minute)).astimezone(zone).utcoffset()
    # Rounded down: once there were offsets with seconds, and the clock shows the minute begun.
    return 0 if shown is None else shown // timedelta(minutes=1)
