# SPDX-License-Identifier: MIT
"""What huey has under ``huey.contrib``."""
