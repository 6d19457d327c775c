# SPDX-License-Identifier: MIT
"""huey's constants, under its import path. The consumer here has greenlets only."""

from __future__ import annotations

WORKER_THREAD = "thread"
WORKER_GREENLET = "greenlet"
WORKER_PROCESS = "process"
WORKER_TYPES = (WORKER_THREAD, WORKER_GREENLET, WORKER_PROCESS)


class EmptyData:
    """Stands for "no value" where None is one; the class itself is used, and never made."""
