# SPDX-License-Identifier: MIT
"""The standard streams, which a task may have closed, or which were never there."""

from __future__ import annotations

import sys
from contextlib import suppress


def flush() -> None:
    """Write out what is in the buffers of stdout and stderr, as far as that is possible."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # As in a process that was started with it closed.
            with suppress(OSError, ValueError):
                stream.flush()
