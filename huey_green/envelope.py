# SPDX-License-Identifier: MIT
"""Which fields a message may have: checked when one is written, and again when one is read.

Whoever can write to a queue can write anything there. What is let through here can be stored in
every storage, compared and counted with, written to a log, and counted down from.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from huey_green.limits import (
    FIRST_MOMENT,
    LARGEST_NUMBER,
    LAST_MOMENT,
    LONGEST,
    LONGEST_CLAIM,
    LONGEST_NAME,
    MOST_MEMBERS,
)
from huey_green.message import Joined, Message, Options, Place
from huey_green.offender import brief

# Real: an option may have been computed with numpy. It comes last because it is slow.
_WHOLE: tuple[type[Any], ...] = (int, Integral)
_NUMBER: tuple[type[Any], ...] = (float, int, Real)
_PLAIN_NUMBERS = (int, float)
_FINITE = (-1e308, 1e308)


#: Names that were looked at: there are as many as there are tasks.
_sound_names: set[str] = set()
_MOST_SOUND_NAMES = 1000


def is_sound(message: Message) -> bool:
    """Say whether a message has nothing but what most have, and that as it should be.

    The short way, taken for each message: if not, ``fault`` tells what is wrong, if anything is.
    """
    id_, name, args, kwargs, eta, retries, retry_delay, priority, _, _, options = message
    if not (
        eta is None
        and priority is None
        and options is None
        and type(id_) is str
        and 0 < len(id_) <= LONGEST_NAME
        and id_.isprintable()
        and type(args) is tuple
        and type(kwargs) is dict
        and type(retries) is int
        and 0 <= retries <= LARGEST_NUMBER
        and type(retry_delay) in _PLAIN_NUMBERS
        and 0 <= retry_delay <= LONGEST
        and type(name) is str
    ):
        return False
    for key in kwargs:
        if type(key) is not str:
            return False
    return name in _sound_names or _note_name(name)


def _note_name(name: str) -> bool:
    if _fault_of_name("name", name) is not None:
        return False
    if len(_sound_names) < _MOST_SOUND_NAMES:
        _sound_names.add(name)
    return True


def fault(message: Message) -> str | None:
    """Return what is wrong with the fields of a message, those of what follows apart."""
    return (
        _fault_of_name("id", message.id)
        or _fault_of_name("name", message.name)
        or _fault_of_arguments(message.args, message.kwargs)
        or (None if message.eta is None else _fault_of_number("eta", message.eta, *_FINITE))
        or _fault_of_whole("retries", message.retries)
        or _fault_of_number("retry_delay", message.retry_delay, 0, LONGEST)
        or _fault_of_priority(message.priority)
        or (None if message.options is None else _fault_of_options(message.options))
    )


def fault_of_eta(message: Message) -> str | None:
    """Return what is wrong with the moment of a message that is read.

    One that is written has it from a datetime.
    """
    return None if message.eta is None else _fault_of_moment("eta", message.eta)


def _fault_of_options(options: Options) -> str | None:
    expires_at, expires, timeout, retry_backoff, chord, joins, claim, progress, by_huey = options
    return (
        (None if expires_at is None else _fault_of_moment("expires_at", expires_at))
        or (None if expires is None else _fault_of_number("expires", expires, 0, LONGEST))
        or (None if timeout is None else _fault_of_number("timeout", timeout, 0, LONGEST))
        or _fault_of_number("retry_backoff", retry_backoff, 0, LARGEST_NUMBER)
        or (None if chord is None else _fault_of_place(chord))
        or (None if joins is None else _fault_of_joined(joins))
        or (None if claim is None else _fault_of_claim(claim))
        or (None if isinstance(progress, bool) else f"has the progress {shown(progress)}")
        or (None if isinstance(by_huey, bool) else f"has by_huey {shown(by_huey)}")
    )


def _fault_of_place(place: Place) -> str | None:
    chord, position, size, _ = place
    return (
        _fault_of_name("chord", chord)
        or _fault_of_whole("size of a chord", size, 1, MOST_MEMBERS)
        or _fault_of_whole("place in a chord", position, 0, size - 1)
    )


def _fault_of_joined(joined: Joined) -> str | None:
    return _fault_of_name("chord", joined.chord) or _fault_of_whole(
        "size of a chord", joined.size, 0, MOST_MEMBERS
    )


def _fault_of_name(field: str, value: Any) -> str | None:
    if not isinstance(value, str):
        return f"has the {field} {shown(value)}, which is no string"
    if not 0 < len(value) <= LONGEST_NAME:
        return f"has {_article(field)} of {len(value):,} characters, not 1 to {LONGEST_NAME:,}"
    if not value.isprintable():
        # A line break would forge lines of a log; half a surrogate pair fits into no storage.
        return f"has the {field} {shown(value)}, which is not printable"
    return None


def _fault_of_arguments(args: Any, kwargs: Any) -> str | None:
    if not isinstance(args, tuple):
        return f"has the args {shown(args)}, which are no tuple"
    if not isinstance(kwargs, dict):
        return f"has the kwargs {shown(kwargs)}, which are no dict"
    for key in kwargs:
        if not isinstance(key, str):
            return f"has kwargs with the key {shown(key)}, which is no string"
    return None


def _fault_of_moment(field: str, value: Any) -> str | None:
    if isinstance(value, _NUMBER) and FIRST_MOMENT <= value <= LAST_MOMENT:
        return None
    return f"has the {field} {shown(value)}, a moment that no datetime can hold"


def _fault_of_whole(
    field: str, value: Any, least: int = 0, most: int = LARGEST_NUMBER
) -> str | None:
    if isinstance(value, _WHOLE) and least <= value <= most:
        return None
    return f"has the {field} {shown(value)}, which is no whole number from {least} to {most}"


def _fault_of_number(field: str, value: Any, least: float, most: float) -> str | None:
    # Written so that it is false for what is not a number.
    if isinstance(value, _NUMBER) and least <= value <= most:
        return None
    return f"has the {field} {shown(value)}, which is no number from {least:g} to {most:g}"


def _fault_of_priority(value: Any) -> str | None:
    if value is None:
        return None
    return _fault_of_number("priority", value, -LARGEST_NUMBER, LARGEST_NUMBER)


def _fault_of_claim(value: Any) -> str | None:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_CLAIM:
        return f"has the claim {shown(value)}, which is no string of 1 to {LONGEST_CLAIM:,}"
    try:
        value.encode()
    except UnicodeEncodeError:
        return f"has the claim {shown(value)}, which is no Unicode"
    return None


def plain_number(value: Any) -> Any:
    """Return a number as an int or a float, as every storage takes it; what is none as it is."""
    if type(value) in (int, float) or not isinstance(value, Real):
        return value
    return int(value) if isinstance(value, Integral) else float(value)


def shown(value: Any) -> str:
    """Return a value's repr, shortened and on one line; it may be anything at all."""
    if isinstance(value, int) and value.bit_length() > 256:
        return f"of {value.bit_length():,} bits"  # Python may refuse to write it, or take long.
    if isinstance(value, (str, bytes, bytearray)):
        value = value[:40]
    try:
        return brief(value)[:200]
    except Exception as error:  # A user's __repr__.
        return f"of type {type(value).__name__} ({type(error).__name__})"


def _article(field: str) -> str:
    return f"an {field}" if field[0] in "aei" else f"a {field}"


__all__ = ["fault", "fault_of_eta", "is_sound", "plain_number", "shown"]
