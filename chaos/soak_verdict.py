# SPDX-License-Identifier: MIT
"""What may have grown between two quiet moments, and what did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

MB = 1024 * 1024

#: Memory that a process may gain: what the allocator cannot give back, because something small
#: still lives in each of its arenas. A leak of 100 bytes in one task of ten is 18 MB in 1,800,000.
MEMORY_SHARE, MEMORY_MORE = 1.05, 8 * MB

#: Objects that a process may gain: caches that fill up as rare things happen for the first time.
OBJECTS_SHARE, OBJECTS_MORE = 1.03, 3000

#: How much more a container of ours may hold by chance: what has just ended, or ends in time.
HELD_MORE = 300

#: Containers that may hold a whole backlog: what a process knows of the messages in a folder is as
#: of its last look; and a consumer knows what ended until it has looked for canceled tasks twice.
BACKLOGS, BACKLOG = ("Messages.", "Notes.", "Worker._ended"), 50_000

#: What the storage may hold that ends by its time, and at most how much: a key for each moment of
#: a periodic task (one a second, for 1000 s), notes of canceled tasks (for two minutes), the hits
#: of a rate limit (200), and what is listed with its end and not looked at before that.
TIMED = {
    "once": 1100,
    "cron": 1100,
    "cancel": 5000,
    "hits": 200,
    "hit": 200,
    "window": 10,
    "expiring": 2000,
    "value": 2000,
    "results/": 2000,
    "sequence": 1,
}

#: Bytes that a storage may gain: pages and a journal that are used again.
STORAGE_SHARE, STORAGE_MORE = 1.10, 6 * MB


class Row(NamedTuple):
    """A figure after the first tenth and at the end, and what it may be then."""

    what: str
    before: float
    after: float
    limit: float
    least: float = 0

    @property
    def is_good(self) -> bool:
        """Whether it has not grown beyond its limit."""
        return self.least <= self.after <= self.limit


def compare(
    before: Mapping[str, Any], after: Mapping[str, Any], workers: int, threads_more: int = 0
) -> list[Row]:
    """Compare two quiet moments of one run, after which there may be so many more threads."""
    rows = [
        row
        for who in ("consumer", "producer")
        for row in compare_processes(
            who, before[who], after[who], workers, threads_more=threads_more
        )
    ]
    for who in ("consumer", "producer"):
        count = before["connections"].get(who, 0)
        rows.append(Row(f"{who}: connections", count, after["connections"].get(who, 0), count))
    rows += _each("kept: ", before["kept"], after["kept"], _kept_limit)
    size, end = before["storage"]["bytes"], after["storage"]["bytes"]
    rows.append(Row("storage, MB", size / MB, end / MB, (size * STORAGE_SHARE + STORAGE_MORE) / MB))
    return rows


def compare_processes(
    who: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    workers: int,
    held_more: int = HELD_MORE,
    threads_more: int = 0,
) -> Iterator[Row]:
    """Compare what one process was and is."""
    for name in ("rss", "uss"):
        size, end = before["outside"][name], after["outside"][name]
        limit = size * MEMORY_SHARE + MEMORY_MORE
        yield Row(f"{who}: {name.upper()}, MB", size / MB, end / MB, limit / MB)
    for name in ("fds", "threads"):
        count, end = before["outside"][name], after["outside"][name]
        yield Row(f"{who}: {name}", count, end, count + threads_more)
    # Slots keep their greenlets for a while, up to as many as may run. A thread has one or two.
    old = before["greenlets"]
    many = {name: old.get(name, 0) + threads_more for name in ("Hub", "_WorkerGreenlet")}
    many |= {"Slots._run": workers, "greenlet": old.get("greenlet", 0) + threads_more + 1}
    yield from _each(
        f"{who}: greenlets, ", old, after["greenlets"], lambda name, count: many.get(name, count)
    )
    count, end = before["objects"], after["objects"]
    yield Row(f"{who}: objects", count, end, count * OBJECTS_SHARE + OBJECTS_MORE)
    yield from _each(
        f"{who}: in ",
        before["held"],
        after["held"],
        lambda name, count: count + (BACKLOG if name.startswith(BACKLOGS) else held_more),
    )


def _each(
    prefix: str, before: Mapping[str, int], after: Mapping[str, int], limit: Any
) -> list[Row]:
    names = sorted({*before, *after})
    return [
        Row(
            prefix + name, before.get(name, 0), after.get(name, 0), limit(name, before.get(name, 0))
        )
        for name in names
    ]


def _kept_limit(name: str, count: int) -> float:
    part = next((part for part in TIMED if part in name.lower()), None)
    return count if part is None else max(count, TIMED[part])


def compare_runs(
    began: Mapping[str, int], least: Mapping[str, int], most: Mapping[str, int]
) -> list[Row]:
    """Compare how often bodies of tasks began with how often they had to."""
    return [
        Row(f"runs: {name}", least.get(name, 0), began.get(name, 0), most[name], least.get(name, 0))
        for name in sorted(most)
    ]


def grown_types(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the types of which there are more now, those that grew most first, for a person."""
    old, new = before["types"], after["types"]
    gains = {name: count - old.get(name, 0) for name, count in new.items()}
    found = sorted(gains, key=lambda name: -gains[name])[:10]
    return [f"{name}: {old.get(name, 0)} -> {new[name]}" for name in found if gains[name] > 50]


def table(rows: Iterable[Row]) -> list[str]:
    """Return rows as lines for a person; what has grown too far is marked.

    Of our containers only those that hold more are shown, of runs only those that are wrong.
    """
    shown = [
        row
        for row in rows
        if not row.is_good
        or not (row.what.startswith("runs") or (": in " in row.what and row.after <= row.before))
    ]
    lines = [f"{'':42} {'first':>12} {'end':>12} {'limit':>12}"]
    for row in shown:
        figures = " ".join(f"{_figure(one):>12}" for one in (row.before, row.after, row.limit))
        lines.append(f"{row.what[:42]:42} {figures}{'' if row.is_good else '  <-- GREW'}")
    return lines


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) or value >= 1000 else f"{value:,.1f}"
