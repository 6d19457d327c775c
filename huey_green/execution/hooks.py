# SPDX-License-Identifier: MIT
"""Functions that users have called around tasks and around a consumer's life."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from huey_green.exceptions import CancelExecution, TaskInterrupted

log = logging.getLogger("huey_green")

Hook = Callable[..., Any]


class Hooks:
    """Hooks of one kind, in the order in which they were registered."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._hooks: dict[str, Hook] = {}

    def __bool__(self) -> bool:
        return bool(self._hooks)

    def register(self, hook: Hook, name: str | None = None) -> None:
        """Add a hook under ``name``, by default the function's; replaces one of that name."""
        self._hooks[name or str(getattr(hook, "__name__", hook))] = hook

    def unregister(self, name_or_fn: str | Hook) -> bool:
        """Remove a hook by its name or function; say whether there was one."""
        for name, hook in self._hooks.items():
            if name_or_fn in (name, hook):
                del self._hooks[name]
                return True
        return False

    def run(self, *args: Any) -> None:
        """Call all of them; errors are logged and stop nothing, but ``CancelExecution`` passes."""
        for name, hook in tuple(self._hooks.items()):
            try:
                hook(*args)
            except (CancelExecution, TaskInterrupted, KeyboardInterrupt):
                raise
            except BaseException:  # SystemExit and gevent.Timeout are no more than errors here.
                log.exception("the %s hook %r failed", self.kind, name)
