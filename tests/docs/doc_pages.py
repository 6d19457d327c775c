# SPDX-License-Identifier: MIT
"""The code in README.md and docs/: fenced blocks with what their first line says of them.

After the language stands ``run`` for an example that the tests run, or a file's name for one
that the reader is told to save.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCS = sorted((ROOT / "docs").rglob("*.md"))

_FENCE = re.compile(r"^```(\S+)[ ]*(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: language, what follows it, code, and the line on which the code begins."""

    language: str
    mark: str
    code: str
    line: int


def blocks(path: Path) -> Iterator[Block]:
    """Yield the blocks of a page that name a language."""
    text = path.read_text()
    for found in _FENCE.finditer(text):
        yield Block(*found.groups(), text.count("\n", 0, found.start()) + 2)


def sections(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (heading, program) for each part of a page that has examples to run.

    The examples between two headings of the second level are one program, in which each line
    has the number that it has on the page.
    """
    text = path.read_text()
    headings = [(text.count("\n", 0, m.start()) + 1, m[1]) for m in _HEADING.finditer(text)]
    programs: dict[str, list[str]] = {}
    for block in blocks(path):
        if (block.language, block.mark) == ("python", "run"):
            heading = [title for line, title in headings if line < block.line][-1]
            lines = programs.setdefault(heading, [])
            lines += [""] * (block.line - 1 - len(lines)) + block.code.splitlines()
    for heading, lines in programs.items():
        yield heading, "\n".join([*lines, ""])


_HEADING = re.compile(r"^##? (.+)$", re.MULTILINE)
