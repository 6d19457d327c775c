# SPDX-License-Identifier: MIT
"""Named moments that a test can wait for; nothing happens here outside of tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Listener = Callable[[str, Any], None]

_listener: Listener | None = None


def install(listener: Listener | None) -> Listener | None:
    """Send every moment to ``listener`` (None: to nobody); return the one before."""
    global _listener
    previous, _listener = _listener, listener
    return previous


def reached(moment: str, detail: Any = None) -> None:
    """Tell the listener, if there is one, that ``moment`` was reached."""
    if _listener is not None:
        _listener(moment, detail)
