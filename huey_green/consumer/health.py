# SPDX-License-Identifier: MIT
"""Looks whether a consumer's services still run, and starts those again that do not."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from huey_green.consumer.outage import Outage
from huey_green.consumer.service import Service

log = logging.getLogger("huey_green.consumer")


class HealthCheck(Service):
    """A service's tick may fail; its greenlet ends only when somebody kills it. huey's users
    know the check as ``-c`` and ``-C``."""

    name = "health check"

    def __init__(self, services: Sequence[Service], interval: float, outage: Outage) -> None:
        super().__init__(outage)
        self.interval = interval
        self._services = services

    def start(self) -> None:
        """Begin to look. Nobody looks after this service: it comes back by itself."""
        super().start()
        if self._greenlet is not None:
            self._greenlet.rawlink(self._come_back)

    def _come_back(self, _: Any) -> None:
        if not self.is_alive and not self.stopping.is_set():
            log.error("the %s had died and is started again", self.name)
            self.start()

    def tick(self) -> None:
        """Start what has ended without being asked to."""
        for service in self._services:
            if not service.is_alive and not service.stopping.is_set():
                log.error("the %s had died and is started again", service.name)
                service.start()
