# SPDX-License-Identifier: MIT
"""A consumer in development: starts anew when its code changes, as ``runserver`` does."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path

import gevent
from django.utils.autoreload import StatReloader, autoreload_started, file_changed

log = logging.getLogger("huey_green.consumer")


class Reloader(StatReloader):  # type: ignore[misc]  # Django has no types.
    """Looks at all files that ``runserver`` would look at, once a second."""

    def notify_file_changed(self, path: Path) -> None:
        """Restart by way of SIGHUP, which lets running tasks end, unless whoever watches the file
        has dealt with it: a template is read anew."""
        answers = file_changed.send(sender=self, file_path=path)
        if not any(answer for _, answer in answers):
            log.info("%s has changed", path)
            os.kill(os.getpid(), signal.SIGHUP)


def start_reloader() -> None:
    """Begin to look, in a greenlet that lives as long as the process."""
    reloader = Reloader()
    autoreload_started.send(sender=reloader)
    gevent.spawn(_look, reloader)


def _look(reloader: Reloader) -> None:
    for _ in reloader.tick():
        """It sleeps between two of its ticks."""
