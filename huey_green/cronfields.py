# SPDX-License-Identifier: MIT
"""The fields of a crontab: text to the set of numbers that it stands for. Pure."""

from __future__ import annotations

import calendar
import re

#: The numbers that each field can have.
RANGES = {
    "month": range(1, 13),
    "day": range(1, 32),
    "day_of_week": range(7),
    "hour": range(24),
    "minute": range(60),
}

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")


def _numbered(names: tuple[str, ...], first: int) -> dict[str, int]:
    return {form: n for n, name in enumerate(names, first) for form in (name, name[:3])}


#: The names that a field's numbers have, in full and by their first three letters.
NAMES: dict[str, dict[str, int]] = {
    "month": _numbered(_MONTHS, 1),
    "day_of_week": _numbered(_WEEKDAYS, 0),
}

_END = r"[0-9]{1,9}|[a-z]+"
_PART = re.compile(
    rf"(?:(?P<every>\*)|(?P<first>{_END})(?:-(?P<last>{_END}))?)(?:/(?P<step>[0-9]{{1,9}}))?",
    re.IGNORECASE | re.ASCII,
)
_FORMS = "*, */n, m-n, m-n/s, m,n, a number"


def parse(name: str, text: str, strict: bool) -> frozenset[int]:
    """Return the numbers that ``text`` stands for in the field ``name``; there is at least one.

    Raises ``ValueError`` for what cannot be read or stands for nothing; with ``strict`` also
    for a number that the field never has, which is passed over otherwise.
    """
    allowed = RANGES[name]
    found: set[int] = set()
    for part in text.split(","):
        found |= _numbers(name, text, part.strip(), strict)
    if not found:
        raise ValueError(f"crontab {name}={text!r} matches nothing: use {allowed[0]}-{allowed[-1]}")
    return frozenset(found)


def _numbers(name: str, text: str, part: str, strict: bool) -> set[int]:
    allowed = RANGES[name]
    match = _PART.fullmatch(part)
    step = int(match["step"] or 1) if match else 0
    first = last = None
    if match and not match["every"]:
        first = _number(name, match["first"])
        last = _number(name, match["last"]) if match["last"] else first
    if match is None or step == 0 or (not match["every"] and (first is None or last is None)):
        names = f" or a name such as {next(iter(NAMES[name]))!r}" if name in NAMES else ""
        hint = ""
        if len(text.split()) > 1:
            hint = " (fields are given one by one, as in crontab(minute='*/5', hour='9-17'))"
        raise ValueError(
            f"crontab {name}={text!r}: cannot read {part!r}; use {_FORMS}{names}{hint}"
        )
    if first is None or last is None:
        # As in cron, from the first there is: hours 0, 4, 8, but days 1, 5, 9.
        return set(allowed[::step])
    if match["step"] and not match["last"]:
        last = max(first, allowed[-1])
    if name == "day_of_week" and first == 7:
        first, last = 0, last % 7
    return _span(name, text, first, last, step, strict)


def _number(name: str, word: str) -> int | None:
    return int(word) if word.isdigit() else NAMES.get(name, {}).get(word.lower())


def _span(name: str, text: str, first: int, last: int, step: int, strict: bool) -> set[int]:
    """Return every ``step``-th number from ``first`` to ``last``, round the end if need be."""
    allowed = RANGES[name]
    # Sunday may be 7, which ends a week as 0 begins it.
    highest = 7 if name == "day_of_week" else allowed[-1]
    outside = [number for number in (first, last) if not allowed[0] <= number <= highest]
    if outside and (strict or last < first):
        raise ValueError(
            f"crontab {name}={text!r}: {outside[0]} is not in {allowed[0]}-{allowed[-1]}"
        )
    if last < first:
        return set([*range(first, allowed[-1] + 1), *range(allowed[0], last + 1)][::step])
    numbers = range(first, min(last, highest) + 1, step)
    return {n % 7 if n == highest == 7 else n for n in numbers if n >= allowed[0]}


def check_dates(months: frozenset[int], days: frozenset[int]) -> None:
    """Raise ``ValueError`` when none of ``months`` ever has any of ``days``."""
    # 2024 had a 29 February. A weekday rules no date out: each falls on all seven in time.
    longest = max(calendar.monthrange(2024, month)[1] for month in months)
    if min(days) > longest:
        names = ", ".join(_MONTHS[month - 1].capitalize() for month in sorted(months))
        raise ValueError(f"crontab day={min(days)} never comes: {names} has at most {longest} days")
