# SPDX-License-Identifier: MIT
"""Greenlets, and native threads beside them, that wait for results while Redis is away."""

from __future__ import annotations

from patched import Records, eventually, patched

#: Seconds after which a test gives up waiting for a result; none that passes comes near.
PATIENCE = 30.0


def answers(huey):
    """Say whether the storage answers, also over connections that an outage has cut."""
    from huey_green import StorageUnavailable

    try:
        huey.storage.link.execute("PING")
    except StorageUnavailable:
        return False
    return True


@patched
def test_of_hundreds_of_greenlets_that_wait_through_an_outage_one_asks():
    import gevent

    from huey_green import RedisHuey
    from huey_green.testing.redis import PrivateRedis

    with PrivateRedis(appendonly=True) as server, Records() as records:
        huey = RedisHuey("away", url=server.url)

        @huey.task()
        def double(n):
            return 2 * n

        results = [double(n) for n in range(300)]
        asked_by, ping = [], huey.storage.ping

        def counted():
            asked_by.append(gevent.getcurrent())
            ping()

        huey.storage.ping = counted
        server.kill()
        waiting = [gevent.spawn(one.get, True, PATIENCE) for one in results]
        eventually(lambda: len(asked_by) == 4, "somebody to ask for a while")
        assert len(set(asked_by)) == 1
        server.start()
        eventually(lambda: answers(huey), "the server to answer us")
        consumer = huey.create_consumer(workers=50)
        consumer.start()
        assert [one.get(timeout=PATIENCE) for one in waiting] == [2 * n for n in range(300)]
        assert len([one for one in records if "wait for it to come back" in one]) == 1
        consumer.stop()
        huey.storage.close()


@patched
def test_native_threads_and_greenlets_wait_through_an_outage_each_for_themselves():
    from gevent.threadpool import ThreadPool

    from huey_green import RedisHuey
    from huey_green.testing.redis import PrivateRedis

    with PrivateRedis(appendonly=True) as server, Records() as records:
        huey = RedisHuey("away", url=server.url)

        @huey.task()
        def double(n):
            return 2 * n

        here, *there = (double(n) for n in range(4))
        server.kill()
        pool = ThreadPool(3)
        waiting = [pool.spawn(one.get, True, PATIENCE) for one in there]
        eventually(lambda: len(records) == 3, "the threads to notice")
        server.start()
        eventually(lambda: answers(huey), "the server to answer us")
        consumer = huey.create_consumer(workers=5)
        consumer.start()
        assert here.get(True, PATIENCE) == 0
        assert [one.get(timeout=PATIENCE) for one in waiting] == [2, 4, 6]
        pool.kill()
        consumer.stop()
        huey.storage.close()
