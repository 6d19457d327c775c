# SPDX-License-Identifier: MIT
"""Which version this is, for all who say it."""

__version__ = "0.1.0"
