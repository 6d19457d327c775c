# SPDX-License-Identifier: MIT
"""The directive ``consumer-options``: a table of what ``huey_green/settings.py`` declares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from huey_green.settings import ConsumerSettings


def rows(group: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield (flags, keyword, default, help) of a group's options."""
    for one in fields(ConsumerSettings):
        if one.metadata["group"] == group:
            flags = ", ".join(f"`{flag}`" for flag in one.metadata["flags"])
            yield flags, f"`{one.name}`", shown(one.default), one.metadata["help"]


def shown(default: Any) -> str:
    """Return a default as a reader writes it."""
    if default == ():
        return "none"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


class ConsumerOptions(SphinxDirective):
    """``consumer-options`` and the group that is wanted."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        lines = ["| option | keyword | default | |", "|---|---|---|---|"]
        lines += ["| " + " | ".join(row) + " |" for row in rows(self.arguments[0])]
        if len(lines) == 2:
            raise self.error(f"there is no group of options {self.arguments[0]!r}")
        return self.parse_text_to_nodes("\n".join(lines))


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("consumer-options", ConsumerOptions)
    return {"parallel_read_safe": True}
