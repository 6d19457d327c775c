# SPDX-License-Identifier: MIT
"""The events of a task's life, and the dispatcher that tells whoever asked for them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

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
SIGNAL_RETRYING = "retrying"
SIGNAL_REVOKED = "revoked"
SIGNAL_SCHEDULED = "scheduled"

Receiver = Callable[..., Any]


class Signals:
    """Receivers by signal name; a receiver without names is called for all."""

    def __init__(self) -> None:
        self._by_name: dict[str, list[Receiver]] = {}
        self._for_all: list[Receiver] = []

    def connect(self, receiver: Receiver, *names: str) -> None:
        """Call ``receiver`` for each of ``names``, or for every signal when none is named."""
        if not names:
            self._for_all.append(receiver)
        for name in names:
            self._by_name.setdefault(name, []).append(receiver)

    def disconnect(self, receiver: Receiver, *names: str) -> None:
        """Stop calling ``receiver`` for ``names``, or for everything when none is named."""
        for name in names or tuple(self._by_name):
            kept = [other for other in self._by_name.get(name, ()) if other != receiver]
            if kept:
                self._by_name[name] = kept
            else:
                self._by_name.pop(name, None)
        if not names:
            self._for_all = [other for other in self._for_all if other != receiver]

    def has_receivers(self, name: str) -> bool:
        """Say whether sending ``name`` would call anybody."""
        return bool(self._for_all) or name in self._by_name

    def send(self, name: str, task: Any, *args: Any) -> None:
        """Call the receivers of ``name`` in the order in which they were connected.

        A receiver's error is logged and stops neither the others nor the task.
        """
        if not self._for_all and name not in self._by_name:
            return
        for receiver in (*self._by_name.get(name, ()), *self._for_all):
            try:
                receiver(name, task, *args)
            except Exception:
                log.exception("signal receiver %r failed on %r of %r", receiver, name, task)
