# SPDX-License-Identifier: MIT
"""The part of Huey that tells who consumes it, and what runs."""

from __future__ import annotations

from huey_green.keeping import Keeping
from huey_green.report import ConsumerState, Counts, RunningTask, decode_report


class Reporting(Keeping):
    """Mixed into Huey."""

    def consumers(self) -> list[ConsumerState]:
        """Return the consumers of this queue, by name, each with what it said of itself last.

        That is up to some seconds old, ``told_at`` says from when. One that was killed stays in the
        list until its lease ends, and is silent from 30 seconds after its death: ``told_at`` is
        None. Of a storage that has only the documented methods nothing is known.
        """
        storage = self.storage
        ends = storage.consumers()
        if not ends:
            return []
        names = sorted(ends)
        said, held = storage.reports(names), storage.held_counts(names)
        states = [ConsumerState(name, ends[name], held.get(name, 0)) for name in names]
        return [decode_report(one, said[one.name]) if one.name in said else one for one in states]

    def counts(self) -> Counts:
        """Return how many tasks wait, are on the schedule, run... See ``Counts``."""
        return self.storage.counts()

    def running(self, limit: int | None = None) -> list[RunningTask]:
        """Return the tasks that run now, those that run for longest first.

        Each consumer names a hundred of its own, and some seconds pass until it does:
        ``consumers()`` tells how many there are. A moment in which a task began, and no other one
        is known to run then.
        """
        found = [task for consumer in self.consumers() for task in consumer.tasks]
        found.sort(key=lambda task: task.started_at)
        return found[:limit]
