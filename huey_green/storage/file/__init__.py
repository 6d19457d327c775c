# SPDX-License-Identifier: MIT
"""One folder, no server: a queue for the processes of one machine."""

from huey_green.storage.file.storage import FileStorage

__all__ = ["FileStorage"]
