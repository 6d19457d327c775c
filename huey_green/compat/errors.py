# SPDX-License-Identifier: MIT
"""huey's old errors: each is one of ours as well, whichever an application catches."""

from __future__ import annotations

from huey_green.exceptions import ResultTimeout, UnknownTask


class DataStoreTimeout(ResultTimeout):
    """A result was waited for and did not come within the given timeout."""


class QueueException(UnknownTask):
    """A message names a task that the consumer has not imported."""


__all__ = ["DataStoreTimeout", "QueueException"]
