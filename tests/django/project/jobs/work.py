# SPDX-License-Identifier: MIT
"""Tasks of Django's own kind, in a module that is not called tasks."""

import time
from pathlib import Path

from django.tasks import task
from shop.models import Order

HERE = Path(__file__).parents[1]


@task
def double(number):
    Order.objects.create(number=number)
    return 2 * number


@task(takes_context=True, priority=7, queue_name="urgent")
def describe(context, *, word):
    result = context.task_result
    return [result.id, result.status, context.attempt, result.task.priority, word]


@task
def fail(word):
    raise ValueError(word)


@task
def fail_until(name):
    if not (HERE / name).exists():
        (HERE / name).touch()
        raise ValueError("not yet")
    return "at last"


@task
def return_object():
    return object()


@task
def wait(name):
    (HERE / f"{name}-begun").touch()
    while not (HERE / name).exists():
        time.sleep(0.01)
    return name
