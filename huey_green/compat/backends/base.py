# SPDX-License-Identifier: MIT
"""huey's old import path ``huey.backends.base``."""

from __future__ import annotations

from huey_green.compat.naming import finding

__getattr__ = finding(
    __name__, ["BaseDataStore", "BaseEventEmitter", "BaseQueue", "BaseSchedule", "EmptyData"]
)
