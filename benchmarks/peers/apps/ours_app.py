# SPDX-License-Identifier: MIT
"""huey_green as it comes; ``once`` has it run tasks at most once."""

import contest
from huey_tasks import offer

from huey_green import RedisHuey

huey = RedisHuey(
    "contest",
    url=contest.URL,
    results=contest.RESULTS,
    at_most_once=contest.VARIANT == "once",
)
send, send_many, answer = offer(huey)
