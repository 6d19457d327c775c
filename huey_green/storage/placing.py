# SPDX-License-Identifier: MIT
"""Where what has a key lies when a queue is spread over shards: the key alone tells it. Pure."""

from __future__ import annotations

from uuid import uuid4
from zlib import crc32

#: What other keys of a task begin with: its revocation, its progress. They lie where its result
#: does.
_OF_A_TASK = ("r:", "p:")

#: The last digits of an id, which are changed until it fits. There are far more of them than of
#: shards, so that one fits.
_DIGITS = 4


class Placed(bytes):
    """A message that knows the shard that it goes to, or came from."""

    shard: int

    def __new__(cls, body: bytes, shard: int) -> Placed:
        made = super().__new__(cls, body)
        made.shard = shard
        return made


def shard_of(key: str, count: int) -> int:
    """Return which of ``count`` shards has the values under ``key``: a task's id, or any other.

    It is the same in every process, of every version: what is stored is found by it.
    """
    while key.startswith(_OF_A_TASK):
        key = key[2:]
    return crc32(key.encode("utf-8", "surrogatepass")) % count


def fitting_id(shard: int, count: int) -> str:
    """Return a new unique id that lies on ``shard``."""
    made = str(uuid4())
    head, first = made[:-_DIGITS], int(made[-_DIGITS:], 16)
    begun = crc32(head.encode())
    for tried in range(16**_DIGITS):
        tail = f"{(first + tried) % 16**_DIGITS:0{_DIGITS}x}"
        if crc32(tail.encode(), begun) % count == shard:
            break
    return head + tail
