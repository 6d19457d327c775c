# SPDX-License-Identifier: MIT
"""huey 0.3's decorators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from huey_green.compat.hueys import Invoker
from huey_green.compat.wrappers import OldWrapper
from huey_green.cron import Validator
from huey_green.exceptions import ConfigurationError

Decorator = Callable[[Callable[..., Any]], OldWrapper[..., Any]]


def queue_command(invoker: Invoker) -> Decorator:
    """Decorate a function: calling it enqueues it, and returns an ``AsyncData``."""
    return _checked("queue_command", invoker).task()


def periodic_command(invoker: Invoker, validate_datetime: Validator) -> Decorator:
    """Decorate a function that a consumer with ``PERIODIC = True`` runs in every minute that
    ``validate_datetime`` accepts. Calling it runs it where it is called."""
    return _checked("periodic_command", invoker).periodic_task(validate_datetime)


def _checked(decorator: str, invoker: Any) -> Invoker:
    if not isinstance(invoker, Invoker):
        raise ConfigurationError(f"write @{decorator}(invoker), with an Invoker, not {invoker!r}")
    return invoker


__all__ = ["periodic_command", "queue_command"]
