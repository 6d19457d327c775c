# SPDX-License-Identifier: MIT
"""Awaiting results in an asyncio program, as huey 2.x has it; ``await result`` does the same."""

from huey_green.awaiting import aget_result, aget_result_group

__all__ = ["aget_result", "aget_result_group"]
