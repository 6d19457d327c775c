# SPDX-License-Identifier: MIT
"""An outage of the storage: back-off with jitter, and two log lines however long it lasts."""

from __future__ import annotations

import logging

from huey_green import clock, probe
from huey_green.backoff import exponential, jittered

log = logging.getLogger("huey_green.consumer")

#: Seconds: the first wait, and the longest. Consuming goes on within this time and a half
#: after the storage is back.
FIRST_WAIT = 0.1
LONGEST_WAIT = 1.0


class Outage:
    """What all services of a consumer know about one storage.

    It lasts until each service that failed has succeeded: a server that answers reads but takes
    no writes is not back.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._since: float | None = None
        self._failures: dict[str, int] = {}

    @property
    def is_on(self) -> bool:
        """Whether the storage is away, as far as we know."""
        return self._since is not None

    def failed(self, service: str, error: Exception) -> float:
        """Note that ``service`` failed; return the seconds it is to wait before trying again."""
        if self._since is None:
            self._since = clock.monotonic()
            log.error("%s. Waiting for it to come back; running tasks go on.", error)
            probe.reached("outage", error)
        failures = self._failures[service] = self._failures.get(service, 0) + 1
        return jittered(exponential(failures, FIRST_WAIT, 1.5, LONGEST_WAIT))

    def recovered(self, service: str) -> None:
        """Note that the storage has answered ``service``."""
        if self._since is None:
            return
        self._failures.pop(service, None)
        if not self._failures:
            log.warning(
                "%s answers again after %.1f s", self._what, clock.monotonic() - self._since
            )
            self._since = None
            probe.reached("recovered")
