# SPDX-License-Identifier: MIT
"""The options of ``run_huey``: those of the consumer, with the settings' as their defaults."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from huey_green.options import add_options, consumer_options, log_options
from huey_green.settings import ConsumerSettings

#: Options of the consumer that the command line turns around: their flags switch them off.
_TURNED = {"periodic": "no_periodic", "check_worker_health": "disable_health_check"}

#: What else may stand in settings.HUEY["consumer"], and the command line's name of it.
_OTHERS = {
    "logfile": "logfile",
    "verbose": "verbose",
    "quiet": "quiet",
    "simple": "simple",
    "simple_log": "simple",
    "threads": "workers",
    "utc": "utc",
    "processes": "processes",
    "preload": "preload",
}


def add_arguments(parser: Any, consumer: Mapping[str, Any]) -> None:
    """Add all options to Django's parser; ``consumer`` are those of the settings.

    -v is Django's, so that the consumer's has huey's names for it.
    """
    defaults = dict(_as_parsed(consumer))
    add_options(parser, ("-V", "--verbose", "--huey-verbose"), defaults)
    group = parser.add_argument_group("Django")
    group.add_argument(
        "-A",
        "--disable-autoload",
        action="store_true",
        help="do not import the tasks.py of each app",
    )
    group.add_argument(
        "--noreload",
        action="store_true",
        help="with DEBUG: do not start anew when code changes",
    )
    parser.set_defaults(**defaults)


def _as_parsed(consumer: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    known = {one.name for one in fields(ConsumerSettings)}
    for name, value in consumer.items():
        if name in _TURNED:
            yield _TURNED[name], not value
        elif name == "loglevel":
            level = logging.getLevelName(value) if isinstance(value, str) else value
            yield "verbose", level <= logging.DEBUG
            yield "quiet", level >= logging.ERROR
        elif name == "processes":
            yield name, None if value is None else str(value)  # argparse reads it, and checks it.
        elif name in known or name in _OTHERS:
            yield _OTHERS.get(name, name), value
        else:
            there_are = ", ".join(sorted({*known, *_OTHERS, "loglevel"}))
            raise ImproperlyConfigured(
                f"settings.HUEY['consumer'] has an unknown option {name!r}; there are {there_are}"
            )


def as_given(options: Mapping[str, Any]) -> argparse.Namespace:
    """Return the parsed options as the command ``huey_green`` has them."""
    given = argparse.Namespace(**options, weights=None, limits=None, strict=False)
    given.verbose = given.verbose or options.get("verbosity", 1) > 1
    given.quiet = given.quiet or options.get("verbosity", 1) < 1
    return given


def as_arguments(given: argparse.Namespace) -> list[str]:
    """Return a command line that is parsed to ``given`` again, without defaults."""
    chosen, log = consumer_options(given), log_options(given)
    arguments: list[str] = []
    for one in fields(ConsumerSettings):
        value = chosen[one.name]
        flag = one.metadata["flags"][-1]
        if value == one.default:
            continue
        if isinstance(one.default, bool):
            arguments.append(flag)
        elif isinstance(one.default, tuple):
            arguments += [flag, value if isinstance(value, str) else ",".join(value)]
        else:
            arguments += [flag, "inf" if value is None else str(value)]
    if log.logfile:
        arguments += ["--logfile", str(log.logfile)]
    flags = {"--verbose": log.verbose, "--quiet": log.quiet, "--simple": log.simple}
    flags |= {"--preload": given.preload, "--utc": given.utc, "--localtime": given.utc is False}
    if given.processes is not None:
        arguments += ["--processes", str(given.processes)]
    return [*arguments, *(flag for flag, is_set in flags.items() if is_set)]
