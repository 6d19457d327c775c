# SPDX-License-Identifier: MIT
"""How much memory this process holds."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_PAGE = resource.getpagesize()


def resident() -> int:
    """Return the bytes of memory that this process holds now; where the system does not tell
    (not Linux), the most that it ever held."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
