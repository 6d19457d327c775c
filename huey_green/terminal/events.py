# SPDX-License-Identifier: MIT
"""``huey_green events``: what happens to the tasks of a queue, as it happens."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from typing import Any

from huey_green.huey import Huey
from huey_green.terminal import command
from huey_green.terminal.output import GREEN, RED, YELLOW, Paper, plain, to_json

_COLOURS = {"finished": GREEN, "retrying": YELLOW, "revoked": YELLOW, "dropped": RED}


def main(name: str, argv: Sequence[str]) -> int:
    """Carry out the command."""
    parser = command.parser(
        name,
        "Show what happens to the tasks of a queue, a line for each event, until Ctrl-C. The Huey "
        "has to have events=True.",
    )
    parser.add_argument("--json", action="store_true", help="the events as they are, in JSON")
    parser.add_argument(
        "--status",
        action="append",
        metavar="NAME",
        help="only these: started, finished, error...; may be given several times",
    )
    parser.add_argument("--task", metavar="TASK", help="only of this task: app.add, or add alone")
    parser.add_argument(
        "--timeout",
        type=command.seconds,
        metavar="TIME",
        help="end when nothing has come for so long (status 0)",
    )
    parser.add_argument(
        "--count", type=command.whole, metavar="N", help="end when so many were shown"
    )
    given = parser.parse_args(argv)
    return command.carry_out(given.huey, _follow, given)


def _follow(huey: Huey, given: argparse.Namespace) -> int:
    paper = Paper()
    task = None if given.task is None else command.task_named(huey, given.task)
    shown = 0
    with huey.events(given.timeout) as stream:
        for event in stream:
            is_wanted = event["status"] == "dropped" or (
                (given.status is None or event["status"] in given.status)
                and (task is None or event.get("task") == task)
            )
            if is_wanted:
                line = to_json(event) if given.json else _line(paper, event)
                print(line, flush=True)
                shown += 1
            if shown == given.count:
                break
    return command.DONE


def _line(paper: Paper, event: Mapping[str, Any]) -> str:
    status = plain(str(event["status"]))
    if status == "dropped":
        return paper.coloured(f"{event.get('dropped')} events were dropped here", RED)
    colour = RED if event.get("error") else _COLOURS.get(status, "")
    words = [_moment(event.get("at")), paper.coloured(f"{status:<12}", colour)]
    words += [plain(str(event.get(name) or "-")) for name in ("task", "id")]
    if event.get("execute_time") is not None:
        words.append(f"for {_moment(event['execute_time'])}")
    if event.get("traceback"):
        # The last line says what it was.
        words.append(plain(str(event["traceback"]).rstrip().rpartition("\n")[2]))
    return "  ".join(words)


def _moment(at: Any) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(at)))
    except (TypeError, ValueError, OverflowError, OSError):
        return "-"
