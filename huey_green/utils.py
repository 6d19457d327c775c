# SPDX-License-Identifier: MIT
"""huey's helpers, under its import path and as exact as there: fractions of a second are lost
where huey loses them. The package itself uses ``huey_green.clock``, which keeps them."""

from __future__ import annotations

import calendar
from datetime import datetime, timedelta, timezone
from importlib import import_module
from typing import Any

from huey_green import clock
from huey_green.wire import SKIPPED, Error

__all__ = [
    "SKIPPED",
    "Error",
    "aware_to_utc",
    "encode",
    "is_naive",
    "load_class",
    "local_to_utc",
    "make_naive",
    "normalize_expire_time",
    "normalize_time",
]


def load_class(s: str) -> Any:
    """Return what is at ``package.module.name``; raises what importing and looking raise."""
    module, name = s.rsplit(".", 1)
    return getattr(import_module(module), name)


def is_naive(dt: datetime) -> bool:
    """Say whether a datetime has no offset from UTC."""
    return dt.utcoffset() is None


def make_naive(dt: datetime) -> datetime:
    """Return an aware datetime as naive local time, in whole seconds; a naive one counts as UTC."""
    return datetime.fromtimestamp(calendar.timegm(dt.utctimetuple()))


def aware_to_utc(dt: datetime) -> datetime:
    """Return an aware datetime as naive UTC; a naive one counts as local time."""
    return dt.astimezone(timezone.utc).replace(tzinfo=None)


def local_to_utc(dt: datetime) -> datetime:
    """Return local time as naive UTC, in whole seconds, whatever zone the datetime names.

    Of an hour that comes twice, ``fold`` says which one is meant: the first, unless it is 1.
    """
    return clock.from_epoch(dt.replace(tzinfo=None, microsecond=0).timestamp(), utc=True)


def normalize_time(
    eta: datetime | None = None, delay: float | timedelta | None = None, utc: bool = True
) -> datetime:
    """Return one of ``eta``, naive meaning local time, and ``delay``, in seconds from now, as a
    naive datetime, in UTC or local time. Raises ``ValueError`` for both, neither or no datetime.
    """
    if (eta is None) == (delay is None):
        raise ValueError("Specify either an eta (datetime) or delay (seconds)")
    if delay is not None:
        span = delay if isinstance(delay, timedelta) else timedelta(seconds=delay)
        return clock.now(utc) + span
    if not isinstance(eta, datetime):
        raise ValueError("eta must be a datetime instance")
    if is_naive(eta):
        return local_to_utc(eta) if utc else eta
    return aware_to_utc(eta) if utc else make_naive(eta)


def normalize_expire_time(
    expires: datetime | timedelta | float | None, utc: bool = True
) -> datetime:
    """Return when something expires, given as a moment or as seconds from now."""
    if isinstance(expires, datetime):
        return normalize_time(eta=expires, utc=utc)
    return normalize_time(delay=expires, utc=utc)


def encode(s: Any) -> bytes | None:
    """Return text, or the text of anything else, as UTF-8; bytes and None as they are."""
    if s is None or isinstance(s, bytes):
        return s
    return str(s).encode()
