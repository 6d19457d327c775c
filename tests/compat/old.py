# SPDX-License-Identifier: MIT
"""The old names, and queues and stores of one's own as the documents have them.

What a test is named after stands in its docstring: 002 is the API reference of huey 0.3, 003 the
manual of 0.4.9, 004 its page on the consumer; the title is that of the section.
"""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from huey_green.compat import (
        AsyncData,
        BaseConfiguration,
        BaseDataStore,
        BaseEventEmitter,
        BaseQueue,
        BaseSchedule,
        DataStoreTimeout,
        EmptyData,
        Huey,
        Invoker,
        QueueException,
        RedisBlockingQueue,
        RedisDataStore,
        RedisEventEmitter,
        RedisHuey,
        RedisQueue,
        RedisSchedule,
        SqliteDataStore,
        SqliteQueue,
        SqliteSchedule,
        crontab,
        periodic_command,
        queue_command,
    )

__all__ = [
    "AsyncData",
    "BaseConfiguration",
    "BaseDataStore",
    "BaseEventEmitter",
    "BaseQueue",
    "BaseSchedule",
    "DataStoreTimeout",
    "DictStore",
    "EmptyData",
    "Huey",
    "Invoker",
    "ListQueue",
    "ListSchedule",
    "QueueException",
    "RedisBlockingQueue",
    "RedisDataStore",
    "RedisEventEmitter",
    "RedisHuey",
    "RedisQueue",
    "RedisSchedule",
    "SqliteDataStore",
    "SqliteQueue",
    "SqliteSchedule",
    "crontab",
    "periodic_command",
    "queue_command",
    "work_off",
]


class ListQueue(BaseQueue):
    """A queue with what the documents ask for, and nothing else."""

    def __init__(self, name="own", **connection):
        super().__init__(name, **connection)
        self.items = []

    def write(self, data):
        self.items.append(data)

    def read(self):
        return self.items.pop(0) if self.items else None


class DictStore(BaseDataStore):
    """A data store of huey 0.3: no ``peek``."""

    def __init__(self, name="own", **connection):
        super().__init__(name, **connection)
        self.values = {}

    def put(self, key, value):
        self.values[key] = value

    def get(self, key):
        return self.values.pop(key, EmptyData)

    def flush(self):
        self.values.clear()


class ListSchedule(BaseSchedule):
    """A schedule of huey 0.4."""

    def __init__(self, name="own", **connection):
        super().__init__(name, **connection)
        self.items = []

    def add(self, data, timestamp):
        self.items.append((timestamp, data))

    def read(self, timestamp):
        due = sorted(one for one in self.items if one[0] <= timestamp)
        self.items = [one for one in self.items if one[0] > timestamp]
        return [data for _, data in due]

    def flush(self):
        self.items.clear()


def work_off(huey):
    """Run what is in the queue, one after the other; return how many tasks it were."""
    number = 0
    while (task := huey.dequeue()) is not None:
        huey.execute(task)
        number += 1
    return number
