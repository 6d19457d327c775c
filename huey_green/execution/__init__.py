# SPDX-License-Identifier: MIT
"""Runs one delivery to an outcome. Nothing here touches a queue."""
