# SPDX-License-Identifier: MIT
"""huey 0.3's package ``huey.bin``."""
