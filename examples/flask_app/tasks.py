"""What is done in the background."""

import os
import time

from huey_green import RedisHuey, SqliteHuey

if "REDIS_URL" in os.environ:
    huey = RedisHuey("shop", url=os.environ["REDIS_URL"])
else:
    huey = SqliteHuey("shop", filename="shop.db")


@huey.task()
def confirm(item):
    time.sleep(0.1)  # A mail is sent.
    return f"{item} is confirmed"
