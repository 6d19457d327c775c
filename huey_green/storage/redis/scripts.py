# SPDX-License-Identifier: MIT
"""Loads lua/*.lua and calls them by digest. One verb is one script; see each file's header."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from huey_green.storage.redis.connect import Command, Link, ScriptMissing

_USES = re.compile(r"^-- uses (.+)$", re.MULTILINE)


class Variants(NamedTuple):
    """Which file stands for a part that scripts name without knowing how a storage keeps things.

    ``order`` is "list", "zset" or "huey" (the ready queue; the last is a ZSET with
    members as huey has them); ``store`` is "hash" or "string" (results and
    other values).
    """

    order: str
    store: str

    def file_of(self, part: str) -> str:
        """Return the name of the file of a part, without its ending."""
        if part == "order":
            return "order_list" if self.order == "list" else "order_zset"
        if part == "member":
            return "member_huey" if self.order == "huey" else "member"
        return f"{part}_{self.store}" if part in ("values", "results") else part


@cache
def source(verb: str, variants: Variants) -> str:
    """Return the Lua of ``verb``, behind the parts that its header names and those that they do."""
    return "\n".join(_with_parts(verb, variants, set()))


def _with_parts(name: str, variants: Variants, seen: set[str]) -> list[str]:
    seen.add(name)
    body = _read(variants.file_of(name))
    uses = _USES.search(body)
    parts = uses.group(1).split(", ") if uses else []
    before = [
        text for part in parts if part not in seen for text in _with_parts(part, variants, seen)
    ]
    return [*before, body]


@cache
def digest(verb: str, variants: Variants) -> str:
    """Return what EVALSHA calls the script of ``verb``."""
    return hashlib.sha1(source(verb, variants).encode(), usedforsecurity=False).hexdigest()


def _read(name: str) -> str:
    return (resources.files("huey_green.storage.redis") / "lua" / f"{name}.lua").read_text()


class Scripts:
    """The verbs of one storage over one link."""

    def __init__(self, link: Link, variants: Variants) -> None:
        self.link = link
        self.variants = variants

    def command(self, verb: str, keys: Sequence[str], args: Sequence[Any]) -> Command:
        """Return the EVALSHA for a pipeline; the caller deals with ``ScriptMissing``."""
        return ("EVALSHA", digest(verb, self.variants), len(keys), *keys, *args)

    def whole(self, verb: str, keys: Sequence[str], args: Sequence[Any]) -> Command:
        """Return the EVAL, which a server understands that knows no script."""
        return ("EVAL", source(verb, self.variants), len(keys), *keys, *args)

    def call(self, verb: str, keys: Sequence[str], args: Sequence[Any] = ()) -> Any:
        """Carry out ``verb`` and return its answer; a server that forgot the script is told it."""
        try:
            return self.link.execute(*self.command(verb, keys, args))
        except ScriptMissing:
            # Not load and call again: it may be forgotten once more between the two.
            return self.link.execute(*self.whole(verb, keys, args))

    def load(self, verb: str) -> None:
        """Make the server know ``verb``."""
        self.link.execute("SCRIPT", "LOAD", source(verb, self.variants))
