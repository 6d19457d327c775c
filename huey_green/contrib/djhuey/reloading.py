# SPDX-License-Identifier: MIT
"""A consumer in development: starts anew when its code changes, as ``runserver`` does."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path

import gevent
from django.utils.autoreload import StatReloader, autoreload_started, file_changed

from huey_green.contrib.djhuey import starting

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
    for path, changed_at in reloader.snapshot_files():
        if changed_at > starting.began_at:  # It may have been imported as it was before.
            reloader.notify_file_changed(path)
    for _ in reloader.tick():
        """It sleeps between two of its ticks."""
