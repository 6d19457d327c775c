# SPDX-License-Identifier: MIT
"""Keys of ours that hold something else: from another program, another storage, a hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis

from huey_green.exceptions import StorageRefused
from huey_green.storage.redis.connect import Command, Link
from huey_green.storage.redis.keys import Keys
from huey_green.storage.redis.scripts import Scripts, Variants

#: The command that counts what is in a key, and fails if it is of another kind.
_COUNTS = {"list": "LLEN", "zset": "ZCARD", "hash": "HLEN"}


def check_keys(link: Link, keys: Keys, order: str) -> None:
    """Raise ``StorageRefused`` that names the keys of a queue that are of another kind.

    A script that meets such a key stops half-way, and what it has done stays done: so this is
    asked before the first one.
    """
    kinds = [(keys.queue, order), *_kinds(keys)]
    commands: list[Command] = [(_COUNTS[kind], key) for key, kind in kinds]
    with link.conversation() as (_, answers):
        found = list(answers(*commands))
    wrong = [
        f"{key} is no {kind.upper()}"
        for (key, kind), answer in zip(kinds, found, strict=True)
        if isinstance(answer, redis.ResponseError) and is_wrong_type(answer)
    ]
    if wrong:
        raise StorageRefused(
            f"Redis at {link.where} has something else under our keys: {', '.join(wrong)}. Another "
            "program uses the name, or another kind of storage did; rename or delete the key, or "
            "give the Huey another name"
        )


def _kinds(keys: Keys) -> Iterator[tuple[str, str]]:
    """Yield the keys that scripts of many tasks touch, and their kinds."""
    for key in (keys.schedule, keys.bell, keys.consumers, keys.dead_index, keys.parked):
        yield key, "zset"
    for key in (keys.claim_ends, keys.chords):
        yield key, "zset"
    for key in (keys.results, keys.attempts, keys.dead, keys.claims, keys.permits):
        yield key, "hash"
    for key in (keys.permit_counts, keys.progress):
        yield key, "hash"


def is_wrong_type(error: redis.ResponseError) -> bool:
    """Say whether a command met a key of another kind; a script puts words before that."""
    return "WRONGTYPE" in str(error)


@contextmanager
def naming(link: Link, keys: Keys, order: str) -> Iterator[None]:
    """Turn the error of a command that met a key of another kind into one that names the key."""
    try:
        yield
    except redis.ResponseError as error:
        if not is_wrong_type(error):
            raise
        check_keys(link, keys, order)
        raise StorageRefused(f"Redis at {link.where} refuses: {error}") from error


class NamingScripts(Scripts):
    """Scripts whose errors name the key that is of another kind."""

    def __init__(self, link: Link, variants: Variants, keys: Keys) -> None:
        super().__init__(link, variants)
        self._keys = keys

    def call(self, verb: str, keys: Sequence[str], args: Sequence[Any] = ()) -> Any:
        """Carry out ``verb`` and return its answer; a server that forgot the script is told it."""
        try:
            return super().call(verb, keys, args)
        except redis.ResponseError:
            with naming(self.link, self._keys, self.variants.order):
                raise
