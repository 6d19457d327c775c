# SPDX-License-Identifier: MIT
"""``--processes``: a parent that starts, watches and replaces consumer processes."""
