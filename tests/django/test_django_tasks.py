# SPDX-License-Identifier: MIT
"""The backend of django.tasks, in a real project."""

from __future__ import annotations

import pytest
from django import VERSION

if VERSION < (6, 0):
    pytest.skip("Django has tasks from 6.0 on", allow_module_level=True)

BACKEND = {
    "BACKEND": "huey_green.contrib.django_tasks.HueyBackend",
    "QUEUES": ["default", "urgent"],
}

WAIT = """
import time
from django.tasks import TaskResultStatus, task_backends
from jobs.work import *

def finished(result, status=None):
    ends_at = time.monotonic() + 25
    while not (result.is_finished if status is None else result.status == status):
        assert time.monotonic() < ends_at, result
        time.sleep(0.01)
        result.refresh()
    return result
"""


@pytest.fixture
def tasks(make_project):
    """A project whose tasks are Django's."""
    return make_project(TASKS={"default": BACKEND})


def change(project, **options):
    project.change_settings(TASKS={"default": {**BACKEND, "OPTIONS": options}})


def test_a_task_is_run_by_the_consumer_and_its_result_is_read_anywhere(tasks):
    consumer = tasks.consume()
    task_id, *told = tasks.ask(
        WAIT + "result = double.enqueue(21)\n"
        "before = str(result.status), result.args\n"
        "finished(result)\n"
        "moments = [result.enqueued_at, result.started_at, result.finished_at]\n"
        "answer = [result.id, before, str(result.status), result.return_value, result.attempts,\n"
        "          moments == sorted(moments), result.errors, result.task.name]"
    )
    assert told == [["READY", [21]], "SUCCESSFUL", 42, 1, True, [], "double"]
    assert tasks.ask(f"{WAIT}answer = double.get_result({task_id!r}).return_value") == 42
    consumer.sees(lambda: consumer.files_open("db.sqlite3") == 0, "all connections closed")
    consumer.stop()


def test_context_priority_queue_and_arguments_reach_the_task(tasks):
    tasks.consume()
    told = tasks.ask(
        WAIT + "result = finished(describe.enqueue(word='late'))\n"
        "answer = [result.return_value[1:], result.return_value[0] == result.id,\n"
        "          result.task.queue_name, result.kwargs]"
    )
    assert told == [["RUNNING", 1, 7, "late"], True, "urgent", {"word": "late"}]


def test_priorities_are_heeded(tasks):
    told = tasks.ask(
        WAIT + "from shop.tasks import HUEY\n"
        "for priority in (0, 5, -5, 9):\n"
        "    double.using(priority=priority).enqueue(priority)\n"
        "answer = [HUEY.dequeue().args[0]['args'] for _ in range(4)]"
    )
    assert told == [[9], [5], [0], [-5]]


def test_a_list_in_redis_has_no_priorities_and_says_so(tasks, redis_server):
    tasks.change_settings(TASKS={"default": BACKEND}, HUEY={"url": redis_server.url})
    told = tasks.ask(
        "from django.tasks import task_backends\n"
        "from django.tasks.exceptions import InvalidTask\n"
        "try:\n    import jobs.work\n"
        "except InvalidTask as error:\n    answer = str(error)"
    )
    assert "does not support setting priority" in told


def test_what_a_task_raises_is_kept(tasks):
    tasks.consume()
    told = tasks.ask(
        WAIT + "result = finished(fail.enqueue('bad'))\n"
        "[error] = result.errors\n"
        "answer = [str(result.status), error.exception_class is ValueError,\n"
        "          'ValueError: bad' in error.traceback, result.attempts]"
    )
    assert told == ["FAILED", True, True, 1]


def test_a_value_that_is_no_json_is_a_failure(tasks):
    tasks.consume()
    told = tasks.ask(
        WAIT + "result = finished(return_object.enqueue())\n"
        "answer = str(result.status), result.errors[0].exception_class_path"
    )
    assert told == ["FAILED", "builtins.TypeError"]


def test_a_task_is_tried_again_if_the_options_say_so(tasks):
    change(tasks, retries=2)
    tasks.consume()
    told = tasks.ask(
        WAIT + "result = finished(fail_until.enqueue('second'))\n"
        "answer = [str(result.status), result.return_value, result.attempts, len(result.errors),\n"
        "          result.started_at < result.last_attempted_at]"
    )
    assert told == ["SUCCESSFUL", "at last", 2, 1, True]
    told = tasks.ask(
        WAIT + "result = finished(fail.enqueue('bad'))\n"
        "answer = str(result.status), result.attempts, len(result.errors)"
    )
    assert told == ["FAILED", 3, 3]


def test_a_task_that_takes_too_long_has_failed(tasks):
    change(tasks, timeout=0.2)
    tasks.consume()
    told = tasks.ask(
        WAIT + "result = finished(wait.enqueue('never'))\n"
        "answer = str(result.status), result.attempts, len(result.errors)"
    )
    assert told == ["FAILED", 1, 1]


def test_a_task_runs_after_its_moment(tasks):
    tasks.consume()
    told = tasks.ask(
        WAIT + "from datetime import timedelta\nfrom django.utils import timezone\n"
        "at = timezone.now() + timedelta(seconds=1.2)\n"
        "result = double.using(run_after=at).enqueue(1)\n"
        "kept = double.get_result(result.id).task.run_after == at\n"
        "finished(result)\n"
        "answer = kept, result.started_at >= at"
    )
    assert told == [True, True]


def test_a_running_task_is_seen_and_one_whose_consumer_was_killed_runs_again(tasks):
    consumer = tasks.consume("--lease", "1")
    task_id = tasks.ask(
        WAIT + "result = finished(wait.enqueue('go'), TaskResultStatus.RUNNING)\nanswer = result.id"
    )
    consumer.kill()
    tasks.touch("go")
    tasks.consume("--lease", "1")
    told = tasks.ask(
        WAIT + f"result = finished(wait.get_result({task_id!r}))\n"
        "answer = [str(result.status), result.attempts, len(set(result.worker_ids))]"
    )
    assert told == ["SUCCESSFUL", 2, 2]


def test_a_task_that_was_canceled_has_failed(tasks):
    tasks.consume()
    told = tasks.ask(
        WAIT + "from huey_green.contrib.djhuey import HUEY\n"
        "result = finished(wait.enqueue('never'), TaskResultStatus.RUNNING)\n"
        "HUEY.cancel(result.id)\n"
        "finished(result)\n"
        "answer = str(result.status), result.errors[0].exception_class_path"
    )
    assert told == ["FAILED", "huey_green.exceptions.TaskCanceled"]


def test_a_result_that_nobody_knows_is_told(tasks):
    told = tasks.ask(
        WAIT + "from django.tasks.exceptions import TaskResultDoesNotExist, TaskResultMismatch\n"
        "answer = []\n"
        "for task, task_id in ((double, 'x'), (fail, double.enqueue(1).id)):\n"
        "    try:\n        task.get_result(task_id)\n"
        "    except (TaskResultDoesNotExist, TaskResultMismatch) as error:\n"
        "        answer.append(type(error).__name__)"
    )
    assert told == ["TaskResultDoesNotExist", "TaskResultMismatch"]


def test_results_end_by_themselves(tasks):
    change(tasks, result_ttl=1)
    told = tasks.ask(
        WAIT + "from django.tasks.exceptions import TaskResultDoesNotExist\n"
        "result = double.enqueue(1)\n"
        "ends_at = time.monotonic() + 25\n"
        "answer = 'kept'\n"
        "while answer == 'kept' and time.monotonic() < ends_at:\n"
        "    try:\n        double.get_result(result.id)\n"
        "    except TaskResultDoesNotExist:\n        answer = 'gone'\n"
        "    time.sleep(0.05)"
    )
    assert told == "gone"


def test_in_immediate_mode_a_task_is_run_where_it_is_enqueued_and_signals_are_sent(tasks):
    tasks.change_settings(DEBUG=True, TASKS={"default": BACKEND})
    told = tasks.ask(
        WAIT + "from django.tasks.signals import task_enqueued, task_finished, task_started\n"
        "seen = []\n"
        "def note(sender, task_result, signal, **_):\n"
        "    seen.append([sender.__name__, str(task_result.status)])\n"
        "for signal in (task_enqueued, task_started, task_finished):\n"
        "    signal.connect(note)\n"
        "result = double.enqueue(4)\n"
        "answer = result.return_value, seen"
    )
    states = ["READY", "RUNNING", "SUCCESSFUL"]
    assert told == [8, [["HueyBackend", state] for state in states]]


def test_it_can_be_awaited(tasks):
    tasks.consume()
    told = tasks.ask(
        WAIT + "import asyncio\n"
        "async def main():\n"
        "    result = await double.aenqueue(3)\n"
        "    while not result.is_finished:\n"
        "        await asyncio.sleep(0.01)\n"
        "        await result.arefresh()\n"
        "    return (await double.aget_result(result.id)).return_value\n"
        "answer = asyncio.run(asyncio.wait_for(main(), 25))"
    )
    assert told == 6


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("@task\nasync def later():\n    pass", "does not support async"),
        ("double.using(queue_name='other')", "Queue 'other' is not valid"),
    ],
    ids=["coroutine", "queue"],
)
def test_what_cannot_be_is_refused_where_it_is_declared(tasks, code, said):
    (tasks.directory / "wrong.py").write_text(f"from jobs.work import *\n{code}\n")
    told = tasks.ask(
        "from django.tasks.exceptions import InvalidTask\n"
        "try:\n    import wrong\n"
        "except InvalidTask as error:\n    answer = str(error)"
    )
    assert said in told


def test_an_unknown_option_is_told(tasks):
    change(tasks, retry=3)
    assert "has retry; there are expires, result_ttl" in tasks.manage("run_huey", status=1)
