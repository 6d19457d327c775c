# SPDX-License-Identifier: MIT
"""Where Django looks for commands of manage.py."""
