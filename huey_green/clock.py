# SPDX-License-Identifier: MIT
"""The only module that knows the time, and how huey's datetimes map to epoch seconds."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

#: Epoch seconds. A moment (``..._at``) is always one of these.
wall = time.time

#: Seconds from an arbitrary start, never going back. A deadline is always one of these.
monotonic = time.monotonic


def sleep(seconds: float) -> None:
    """Wait; in a process patched by gevent this lets other greenlets run."""
    time.sleep(seconds)


def to_epoch(moment: datetime | float | int, utc: bool) -> float:
    """Return ``moment`` as epoch seconds; a naive datetime is read as UTC or as local time."""
    if not isinstance(moment, datetime):
        return float(moment)
    if moment.tzinfo is None and utc:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.timestamp()


def from_epoch(seconds: float, utc: bool) -> datetime:
    """Return the naive datetime, in UTC or local time, of ``seconds``."""
    if utc:
        return datetime.fromtimestamp(seconds, timezone.utc).replace(tzinfo=None)
    return datetime.fromtimestamp(seconds)


def now(utc: bool) -> datetime:
    """Return the present as a naive datetime, in UTC or local time."""
    return from_epoch(wall(), utc)


def as_eta(eta: datetime | None, delay: float | timedelta | None, utc: bool) -> datetime | None:
    """Turn what a user gave into the naive datetime that a task carries, or None for "at once".

    A naive ``eta`` is local time, an aware one is what it says; the answer is in UTC when
    ``utc`` is set, else in local time. ``delay`` is seconds from now. (Guide, "Scheduling
    tasks"; ``Huey(utc=...)``.)
    """
    if delay is not None:
        seconds = delay.total_seconds() if isinstance(delay, timedelta) else float(delay)
        # Not now() plus a timedelta: local time may jump an hour on the way.
        return from_epoch(wall() + seconds, utc)
    if eta is None:
        return None
    return as_naive(eta, utc)


def as_naive(moment: datetime, utc: bool) -> datetime:
    """Turn a user's datetime, naive meaning local time, into the naive form used inside."""
    if moment.tzinfo is None and not utc:
        return moment
    return from_epoch(moment.timestamp(), utc)


def time_to_live(expires: datetime | timedelta | float | None) -> float | None:
    """Return ``expires`` in seconds from when a task is enqueued; None for a moment, or none."""
    if isinstance(expires, timedelta):
        return expires.total_seconds()
    return None if isinstance(expires, datetime) else expires
