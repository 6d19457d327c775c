# SPDX-License-Identifier: MIT
"""What the demo prints, on a terminal and elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from huey_green.demo.screen import LiveScreen, PlainScreen, make_console, make_screen
from huey_green.demo.summary import Usage, print_partial, print_summary
from huey_green.demo.tally import Tally

USAGE = Usage(workers=500, storage="SQLite [temporary]", is_redis=False, seconds=5.0)


def a_tally() -> Tally:
    """Return the figures of a small run."""
    tally = Tally(asked=4)
    record = {"host": "a.example", "seconds": 0.2, "served_in": 0.2, "bytes": 500, "links": 3}
    for _ in range(3):
        tally.page(record)
    failure = {"host": "b.example", "kind": "HTTP 503", "seconds": 99.4, "served_in": 0.0}
    tally.attempt_failed({**failure, "will_retry": False})
    tally.gave_up("b.example")
    return tally


@pytest.fixture
def plain(monkeypatch) -> Console:
    """Return a console as it is made for a pipe, that keeps what it prints."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    console = make_console(is_terminal=False)
    console.file = io.StringIO()
    return console


@pytest.fixture
def terminal(monkeypatch) -> Console:
    """Return a console as it is made for a terminal, that keeps what it prints."""
    monkeypatch.setenv("TERM", "xterm-256color")
    console = make_console(is_terminal=True)
    console.file = io.StringIO()
    return console


def written(console: Console) -> str:
    """Return all that was printed."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_pipe_gets_one_line_a_second_and_no_control_characters(plain):
    with make_screen(plain, 4) as screen:
        assert isinstance(screen, PlainScreen)
        for tenth in range(25):
            screen.show(a_tally(), running=2, seconds=tenth / 10)
    lines = written(plain).splitlines()
    assert lines == [
        f"{second}.0 s  4 of 4 pages, 2 in the air, 0 retries, 1 given up".rjust(len(lines[0]))
        for second in range(3)
    ]


def test_a_terminal_gets_a_bar_that_is_taken_away_at_the_end(terminal):
    with make_screen(terminal, 4) as screen:
        assert isinstance(screen, LiveScreen)
        screen.show(a_tally(), running=2, seconds=1.0)
    assert "4/4" in written(terminal)
    assert "in the air" in written(terminal)
    assert written(terminal).endswith("\x1b[2K")


def test_a_dumb_terminal_gets_lines(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(make_screen(make_console(is_terminal=True), 4), PlainScreen)


def test_the_summary_has_all_figures(plain):
    usage = Usage(**{**_fields(USAGE), "memory": 45_600_000, "links": 3})
    print_summary(plain, a_tally(), usage)
    text = written(plain)
    assert "\x1b" not in text
    for expected in (
        "4 asked, 3 fetched, 1 given up",
        "1 HTTP 503",
        "SQLite [temporary]",
        "3 of the database file",
        "45.6 MB",
        "20 times as fast",
        "1 min 40 s",
        "1 pages a second",
    ):
        assert expected in text


def test_a_figure_that_is_not_known_is_left_out(plain):
    print_summary(plain, a_tally(), USAGE)
    assert "memory" not in written(plain)
    assert "files" not in written(plain)


def test_the_highest_measurement_counts():
    usage = Usage(workers=1, storage="", is_redis=True)
    usage.saw(None, None)
    assert (usage.memory, usage.links) == (None, None)
    for memory, links in [(5, 2), (9, 4), (None, None), (7, 3)]:
        usage.saw(memory, links)
    assert (usage.memory, usage.links) == (9, 4)


def test_an_interrupted_run_says_what_it_has_done(plain):
    print_partial(plain, a_tally(), 2.0)
    assert "after 2.0 s: 3 of 4 pages fetched, 1 given up, 0 retries" in written(plain)


def test_a_run_interrupted_at_once_says_so(plain):
    print_partial(plain, Tally(), 0.0)
    assert "before the first page" in written(plain)


def _fields(usage: Usage) -> dict[str, object]:
    return {name: getattr(usage, name) for name in ("workers", "storage", "is_redis", "seconds")}
