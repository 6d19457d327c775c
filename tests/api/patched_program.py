# SPDX-License-Identifier: MIT
"""A consumer inside a program that gevent has patched; see test_api_patched.py."""

# ruff: noqa: E402 - to patch comes first

from gevent import monkey

monkey.patch_all()

import sys

import gevent

from huey_green import Consumer, SqliteHuey, TaskException

PATIENCE = 30.0
huey = SqliteHuey(filename=sys.argv[1])


@huey.task()
def add(a, b):
    return a + b


@huey.task()
def sleep(seconds):
    gevent.sleep(seconds)
    return seconds


@huey.task()
def fails(name):
    errors = [SystemExit, GeneratorExit, BaseException, gevent.Timeout, gevent.GreenletExit]
    raise {error.__name__: error for error in errors}[name]


@huey.task()
def limited():
    with gevent.Timeout(0.01, False):
        gevent.sleep(PATIENCE)
    return "limited"


@huey.signal()
def receiver(*args):
    raise SystemExit


def main():
    consumer = Consumer(huey, workers=50, scheduler_interval=0.05)
    consumer.start()
    names = ["SystemExit", "GeneratorExit", "BaseException", "Timeout", "GreenletExit"]
    for result, name in [(fails(name), name) for name in names * 5]:
        said = "nothing"
        try:
            result(blocking=True, timeout=PATIENCE)
        except TaskException as error:
            said = str(error)
        assert name in said, (name, said)
    assert sleep.map([0.01] * 200)(blocking=True, timeout=PATIENCE) == [0.01] * 200
    assert limited()(blocking=True, timeout=PATIENCE) == "limited"
    pipeline = huey.enqueue(add.s(1, 2).then(add, 3).then(add, 4))
    assert pipeline(blocking=True, timeout=PATIENCE) == [3, 6, 10]
    assert add.schedule((3, 4), delay=0.05)(blocking=True, timeout=PATIENCE) == 7
    consumer.stop(graceful=True)
    assert huey.storage.in_flight() == []
    huey.storage.close()
    print("done")


if __name__ == "__main__":
    main()
