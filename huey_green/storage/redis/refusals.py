# SPDX-License-Identifier: MIT
"""Which answers of a server say "not now" or "not you", and which that it is no master any more."""

from __future__ import annotations

import re
from typing import NamedTuple

import redis

#: Of one who has not said his password: a command, or one of many parts. It may come after all.
_NOT_YOU = ("NOAUTH", "Protocol error: unauthenticated", "WRONGPASS", "NOPERM")

#: The server restarts, is a replica, is full, or refuses us for now.
_NOT_NOW = (
    *("LOADING", "READONLY", "OOM", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS"),
    *("MISCONF", "UNBLOCKED", "BUSY Redis", "max number of clients"),
)
# redis-py takes these words off some messages and tells them by class.
_NOT_NOW_CLASSES = (
    redis.exceptions.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.MasterDownError,
    redis.exceptions.ClusterDownError,
)

#: How servers before Redis 7 say what a command of a script was answered.
_IN_A_SCRIPT = re.compile(rf": -({'|'.join(_NOT_NOW)}) ")

# What a script may not do is no NOPERM; the second is Redis 6.2's.
_DENIED_IN_A_SCRIPT = re.compile("ACL failure in script|The user executing the script can't")

_NO_MASTER_CLASSES = (
    redis.exceptions.ReadOnlyError,
    redis.exceptions.MasterDownError,
    redis.exceptions.ClusterDownError,
)
# A master that all replicas have left has another one beside it, which they follow.
_NO_MASTER = re.compile(
    "^UNBLOCKED|^CLUSTERDOWN|^NOREPLICAS|: -READONLY |: -MASTERDOWN |: -NOREPLICAS "
)

# Some versions of redis-py take the words off, others know none of them. MOVED is a kind of ASK.
_REDIRECTIONS = (
    (redis.exceptions.MovedError, "MOVED"),
    (redis.exceptions.AskError, "ASK"),
    (redis.exceptions.TryAgainError, "TRYAGAIN"),
    (redis.exceptions.ClusterCrossSlotError, "CROSSSLOT"),
)
_REDIRECTION = re.compile(
    r"(?P<word>MOVED|ASK|TRYAGAIN|CROSSSLOT) (?:\d+ (?P<host>\S*):(?P<port>\d+)$)?"
)


class Redirection(NamedTuple):
    """MOVED and ASK name another node; the name of its host may be empty."""

    word: str
    host: str
    port: int


def says_not_now(error: redis.ResponseError) -> bool:
    """Say whether the same command may be carried out later."""
    said = str(error)
    return (
        isinstance(error, _NOT_NOW_CLASSES)
        or said.startswith(_NOT_NOW)
        or _IN_A_SCRIPT.search(said) is not None
    )


def says_not_you(error: redis.ResponseError) -> bool:
    """Say whether the server refuses whom it takes us for, or what this one may not do."""
    return (
        isinstance(error, redis.exceptions.NoPermissionError)
        or str(error).startswith(_NOT_YOU)
        or _DENIED_IN_A_SCRIPT.search(str(error)) is not None
    )


def says_no_master(error: redis.ResponseError) -> bool:
    """Say whether there may be another master by now, to be found under the same name."""
    return isinstance(error, _NO_MASTER_CLASSES) or _NO_MASTER.search(str(error)) is not None


def redirection_in(error: redis.ResponseError) -> Redirection | None:
    """Return what a node of a cluster has said that refuses a command, unexecuted, for its keys."""
    word = next((word for kind, word in _REDIRECTIONS if isinstance(error, kind)), None)
    found = _REDIRECTION.match(f"{word} {error}" if word else str(error))
    if found is None:
        return None
    return Redirection(found["word"], found["host"] or "", int(found["port"] or 0))


def says_no_databases(error: redis.ResponseError) -> bool:
    """Say whether a node of a cluster, which has one database, was asked for another one."""
    return "SELECT is not allowed in cluster mode" in str(error)
