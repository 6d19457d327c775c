# SPDX-License-Identifier: MIT
"""The examples in README.md and docs/, in the order in which a reader meets them.

A fenced block says by its language what becomes of it:

- ``python`` is run, in one namespace with all others of its page; with a file's name after it,
  it is saved under that name instead, and added to what the file has when a ``+`` follows.
- ``pycon`` is a session: what it prints is compared.
- ``console`` has commands after ``$``, and below them what they print; it is compared when it is
  there. ``sh`` has commands alone.
- The languages in ``INERT`` are no examples to run, and there are no others.

A comment, which no reader sees, says what a block does not show:

- ``<!-- test: skip WHY -->`` above a block: it is not run.
- ``<!-- test: background -->`` above a command: it runs on until the page has ended, or until
  the same command stands above a block again, and is then stopped as by Ctrl-C.
- ``<!-- test: hidden``, code, ``-->``: is run there like a ``python`` block.
- ``<!-- test: new shell -->``: what follows knows nothing of the names before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [README, *DOCS]

RUN = frozenset({"python", "pycon", "console", "sh"})
NOTES = frozenset({"hidden", "new shell"})
INERT = frozenset({"dockerfile", "ini", "lua", "nginx", "sql", "text", "toml", "yaml"})

_PIECE = re.compile(
    r"^<!-- test: (?P<verb>skip|background|hidden|new shell)\b(?P<rest>.*?)-->$"
    r"|^```(?P<language>\S+)[ ]*(?P<mark>[^\n]*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Piece(NamedTuple):
    """A block, or hidden code, of a page; ``line`` is that on which its code begins."""

    language: str
    mark: str
    code: str
    line: int
    skip: str | None = None
    background: bool = False


def pieces(text: str) -> Iterator[Piece]:
    """Yield what stands in a page, in order."""
    skip, background = None, False
    for found in _PIECE.finditer(text):
        verb = found["verb"]
        if verb == "skip":
            skip = found["rest"].strip()
        elif verb == "background":
            background = True
        elif verb is not None:
            line = text.count("\n", 0, found.start()) + 2
            yield Piece(verb, "", found["rest"].removeprefix("\n"), line)
        else:
            line = text.count("\n", 0, found.start()) + 2
            yield Piece(
                found["language"], found["mark"].strip(), found["code"], line, skip, background
            )
            skip, background = None, False


def blocks(page: Path) -> list[Piece]:
    """Return the blocks of a page, those without comments' code."""
    return [one for one in pieces(page.read_text()) if one.language not in NOTES]


def has_examples(page: Path) -> bool:
    """Say whether anything on a page is to be run."""
    return any(one.language in RUN and one.skip is None for one in pieces(page.read_text()))


def commands(code: str, prompt: bool = True) -> Iterator[tuple[str, str]]:
    """Yield (command, what it prints) from a ``console`` block, or one without prompts.

    A command that ends in a backslash goes on in the next line.
    """
    command, output = "", ""
    goes_on = False
    for line in code.splitlines():
        if goes_on:
            command += "\n" + line
        elif line.startswith("$ ") or (not prompt and line.strip()):
            if command:
                yield command, output
            command, output = line.removeprefix("$ ") if prompt else line, ""
        else:
            output += line + "\n"
            continue
        goes_on = line.endswith("\\")
    if command:
        yield command, output
