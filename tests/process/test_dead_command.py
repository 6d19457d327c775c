# SPDX-License-Identifier: MIT
"""``huey_green dead``: what a person at a terminal sees of dead letters, and does with them."""

from __future__ import annotations

import subprocess

import pytest
from application import Application, Make
from consumer_process import COMMAND, environment

from huey_green.message import DeadLetter, Delivery, Effects, Settlement


@pytest.fixture
def app(make_app: Make) -> Application:
    return make_app("sqlite")


def dead(app: Application, *words: str) -> tuple[int, list[str], str]:
    """Return the exit status, the lines that were printed, and what was complained of."""
    done = subprocess.run(
        [*COMMAND, "dead", *words],
        cwd=app.directory,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


def bury(app: Application, *letters: DeadLetter) -> None:
    settlements = [Settlement(Delivery(b""), Effects(dead=letter)) for letter in letters]
    assert app.huey.storage.settle("", settlements) == []


def test_it_lists_them_a_line_for_each_the_newest_first(app: Application):
    assert dead(app, "app.huey") == (0, ["0 dead letters"], "")
    bury(
        app,
        DeadLetter("old", b"123", "cannot\nbe \x1b[31mread", died_at=1e9),
        DeadLetter("new", b"", "took 5 down", died_at=1e9 + 1, call="app.quick('a')"),
    )
    status, lines, complaint = dead(app, "app.huey")
    assert (status, complaint) == (0, "")
    assert lines[0].endswith("  new  app.quick('a')  took 5 down")
    assert lines[1].endswith("  old  3 bytes that cannot be read  cannot be  [31mread")
    assert lines[2:] == ["2 dead letters"]
    assert dead(app, "app.huey", "--limit", "1")[1][1:] == ["1 dead letter"]


def test_it_puts_back_or_deletes_some_or_all(app: Application):
    bury(app, *(DeadLetter(f"id-{n}", b"%d" % n, "why", died_at=n) for n in range(6)))
    put = dead(app, "app.huey", "--requeue", "id-0", "id-1", "unknown")
    assert put == (0, ["put 2 dead letters back in the queue"], "")
    assert app.huey.storage.enqueued_items() == [b"0", b"1"]
    assert dead(app, "app.huey", "--delete", "id-2")[1] == ["deleted 1 dead letter"]
    assert [one.id for one in app.huey.dead_letters()] == ["id-5", "id-4", "id-3"]
    assert dead(app, "app.huey", "--requeue", "--all")[1] == [
        "put 3 dead letters back in the queue"
    ]
    assert dead(app, "app.huey", "--delete", "--all")[1] == ["deleted 0 dead letters"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["app.huey", "--requeue"], "name dead letters by their ids, or say --all"),
        (["app.huey", "--delete", "a", "--all"], "name dead letters by their ids, or say --all"),
        (["app.huey", "--all"], "--all goes with --requeue or --delete"),
        (["app.huey", "--delete", "a", "--requeue", "a"], "not allowed with argument"),
        (["app.huey", "--limit", "-1"], "less than 0"),
        (["nowhere.huey"], "nowhere"),
        ([], "IMPORT.PATH"),
    ],
)
def test_wrong_usage_is_told_in_one_sentence(app: Application, words, said):
    bury(app, DeadLetter("a", b"", "why"))
    status, lines, complaint = dead(app, *words)
    assert (status, lines) == (2, [])
    assert said in complaint
    assert "Traceback" not in complaint
    assert len(app.huey.dead_letters()) == 1
