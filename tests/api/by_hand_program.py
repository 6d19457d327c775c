# SPDX-License-Identifier: MIT
"""What an application's test does with a consumer of its own; see test_api_by_hand_consumer.py.

As a program it does so after gevent has patched it: ``by_hand_program.py STORAGE [PLACE]``.
"""

import sys

if __name__ == "__main__":
    from gevent import monkey

    monkey.patch_all()

import threading
import time

from huey_green import Consumer, FileHuey, MemoryHuey, RedisHuey, SqliteHuey

PATIENCE = 30.0


def drive(huey):
    """Run tasks with a consumer in this process, twice, and stop it; return what they did."""
    ended = []

    @huey.task()
    def add(a, b):
        return a + b

    @huey.task(retries=1, retry_delay=0.01)
    def flaky(name):
        if huey.put_if_empty(name, 1):
            raise ValueError("the first time")
        return "the second time"

    @huey.task()
    def fails():
        raise ValueError("failing!")

    @huey.task()
    def slow(begun, end):
        huey.put(begun, 1)
        while huey.get(end, peek=True) is None:
            time.sleep(0.01)
        ended.append(begun)

    def values(name):
        first = [add(n, n) for n in range(20)]
        second = add.schedule((3, 4), delay=0.05)
        third = huey.enqueue(add.s(1, 2).then(add, 3))
        fourth = flaky(name)
        found = [result(blocking=True, timeout=PATIENCE) for result in (*first, second, third)]
        assert found == [*range(0, 40, 2), 7, [3, 6]], found
        until(lambda: fourth.get_raw_result(preserve=True) == "the second time" or fourth.reset())
        assert "failing!" in fails().get_raw_result(True, PATIENCE).metadata["error"]

    consumer = Consumer(
        huey,
        workers=2,
        initial_delay=0.001,
        max_delay=0.001,
        check_worker_health=False,
        scheduler_interval=0.05,
    )
    for number in range(2):
        consumer.start()
        values(f"flaky {number}")
        slow(f"begun {number}", f"end {number}")
        until(lambda number=number: huey.get(f"begun {number}", peek=True) is not None)
        ending = threading.Timer(0.05, huey.put, [f"end {number}", 1])
        ending.start()
        consumer.stop(graceful=True)
        assert ended[number:] == [f"begun {number}"], "what ran has ended"
        ending.join()
        waiting = add(1, 2)
        assert len(huey) == 1, "nobody takes it any more"
        assert huey.execute(huey.dequeue()) == waiting() == 3
    assert huey.storage.in_flight() == []
    assert (len(huey), huey.scheduled_count()) == (0, 0)


def until(condition):
    """Wait until ``condition`` holds."""
    ends_at = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends_at, "it does not come about"
        time.sleep(0.01)


def main():
    storage, place = sys.argv[1:]
    huey = {
        "memory": lambda: MemoryHuey(),
        "sqlite": lambda: SqliteHuey(filename=place),
        "file": lambda: FileHuey(path=place),
        "redis": lambda: RedisHuey("by-hand", url=place),
    }[storage]()
    drive(huey)
    huey.flush()
    huey.storage.close()
    print("done")


if __name__ == "__main__":
    main()
