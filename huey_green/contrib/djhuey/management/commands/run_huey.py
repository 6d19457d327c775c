# SPDX-License-Identifier: MIT
"""``manage.py run_huey``: the consumer of settings.HUEY."""

from __future__ import annotations

import argparse
import logging
import sys
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections
from django.utils.module_loading import autodiscover_modules

from huey_green import cli
from huey_green.contrib.djhuey import starting
from huey_green.contrib.djhuey.__main__ import RELOAD
from huey_green.contrib.djhuey.configuration import configuration
from huey_green.contrib.djhuey.options import add_arguments, as_arguments, as_given

#: Where the command ``huey_green`` would find the Huey.
PATH = "huey_green.contrib.djhuey:HUEY"


class Command(BaseCommand):  # type: ignore[misc]  # Django has no types.
    """See ``help``."""

    help = (
        "Run the tasks of this project: those in the tasks.py of each app, thousands at once. "
        "The options are those of the command huey_green; their defaults are in "
        "settings.HUEY['consumer']."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the consumer's options."""
        add_arguments(parser, configuration().consumer)

    def execute(self, *args: Any, **options: Any) -> Any:
        """Start anew if this process was not patched in time; carry the command out if it was."""
        if self._called_from_command_line and not starting.has_started_anew():
            try:
                starting.start_anew(_own_options(as_given(options), options))
            except (RuntimeError, OSError) as error:
                raise CommandError(f"the consumer cannot be started: {error}") from error
        if not starting.connections_are_apart():
            raise CommandError(
                "gevent has not patched this process, or too late: the greenlets would share a "
                "database connection. Start the consumer with manage.py run_huey, or call "
                "gevent.monkey.patch_all() before anything of Django is imported"
            )
        return super().execute(*args, **options)

    def handle(self, *args: Any, **options: Any) -> None:
        """Consume; ends the process with the exit status of the command ``huey_green``."""
        from huey_green.contrib.djhuey.drivers import make_cooperative

        given = as_given(options)
        self._leave_immediate_mode()
        make_cooperative()
        if not options["disable_autoload"]:
            autodiscover_modules("tasks")
        _declare_tasks_of_django()
        huey = configuration().huey
        if given.utc is not None:
            huey.utc = given.utc
        huey.on_startup(__name__)(connections.close_all)
        if _reloads(given, options):
            from huey_green.contrib.djhuey.reloading import start_reloader

            huey.on_startup(start_reloader.__name__)(start_reloader)
        connections.close_all()  # What was opened while the project was imported.
        if given.processes is not None and given.preload:
            from huey_green.processes.command import main

            sys.exit(main([PATH, *as_arguments(given)]))
        sys.exit(cli.consume([huey], given, logs=not _has_logging()))

    def _leave_immediate_mode(self) -> None:
        huey, _, follows_debug = configuration()
        if not huey.immediate:
            return
        if not follows_debug:
            raise CommandError(
                "settings.HUEY has immediate=True: tasks run where they are called, and there is "
                "nothing to consume"
            )
        huey.immediate = False
        self.stderr.write(
            "DEBUG is on: other processes run their tasks where they are called. To have them "
            "enqueued for this one, set 'immediate': False in settings.HUEY"
        )


def _own_options(given: argparse.Namespace, options: dict[str, Any]) -> list[str]:
    """Return what has to be known before the project is imported."""
    own = [RELOAD] if _reloads(given, options) else []
    if given.processes is not None and not given.preload:
        own += as_arguments(given)
    return own


def _reloads(given: argparse.Namespace, options: dict[str, Any]) -> bool:
    return bool(settings.DEBUG) and not options["noreload"] and not given.preload


def _has_logging() -> bool:
    """Say whether settings.LOGGING says what becomes of our log lines."""
    log = logging.getLogger("huey_green")
    return bool(log.handlers or logging.getLogger().handlers)


def _declare_tasks_of_django() -> None:
    """Make the backends of django.tasks, each of which declares a task that runs theirs."""
    if find_spec("django.tasks") is not None:
        from django.tasks import task_backends

        for alias in task_backends:
            task_backends[alias]
