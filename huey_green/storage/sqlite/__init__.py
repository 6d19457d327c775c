# SPDX-License-Identifier: MIT
"""One file, no server: a queue for the processes of one machine."""

from huey_green.storage.sqlite.storage import SqliteStorage

__all__ = ["SqliteStorage"]
