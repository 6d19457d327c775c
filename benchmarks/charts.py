# SPDX-License-Identifier: MIT
"""Bar charts as SVG, written by hand: they are readable on a light and on a dark page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

#: Pixels.
WIDTH = 720
LABEL_WIDTH = 170
VALUE_WIDTH = 90
BAR_HEIGHT = 18
GAP = 8
TOP = 44

OURS = "#2a9d4e"
THEIRS = "#7c8aa5"
FLOOR = "#c9a227"
TEXT = "#888888"

_STYLE = 'font-family="system-ui, sans-serif" font-size="13"'


@dataclass(frozen=True)
class Bar:
    """One bar: its label, its length, the text at its end, and its colour."""

    label: str
    value: float
    text: str
    colour: str = THEIRS


def bar_chart(title: str, unit: str, bars: Sequence[Bar]) -> str:
    """Return an SVG document with one horizontal bar for each, the longest as long as fits."""
    height = TOP + len(bars) * (BAR_HEIGHT + GAP)
    longest = max((bar.value for bar in bars), default=0.0) or 1.0
    room = WIDTH - LABEL_WIDTH - VALUE_WIDTH
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        f' width="{WIDTH}" height="{height}" {_STYLE}>',
        f"<title>{escape(title)}</title>",
        f'<text x="0" y="16" font-weight="bold" fill="{TEXT}">{escape(title)}</text>',
        f'<text x="0" y="33" font-size="11" fill="{TEXT}">{escape(unit)}</text>',
    ]
    for position, bar in enumerate(bars):
        top = TOP + position * (BAR_HEIGHT + GAP)
        base = top + BAR_HEIGHT - 5
        length = max(1.0, bar.value / longest * room)
        lines += [
            f'<text x="{LABEL_WIDTH - 8}" y="{base}" text-anchor="end" fill="{TEXT}">'
            f"{escape(bar.label)}</text>",
            f'<rect x="{LABEL_WIDTH}" y="{top}" width="{length:.1f}" height="{BAR_HEIGHT}"'
            f' rx="2" fill="{bar.colour}"/>',
            f'<text x="{LABEL_WIDTH + length + 6:.1f}" y="{base}" fill="{TEXT}">'
            f"{escape(bar.text)}</text>",
        ]
    return "\n".join([*lines, "</svg>", ""])
