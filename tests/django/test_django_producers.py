# SPDX-License-Identifier: MIT
"""The decorators of djhuey where tasks are called: transactions, immediate mode, old names."""

from __future__ import annotations

IN_TRANSACTION = """
from django.db import transaction
from shop.tasks import *
"""


def test_a_task_on_commit_is_enqueued_by_the_commit(project):
    told = project.ask(
        IN_TRANSACTION + "with transaction.atomic():\n"
        "    Order.objects.create(number=5)\n"
        "    result = confirm(5)\n"
        "    inside = len(HUEY.pending())\n"
        "answer = inside, [one.id for one in HUEY.pending()] == [result.id]"
    )
    assert told == [0, True]


def test_its_result_can_be_waited_for(project):
    project.consume()
    told = project.ask(
        IN_TRANSACTION + "with transaction.atomic():\n"
        "    Order.objects.create(number=5)\n"
        "    result = confirm(5)\n"
        "answer = result.get(blocking=True, timeout=20)"
    )
    assert told == 5


def test_a_task_on_commit_is_not_enqueued_by_a_rollback(project):
    told = project.ask(
        IN_TRANSACTION + "with transaction.atomic():\n"
        "    confirm(5)\n"
        "    transaction.set_rollback(True)\n"
        "answer = len(HUEY.pending())"
    )
    assert told == 0


def test_a_task_on_commit_is_enqueued_at_once_where_there_is_no_transaction(project):
    assert project.ask(f"{IN_TRANSACTION}confirm(5)\nanswer = len(HUEY.pending())") == 1


def test_all_ways_to_enqueue_a_task_wait_for_the_commit(project):
    told = project.ask(
        IN_TRANSACTION + "with transaction.atomic():\n"
        "    confirm.schedule(args=(1,), delay=60)\n"
        "    results = confirm.map([2, 3])\n"
        "    confirm.call_local  # It is there.\n"
        "    inside = len(HUEY.pending()), len(HUEY.scheduled())\n"
        "waiting = [one.args[0] for one in HUEY.pending()]\n"
        "answer = inside, waiting, len(results)"
    )
    assert told == [[0, 0], [1, 2, 3], 2]


def test_what_cannot_be_sent_is_refused_before_the_commit(project):
    told = project.ask(
        IN_TRANSACTION + "from huey_green.exceptions import SerializationError\n"
        "answer = ''\n"
        "try:\n"
        "    with transaction.atomic():\n"
        "        Order.objects.create(number=1)\n"
        "        confirm(lambda: None)\n"
        "except SerializationError as error:\n"
        "    answer = Order.objects.count()"
    )
    assert told == 0


def test_in_immediate_mode_a_task_leaves_the_callers_connection_and_transaction_alone(project):
    project.change_settings(DEBUG=True)
    told = project.ask(
        IN_TRANSACTION + "with transaction.atomic():\n"
        "    Order.objects.create(number=9)\n"
        "    mine = connection.connection\n"
        "    count = add(9)()\n"
        "    kept = connection.connection is mine\n"
        "    transaction.set_rollback(True)\n"
        "answer = count, kept, Order.objects.count()"
    )
    assert told == [2, True, 0]


def test_the_names_of_huey_0_3_work_and_name_the_new_way(project):
    told = project.ask(
        "import warnings\n"
        "from huey_green.contrib.djhuey.decorators import *\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    @queue_command\n"
        "    def count_some_beans(how_many):\n"
        "        return f'Counted {how_many} beans'\n"
        "    @periodic_command(crontab(minute='*/5'))\n"
        "    def every_five_minutes():\n"
        "        print('It has been five minutes')\n"
        "count_some_beans.huey.immediate = True\n"
        "said = [(one.category.__name__, str(one.message)) for one in caught]\n"
        "answer = count_some_beans(3)(), every_five_minutes.task_class.is_periodic, said"
    )
    assert told == [
        "Counted 3 beans",
        True,
        [
            ["DeprecationWarning", "write @task() in place of @queue_command"],
            ["DeprecationWarning", "write @periodic_task(...) in place of @periodic_command(...)"],
        ],
    ]


def test_brackets_that_are_missing_are_told_of(project):
    told = project.ask(
        "from huey_green import ConfigurationError\n"
        "from huey_green.contrib.djhuey import db_task, on_commit_task, signal, task\n"
        "answer = []\n"
        "for decorator in (task, db_task, on_commit_task, signal):\n"
        "    try:\n"
        "        decorator(print)\n"
        "    except ConfigurationError as error:\n"
        "        answer.append('with brackets' in str(error))"
    )
    assert told == [True] * 4


def test_importing_it_reads_no_settings_and_imports_neither_django_nor_gevent(project):
    said = project.run(
        "-c", "import sys, huey_green.contrib.djhuey\nprint({'django', 'gevent'} & {*sys.modules})"
    )
    assert said == "set()\n"


def test_all_names_are_there_and_are_those_of_one_huey(project):
    told = project.ask(
        "import huey_green.contrib.djhuey as djhuey\n"
        "names = [name for name in djhuey.__all__ if getattr(djhuey, name, None) is None]\n"
        "answer = names, djhuey.task.__self__ is djhuey.HUEY, set(djhuey.__all__) <= {*dir(djhuey)}"
    )
    assert told == [[], True, True]


def test_a_producer_imports_nothing_of_gevent(project):
    assert (
        project.ask(
            "import sys\nfrom shop.tasks import *\nadd(1)\nanswer = 'gevent' in sys.modules"
        )
        is False
    )


def test_a_consumer_inside_an_unpatched_program_closes_the_connections_of_its_threads(project):
    told = project.ask(
        IN_TRANSACTION + "import os\n"
        "def connections():\n"
        "    links = [f'/proc/self/fd/{name}' for name in os.listdir('/proc/self/fd')]\n"
        "    return [os.readlink(one) for one in links if os.path.exists(one)].count(\n"
        "        str(HERE / 'db.sqlite3'))\n"
        "Order.objects.count()\n"
        "consumer = HUEY.create_consumer(workers=4, periodic=False)\n"
        "consumer.start()\n"
        "values = [one.get(blocking=True, timeout=20) for one in [add(1), add_plainly(2)]]\n"
        "consumer.stop(graceful=True)\n"
        "answer = values, connections()"
    )
    assert told == [[1, 1], 1]
