# SPDX-License-Identifier: MIT
"""huey 0.4's import path ``huey.backends.sqlite_backend``."""

from __future__ import annotations

from huey_green.compat.naming import finding

__getattr__ = finding(__name__, ["SqliteDataStore", "SqliteQueue", "SqliteSchedule"])
