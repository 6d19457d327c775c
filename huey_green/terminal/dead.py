# SPDX-License-Identifier: MIT
"""``huey_green dead``: lists dead letters, shows one, puts them back in the queue or deletes them.

``dead app.huey --requeue ID`` is the older form of ``dead requeue app.huey ID``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

from huey_green.huey import Huey
from huey_green.message import DeadLetter, readable_consumer
from huey_green.terminal import command
from huey_green.terminal.output import BOLD, Paper, plain, to_json

LETTER = "dead letter"


def main(name: str, argv: Sequence[str]) -> int:
    """Carry out the command."""
    if argv and argv[0] in _COMMANDS:
        return _COMMANDS[argv[0]](list(argv[1:]))
    parser = _parser()
    given = parser.parse_args(argv)
    changes = given.requeue is not None or given.delete is not None
    ids = given.requeue or given.delete or []
    if changes and bool(ids) == given.all:
        parser.error("name dead letters by their ids, or say --all")
    if given.all and not changes:
        parser.error("--all goes with --requeue or --delete")
    wanted = None if given.all else ids
    if changes:
        change = _delete if given.requeue is None else _requeue
        status = command.carry_out(given.huey, change, wanted)
        # It has always been content with what it found.
        return command.DONE if status == command.NOT_THERE else status
    return command.carry_out(given.huey, _list, given.limit, given.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="huey_green dead",
        usage="huey_green dead [list] IMPORT.PATH [--limit N] [--json]\n"
        "       huey_green dead show IMPORT.PATH ID... [--json]\n"
        "       huey_green dead requeue|delete IMPORT.PATH ID... | --all",
        description="List the messages that could not be run, the newest first; show them, put "
        "them back in the queue, or delete them.",
    )
    parser.add_argument("huey", metavar="IMPORT.PATH", help="where the Huey is, as for a consumer")
    _add_list_options(parser)
    change = parser.add_mutually_exclusive_group()
    change.add_argument("--requeue", nargs="*", metavar="ID", help="the same as dead requeue")
    change.add_argument("--delete", nargs="*", metavar="ID", help="the same as dead delete")
    parser.add_argument(
        "--all", action="store_true", help="with --requeue or --delete: all of them"
    )
    return parser


def _add_list_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--limit", type=command.whole, metavar="N", help="list so many (default: all of them)"
    )
    parser.add_argument("--json", action="store_true", help="a line of JSON for each")


def _main_list(argv: Sequence[str]) -> int:
    parser = command.parser("dead list", "List the messages that could not be run.")
    _add_list_options(parser)
    given = parser.parse_args(argv)
    return command.carry_out(given.huey, _list, given.limit, given.json)


def _main_show(argv: Sequence[str]) -> int:
    parser = command.parser("dead show", "Show all that is known of dead letters.")
    parser.add_argument("ids", nargs="+", metavar="ID", help="their ids")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each")
    given = parser.parse_args(argv)
    return command.carry_out(given.huey, _show, given.ids, given.json)


def _changing(verb: str, text: str, change: Callable[..., int]) -> Callable[[Sequence[str]], int]:
    def main(argv: Sequence[str]) -> int:
        parser = command.parser(f"dead {verb}", text)
        parser.add_argument("ids", nargs="*", metavar="ID", help="their ids")
        parser.add_argument("--all", action="store_true", help="all of them")
        given = parser.parse_args(argv)
        if bool(given.ids) == given.all:
            parser.error("name dead letters by their ids, or say --all")
        return command.carry_out(given.huey, change, None if given.all else given.ids)

    return main


def _requeue(huey: Huey, ids: Sequence[str] | None) -> int:
    number = huey.requeue_dead(ids)
    print(f"put {command.counted(number, LETTER)} back in the queue")
    return _as_wanted(number, ids)


def _delete(huey: Huey, ids: Sequence[str] | None) -> int:
    number = huey.delete_dead(ids)
    print(f"deleted {command.counted(number, LETTER)}")
    return _as_wanted(number, ids)


def _as_wanted(number: int, ids: Sequence[str] | None) -> int:
    return command.DONE if ids is None or number == len(set(ids)) else command.NOT_THERE


def _list(huey: Huey, limit: int | None, as_json: bool) -> int:
    letters = huey.dead_letters(limit)
    for letter in letters:
        if as_json:
            print(to_json(_fields(letter)))
            continue
        what = letter.call or f"{len(letter.body)} bytes that cannot be read"
        # One line each, whatever is in it.
        print(plain(f"{_moment(letter.died_at)}  {letter.id}  {what}  {letter.reason}"))
    if not as_json:
        print(command.counted(len(letters), LETTER))
    return command.DONE


def _show(huey: Huey, ids: Sequence[str], as_json: bool) -> int:
    letters = {letter.id: letter for letter in huey.dead_letters()}
    found = [letters[one] for one in dict.fromkeys(ids) if one in letters]
    paper = Paper()
    for number, letter in enumerate(found):
        if as_json:
            print(to_json(_fields(letter)))
            continue
        if number:
            paper.line()
        _show_one(paper, letter)
    missing = [one for one in ids if one not in letters]
    if missing:
        text = f"there is no dead letter {', '.join(missing)}: `huey_green dead` lists them"
        return command.complain(text, command.NOT_THERE)
    return command.DONE


def _show_one(paper: Paper, letter: DeadLetter) -> None:
    what = letter.call or f"{len(letter.body)} bytes that cannot be read"
    paper.line(paper.coloured(plain(f"{letter.id}  {what}"), BOLD))
    facts = [
        ("reason", letter.reason),
        ("died", _moment(letter.died_at)),
        ("attempts", str(letter.attempts)),
        ("given up by", readable_consumer(letter.consumer)),
        ("priority", "" if letter.priority is None else f"{letter.priority:g}"),
        ("claim", letter.claim or ""),
        ("chord", letter.joins or ""),
        ("message", f"{len(letter.body):,} bytes"),
    ]
    for name, text in facts:
        if text:
            paper.line(f"{name + ':':<13}{plain(text)}")
    for death in letter.deaths:
        paper.line(
            f"{'':<13}{_moment(death.at)}  took down {plain(readable_consumer(death.consumer))}"
        )
    if letter.traceback:
        paper.line(plain(letter.traceback.rstrip(), lines=True))


def _fields(letter: DeadLetter) -> dict[str, Any]:
    fields = letter._asdict()
    fields["body"] = letter.body.decode("latin-1")
    return fields


def _moment(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


_COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "list": _main_list,
    "show": _main_show,
    "requeue": _changing("requeue", "Put dead letters back in the queue, to begin anew.", _requeue),
    "delete": _changing("delete", "Delete dead letters.", _delete),
}
