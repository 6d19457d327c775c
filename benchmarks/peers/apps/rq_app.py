# SPDX-License-Identifier: MIT
"""RQ: jobs enqueued in bulk where there are many, results kept or dropped at once."""

import time

import contest
from redis import Redis
from rq import Queue

queue = Queue("contest", connection=Redis.from_url(contest.URL))

#: Seconds that a result is kept; 0: not at all.
RESULT_TTL = 3600 if contest.RESULTS else 0


def noop(number):
    return contest.ran(number)


def nap(number, seconds):
    time.sleep(seconds)
    return contest.ran(number)


def stamp(number, made_at):
    return contest.begun(number, time.time() - made_at)


def echo(value):
    return value


# By name: here they are functions of this module, in the driver too.
def send(name, *arguments):
    queue.enqueue(f"rq_app.{name}", *arguments, result_ttl=RESULT_TTL)


def send_many(name, rows):
    prepared = [
        Queue.prepare_data(f"rq_app.{name}", list(row), result_ttl=RESULT_TTL) for row in rows
    ]
    queue.enqueue_many(prepared)


def answer(value):
    job = queue.enqueue("rq_app.echo", value, result_ttl=3600)
    return job.latest_result(timeout=30).return_value
