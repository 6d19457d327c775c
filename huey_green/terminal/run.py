# SPDX-License-Identifier: MIT
"""``huey_green run``: enqueues a task by hand, and waits for its result if asked to."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from huey_green.clock import as_eta
from huey_green.exceptions import InvalidArgument, ResultTimeout, TaskException
from huey_green.huey import Huey
from huey_green.task_options import check_call_options
from huey_green.terminal import command
from huey_green.terminal.output import plain, to_json
from huey_green.terminal.values import arguments

_EXAMPLES = """\
arguments are JSON, or literals of Python, or else text:
  huey_green run app.huey add 1 2
  huey_green run app.huey app.mail '["a@example.com", "b@example.com"]' subject="Hello" html=true
  huey_green run app.huey report 2026-11 --delay 15m
  huey_green run app.huey add 1 2 --wait --timeout 30s
"""


def main(name: str, argv: Sequence[str]) -> int:
    """Carry out the command."""
    parser = command.parser(name, "Enqueue a task by hand; print its id, or with --wait its value.")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLES
    parser.add_argument("task", metavar="TASK", help="its name: app.add, or add alone")
    parser.add_argument(
        "arguments", nargs="*", metavar="ARG", help="its arguments; name=value for one by name"
    )
    when = parser.add_mutually_exclusive_group()
    when.add_argument(
        "--delay", type=command.seconds, metavar="TIME", help="run it after 90s, 15m, 2h or 1d"
    )
    when.add_argument(
        "--eta",
        type=_moment,
        metavar="WHEN",
        help="run it at this moment, as 2026-12-24T18:00 (local time)",
    )
    parser.add_argument(
        "--priority", type=float, metavar="NUMBER", help="a higher one is run before a lower one"
    )
    parser.add_argument("--wait", action="store_true", help="wait for its end, print its value")
    parser.add_argument(
        "--timeout",
        type=command.seconds,
        metavar="TIME",
        help="with --wait: give up after so long (status 3; the task goes on)",
    )
    parser.add_argument("--json", action="store_true", help="print the id, or the value, as JSON")
    given = parser.parse_intermixed_args(argv)
    if given.timeout is not None and not given.wait:
        parser.error("--timeout goes with --wait")
    return command.carry_out(given.huey, _run, given)


def _run(huey: Huey, given: argparse.Namespace) -> int:
    check_call_options({"delay": given.delay, "eta": given.eta, "priority": given.priority})
    args, kwargs = arguments(given.arguments)
    task_class = huey.class_of(command.task_named(huey, given.task))
    if given.wait and not huey.results:
        raise InvalidArgument(f"the Huey {huey.name!r} keeps no results: leave --wait out")
    task = task_class(args, kwargs, eta=_eta(huey, given), priority=given.priority)
    result = huey.enqueue(task)
    if not given.wait:
        _print(task.id if result is None else result.id, given.json)
        return command.DONE
    if result is None:
        return command.complain(f"{given.task} tells nobody of its end", command.USAGE)
    try:
        found = result.get(blocking=True, timeout=given.timeout)
    except TaskException as error:
        return command.complain(f"{result.id} failed: {error}", command.FAILED)
    except ResultTimeout:
        text = f"{result.id} has no result after {given.timeout:g} s"
        return command.complain(text, command.NOT_THERE)
    _print(found, given.json)
    return command.DONE


def _eta(huey: Huey, given: argparse.Namespace) -> datetime | None:
    return as_eta(given.eta, given.delay, huey.utc)


def _print(value: Any, as_json: bool) -> None:
    if as_json:
        print(to_json(value))
    else:
        print(plain(value if isinstance(value, str) else repr(value), lines=True))


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"is a moment as 2026-12-24T18:00, not {text!r}") from None
