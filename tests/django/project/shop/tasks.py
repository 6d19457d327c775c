# SPDX-License-Identifier: MIT
"""Tasks that do what a consumer of a Django project has to bear, and tell how it is."""

import os
import socket
import threading
import time
from pathlib import Path

import greenlet
from django.core.cache import cache
from django.db import connection, transaction
from django.utils import timezone, translation

from huey_green.contrib.djhuey import (
    HUEY,
    db_periodic_task,
    db_task,
    every,
    lock_task,
    on_commit_task,
    on_startup,
    signal,
    task,
)
from huey_green.signals import SIGNAL_COMPLETE
from shop.models import Order

HERE = Path(__file__).parents[1]


@on_startup()
def has_started():
    Order.objects.count()
    (HERE / f"started-{os.getpid()}").touch()


@on_commit_task()
def confirm(number):
    """Fails unless the order can be seen by others."""
    order = Order.objects.get(number=number)
    order.state = "confirmed"
    order.save()
    return order.number


@db_task()
def add(number):
    Order.objects.create(number=number)
    return Order.objects.filter(number=number).count()


@task()
def add_plainly(number):
    return add.call_local(number)


@task(native_thread=True)
def add_natively(number):
    return add.call_local(number)


@db_periodic_task(every(seconds=1))
def count_orders():
    (HERE / "counted").write_text(str(Order.objects.count()))


@task()
def tell():
    """What this process is made of."""
    return {
        "socket": socket.socket.__module__,
        "local": threading.local.__module__,
        "sleep": time.sleep.__module__,
        "pid": os.getpid(),
        "flags": os.environ.get("DJANGO_SETTINGS_MODULE"),
        "utc": HUEY.utc,
    }


@task()
def whose_connection():
    """Returns after others of its kind have begun: they run at once."""
    Order.objects.count()
    (HERE / f"asks-{id(greenlet.getcurrent())}").touch()
    wait_for("go")
    return id(connection.connection)


@task()
def wait_for_go():
    """Hold a greenlet and no connection."""
    (HERE / f"waits-{id(greenlet.getcurrent())}").touch()
    wait_for("go")


@task()
def wait_in_transaction(number):
    """Hold a lock of the database until a file says go."""
    with transaction.atomic():
        Order.objects.create(number=number)
        (HERE / "locked").touch()
        wait_for("go")
    return "committed"


@db_task(timeout=0.2)
def too_slow():
    with transaction.atomic():
        Order.objects.create(number=1)
        time.sleep(60)


@task()
def leave_transaction_open():
    transaction.atomic().__enter__()
    Order.objects.create(number=1)


@task()
def activate(language, zone):
    before = translation.get_language(), timezone.get_current_timezone_name()
    translation.activate(language)
    timezone.activate(zone)
    return before


@task()
@lock_task("one")
def locked():
    return "ran"


@task()
def cached(value):
    cache.set("value", value)
    wait_for("go")
    return cache.get("value")


@task()
def fail():
    Order.objects.count()
    raise ValueError("of its own")


@signal(SIGNAL_COMPLETE)
def look(name, task):
    """A receiver that queries when its task has ended."""
    Order.objects.count()


@task()
def with_advisory_lock(key):
    """Wait in the database, which only PostgreSQL can."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock_shared(%s)", [key])
        cursor.execute("SELECT pg_advisory_unlock_shared(%s)", [key])
    return "waited"


@db_task()
def connections_of_server():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), pg_sleep(0.01) FROM pg_stat_activity WHERE application_name = 'shop'"
        )
        return cursor.fetchone()[0]


def wait_for(name):
    while not (HERE / name).exists():
        time.sleep(0.01)
