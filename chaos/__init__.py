# SPDX-License-Identifier: MIT
"""Breaks what can break under a running queue, and accounts for every task: ``python -m chaos``."""
