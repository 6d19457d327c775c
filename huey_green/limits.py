# SPDX-License-Identifier: MIT
"""How large, how deep and how many: what one message may bring, so that none takes a consumer down.

(docs/decisions/0017-limits-of-a-message.md)
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from typing import TypeVar

from huey_green.exceptions import MessageRefused, UnreadableMessage

#: Bytes of one message, result or other value, as written and as uncompressed; a setting of Huey.
MAX_MESSAGE_SIZE = 64 * 1024 * 1024

#: What no setting goes below: the error of a task that failed has to fit in, too.
LEAST_MESSAGE_SIZE = 256 * 1024

#: How many tasks may follow one another in one message: each brings all that come after it. Each
#: takes two or three frames of the thousand of Python's stack.
DEEPEST = 250

#: As how many steps a chord in a chord counts: it stands that much deeper in a message.
CHORD_DEPTH = 3

#: How many tasks one message may bring in all: steps, error tasks, callbacks of chords.
MOST_TASKS = 1000

#: Members of one chord: the callback's consumer reads all their values at once, and asks for as
#: many as a message says there are; for this many it takes about a second.
MOST_MEMBERS = 100_000

#: Characters of an id or of a task's name.
LONGEST_NAME = 1000

#: Characters of an error and of its traceback that are stored as a task's result: together they
#: fit into the smallest ``max_message_size``, whatever they are written in.
LONGEST_ERROR, LONGEST_TRACEBACK = 10_000, 50_000

#: Characters of a claim: a user's own key stands in it.
LONGEST_CLAIM = 100_000

#: Seconds: some 300 years.
LONGEST = 1e10

#: Epoch seconds of the first and the last moment that a datetime can hold.
FIRST_MOMENT, LAST_MOMENT = -62_135_596_800, 253_402_300_799

#: What fits into the integers of every storage, and still counts.
LARGEST_NUMBER = 2**63 - 1

T = TypeVar("T")


def check_following(first: T, following: Callable[[T], Iterable[T | None]]) -> None:
    """Raise ``MessageRefused`` if more follows ``first`` than one message may bring.

    ``following`` tells what is next after one: on success, on error, as callback of its chord.
    Goes no deeper than that, and does not recurse.
    """
    left = [(first, 1)]
    count = 0
    while left:
        one, depth = left.pop()
        count += 1
        if depth > DEEPEST or count > MOST_TASKS:
            raise MessageRefused(too_many())
        for other, deeper in zip(following(one), (1, 1, CHORD_DEPTH), strict=True):
            if other is not None:
                left.append((other, depth + deeper))


def too_many() -> str:
    """Return what is said of a message that brings too many others."""
    return (
        f"brings more than {DEEPEST} tasks one after the other (a chord in a chord counts as "
        f"{CHORD_DEPTH}), or {MOST_TASKS} in all: each step of a pipeline carries all that follow "
        "it; enqueue the rest in the last step"
    )


def too_large(size: int, largest: int) -> str:
    """Return what is said of too many bytes."""
    return f"takes {size:,} bytes, more than the {largest:,} of max_message_size"


def shortened(text: str, longest: int) -> str:
    """Return ``text`` without its middle if it is too long."""
    if len(text) <= longest:
        return text
    kept = longest // 2 - 20
    return f"{text[:kept]}... ({len(text):,} characters) ...{text[-kept:]}"


def expand(data: bytes, window: int, largest: int) -> bytes:
    """Decompress ``data``, of one or several streams, to at most ``largest`` bytes.

    ``window`` is zlib's ``wbits``. Raises ``UnreadableMessage`` for more, however much it would
    be, and ``zlib.error`` for what is no stream, or is cut off.
    """
    parts = []
    left = largest
    while data:
        stream = zlib.decompressobj(window)
        parts.append(stream.decompress(data, left + 1))
        left -= len(parts[-1])
        if left < 0:
            raise UnreadableMessage(
                f"expands to more than the {largest:,} bytes of max_message_size"
            )
        if not stream.eof:
            raise zlib.error("the compressed data is cut off")
        data = stream.unused_data.lstrip(b"\0")  # Padding, as gzip allows it.
    return b"".join(parts)
