# SPDX-License-Identifier: MIT
"""Whole programs of the documents, with a consumer as a process of its own."""

from __future__ import annotations

import pytest
import redis

# 003: 1.3.1 "Trying it out yourself" and "Getting results from jobs", 1.5.1; for Python 3.
CONFIG = """\
from huey_green.compat import Huey
from huey_green.compat.backends.redis_backend import RedisBlockingQueue
from huey_green.compat.backends.redis_backend import RedisDataStore # ADD THIS LINE
queue = RedisBlockingQueue('test-queue', host='localhost', port=PORT)
result_store = RedisDataStore('results', host='localhost', port=PORT) # ADDED
huey = Huey(queue, result_store=result_store) # ADDED result store
"""
SHORTER = """\
from huey_green.compat import RedisHuey
huey = RedisHuey('test-queue', host='localhost', port=PORT)
"""
TASKS = """\
from datetime import datetime
from config import huey
@huey.task()
def count_beans(num):
    print('-- counted %s beans --' % num, flush=True)
    return 'Counted %s beans' % num
@huey.task(retries=3, retry_delay=0.1)
def try_thrice():
    print('trying....%s' % datetime.now(), flush=True)
    raise Exception('nope')
"""
MAIN = """\
from config import huey # import our "huey" object
from tasks import count_beans, try_thrice # import our task
if __name__ == '__main__':
    beans = input('How many beans? ')
    count_beans(int(beans))
    print('Enqueued job to count %s beans' % beans)
"""


@pytest.fixture(params=[CONFIG, SHORTER], ids=["parts", "shorter"])
def beans(request, make_app, redis_server):
    """The application of the documents."""
    config = request.param.replace("PORT", str(redis_server.port))
    application = make_app(config=config, tasks=TASKS, main=MAIN)
    yield application
    with redis.Redis.from_url(redis_server.url) as client:
        client.delete(*client.keys("huey.*testqueue*"), *client.keys("huey.*results*"), "nothing")


def test_the_beans_are_counted(beans):
    """003: 1.3.1, all of it"""
    consumer = beans.consume("huey_green", "main.huey")
    said = beans.python(
        "-c",
        "import io, sys, runpy; sys.stdin = io.StringIO('100'); "
        "runpy.run_path('main.py', run_name='__main__')",
    ).stdout
    assert said == "How many beans? Enqueued job to count 100 beans\n"
    beans.says(lambda: "-- counted 100 beans --" in beans.said)
    said = beans.run(
        "from main import count_beans\n"
        "res = count_beans(100)\n"
        "print(res.get(blocking=True))\n"
        "res = count_beans.schedule(args=(200,), delay=0.2)\n"
        "print(res.get(blocking=True))\n"
        "import datetime\n"
        "soon = datetime.datetime.now() + datetime.timedelta(seconds=0.2)\n"
        "print(count_beans.schedule(args=(300,), eta=soon).get(blocking=True))\n"
    )
    assert said == "Counted 100 beans\nCounted 200 beans\nCounted 300 beans\n"
    beans.stop(consumer)


def test_what_fails_is_tried_three_times_more(beans):
    """003: 1.3.1 Retrying tasks that fail"""
    consumer = beans.consume("huey_green", "main.huey", "-w", "1", "-v")
    beans.run("from main import try_thrice; try_thrice()")
    beans.says(lambda: beans.said.count("trying....") == 4)
    beans.says(lambda: beans.said.count("Exception: nope") >= 4)
    beans.stop(consumer)
    assert beans.said.count("trying....") == 4


def test_a_task_that_the_consumer_has_not_imported_is_told(beans):
    """003: 1.5 "the consumer will throw a QueueException"; 1.6 "XXX not found in TaskRegistry\""""
    consumer = beans.consume("huey_green", "config.huey")
    beans.run("from main import count_beans; count_beans(1)")
    beans.says(lambda: "QueueException: tasks.count_beans not found in TaskRegistry" in beans.said)
    beans.stop(consumer)


# 002: BaseQueue and BaseDataStore, as somebody would have written them for Redis.
OWN = """\
import redis
from huey_green.compat import BaseDataStore, BaseQueue, EmptyData, Huey

class MyQueue(BaseQueue):
    blocking = BLOCKING
    def __init__(self, name, **connection):
        super().__init__(name, **connection)
        self.client = redis.Redis(**connection)
    def write(self, data):
        self.client.lpush(self.name, data)
    def read(self):
        if not self.blocking:
            return self.client.rpop(self.name)
        return self.client.brpop(self.name, timeout=0)[1]

class MyStore(BaseDataStore):
    def __init__(self, name, **connection):
        super().__init__(name, **connection)
        self.client = redis.Redis(**connection)
    def put(self, key, value):
        self.client.hset(self.name, key, value)
    def get(self, key):
        value = self.client.hget(self.name, key)
        if value is None:
            return EmptyData
        self.client.hdel(self.name, key)
        return value

connection = dict(host='localhost', port=PORT, socket_timeout=None)
huey = Huey(MyQueue('NAME', **connection), MyStore('NAMEstore', **connection))

@huey.task()
def double(number):
    return 2 * number
"""


@pytest.mark.parametrize("blocking", [False, True])
def test_a_consumer_reads_a_queue_of_ones_own(make_app, redis_server, name, client, blocking):
    """002: BaseQueue, BaseDataStore: "you can write an implementation for any datastore\""""
    code = OWN.replace("PORT", str(redis_server.port)).replace("NAME", name)
    app = make_app(app=code.replace("BLOCKING", str(blocking)))
    consumer = app.consume("huey_green", "app.huey", "-w", "20", "-m", "0.2")
    assert f"MyQueue '{name}', MyStore '{name}store'" in app.said
    assert "20 tasks at once, at most once" in app.said
    said = app.run(
        "from app import double\n"
        "first = [double(number) for number in range(30)]\n"
        "first.append(double.schedule((30,), delay=0.1))\n"
        "print([one.get(blocking=True, timeout=20) for one in first])\n"
        "print(double(5).get(blocking=True, timeout=20))\n"
    )
    assert said == f"{[2 * number for number in range(31)]}\n10\n"
    app.stop(consumer)
    client.lpush(name, b"after the consumer has ended")
    assert client.lpop(name) is not None
