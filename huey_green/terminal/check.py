# SPDX-License-Identifier: MIT
"""``huey_green check``: can this application be consumed, here and now?"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterator, Sequence
from importlib import metadata

from huey_green.exceptions import StorageUnavailable, UnreadableMessage
from huey_green.huey import Huey
from huey_green.report import Finding
from huey_green.terminal import command
from huey_green.terminal.output import BOLD, GREEN, RED, YELLOW, Paper, plain, to_json
from huey_green.terminal.status import note_on, state_of

#: Messages of the queue that are opened: whether this application knows its tasks.
OPENED = 100

_COLOURS = {"ok": GREEN, "warning": YELLOW, "error": RED}


def main(name: str, argv: Sequence[str]) -> int:
    """Carry out the command."""
    parser = command.parser(
        name,
        "Look whether an application can be consumed: what it imports, its storage, versions, "
        "settings, clocks and permissions. Runs no task. Status 1 if something is wrong.",
        several=True,
    )
    parser.add_argument("--json", action="store_true", help="a line of JSON for each finding")
    parser.add_argument(
        "--strict", action="store_true", help="status 1 for what is only a warning, too"
    )
    given = parser.parse_args(argv)
    return command.carry_out(given.huey, _check, given)


def _check(hueys: Sequence[Huey], given: argparse.Namespace) -> int:
    paper = Paper()
    levels = set()
    for number, huey in enumerate(hueys):
        if number and not given.json:
            paper.line()
        if not given.json:
            paper.line(paper.coloured(plain(huey.name), BOLD))
        for one in findings(huey):
            levels.add(one.level)
            if given.json:
                print(to_json({"queue": huey.name, **one._asdict()}))
            else:
                level = paper.coloured(f"{one.level:<8}", _COLOURS[one.level])
                paper.line(f"{level} {plain(one.subject):<12} {plain(one.text)}")
    is_wrong = "error" in levels or (given.strict and "warning" in levels)
    return command.FAILED if is_wrong else command.DONE


def findings(huey: Huey) -> Iterator[Finding]:
    """Yield what there is to say of an application that was imported."""
    yield _tasks(huey)
    yield from _versions(huey)
    if huey.immediate:
        yield Finding("error", "immediate", note_on(huey) + "; a consumer refuses it")
        return
    try:
        huey.storage.ping()
        yield Finding("ok", "storage", huey.storage.describe())
        yield from _kind(huey)
        yield from huey.storage.examine()
        yield _messages(huey)
        yield _consumers(huey)
    except StorageUnavailable as error:
        yield Finding("error", "storage", str(error))


def _tasks(huey: Huey) -> Finding:
    tasks = huey.registry.tasks
    periodic = sum(task.is_periodic for task in tasks.values())
    if not tasks:
        text = "none: are the modules that declare them imported by this one?"
        return Finding("warning", "tasks", text)
    others = len(tasks) - periodic
    return Finding("ok", "tasks", f"{command.counted(others, 'task')}, {periodic} periodic")


def _versions(huey: Huey) -> Iterator[Finding]:
    yield Finding("ok", "python", platform.python_version())
    yield _package("gevent", "a consumer needs it: pip install gevent", "error")
    if "Redis" in type(huey.storage).__name__:
        yield _package("redis", "the storage needs it: pip install redis", "error")
        slower = "reading answers takes longer without it: pip install hiredis"
        yield _package("hiredis", slower, "warning")


def _package(name: str, missing: str, level: str) -> Finding:
    try:
        return Finding("ok", name, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(level, name, f"is not installed; {missing}")


def _kind(huey: Huey) -> Iterator[Finding]:
    note = note_on(huey)
    if not huey.storage.leases:
        yield Finding("warning", "leases", f"{note}; a task that a consumer dies with is lost")
    elif note:
        yield Finding("error", "storage", note)
    if huey.at_most_once:
        yield Finding("warning", "delivery", "at_most_once: a task is lost rather than run twice")


def _messages(huey: Huey) -> Finding:
    bodies = huey.storage.enqueued_items(OPENED)
    wrong = []
    for body in bodies:
        try:
            huey.deserialize_task(body)
        except UnreadableMessage as error:
            wrong.append(str(error))
    if wrong:
        text = f"{len(wrong)} of the next {len(bodies)} would become dead letters; one: {wrong[0]}"
        return Finding("warning", "messages", text)
    return Finding("ok", "messages", f"{command.counted(len(huey), 'task')} waiting")


def _consumers(huey: Huey) -> Finding:
    now = huey.storage.time()
    states = [state_of(one, now) for one in huey.consumers()]
    if "dead" in states or "silent" in states:
        text = f"{states.count('alive')} alive, {states.count('silent')} silent, "
        return Finding("warning", "consumers", f"{text}{states.count('dead')} dead")
    return Finding("ok", "consumers", f"{len(states)} alive")
