# SPDX-License-Identifier: MIT
"""``huey_green tasks``: what an application has declared, and what of it waits and runs."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from huey_green.exceptions import UnreadableMessage
from huey_green.huey import Huey
from huey_green.task import PeriodicTask, Task
from huey_green.terminal import command
from huey_green.terminal.output import BOLD, Paper, plain, to_json
from huey_green.wire import decode_message

#: Messages of the queue, and of the schedule, that are looked through: a second's work or two.
LOOK_AT = 10_000

#: What ``@huey.task`` calls what a class has in these attributes.
OPTIONS = {
    "default_retries": "retries",
    "default_retry_delay": "retry_delay",
    "default_retry_backoff": "retry_backoff",
    "retry_max_delay": "retry_max_delay",
    "retry_jitter": "retry_jitter",
    "retry_on": "retry_on",
    "no_retry_on": "no_retry_on",
    "default_priority": "priority",
    "default_expires": "expires",
    "default_timeout": "timeout",
    "max_concurrency": "max_concurrency",
    "native_thread": "native_thread",
    "at_most_once": "at_most_once",
    "unique": "unique",
    "unique_until": "unique_until",
    "unique_ttl": "unique_ttl",
    "debounce": "debounce",
    "result_ttl": "result_ttl",
}


class Declared(NamedTuple):
    """A task, the options that it was given, when it runs, and how many of it there are."""

    name: str
    options: dict[str, Any]
    when: str | None
    waiting: int
    scheduled: int
    running: int


def declared(huey: Huey) -> list[Declared]:
    """Return what a Huey knows, by name. What waits is counted as far as it was looked through."""
    waiting = _names(huey, huey.storage.enqueued_items(LOOK_AT))
    scheduled = _names(huey, huey.storage.scheduled_items(LOOK_AT))
    running = Counter(one.name for one in huey.running())
    return [
        Declared(
            name,
            options_of(task),
            _when(task),
            *(counted[name] for counted in (waiting, scheduled, running)),
        )
        for name, task in sorted(huey.registry.tasks.items())
    ]


def _names(huey: Huey, bodies: Sequence[bytes]) -> Counter[str]:
    found: Counter[str] = Counter()
    for body in bodies:
        try:
            found[decode_message(huey.serializer, body).name] += 1
        except UnreadableMessage:
            continue
    return found


def options_of(task: type[Task]) -> dict[str, Any]:
    """Return the options that a task was given, and that are not what all tasks have."""
    return {
        option: _told(getattr(task, attribute))
        for attribute, option in OPTIONS.items()
        if getattr(task, attribute) != getattr(Task, attribute)
    }


def _told(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_told(one) for one in value]
    if isinstance(value, type) or callable(value):
        return getattr(value, "__name__", repr(value))
    return value


def _when(task: type[Task]) -> str | None:
    if not issubclass(task, PeriodicTask):
        return None
    validator = task.validator
    text = repr(validator)
    # A function of the application's own says no more than its name.
    return getattr(validator, "__name__", "a function") if text.startswith("<") else text


def main(name: str, argv: Sequence[str]) -> int:
    """Carry out the command."""
    parser = command.parser(
        name,
        "List the tasks of an application with their options, and how many calls of each wait, "
        f"are on the schedule and run. The first {LOOK_AT:,} messages are looked through.",
        several=True,
    )
    parser.add_argument("--json", action="store_true", help="a line of JSON for each task")
    given = parser.parse_args(argv)
    return command.carry_out(given.huey, _list, given)


def _list(hueys: Sequence[Huey], given: argparse.Namespace) -> int:
    paper = Paper()
    for number, huey in enumerate(hueys):
        found = declared(huey)
        if given.json:
            for one in found:
                print(to_json({"queue": huey.name, **one._asdict()}))
            continue
        if number:
            paper.line()
        if len(hueys) > 1:
            paper.line(paper.coloured(plain(huey.name), BOLD))
        rows = [
            (
                one.name,
                *(f"{count:,}" if count else "" for count in one[3:]),
                "  ".join(
                    [
                        *([one.when] if one.when else []),
                        *(f"{k}={v}" for k, v in one.options.items()),
                    ]
                ),
            )
            for one in found
        ]
        paper.table(("TASK", "WAITING", "SCHEDULED", "RUNNING", "OPTIONS"), rows, right=(1, 2, 3))
        if not found:
            paper.line("no tasks: are the modules that declare them imported by this one?")
    return command.DONE
