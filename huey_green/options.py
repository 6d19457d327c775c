# SPDX-License-Identifier: MIT
"""The command line as argparse reads it. Nothing here imports gevent or an application: to show
the help, or to start other processes, takes neither."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from huey_green.logformat import LogOptions
from huey_green.settings import ConsumerSettings
from huey_green.version import __version__

_EXAMPLES = """\
commands, each with a --help of its own:
  status   how much waits, who consumes, and what runs
  tasks    the tasks of the application, their options and crontabs
  events   what happens to tasks, as it happens
  run      enqueue a task by hand
  cancel   stop a task wherever it is
  revoke   keep tasks from running; restore lets them run again
  dead     what could not be run: list, show, requeue, delete
  purge    empty a queue, its schedule, its results
  check    can this application be consumed?
  health   is it consumed? For Docker and Kubernetes

examples:
  huey_green app.huey -w 500       run the tasks of `huey` in app.py
  huey_green app.huey -q -l f.log  log errors only, to a file
  huey_green app.web app.mail      share the workers between two queues
  huey_green status app.huey       show what waits, who consumes, and what runs
  huey_green dead app.huey         list what could not be run
  huey_green demo                  crawl a few thousand pages of a local server
"""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line of the command that consumes; ends the process for a mistake in it,
    or once it has shown what was asked for."""
    parser = _parser()
    given = parser.parse_args(argv)
    if given.preload and given.processes is None:
        parser.error("--preload goes with --processes")
    return given


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="huey_green",
        usage="huey_green IMPORT.PATH... [options]\n"
        "       huey_green COMMAND IMPORT.PATH... [options]\n"
        "       huey_green demo [options]",
        description="Run the tasks of a Huey: thousands at once, in one process.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "huey",
        nargs="+",
        metavar="IMPORT.PATH",
        help="where the Huey is: app.huey is `huey` in app.py of the current directory "
        "(app:huey is the same). Several of them share the workers",
    )
    parser.add_argument("--version", action="version", version=f"huey_green {__version__}")
    add_options(parser)
    _add_queues(parser.add_argument_group("Several queues"))
    return parser


def add_options(
    parser: Any,
    verbose: Sequence[str] = ("-v", "--verbose"),
    shown: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Add the options of a consumer of one queue to a parser of argparse.

    ``verbose`` are the flags of that option, where the parser has others of these names; ``shown``
    has the defaults that the help shows where they are others than ours.
    """
    _add_logging(parser.add_argument_group("Logging"), verbose)
    groups: dict[str, Any] = {}
    for one in fields(ConsumerSettings):
        name = one.metadata["group"]
        if name not in groups:
            groups[name] = parser.add_argument_group(name)
        _add_setting(groups[name], one.name, one.default, one.metadata, shown)
    _add_processes(parser.add_argument_group("Processes"))
    scheduler = groups["Scheduler"]
    scheduler.add_argument(
        "-p",
        "--periodic",
        dest="no_periodic",
        action="store_false",
        default=argparse.SUPPRESS,
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


def _add_queues(group: Any) -> None:
    group.add_argument(
        "--weights",
        type=_numbers(float),
        metavar="NUMBERS",
        help="the share of the workers that each queue gets while all have work, as in 3,1 "
        "(default: the same for each)",
    )
    group.add_argument(
        "--strict",
        action="store_true",
        help="a queue gets only the workers that those before it do not need",
    )
    group.add_argument(
        "--limits",
        type=_numbers(int),
        metavar="NUMBERS",
        help="most tasks of each queue at once, as in 400,100; none where there is no number, as "
        "in ,100",
    )


def _numbers(kind: type[int] | type[float]) -> Callable[[str], list[float | None]]:
    def read(text: str) -> list[float | None]:
        try:
            return [kind(part) if part.strip() else None for part in text.split(",")]
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"are numbers with commas between them, one for each queue, not {text!r}"
            ) from None

    return read


def _add_processes(group: Any) -> None:
    group.add_argument(
        "--processes",
        type=_count,
        metavar="COUNT",
        help="consume with so many processes, each with workers of its own; `auto` is one for each "
        "core. They are watched: one that ends is replaced",
    )
    group.add_argument(
        "--preload",
        action="store_true",
        help="with --processes: import the application once and share its memory; new code then "
        "takes a new start instead of a SIGHUP",
    )


def _count(text: str) -> int | str:
    if text == "auto":
        return text
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"is a number from 1, or auto, not {text!r}")
    return number


def _add_logging(group: Any, verbose: Sequence[str]) -> None:
    group.add_argument(
        "-l",
        "--logfile",
        metavar="FILE",
        help="log to a file, 1 MB at a time with 3 older ones kept, instead of the terminal",
    )
    group.add_argument(*verbose, dest="verbose", action="store_true", help="log everything (DEBUG)")
    group.add_argument("-q", "--quiet", action="store_true", help="log errors only")
    group.add_argument(
        "-S", "--simple", action="store_true", help="log the time and the message alone"
    )


def _add_setting(
    group: Any, name: str, default: Any, described: Any, shown: Mapping[str, Any]
) -> None:
    flags, text = described["flags"], described["help"]
    if isinstance(default, bool):
        dest = {"periodic": "no_periodic", "check_worker_health": "disable_health_check"}
        group.add_argument(*flags, dest=dest.get(name, name), action="store_true", help=text)
        return
    told = shown.get(name, default)
    if told not in (None, ()):
        text += f" (default: {told:g})" if isinstance(told, float) else f" (default: {told})"
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


def consumer_options(given: argparse.Namespace) -> dict[str, Any]:
    """Return what a command line says of the consumer, as ``Consumer`` takes it."""
    options = {
        one.name: getattr(given, one.name)
        for one in fields(ConsumerSettings)
        if hasattr(given, one.name)
    }
    options["periodic"] = not given.no_periodic
    options["check_worker_health"] = not given.disable_health_check
    return options


def log_options(given: argparse.Namespace) -> LogOptions:
    """Return what a command line says of the log."""
    return LogOptions(given.logfile, given.verbose, given.quiet, given.simple)


def group_options(given: argparse.Namespace) -> dict[str, Any]:
    """Return what a command line says of several queues, as ``ConsumerGroup`` takes it."""
    return {"weights": given.weights, "limits": given.limits, "strict": given.strict}
