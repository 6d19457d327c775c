# SPDX-License-Identifier: MIT
"""What the command line says, to a consumer that runs; every mistake to one clear message."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from huey_green import parent
from huey_green.consumer.logs import configure
from huey_green.exceptions import ConfigurationError, StorageUnavailable
from huey_green.loading import CannotLoad, load_huey
from huey_green.options import consumer_options, group_options, log_options, parse
from huey_green.version import __version__

if TYPE_CHECKING:
    from huey_green.consumer.consumer import Consumer
    from huey_green.consumer.group import ConsumerGroup
    from huey_green.huey import Huey
    from huey_green.settings import ConsumerSettings

log = logging.getLogger("huey_green.consumer")

#: Exit statuses: a mistake in the command or the application, and something it needs that is away.
USAGE, UNAVAILABLE = 2, 1


def run(argv: Sequence[str]) -> int:
    """Carry out a command line; return the exit status."""
    if argv[:1] == ["demo"]:
        from huey_green.demo.command import main as demo

        return demo(list(argv[1:]))
    given = parse(argv)
    hueys = load(given)
    return hueys if isinstance(hueys, int) else consume(hueys, given)


def load(given: argparse.Namespace) -> list[Huey] | int:
    """Return the Hueys that a command line names, or the exit status when one is not there."""
    try:
        hueys = [load_huey(path) for path in given.huey]
    except CannotLoad as error:
        return _fail(str(error), USAGE)
    if given.utc is not None:
        for huey in hueys:
            huey.utc = given.utc
    return hueys


def consume(hueys: list[Huey], given: argparse.Namespace, logs: bool = True) -> int:
    """Consume as a command line says until told to stop; return the exit status.

    Without ``logs`` the log is left as the application has set it up.
    """
    try:
        if logs:
            configure(log_options(given))
    except OSError as error:
        return _fail(f"cannot log to {given.logfile}: {error.strerror}; choose another -l", USAGE)
    try:
        consumer = _consumer(hueys, given)
    except ConfigurationError as error:
        return _fail(str(error), USAGE)
    for huey in hueys:
        _announce(huey, consumer.settings)
    try:
        return consumer.run()
    except ConfigurationError as error:
        return _fail(str(error), USAGE)
    except StorageUnavailable as error:
        return _fail(
            f"{error}\nIs it running, and is this the address that the Huey was given? "
            f"The consumer waits for a storage that goes away later, but starts only with one.",
            UNAVAILABLE,
        )


def _consumer(hueys: list[Huey], given: argparse.Namespace) -> Consumer | ConsumerGroup:
    options, shared = consumer_options(given), group_options(given)
    if len(hueys) == 1 and not any(shared.values()):
        return hueys[0].create_consumer(**options)
    from huey_green.consumer.group import ConsumerGroup

    return ConsumerGroup(hueys, **shared, **options)


def _announce(huey: Huey, settings: ConsumerSettings) -> None:
    tasks = huey.registry.tasks
    periodic = [name for name, task in tasks.items() if task.is_periodic]
    others = [name for name in tasks if name not in periodic]
    # One of several processes has said the same already.
    level = logging.DEBUG if parent.present and parent.present.brief else logging.INFO
    where = huey.storage.describe()
    log.log(level, "huey_green %s consumes %r on %s", __version__, huey.name, where)
    log.log(
        level,
        "up to %s at once, %s, %s times",
        _counted(settings.workers, "task"),
        "at most once" if huey.at_most_once else "at least once",
        "UTC" if huey.utc else "local",
    )
    log.log(level, "%s: %s", _counted(len(others), "task"), _listed(others))
    if periodic:
        enqueued = "" if settings.periodic else " (not enqueued here: --no-periodic)"
        many = _counted(len(periodic), "periodic task")
        log.log(level, "%s%s: %s", many, enqueued, _listed(periodic))


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _listed(names: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(names[:most])
    return f"{shown}, and {len(names) - most} more" if len(names) > most else shown or "none"


def _fail(message: str, status: int) -> int:
    print(f"huey_green: {message}", file=sys.stderr)
    return status
