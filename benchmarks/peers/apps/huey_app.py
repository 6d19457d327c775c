# SPDX-License-Identifier: MIT
"""huey: a pool that has a connection for each worker, and hiredis."""

import contest
from huey import RedisHuey
from huey_tasks import offer
from redis import ConnectionPool

huey = RedisHuey(
    "contest",
    # The pool of redis-py 8 stops at 100 connections; every worker of huey needs one.
    connection_pool=ConnectionPool.from_url(contest.URL, max_connections=contest.WORKERS + 50),
    results=contest.RESULTS,
    # Otherwise a caller polls for its result. It costs each task two commands more.
    notify_result=contest.LATENCY,
)
send, send_many, answer = offer(huey)
