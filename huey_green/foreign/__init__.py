# SPDX-License-Identifier: MIT
"""The format in which huey itself writes: read without huey, and written for it.

(docs/decisions/0023-huey-wire.md)
"""
