# SPDX-License-Identifier: MIT
from huey_green.contrib.djhuey import crontab, periodic_task, task


@task()
def send(to):
    return f"sent to {to}"


@periodic_task(crontab(minute="0", hour="3"))
def nightly():
    return None
