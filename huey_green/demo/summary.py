# SPDX-License-Identifier: MIT
"""The last page of the demo: what was fetched, how fast, and what that took."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from huey_green.demo.tally import Pace, Tally, duration, per_second, percentile, size


@dataclass(slots=True)
class Usage:
    """What the run took; None is a figure that this system does not tell.

    ``links`` are the consumer's connections to Redis, or its open files of an SQLite database,
    at their highest.
    """

    workers: int
    storage: str
    is_redis: bool
    seconds: float = 0.0
    memory: int | None = None
    links: int | None = None
    pace: Pace = field(default_factory=Pace)

    def saw(self, memory: int | None, links: int | None) -> None:
        """Note what was measured, and keep the highest."""
        self.memory = max(filter(None, (self.memory, memory)), default=None)
        self.links = max(filter(None, (self.links, links)), default=None)


def print_summary(console: Console, tally: Tally, usage: Usage) -> None:
    """Print the figures of a run that came to its end."""
    console.print()
    console.print(_hosts(tally))
    console.print(_figures(tally, usage))
    console.print()
    console.print(_headline(tally, usage), soft_wrap=True)


def print_partial(console: Console, tally: Tally, seconds: float) -> None:
    """Print what an interrupted run got done, and that nothing of it is left."""
    done = (
        f"Interrupted after {duration(seconds)}: {tally.fetched} of {tally.asked} pages fetched,"
        f" {tally.failed} given up, {tally.retries} retries."
        if tally.asked
        else "Interrupted before the first page."
    )
    console.print(
        f"\n{done}\nAll that the demo had started has ended, and its files are deleted.",
        soft_wrap=True,
    )


def speed_up(tally: Tally, seconds: float) -> float:
    """Return how many times longer one worker would have taken."""
    return tally.alone / seconds if seconds > 0 else 0.0


def _times(factor: float) -> str:
    return f"{factor:.0f} times" if factor >= 10 else f"{factor:.1f} times"


def _headline(tally: Tally, usage: Usage) -> Text:
    return Text.assemble(
        ("One worker, one page at a time: ", ""),
        (duration(tally.alone), "bold red"),
        (f".  huey_green, up to {usage.workers:,} at a time in one process: ", ""),
        (duration(usage.seconds), "bold green"),
        (".  That is ", ""),
        (_times(speed_up(tally, usage.seconds)), "bold"),
        (" as fast.", ""),
    )


def _hosts(tally: Tally) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("host", style="cyan")
    for heading in ("pages", "retries", "given up", "median", "slowest 5 %"):
        table.add_column(heading, justify="right")
    for name, host in sorted(tally.hosts.items()):
        table.add_row(
            name,
            f"{host.fetched:,}",
            f"{host.retries:,}" if host.retries else "-",
            f"{host.failed:,}" if host.failed else "-",
            f"{percentile(host.seconds, 50) * 1000:.0f} ms",
            f"{percentile(host.seconds, 95) * 1000:.0f} ms",
        )
    return table


def _figures(tally: Tally, usage: Usage) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column()
    for name, value in _rows(tally, usage):
        table.add_row(name, value)
    return table


def _rows(tally: Tally, usage: Usage) -> list[tuple[str, str]]:
    errors = ", ".join(f"{count} {kind}" for kind, count in tally.errors.most_common())
    rows = [
        ("pages", f"{tally.asked} asked, {tally.fetched} fetched, {tally.failed} given up"),
        ("content", f"{size(tally.bytes)}, {tally.links:,} links found"),
        ("errors", errors or "none"),
        ("retries", str(tally.retries)),
        ("wall time", duration(usage.seconds)),
        ("one worker", f"{duration(tally.alone)} (the answer times of all attempts, added up)"),
        ("speed-up", _times(speed_up(tally, usage.seconds))),
        ("throughput", _throughput(tally, usage)),
        ("storage", usage.storage),
    ]
    if usage.links is not None:
        what = "to Redis" if usage.is_redis else "of the database file"
        name = "connections" if usage.is_redis else "open files"
        rows.append((name, f"{usage.links} {what}, for {usage.workers:,} workers"))
    if usage.memory is not None:
        rows.append(("peak memory", f"{size(usage.memory)}, the consumer process"))
    return rows


def _throughput(tally: Tally, usage: Usage) -> str:
    average = f"{per_second(tally.finished, usage.seconds):.0f} pages a second"
    return f"{average}, {usage.pace.best:.0f} in the best one" if usage.pace.best else average
