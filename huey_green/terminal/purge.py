# SPDX-License-Identifier: MIT
"""``huey_green purge``: empties a queue, its schedule, its results; asks first."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from huey_green.huey import Huey
from huey_green.report import Counts
from huey_green.terminal import command
from huey_green.terminal.output import plain


def main(name: str, argv: Sequence[str]) -> int:
    """Carry out the command."""
    parser = command.parser(
        name,
        "Delete what a queue has: the tasks that wait, those on the schedule, the results, or "
        "everything. Running tasks go on. It asks first.",
    )
    parser.add_argument("--queue", action="store_true", help="the tasks that wait")
    parser.add_argument("--schedule", action="store_true", help="the tasks on the schedule")
    parser.add_argument(
        "--results",
        action="store_true",
        help="the results, and what is kept beside them: values, locks and revocations",
    )
    parser.add_argument(
        "--everything",
        action="store_true",
        help="all that this queue has in the storage, dead letters and counters too; what "
        "consumers hold is not settled after that",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    given = parser.parse_args(argv)
    if not (given.queue or given.schedule or given.results or given.everything):
        parser.error("say what: --queue, --schedule, --results or --everything")
    return command.carry_out(given.huey, _purge, given)


def _purge(huey: Huey, given: argparse.Namespace) -> int:
    what = _what(huey.counts(), given)
    question = f"delete {what} of {huey.name!r} on {huey.storage.describe()}"
    if not given.yes:
        if not sys.stdin.isatty():
            text = f"would {question}, and there is nobody to ask: say --yes"
            return command.complain(text, command.USAGE)
        if not _agrees(f"{question[0].upper()}{question[1:]}?"):
            print("nothing was deleted")
            return command.FAILED
    storage = huey.storage
    if given.everything:
        huey.flush()
    else:
        for is_wanted, flush in (
            (given.queue, storage.flush_queue),
            (given.schedule, storage.flush_schedule),
            (given.results, storage.flush_results),
        ):
            if is_wanted:
                flush()
    print(f"deleted {what}")
    return command.DONE


def _what(counts: Counts, given: argparse.Namespace) -> str:
    parts = []
    if given.queue or given.everything:
        parts.append(command.counted(counts.waiting + counts.parked, "waiting task"))
    if given.schedule or given.everything:
        parts.append(command.counted(counts.scheduled, "scheduled task"))
    if given.results or given.everything:
        parts.append(command.counted(counts.results, "stored value"))
    if given.everything:
        parts.append(command.counted(counts.in_flight, "running task"))
        parts.append(command.counted(counts.dead, "dead letter"))
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def _agrees(question: str) -> bool:
    print(f"{plain(question)} [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
