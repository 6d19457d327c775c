# SPDX-License-Identifier: MIT
"""The events of a task's life, and the dispatcher that tells whoever asked for them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from huey_green.exceptions import TaskInterrupted

log = logging.getLogger("huey_green.signals")

SIGNAL_CANCELED = "canceled"
SIGNAL_COMPLETE = "complete"
SIGNAL_DEAD = "dead"
SIGNAL_ENQUEUED = "enqueued"
SIGNAL_ERROR = "error"
SIGNAL_EXECUTING = "executing"
SIGNAL_EXPIRED = "expired"
SIGNAL_INTERRUPTED = "interrupted"
SIGNAL_LOCKED = "locked"
SIGNAL_RATE_LIMITED = "rate-limited"
SIGNAL_RETRYING = "retrying"
SIGNAL_REVOKED = "revoked"
SIGNAL_SCHEDULED = "scheduled"
SIGNAL_TIMEOUT = "timeout"

Receiver = Callable[..., Any]


class _Connection(NamedTuple):
    """A receiver of one signal, or with name None of all ``but_not`` some."""

    receiver: Receiver
    name: str | None
    but_not: frozenset[str] = frozenset()


class Signals:
    """Receivers by signal name; a receiver without names is called for all."""

    def __init__(self) -> None:
        self._connections: list[_Connection] = []
        # Worked out when first asked for: every task asks, and receivers seldom change.
        self._by_name: dict[str, tuple[Receiver, ...]] = {}

    def connect(self, receiver: Receiver, *names: str) -> None:
        """Call ``receiver`` for each of ``names``, or for every signal when none is named."""
        self._connections += [_Connection(receiver, name) for name in names or (None,)]
        self._by_name = {}

    def disconnect(self, receiver: Receiver, *names: str) -> None:
        """Stop calling ``receiver`` for ``names``, or for everything when none is named."""
        kept = []
        for connection in self._connections:
            if connection.receiver == receiver:
                if not names or connection.name in names:
                    continue
                if connection.name is None:
                    connection = connection._replace(but_not=connection.but_not.union(names))
            kept.append(connection)
        self._connections = kept
        self._by_name = {}

    def _receivers(self, name: str) -> tuple[Receiver, ...]:
        # The one dict throughout: another thread may connect a receiver meanwhile.
        known = self._by_name
        found = known.get(name)
        if found is None:
            found = known[name] = tuple(
                one.receiver
                for one in self._connections
                if one.name == name or (one.name is None and name not in one.but_not)
            )
        return found

    def has_receivers(self, name: str) -> bool:
        """Say whether sending ``name`` would call anybody."""
        return bool(self._receivers(name))

    def send(self, name: str, task: Any, *args: Any) -> None:
        """Call the receivers of ``name`` in the order in which they were connected.

        A receiver's error is logged and stops neither the others nor the task.
        """
        for receiver in self._receivers(name):
            try:
                receiver(name, task, *args)
            except (TaskInterrupted, KeyboardInterrupt):
                raise
            except BaseException:  # SystemExit and gevent.Timeout are no more than errors here.
                log.exception("signal receiver %r failed on %r of %r", receiver, name, task)


__all__ = [
    "SIGNAL_CANCELED",
    "SIGNAL_COMPLETE",
    "SIGNAL_DEAD",
    "SIGNAL_ENQUEUED",
    "SIGNAL_ERROR",
    "SIGNAL_EXECUTING",
    "SIGNAL_EXPIRED",
    "SIGNAL_INTERRUPTED",
    "SIGNAL_LOCKED",
    "SIGNAL_RATE_LIMITED",
    "SIGNAL_RETRYING",
    "SIGNAL_REVOKED",
    "SIGNAL_SCHEDULED",
    "SIGNAL_TIMEOUT",
    "Signals",
]
