# SPDX-License-Identifier: MIT
"""``huey_green dead``: lists dead letters, a line for each, puts them back or deletes them."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from huey_green.exceptions import StorageUnavailable
from huey_green.loading import CannotLoad, load_huey
from huey_green.message import DeadLetter


def main(argv: Sequence[str]) -> int:
    """Carry out the command; returns 0, 1 when the storage is away, 2 for wrong usage."""
    parser = _parser()
    given = parser.parse_args(argv)
    changes = given.requeue is not None or given.delete is not None
    ids = given.requeue or given.delete or []
    if changes and bool(ids) == given.all:
        parser.error("name dead letters by their ids, or say --all")
    if given.all and not changes:
        parser.error("--all goes with --requeue or --delete")
    try:
        huey = load_huey(given.huey)
        wanted = None if given.all else ids
        if given.requeue is not None:
            print(f"put {_counted(huey.requeue_dead(wanted))} back in the queue")
        elif given.delete is not None:
            print(f"deleted {_counted(huey.delete_dead(wanted))}")
        else:
            _list(huey.dead_letters(given.limit))
    except CannotLoad as error:
        print(f"huey_green: {error}", file=sys.stderr)
        return 2
    except StorageUnavailable as error:
        print(f"huey_green: {error}", file=sys.stderr)
        return 1
    return 0


def _list(letters: Sequence[DeadLetter]) -> None:
    for letter in letters:
        died = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(letter.died_at))
        what = letter.call or f"{len(letter.body)} bytes that cannot be read"
        # One line each, whatever is in it: no terminal obeys what a message says.
        line = f"{died}  {letter.id}  {what}  {letter.reason}"
        print("".join(char if char.isprintable() else " " for char in line))
    print(_counted(len(letters)))


def _counted(number: int) -> str:
    return f"{number} dead letter" if number == 1 else f"{number} dead letters"


def _whole(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is less than 0")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="huey_green dead",
        description="List the messages that could not be run, the newest first; put them back in "
        "the queue, or delete them.",
    )
    parser.add_argument("huey", metavar="IMPORT.PATH", help="where the Huey is, as for a consumer")
    parser.add_argument(
        "--limit", type=_whole, metavar="N", help="list so many (default: all of them)"
    )
    change = parser.add_mutually_exclusive_group()
    change.add_argument("--requeue", nargs="*", metavar="ID", help="put these back in the queue")
    change.add_argument("--delete", nargs="*", metavar="ID", help="delete these")
    parser.add_argument(
        "--all", action="store_true", help="with --requeue or --delete: all of them"
    )
    return parser
