# SPDX-License-Identifier: MIT
"""``crontab()``: parse once, then test a datetime. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

#: Decides whether a periodic task runs in the minute of the datetime it is given.
Validator = Callable[[datetime], bool]

_RANGES = {
    "month": range(1, 13),
    "day": range(1, 32),
    "day_of_week": range(7),
    "hour": range(24),
    "minute": range(60),
}
_PART = re.compile(r"(?P<every>\*)|(?P<first>\d+)(?:-(?P<last>\d+))?")


def crontab(
    month: str | int = "*",
    day: str | int = "*",
    day_of_week: str | int = "*",
    hour: str | int = "*",
    minute: str | int = "*",
    strict: bool = False,
) -> Validator:
    """Return a function that says whether a datetime falls into the given minutes.

    Each field takes ``*`` (always), ``*/n`` (every n-th), ``m-n`` (from m to n inclusive),
    ``m-n/s`` (every s-th of those), ``m,n`` (m and n), and these joined by commas. Sunday is 0,
    Saturday 6, and 7 is Sunday too. All fields have to match. Raises ``ValueError`` for what
    cannot be read; with ``strict`` also for a number that the field never has.
    (API reference, "crontab".)
    """
    given = {
        "month": month,
        "day": day,
        "day_of_week": day_of_week,
        "hour": hour,
        "minute": minute,
    }
    fields = {name: _parse(name, str(value), strict) for name, value in given.items()}
    months, days, weekdays = fields["month"], fields["day"], fields["day_of_week"]
    hours, minutes = fields["hour"], fields["minute"]

    def validate(moment: datetime) -> bool:
        return (
            moment.minute in minutes
            and moment.hour in hours
            and moment.day in days
            and moment.month in months
            and moment.isoweekday() % 7 in weekdays
        )

    return validate


def _parse(name: str, text: str, strict: bool) -> frozenset[int]:
    allowed = _RANGES[name]
    found: set[int] = set()
    for part in text.split(","):
        numbers = _parse_part(name, text, part.strip(), allowed)
        if name == "day_of_week":
            numbers = {number % 7 if number == 7 else number for number in numbers}
        outside = numbers - set(allowed)
        if strict and outside:
            raise ValueError(
                f"crontab {name}={text!r}: {min(outside)} is not in {allowed[0]}-{allowed[-1]}"
            )
        found |= numbers - outside
    if not found:
        raise ValueError(f"crontab {name}={text!r} matches nothing: use {allowed[0]}-{allowed[-1]}")
    return frozenset(found)


def _parse_part(name: str, text: str, part: str, allowed: range) -> set[int]:
    base, slash, step_text = part.partition("/")
    match = _PART.fullmatch(base)
    if match is None or (slash and (not step_text.isdigit() or int(step_text) == 0)):
        raise ValueError(
            f"crontab {name}={text!r}: cannot read {part!r}; use *, */n, m-n, m,n or a number"
        )
    step = int(step_text) if slash else 1
    if match["every"]:
        # As in cron, from the first there is: hours 0, 4, 8, but days 1, 5, 9.
        return set(allowed[::step])
    first = int(match["first"])
    last = int(match["last"]) if match["last"] else (allowed[-1] if slash else first)
    if last < first:
        raise ValueError(f"crontab {name}={text!r}: {part!r} ends before it begins")
    return set(range(first, last + 1, step))
