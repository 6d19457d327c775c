# SPDX-License-Identifier: MIT
"""``crontab()`` and ``every()``: when a periodic task runs. Pure."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from datetime import datetime, timezone, tzinfo
from typing import ParamSpec, Protocol, cast
from zoneinfo import ZoneInfo, available_timezones

from huey_green import cronfields
from huey_green.occurrences import Pattern, occurrences

P = ParamSpec("P")

#: Decides whether a periodic task runs in the minute of the datetime it is given.
Validator = Callable[[datetime], bool]

#: Seconds: the shortest and the longest interval of ``every()``.
SHORTEST, LONGEST = 0.1, 366 * 86400.0


class Recurring(Protocol):
    """A validator that knows its moments itself, so that it is not asked for each minute.

    One that also has an attribute ``interval``, the seconds between two moments, is not made up
    for: of several moments that a scheduler missed, only the latest counts.
    """

    def __call__(self, moment: datetime, /) -> bool:
        """Say whether the task runs in the minute of ``moment``."""

    def occurrences(self, after: float, until: float) -> Sequence[float]:
        """Return the moments t, ``after`` < t <= ``until``, ascending, all in epoch seconds.

        Every consumer has to get the same ones, however the time is cut into pieces.
        """


class Crontab:
    """What ``crontab()`` returns: says whether a datetime falls into the given minutes."""

    __slots__ = ("_pattern", "_text")

    def __init__(self, pattern: Pattern, text: str) -> None:
        self._pattern = pattern
        self._text = text

    def __call__(self, moment: datetime) -> bool:
        """Say whether a clock that shows ``moment`` shows one of the minutes."""
        return self._pattern.matches(moment)

    def __repr__(self) -> str:
        return self._text


class ZonedCrontab(Crontab):
    """A crontab by the wall clock of one time zone."""

    __slots__ = ("zone",)

    def __init__(self, pattern: Pattern, text: str, zone: tzinfo) -> None:
        super().__init__(pattern, text)
        self.zone = zone

    def __call__(self, moment: datetime) -> bool:
        """Say whether the task runs in the minute of ``moment``.

        A naive datetime is what a clock in the zone shows; it matches as it stands.
        """
        if moment.tzinfo is None:
            return self._pattern.matches(moment)
        minute = moment.timestamp() // 60 * 60
        return bool(self.occurrences(minute - 60, minute))

    def occurrences(self, after: float, until: float) -> Sequence[float]:
        """See ``Recurring``; see ``occurrences()`` for the days on which the clock is changed."""
        return occurrences(self._pattern, self.zone, after, until)


class _WithShortForms(Protocol[P]):
    """The type of ``crontab``: a function that has two others as attributes."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Crontab:
        """Return the crontab of these fields."""

    def hourly(self, minute: str | int = 0, *, tz: tzinfo | str | None = None) -> Crontab:
        """Return the crontab of this minute of every hour."""

    def daily(
        self, hour: str | int = 0, minute: str | int = 0, *, tz: tzinfo | str | None = None
    ) -> Crontab:
        """Return the crontab of this time of every day."""


def _with_short_forms(function: Callable[P, Crontab]) -> _WithShortForms[P]:
    vars(function).update(hourly=_hourly, daily=_daily)
    return cast("_WithShortForms[P]", function)


def _hourly(minute: str | int = 0, *, tz: tzinfo | str | None = None) -> Crontab:
    return crontab(minute=minute, tz=tz)


def _daily(
    hour: str | int = 0, minute: str | int = 0, *, tz: tzinfo | str | None = None
) -> Crontab:
    return crontab(hour=hour, minute=minute, tz=tz)


@_with_short_forms
def crontab(
    month: str | int = "*",
    day: str | int = "*",
    day_of_week: str | int = "*",
    hour: str | int = "*",
    minute: str | int = "*",
    strict: bool = False,
    tz: tzinfo | str | None = None,
) -> Crontab:
    """Return a function that says whether a datetime falls into the given minutes.

    Each field takes ``*`` (always), ``*/n`` (every n-th), ``m-n`` (from m to n inclusive, round
    the end if n is less: hours ``22-2``), ``m-n/s`` (every s-th of those), ``m,n`` (m and n),
    and these joined by commas. Months and days of the week have names: ``jan`` or ``January``,
    ``mon-fri``. Sunday is 0, Saturday 6, and 7 is Sunday too. All fields have to match.
    ``crontab.hourly(minute=0)`` and ``crontab.daily(hour=0, minute=0)`` are short forms.

    The datetimes are UTC or local time, as the Huey has it; with ``tz``, a time zone or its name
    such as "Europe/Berlin", the times of day are those of that zone. On the days on which its
    clock is changed a task with fixed hours runs exactly once: at the first of two equal times,
    and in the first minute after a gap. One that runs in every hour goes on by real time.

    Raises ``ValueError`` for what cannot be read or never comes; with ``strict`` also for a
    number that the field never has. (API reference, "crontab".)
    """
    given = {
        "month": month,
        "day": day,
        "day_of_week": day_of_week,
        "hour": hour,
        "minute": minute,
    }
    fields = {name: cronfields.parse(name, str(text), strict) for name, text in given.items()}
    cronfields.check_dates(fields["month"], fields["day"])
    pattern = Pattern(*fields.values())
    texts = [f"{name}={str(text)!r}" for name, text in given.items() if text != "*"]
    if tz is None:
        return Crontab(pattern, f"crontab({', '.join(texts)})")
    zone = _zone(tz)
    return ZonedCrontab(pattern, f"crontab({', '.join([*texts, f'tz={str(zone)!r}'])})", zone)


class Every:
    """What ``every()`` returns: the multiples of an interval since the epoch."""

    __slots__ = ("interval",)

    def __init__(self, interval: float) -> None:
        self.interval = interval

    def __call__(self, moment: datetime) -> bool:
        """Say whether there is one in the minute of ``moment``; a naive datetime is UTC."""
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        begins = moment.timestamp() // 60 * 60
        around = self.occurrences(begins - 1, begins + 60)
        return any(begins <= at < begins + 60 for at in around)

    def occurrences(self, after: float, until: float) -> Sequence[float]:
        """See ``Recurring``."""
        interval = self.interval
        # One more at both ends: the quotients are rounded, and may be off by one.
        counts = range(math.floor(after / interval), math.floor(until / interval) + 2)
        return [at for n in counts if after < (at := n * interval) <= until]

    def __repr__(self) -> str:
        return f"every(seconds={self.interval:.12g})"


def every(*, seconds: float = 0, minutes: float = 0, hours: float = 0) -> Every:
    """Return what runs a periodic task each time this long has passed, by real time.

    ``@huey.periodic_task(every(seconds=15))``. The moments are the multiples of the interval
    since 1970-01-01 00:00 UTC, so that all consumers have the same ones and a restart shifts
    none. Those that no scheduler was there for are not made up for. Raises ``ValueError`` for a
    number below 0, and for less than 0.1 seconds or more than 366 days in sum.
    """
    given = {"seconds": (seconds, 1), "minutes": (minutes, 60), "hours": (hours, 3600)}
    interval = 0.0
    for name, (number, unit) in given.items():
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise TypeError(f"every() takes a number of {name}, not {number!r}")
        if not 0 <= number <= LONGEST:
            raise ValueError(f"every({name}={number!r}): that is no length of time to wait")
        interval += number * unit
    if not SHORTEST <= interval <= LONGEST:
        raise ValueError(
            f"every() takes seconds=, minutes= or hours=, in sum {SHORTEST:g} seconds to 366 days, "
            f"not {interval:.12g}"
        )
    return Every(interval)


def _zone(tz: tzinfo | str) -> tzinfo:
    """Return a time zone, or the one of that name."""
    if isinstance(tz, tzinfo):
        return tz
    if not isinstance(tz, str):
        raise TypeError(f"crontab tz is a time zone or its name, not {tz!r}")
    try:
        return ZoneInfo(tz)
    except (LookupError, ValueError, OSError) as error:
        known = available_timezones()
        if not known:
            raise ValueError(
                f"crontab tz={tz!r}: this machine has no time zone database; "
                "install the package tzdata (pip install tzdata)"
            ) from error
        spelled = {name.lower(): name for name in known}
        near = difflib.get_close_matches(tz.lower(), spelled, n=1)
        hint = f"did you mean {spelled[near[0]]!r}?" if near else "use one such as 'Europe/Berlin'"
        raise ValueError(f"crontab tz={tz!r}: there is no such time zone; {hint}") from error
