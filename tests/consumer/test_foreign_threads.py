# SPDX-License-Identifier: MIT
"""A task may use the queue from native threads of its own, in a process that gevent has patched."""

from __future__ import annotations

import pytest
from patched import patched


@pytest.mark.parametrize("kind", ["list", "zset", "sqlite", "file"])
@patched
def test_a_native_thread_of_a_task_enqueues_and_waits(kind, name, url, tmp_path):
    from concurrent.futures import ThreadPoolExecutor  # Patched: its threads are greenlets.

    import gevent
    from gevent.threadpool import ThreadPool

    from huey_green import FileHuey, PriorityRedisHuey, RedisHuey, SqliteHuey

    kinds = {"list": RedisHuey, "zset": PriorityRedisHuey, "sqlite": SqliteHuey, "file": FileHuey}
    where = {"sqlite": {"filename": f"{tmp_path}/q.db"}, "file": {"path": f"{tmp_path}/q"}}
    huey = kinds[kind](name, **where.get(kind, {"url": url}))

    @huey.task()
    def answer(n):
        gevent.sleep(0.01)
        return n

    def ask(n):
        return answer(n).get(blocking=True, timeout=30)

    @huey.task()
    def outer(n):
        pool = ThreadPool(2)
        try:
            asked = [pool.spawn(ask, n + i) for i in range(4)]
            return [one.get(timeout=30) for one in asked]
        finally:
            pool.kill()

    consumer = huey.create_consumer(workers=50)
    consumer.start()
    results = [outer(10 * n) for n in range(10)]
    with ThreadPoolExecutor(5) as greenlets:
        assert list(greenlets.map(ask, range(100))) == list(range(100))
    for n, result in enumerate(results):
        assert result.get(blocking=True, timeout=30) == [10 * n + i for i in range(4)]
    # The connections of the event loop are as good as before.
    assert [ask(n) for n in range(20)] == list(range(20))
    consumer.stop()
    huey.storage.close()
