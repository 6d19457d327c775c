# SPDX-License-Identifier: MIT
"""The consumer: greenlets that live long, and the tasks they run."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from huey_green.consumer.consumer import Consumer

__all__ = ["Consumer"]


def __getattr__(name: str) -> Any:
    # On first use: the command imports from this package before it patches.
    if name != "Consumer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module("huey_green.consumer.consumer").Consumer


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
