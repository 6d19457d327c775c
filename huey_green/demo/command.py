# SPDX-License-Identifier: MIT
"""``huey_green demo``: its options and exit statuses."""

from __future__ import annotations

import argparse
import importlib.util
import sys

from huey_green.demo.interruption import Interrupted, Interruption
from huey_green.demo.processes import DemoError
from huey_green.exceptions import HueyException


def main(argv: list[str]) -> int:
    """Run the demo; returns 0, 1 for trouble, 2 for wrong usage, 128 and a signal's number."""
    arguments = _parser().parse_args(argv)
    if importlib.util.find_spec("rich") is None:
        print("the demo needs rich: pip install 'huey_green[demo]'", file=sys.stderr)
        return 2
    # After the check: these import rich.
    from huey_green.demo.run import Options, Run
    from huey_green.demo.screen import make_console

    try:
        with Interruption() as interruption:
            Run(Options(**vars(arguments)), make_console(sys.stdout.isatty()), interruption)()
    except Interrupted as interrupted:
        return interrupted.status
    except (DemoError, HueyException) as error:
        print(f"huey_green demo: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="huey_green demo",
        description="Fetch a few thousand pages from a local web server with retries, through "
        "a real queue and a real consumer, and show what that took.",
    )
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="redis://host:port/db or sqlite:///path; without it a private Redis server is "
        "started if there is one to start, else SQLite is used",
    )
    parser.add_argument("--workers", type=_positive, default=500, metavar="N", help="default 500")
    parser.add_argument("--pages", type=_positive, default=3000, metavar="N", help="default 3000")
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="another seed, another web"
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a positive number")
    return number
