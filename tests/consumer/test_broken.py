# SPDX-License-Identifier: MIT
"""What an application put in our place fails on a delivery: the task ends as a dead letter."""

from __future__ import annotations

from patched import Records, eventually, patched


@patched
def test_a_delivery_that_cannot_be_handled_ends_in_every_respect(name, url):
    import pytest

    from huey_green import RedisHuey, Task, TaskException
    from huey_green import signals as s

    huey = RedisHuey(name, url=url)
    told = []

    class Broken(Task):
        def concerns_others(self):
            raise RuntimeError("no answer")

    @huey.task(task_base=Broken, unique=True, unique_until="end")
    def broken(n):
        raise AssertionError

    @huey.signal(s.SIGNAL_DEAD)
    def dead(signal, task):
        told.append(task.id)

    consumer = huey.create_consumer(workers=2)
    with Records():
        consumer.start()
        result = broken(1)
        with pytest.raises(TaskException, match="could not be handled: RuntimeError"):
            result.get(blocking=True, timeout=30)
        eventually(lambda: told == [result.id], "the signal")
        [letter] = huey.dead_letters()
        assert letter.id == result.id
        assert letter.task_name.endswith("broken")
        assert "RuntimeError: no answer" in letter.traceback
        # Another one may come: its place among the unique ones is free.
        assert broken(1).id != result.id
        eventually(lambda: len(told) == 2, "the second signal")
        consumer.stop()
    assert huey.storage.in_flight() == []
    huey.storage.close()
