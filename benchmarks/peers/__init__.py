# SPDX-License-Identifier: MIT
"""huey_green beside other task queues: ``python -m benchmarks peers``.

Each peer lives in a venv of its own, at pinned versions, and is never imported here: ``apps``
holds one small application for each, ``catalogue`` how each is installed and started and why so.
"""
