# SPDX-License-Identifier: MIT
"""Text for a person: columns, and on a terminal colours and its width. No terminal obeys what
a message says: nothing but what can be printed gets there."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from typing import Any, TextIO

GREEN, YELLOW, RED, DIM, BOLD = "32", "33", "31", "2", "1"

#: A column that is cut keeps so many characters.
LEAST = 12


def plain(text: str, lines: bool = False) -> str:
    """Return a text in which each character that cannot be printed is a blank.

    With ``lines`` the ends of lines stay.
    """
    kept = "\n\t" if lines else ""
    return "".join(char if char.isprintable() or char in kept else " " for char in text)


def to_json(value: Any) -> str:
    """Return one line of JSON; what JSON does not know is told as Python writes it."""
    return json.dumps(value, ensure_ascii=True, default=repr)


def duration(seconds: float) -> str:
    """Return a time in two units at most: 350 ms, 4.2 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.001 or not seconds else "< 1 ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, smaller, small in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit} {rest} {small}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


class Paper:
    """Where a command writes. Colours, and lines cut to the width, are for terminals alone."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        is_terminal = self._stream.isatty()
        self.width = shutil.get_terminal_size().columns if is_terminal else None
        self.has_colours = (
            is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        )

    def line(self, text: str = "") -> None:
        """Write a line, of text that is plain."""
        print(text, file=self._stream)

    def coloured(self, text: str, colour: str) -> str:
        """Return a text in a colour, where there are colours."""
        return f"\x1b[{colour}m{text}\x1b[0m" if self.has_colours and text and colour else text

    def clear(self) -> None:
        """Begin at the top of the screen, where there is one; elsewhere after an empty line."""
        self._stream.write("\x1b[H\x1b[2J" if self.width is not None else "\n")

    def table(
        self,
        head: Sequence[str],
        rows: Sequence[Sequence[str]],
        right: Sequence[int] = (),
        colours: Sequence[dict[int, str]] = (),
    ) -> None:
        """Write rows in columns; those of ``right`` are numbers.

        On a terminal the widest column is cut to what the line has room for. ``colours`` are those
        of the cells of each row.
        """
        cells = [[plain(cell) for cell in row] for row in (head, *rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        if self.width is not None:
            widest = widths.index(max(widths))
            too_much = sum(widths) + 2 * (len(widths) - 1) - self.width
            if too_much > 0:
                widths[widest] = max(min(LEAST, widths[widest]), widths[widest] - too_much)
        for number, row in enumerate(cells):
            told = colours[number - 1] if 0 < number <= len(colours) else {}
            parts = []
            for place, (cell, width) in enumerate(zip(row, widths, strict=True)):
                cut = cell if len(cell) <= width else f"{cell[: width - 1]}…"
                padded = cut.rjust(width) if place in right else cut.ljust(width)
                if place == len(row) - 1 and place not in right:
                    padded = cut
                parts.append(self.coloured(padded, DIM if number == 0 else told.get(place, "")))
            self.line("  ".join(parts).rstrip())
