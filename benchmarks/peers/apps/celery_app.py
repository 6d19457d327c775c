# SPDX-License-Identifier: MIT
"""Celery: events, gossip and rate limits off, many messages reserved in advance.

``late`` acknowledges a task when it has run, not before.
"""

import time

import contest
from celery import Celery

app = Celery("contest", broker=contest.URL, backend=contest.URL if contest.RESULTS else None)
app.conf.update(
    task_acks_late="late" in contest.VARIANT,
    task_ignore_result=not contest.RESULTS,
    worker_disable_rate_limits=True,
    # "Optimizing": large for many short tasks. It multiplies what runs at once.
    worker_prefetch_multiplier=4 if "gevent" in contest.VARIANT else 64,
    broker_connection_retry_on_startup=True,
    # The pools of redis-py 8 stop at 100 connections.
    redis_max_connections=contest.WORKERS + 50,
    broker_transport_options={"max_connections": contest.WORKERS + 50},
)


@app.task(name="noop")
def noop(number):
    return contest.ran(number)


@app.task(name="nap")
def nap(number, seconds):
    time.sleep(seconds)
    return contest.ran(number)


@app.task(name="stamp")
def stamp(number, made_at):
    return contest.begun(number, time.time() - made_at)


@app.task(name="echo")
def echo(value):
    return value


def send(name, *arguments):
    app.tasks[name].delay(*arguments)


def send_many(name, rows):
    # One connection for all of them: there is no call that enqueues many at once.
    with app.producer_pool.acquire(block=True) as producer:
        for arguments in rows:
            app.tasks[name].apply_async(arguments, producer=producer)


def answer(value):
    return echo.delay(value).get(timeout=30)
