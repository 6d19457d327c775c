# SPDX-License-Identifier: MIT
"""huey 0.3's import path ``huey.bin.config``."""

from __future__ import annotations

from huey_green.compat.naming import finding

__getattr__ = finding(__name__, ["BaseConfiguration"])
