# SPDX-License-Identifier: MIT
"""huey's old package ``huey.backends``."""
