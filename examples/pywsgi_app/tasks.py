"""What is done in the background."""

import os
import time

from huey_green import RedisHuey, SqliteHuey

if "REDIS_URL" in os.environ:
    huey = RedisHuey("bakery", url=os.environ["REDIS_URL"])
else:
    huey = SqliteHuey("bakery", filename="bakery.db")


@huey.task(context=True)
def bake(loaves, task=None):
    for done in range(1, loaves + 1):
        time.sleep(0.2)
        task.progress(done, loaves, f"loaf {done} of {loaves}")
    return f"{loaves} loaves are ready"
