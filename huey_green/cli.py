# SPDX-License-Identifier: MIT
"""What the command line says, to a consumer that runs; every mistake to one clear message."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from huey_green import __version__
from huey_green.consumer.logs import LogOptions, configure
from huey_green.exceptions import ConfigurationError, StorageUnavailable
from huey_green.loading import CannotLoad, load_huey
from huey_green.settings import ConsumerSettings

if TYPE_CHECKING:
    from huey_green.huey import Huey

log = logging.getLogger("huey_green.consumer")

#: Exit statuses: a mistake in the command or the application, and something it needs that is away.
USAGE, UNAVAILABLE = 2, 1

_EXAMPLES = """\
examples:
  huey_green app.huey -w 500       run the tasks of `huey` in app.py
  huey_green app.huey -q -l f.log  log errors only, to a file
  huey_green dead app.huey         list what could not be run
  huey_green demo                  crawl a few thousand pages of a local server
"""


def run(argv: Sequence[str]) -> int:
    """Carry out a command line; return the exit status."""
    if argv[:1] == ["demo"]:
        from huey_green.demo.command import main as demo

        return demo(list(argv[1:]))
    if argv[:1] == ["dead"]:
        from huey_green.dead import main as dead

        return dead(list(argv[1:]))
    parser = _parser()
    given = parser.parse_args(argv)
    try:
        huey = load_huey(given.huey)
    except CannotLoad as error:
        return _fail(str(error), USAGE)
    if given.utc is not None:
        huey.utc = given.utc
    try:
        configure(LogOptions(given.logfile, given.verbose, given.quiet, given.simple))
    except OSError as error:
        return _fail(f"cannot log to {given.logfile}: {error.strerror}; choose another -l", USAGE)
    return _consume(huey, _settings(given))


def _consume(huey: Huey, options: dict[str, Any]) -> int:
    try:
        consumer = huey.create_consumer(**options)
    except ConfigurationError as error:
        return _fail(str(error), USAGE)
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


def _announce(huey: Huey, settings: ConsumerSettings) -> None:
    tasks = huey.registry.tasks
    periodic = [name for name, task in tasks.items() if task.is_periodic]
    others = [name for name in tasks if name not in periodic]
    log.info("huey_green %s consumes %r on %s", __version__, huey.name, huey.storage.describe())
    log.info(
        "up to %s at once, %s, %s times",
        _counted(settings.workers, "task"),
        "at most once" if huey.at_most_once else "at least once",
        "UTC" if huey.utc else "local",
    )
    log.info("%s: %s", _counted(len(others), "task"), _listed(others))
    if periodic:
        enqueued = "" if settings.periodic else " (not enqueued here: --no-periodic)"
        many = _counted(len(periodic), "periodic task")
        log.info("%s%s: %s", many, enqueued, _listed(periodic))


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _listed(names: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(names[:most])
    return f"{shown}, and {len(names) - most} more" if len(names) > most else shown or "none"


def _fail(message: str, status: int) -> int:
    print(f"huey_green: {message}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="huey_green",
        usage="huey_green IMPORT.PATH [options]\n       huey_green dead IMPORT.PATH [options]\n"
        "       huey_green demo [options]",
        description="Run the tasks of a Huey: thousands at once, in one process.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "huey",
        metavar="IMPORT.PATH",
        help="where the Huey is: app.huey is `huey` in app.py of the current directory "
        "(app:huey is the same)",
    )
    parser.add_argument("--version", action="version", version=f"huey_green {__version__}")
    _add_logging(parser.add_argument_group("Logging"))
    groups: dict[str, Any] = {}
    for one in fields(ConsumerSettings):
        name = one.metadata["group"]
        if name not in groups:
            groups[name] = parser.add_argument_group(name)
        _add_setting(groups[name], one.name, one.default, one.metadata)
    scheduler = groups["Scheduler"]
    scheduler.add_argument(
        "-p",
        "--periodic",
        action="store_true",
        default=True,
        help="enqueue periodic tasks (the default)",
    )
    scheduler.add_argument(
        "-u",
        "--utc",
        action="store_true",
        default=None,
        help="times of tasks and crontabs are UTC (the default, unless the Huey says otherwise)",
    )
    scheduler.add_argument(
        "-o",
        "--localtime",
        dest="utc",
        action="store_false",
        default=None,
        help="times of tasks and crontabs are local",
    )
    return parser


def _add_logging(group: Any) -> None:
    group.add_argument(
        "-l",
        "--logfile",
        metavar="FILE",
        help="log to a file, 1 MB at a time with 3 older ones kept, instead of the terminal",
    )
    group.add_argument("-v", "--verbose", action="store_true", help="log everything (DEBUG)")
    group.add_argument("-q", "--quiet", action="store_true", help="log errors only")
    group.add_argument(
        "-S", "--simple", action="store_true", help="log the time and the message alone"
    )


def _add_setting(group: Any, name: str, default: Any, described: Any) -> None:
    flags, text = described["flags"], described["help"]
    if isinstance(default, bool):
        dest = {"periodic": "no_periodic", "check_worker_health": "disable_health_check"}
        group.add_argument(*flags, dest=dest.get(name, name), action="store_true", help=text)
        return
    if default not in (None, ()):
        shown = f"{default:g}" if isinstance(default, float) else default
        text += f" (default: {shown})"
    kind = described["convert"] or (float if default is None else type(default))
    group.add_argument(
        *flags,
        dest=name,
        type=kind,
        default=default,
        choices=described["choices"],
        metavar=described["metavar"],
        help=text,
    )


def _settings(given: argparse.Namespace) -> dict[str, Any]:
    options = {
        one.name: getattr(given, one.name)
        for one in fields(ConsumerSettings)
        if hasattr(given, one.name)
    }
    options["periodic"] = not given.no_periodic
    options["check_worker_health"] = not given.disable_health_check
    return options
