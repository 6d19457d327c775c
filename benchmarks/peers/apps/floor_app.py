# SPDX-License-Identifier: MIT
"""The producer of the bare loops: ``LPUSH``, one by one or pipelined."""

import uuid

import contest
from redis import Redis

from benchmarks.keys import PADDING, QUEUE_KEY, REPLY_KEY

#: Messages in one pipeline.
TOGETHER = 1000

redis = Redis.from_url(contest.URL)


def message(number):
    """As long as those of ``benchmarks.keys``; the number is its last word."""
    return uuid.uuid4().hex.encode() + b"%*d" % (len(PADDING), number)


def send(name, *arguments):
    if name == "stamp":
        redis.lpush(QUEUE_KEY, b"%d %r" % arguments)
    else:
        redis.lpush(QUEUE_KEY, message(arguments[0]))


def send_many(name, rows):
    for start in range(0, len(rows), TOGETHER):
        with redis.pipeline(transaction=False) as pipe:
            for number, *_ in rows[start : start + TOGETHER]:
                pipe.lpush(QUEUE_KEY, message(number))
            pipe.execute()


def answer(value):
    redis.lpush(QUEUE_KEY, value)
    return int(redis.blpop([REPLY_KEY], 30)[1])
