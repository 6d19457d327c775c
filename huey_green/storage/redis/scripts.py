# SPDX-License-Identifier: MIT
"""Loads lua/*.lua and calls them by digest. One verb is one script; see each file's header."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from huey_green.storage.redis.connect import Command, Link, ScriptMissing

_USES = re.compile(r"^-- uses (.+)$", re.MULTILINE)


@cache
def source(verb: str, order: str) -> str:
    """Return the Lua of ``verb`` with the parts that its header names; "order" is ``order``."""
    body = _read(verb)
    uses = _USES.search(body)
    parts = uses.group(1).split(", ") if uses else []
    return "\n".join([_read(order if part == "order" else part) for part in parts] + [body])


@cache
def digest(verb: str, order: str) -> str:
    """Return what EVALSHA calls the script of ``verb``."""
    return hashlib.sha1(source(verb, order).encode(), usedforsecurity=False).hexdigest()


def _read(name: str) -> str:
    return (resources.files("huey_green.storage.redis") / "lua" / f"{name}.lua").read_text()


class Scripts:
    """The verbs of one queue's ``order`` ("order_list" or "order_zset") over one link."""

    def __init__(self, link: Link, order: str) -> None:
        self.link = link
        self.order = order

    def command(self, verb: str, keys: Sequence[str], args: Sequence[Any]) -> Command:
        """Return the EVALSHA for a pipeline; the caller deals with ``ScriptMissing``."""
        return ("EVALSHA", digest(verb, self.order), len(keys), *keys, *args)

    def call(self, verb: str, keys: Sequence[str], args: Sequence[Any] = ()) -> Any:
        """Carry out ``verb`` and return its answer; a server that forgot the script is told it."""
        try:
            return self.link.execute(*self.command(verb, keys, args))
        except ScriptMissing:
            # Not load and call again: it may be forgotten once more between the two.
            return self.link.execute("EVAL", source(verb, self.order), len(keys), *keys, *args)

    def load(self, verb: str) -> None:
        """Make the server know ``verb``."""
        self.link.execute("SCRIPT", "LOAD", source(verb, self.order))
