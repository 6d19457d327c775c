# SPDX-License-Identifier: MIT
"""The Redis keys and the message of the bare loops: what the floor and those who feed it share."""

from __future__ import annotations

import uuid

QUEUE_KEY = "floor.queue"
LANDING_KEY = "floor.landing"
IN_FLIGHT_KEY = "floor.inflight"
RESULTS_KEY = "floor.results"
REPLY_KEY = "floor.reply"
SUMMARY_KEY = "floor.summary"

#: A message begins with its id, 32 hexadecimal digits.
ID_BYTES = 32

#: About what a pickled call without arguments takes, so that both sides move the same bytes.
PADDING = b"." * 64


def new_message() -> bytes:
    """Return a message with an id of its own."""
    return uuid.uuid4().hex.encode() + PADDING
