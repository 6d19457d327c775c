# SPDX-License-Identifier: MIT
"""``huey_green cancel``, ``revoke`` and ``restore``: what is not to run, or to run no further."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from huey_green.exceptions import InvalidArgument
from huey_green.huey import Huey
from huey_green.terminal import command
from huey_green.terminal.output import plain
from huey_green.terminal.values import literal

#: What ids look like unless an application makes its own.
_ID = re.compile("[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def main(name: str, argv: Sequence[str]) -> int:
    """Carry out the command."""
    if name == "cancel":
        return _main_cancel(argv)
    return _main_revoke(argv) if name == "revoke" else _main_restore(argv)


def _main_cancel(argv: Sequence[str]) -> int:
    parser = command.parser(
        "cancel",
        "Stop tasks wherever they are: those that wait do not run, those that run are interrupted. "
        "Status 3 if one of them had ended, or is not known.",
    )
    parser.add_argument("ids", nargs="+", metavar="ID", help="their ids")
    given = parser.parse_args(argv)
    return command.carry_out(given.huey, _cancel, given.ids)


def _cancel(huey: Huey, ids: Sequence[str]) -> int:
    found = huey.cancel_many(ids)
    for one in dict.fromkeys(ids):
        what = "canceled" if one in found else "had ended, or is not known"
        print(plain(f"{one} {what}"))
    return command.DONE if found >= set(ids) else command.NOT_THERE


def _parser(name: str, text: str) -> argparse.ArgumentParser:
    parser = command.parser(name, text)
    parser.add_argument(
        "what", nargs="+", metavar="ID|TASK", help="ids of tasks, or names: app.add, or add alone"
    )
    parser.add_argument("--id", action="store_true", help="they are ids, whatever they look like")
    parser.add_argument(
        "--args",
        type=literal,
        metavar="LIST",
        help="with a name: only calls with these arguments, as in '[1, \"a\"]'",
    )
    parser.add_argument(
        "--kwargs", type=literal, metavar="DICT", help="the same by name, as in '{\"a\": 1}'"
    )
    return parser


def _main_revoke(argv: Sequence[str]) -> int:
    parser = _parser(
        "revoke",
        "Keep tasks from running: one by its id, or all calls of a task by its name. Those that "
        "run already go on (see cancel).",
    )
    how_long = parser.add_mutually_exclusive_group()
    how_long.add_argument(
        "--until",
        type=_moment,
        metavar="WHEN",
        help="until this moment, as 2026-12-24T18:00 (local time), or for so long: 90s, 2h, 1d",
    )
    how_long.add_argument("--once", action="store_true", help="only the next time that it is due")
    given = parser.parse_args(argv)
    return command.carry_out(given.huey, _revoke, given)


def _main_restore(argv: Sequence[str]) -> int:
    parser = _parser(
        "restore", "Take revoke back. Status 3 if there is nothing to take back for one of them."
    )
    given = parser.parse_args(argv)
    return command.carry_out(given.huey, _restore, given)


def _revoke(huey: Huey, given: argparse.Namespace) -> int:
    how_long = "once" if given.once else ""
    if given.until is not None:
        how_long = f"until {given.until:%Y-%m-%d %H:%M:%S}"
    for what, is_id in _meant(huey, given):
        if is_id:
            huey.revoke_by_id(what, given.until, given.once)
        else:
            huey.revoke(what, given.until, given.once, args=given.args, kwargs=given.kwargs)
        subject = f"the task with the id {what}" if is_id else _calls(what, given)
        print(plain(" ".join(filter(None, ["revoked", subject, how_long]))))
    return command.DONE


def _restore(huey: Huey, given: argparse.Namespace) -> int:
    status = command.DONE
    for what, is_id in _meant(huey, given):
        if is_id:
            was_revoked = huey.restore_by_id(what)
        else:
            was_revoked = huey.restore(what, args=given.args, kwargs=given.kwargs)
        print(plain(f"{what} {'restored' if was_revoked else 'was not revoked'}"))
        status = status if was_revoked else command.NOT_THERE
    return status


def _meant(huey: Huey, given: argparse.Namespace) -> list[tuple[str, bool]]:
    """Return ids and full names, and which is an id; raises for what is neither."""
    has_arguments = given.args is not None or given.kwargs is not None
    found = []
    for what in given.what:
        is_id = given.id or (what not in huey.registry and _ID.fullmatch(what) is not None)
        if is_id and has_arguments:
            raise InvalidArgument("--args and --kwargs go with the name of a task, not with an id")
        found.append((what if is_id else command.task_named(huey, what), is_id))
    return found


def _calls(name: str, given: argparse.Namespace) -> str:
    if given.args is None and given.kwargs is None:
        return f"all calls of {name}"
    parts: list[Any] = [repr(one) for one in given.args or ()]
    parts += [f"{key}={value!r}" for key, value in (given.kwargs or {}).items()]
    return f"{name}({', '.join(parts)})"


def _moment(text: str) -> datetime:
    """Read a moment, or a time from now, as a naive datetime in local time."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        pass
    else:
        return found if found.tzinfo is None else found.astimezone().replace(tzinfo=None)
    try:
        return datetime.fromtimestamp(time.time() + command.seconds(text))
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"is a moment as 2026-12-24T18:00, or a time from now as 90s, 2h or 1d, not {text!r}"
        ) from None
