# SPDX-License-Identifier: MIT
"""What a person sees while the crawl runs: a live bar on a terminal, elsewhere a line a second."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from huey_green.demo.tally import Tally, per_second

#: Seconds between two lines where there is no terminal.
LINE_EVERY = 1.0


class Screen(Protocol):
    """Shows how far the crawl is."""

    def __enter__(self) -> Screen: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
    def show(self, tally: Tally, running: int, seconds: float) -> None:
        """Show the state after so many seconds; ``running`` pages are with the consumer."""


def make_console(is_terminal: bool) -> Console:
    """Return a console on standard output that sends control characters to a terminal only."""
    return Console(force_terminal=is_terminal, highlight=False, markup=False, emoji=False)


def make_screen(console: Console, pages: int) -> Screen:
    """Return what suits the console."""
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveScreen(console, pages)
    return PlainScreen(console, pages)


class LiveScreen:
    """A bar and a line of figures, drawn over themselves."""

    def __init__(self, console: Console, pages: int) -> None:
        self._bar = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("pages"),
            TextColumn("[bold]{task.fields[rate]:.0f}[/]/s"),
            TextColumn("{task.fields[seconds]:.1f} s"),
            console=console,
            expand=True,
        )
        self._task = self._bar.add_task("", total=pages, rate=0.0, seconds=0.0)
        # Drawn by show() alone: a drawing thread would compete with the collecting.
        self._live = Live(self._bar, console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> LiveScreen:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()

    def show(self, tally: Tally, running: int, seconds: float) -> None:
        self._bar.update(
            self._task,
            completed=tally.finished,
            rate=per_second(tally.finished, seconds),
            seconds=seconds,
        )
        figures = Text.assemble(
            "  ",
            (f"{running:,}", "bold cyan"),
            " in the air   ",
            (f"{tally.retries:,}", "bold yellow"),
            " retries   ",
            (f"{tally.failed:,}", "bold red" if tally.failed else "bold"),
            " given up",
        )
        self._live.update(Group(self._bar, figures), refresh=True)


class PlainScreen:
    """One line a second, for logs and pipes."""

    def __init__(self, console: Console, pages: int) -> None:
        self._console = console
        self._pages = pages
        self._next_at = 0.0

    def __enter__(self) -> PlainScreen:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def show(self, tally: Tally, running: int, seconds: float) -> None:
        if seconds < self._next_at:
            return
        self._next_at = seconds + LINE_EVERY
        self._console.print(
            f"{seconds:6.1f} s  {tally.finished} of {self._pages} pages, {running} in the air,"
            f" {tally.retries} retries, {tally.failed} given up",
            soft_wrap=True,
        )
