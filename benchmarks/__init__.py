# SPDX-License-Identifier: MIT
"""What huey_green costs, beside what the machine can do: ``python -m benchmarks``.

Every figure stands beside that of a bare loop (``benchmarks.floor``) on the same private
redis-server in the same run, the two taking turns, because a figure of one machine on one day
says little and a ratio says much.
"""
