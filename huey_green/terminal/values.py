# SPDX-License-Identifier: MIT
"""Values on a command line: JSON, or literals of Python, or else the text itself."""

from __future__ import annotations

import argparse
import ast
import json
from collections.abc import Sequence
from typing import Any


def value(text: str) -> Any:
    """Return the value that a word stands for: 1, 2.5, true, None, "a", [1, 2], {"a": 1}, (1,).

    What is neither JSON nor a literal of Python is a string: hello, 2026-01-01, /tmp/file.
    """
    try:
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def _no_number(text: str) -> Any:
    raise ValueError(text)


def literal(text: str) -> Any:
    """Return a list or a dict; for argparse."""
    found = value(text)
    if not isinstance(found, (list, tuple, dict)):
        raise argparse.ArgumentTypeError(f"is a list or a dict in JSON, not {text!r}")
    return found


def arguments(words: Sequence[str]) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments of a call: `1 two colour=red` is (1, "two", colour="red")."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for word in words:
        name, sign, rest = word.partition("=")
        if sign and name.isidentifier():
            kwargs[name] = value(rest)
        else:
            args.append(value(word))
    return args, kwargs
