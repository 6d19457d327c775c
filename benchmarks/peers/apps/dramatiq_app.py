# SPDX-License-Identifier: MIT
"""dramatiq: the default middleware, a client with enough connections, results where asked for."""

import time

import contest
import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend
from redis import Redis

# The pool of redis-py 8 stops at 100 connections; every thread of a worker may need one.
client = Redis.from_url(contest.URL, max_connections=contest.WORKERS + 50)
broker = RedisBroker(client=client)
if contest.RESULTS:
    backend = RedisBackend(client=client, use_namespace_prefix_keys=True)
    broker.add_middleware(Results(backend=backend, store_results=True))
dramatiq.set_broker(broker)


@dramatiq.actor
def noop(number):
    return contest.ran(number) if contest.RESULTS else contest.ran(number) and None


@dramatiq.actor
def nap(number, seconds):
    time.sleep(seconds)
    return contest.ran(number) if contest.RESULTS else contest.ran(number) and None


@dramatiq.actor
def stamp(number, made_at):
    contest.begun(number, time.time() - made_at)


@dramatiq.actor
def echo(value):
    return value


ACTORS = {"noop": noop, "nap": nap, "stamp": stamp}


def send(name, *arguments):
    ACTORS[name].send(*arguments)


def send_many(name, rows):
    dramatiq.group([ACTORS[name].message(*arguments) for arguments in rows]).run()


def answer(value):
    return echo.send(value).get_result(block=True, timeout=30_000)
