# SPDX-License-Identifier: MIT
"""huey's old import path ``huey.exceptions``."""

from __future__ import annotations

from huey_green.compat.naming import finding

__getattr__ = finding(__name__, ["DataStoreTimeout", "QueueException"])
