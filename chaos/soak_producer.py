# SPDX-License-Identifier: MIT
"""The producer of a soak, a process of its own: ``python -m chaos.soak_producer SEED PLAYS``.

It reads commands, lines of JSON, and answers each with a line: ["run", TASKS, ROUGH] enqueues
about so many tasks and ends when all has ended that it enqueued; when ROUGH an outage of the
storage cuts a play short, and the next one begins. ["look"] tells what there is in this process.
"""

from __future__ import annotations

from gevent import monkey

if __name__ == "__main__":
    monkey.patch_all()

import json
import random
import sys
from typing import Any

import gevent

from chaos import soak_app, soak_plays
from chaos.soak_look import look_at
from chaos.soak_plays import Book
from huey_green import HueyException

#: Seconds after a play was cut short, and after which one is in which there was an outage.
PAUSE, ROUGH = 0.1, 60.0


class Producer:
    """Runs plays, ``width`` of them at once: that bounds what waits in the queue."""

    def __init__(self, seed: str, width: int) -> None:
        self._chance = random.Random(seed)
        self._width = width
        self._book = Book()
        self._cut = 0
        self._plays = 0
        # What happens for the first time may leave something for good: each once, to begin with.
        self._first = [entry.play for entry in soak_plays.PLAYS]

    def run(self, tasks: int, rough: bool) -> dict[str, Any]:
        """Enqueue about so many tasks; return what was done so far."""
        wanted = self._book.tasks + tasks
        players = [
            gevent.spawn(self._play, random.Random(self._chance.random()), wanted, rough)
            for _ in range(self._width)
        ]
        gevent.joinall(players, raise_error=True)
        book = self._book
        return {
            "tasks": book.tasks,
            "plays": self._plays,
            "cut": self._cut,
            "least": book.least,
            "most": book.most,
        }

    def _play(self, chance: random.Random, wanted: int, rough: bool) -> None:
        while self._first or self._book.tasks < wanted:
            play = self._first.pop() if self._first else soak_plays.draw(chance)
            try:
                with gevent.Timeout(ROUGH if rough else None):
                    play(self._book, chance)
                self._plays += 1
            except (HueyException, AssertionError, gevent.Timeout):
                # A task may fail as its storage is away; a value whose answer was lost is gone.
                if not rough:
                    raise
                self._cut += 1
                gevent.sleep(PAUSE)


def main(seed: str, width: int) -> None:
    """Do what the lines of the standard input say, until it is closed."""
    producer = Producer(seed, width)
    for line in sys.stdin:
        what, *args = json.loads(line)
        answer = producer.run(*args) if what == "run" else look_at(soak_app.huey)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
