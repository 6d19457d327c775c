# SPDX-License-Identifier: MIT
"""Which answers of a server say "not now", and which that it is not the master any more."""

from __future__ import annotations

import re

import redis

#: The server restarts, is a replica, is full, or refuses us for now.
_NOT_NOW = (
    *("LOADING", "READONLY", "OOM", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS"),
    *(
        "NOAUTH",
        # A command of many parts from one who has not said his password.
        "Protocol error: unauthenticated",
        "WRONGPASS",
        "NOPERM",
        "MISCONF",
        "UNBLOCKED",
        "BUSY Redis",
        "max number of clients",
    ),
)
# redis-py takes these words off some messages and tells them by class.
_NOT_NOW_CLASSES = (
    redis.exceptions.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.MasterDownError,
)

#: How servers before Redis 7 say what a command of a script was answered.
_IN_A_SCRIPT = re.compile(rf": -({'|'.join(_NOT_NOW)}) ")

_NO_MASTER_CLASSES = (redis.exceptions.ReadOnlyError, redis.exceptions.MasterDownError)
# A master that all replicas have left has another one beside it, which they follow.
_NO_MASTER = re.compile("^UNBLOCKED|^NOREPLICAS|: -READONLY |: -MASTERDOWN |: -NOREPLICAS ")


def says_not_now(error: redis.ResponseError) -> bool:
    """Say whether the same command may be carried out later."""
    said = str(error)
    return (
        isinstance(error, _NOT_NOW_CLASSES)
        or said.startswith(_NOT_NOW)
        or _IN_A_SCRIPT.search(said) is not None
    )


def says_no_master(error: redis.ResponseError) -> bool:
    """Say whether there may be another master by now, to be found under the same name."""
    return isinstance(error, _NO_MASTER_CLASSES) or _NO_MASTER.search(str(error)) is not None
