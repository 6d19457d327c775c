# SPDX-License-Identifier: MIT
"""What is done outside of a request. ``manage.py run_huey`` finds the tasks.py of each app."""

import time

from huey_green.contrib.djhuey import crontab, db_periodic_task, on_commit_task
from orders.models import Order, Summary


@on_commit_task(retries=3, retry_delay=10)
def deliver(order_id):
    """Enqueued with the order's own transaction: nobody looks for it before it is there."""
    order = Order.objects.get(pk=order_id)
    time.sleep(1)  # A call of somebody's API: hundreds of them wait at the same time.
    order.state = "delivered"
    order.save(update_fields=["state"])


@db_periodic_task(crontab())
def summarize():
    Summary.objects.create(orders=Order.objects.count())
