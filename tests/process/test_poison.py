# SPDX-License-Identifier: MIT
"""A task that kills its consumers, among hundreds that did nothing but share a process with it."""

from __future__ import annotations

import random
import signal
from typing import Any

import pytest
from application import Application
from consumer_process import ConsumerProcess, eventually

from huey_green import TaskException

#: Tasks that run at once in each consumer: so many die with it.
WORKERS = 20

CONSUMERS = 3


class Crew:
    """Consumers that share a queue; one that died is replaced, as a service manager does it."""

    def __init__(self, app: Application, *options: str) -> None:
        self._app = app
        self._options = ("-q", "-w", str(WORKERS), *options)
        self._members = [self._start() for _ in range(CONSUMERS)]
        self.deaths = 0

    def _start(self) -> ConsumerProcess:
        return self._app.start(*self._options)

    def replace_dead(self) -> None:
        for place, member in enumerate(self._members):
            status = member.process.poll()
            if status is not None:
                assert status == -signal.SIGKILL, member.said
                self.deaths += 1
                self._members[place] = self._start()

    def work_off(self, patience: float = 90.0) -> None:
        """Wait until nothing is left to do, and stop."""

        def is_done() -> bool:
            self.replace_dead()
            return self._app.is_drained()

        eventually(is_done, "an empty storage", patience, self._app.waiting)
        self.replace_dead()
        for member in self._members:
            member.wait_for(lambda pid=member.pid: self._app.times("started", pid), "the start")
            member.stop()


def call(app: Application, number: int) -> dict[str, Any]:
    """Call so many innocent tasks, the poison in their midst; return their results by name."""
    chance = random.Random(app.kind)
    results: dict[str, Any] = {}
    for n in range(number):
        if n == number // 3:
            results["poison"] = app.tasks.poison("poison")
        results[f"n{n}"] = app.tasks.wait(f"n{n}", chance.choice((0, 0.01, 0.05)))
    return results


def check(app: Application, results: dict[str, Any], deaths: int) -> None:
    """See that the poison died and nothing else did, and that nobody ran without a reason."""
    most = app.huey.max_deliveries
    poison = results.pop("poison")
    [letter] = app.huey.dead_letters()
    assert letter.id == poison.id
    assert letter.task_name is not None
    assert letter.task_name.endswith("poison")
    assert len(letter.deaths) == most
    assert app.noted("poisoned") == {"poison": most}
    assert deaths == most
    with pytest.raises(TaskException, match="its consumer died"):
        poison.get()
    assert {name: result.get() for name, result in results.items()} == {
        name: name for name in results
    }
    ran, began = app.noted("ran"), app.noted("began")
    assert {*ran} == {*results}
    # Run again are only those that were in flight at a death: at most so many each time.
    assert sum(began.values()) - len(results) <= deaths * WORKERS
    assert max(began.values()) <= deaths + 1


def test_only_the_poison_dies_of_hundreds_that_three_consumers_share(app: Application):
    results = call(app, 300)
    crew = Crew(app, "--lease", "600")
    crew.work_off()
    check(app, results, crew.deaths)


def test_only_the_poison_dies_where_leases_have_to_end_first(app: Application):
    """As on other hosts: nobody sees that a process is gone, its lease has to be waited for."""
    with (app.directory / "app.py").open("a") as code:
        code.write('import socket\nsocket.gethostname = lambda: f"host-{os.getpid()}"\n')
    results = call(app, 100)
    crew = Crew(app, "--lease", "1")
    crew.work_off()
    check(app, results, crew.deaths)
    [letter] = app.huey.dead_letters()
    assert len({consumer.partition(":")[0] for _, consumer in letter.deaths}) > 1
