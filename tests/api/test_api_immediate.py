# SPDX-License-Identifier: MIT
"""Tasks run where they are called. (Guide, "Immediate mode"; API reference, "immediate".)"""

from datetime import datetime, timedelta

import pytest

from huey_green import (
    ConfigurationError,
    Consumer,
    HueyException,
    RedisHuey,
    RetryTask,
    TaskException,
)
from huey_green import signals as s
from huey_green.storage import MemoryStorage


@pytest.fixture(params=[True, False], ids=["in-memory", "live"])
def immediate(request, make_huey):
    """An immediate Huey, over memory and over the live storage."""
    return make_huey(immediate=True, immediate_use_memory=request.param)


@pytest.fixture
def add_at_once(immediate):
    @immediate.task()
    def add(a, b):
        return a + b

    return add


def test_a_task_runs_where_it_is_called(add_at_once):
    result = add_at_once(2, 3)
    assert result() == 5
    assert add_at_once(1, 2)(blocking=True, timeout=0) == 3


def test_the_documents_example_of_revoking_works(add_at_once):
    assert add_at_once(1, 2)() == 3
    add_at_once.revoke(revoke_once=True)
    assert add_at_once(2, 3)() is None
    assert add_at_once(3, 4)() == 7
    add_at_once.revoke()
    assert add_at_once(2, 3)() is None
    assert add_at_once(2, 3)() is None
    add_at_once.restore()
    assert add_at_once(2, 3)() == 5
    add_at_once.revoke(revoke_until=datetime.now() + timedelta(hours=1))
    assert add_at_once(2, 3)() is None


def test_a_task_for_later_is_on_the_schedule_and_not_run(immediate, add_at_once):
    result = add_at_once.schedule((4, 5), delay=60)
    assert result() is None
    [task] = immediate.scheduled()
    assert task.id == result.id
    assert len(immediate) == 0


def test_pipelines_maps_and_error_tasks_run_to_their_end(immediate, add_at_once):
    add = add_at_once
    handled = []

    @immediate.task()
    def handle(error):
        handled.append(error)

    assert immediate.enqueue(add.s(1, 2).then(add, 3).then(add, 4))() == [3, 6, 10]
    assert add.map([(1, 2), (3, 4)])() == [3, 7]
    immediate.enqueue(add.s(1, "x").error(handle))
    assert [type(error) for error in handled] == [TypeError]


def test_a_failing_task_is_tried_again_at_once(immediate):
    runs = []

    @immediate.task(retries=2)
    def flaky(fails):
        runs.append(1)
        if len(runs) <= fails:
            raise ValueError("failing!")
        return "OK"

    assert flaky(2)() == "OK"
    assert len(runs) == 3
    del runs[:]
    with pytest.raises(TaskException, match="failing!"):
        flaky(3)()
    assert len(runs) == 3


def test_a_retry_with_a_delay_is_on_the_schedule(immediate):
    @immediate.task()
    def again():
        raise RetryTask(delay=60)

    again()
    assert len(immediate.scheduled()) == 1


def test_signals_and_hooks_are_as_ever(immediate, add_at_once):
    seen = []
    immediate.pre_execute("before")(lambda task: seen.append("before"))
    immediate.post_execute("after")(lambda task, value, error: seen.append(value))
    immediate.signal()(lambda signal, task: seen.append(signal))
    add_at_once(1, 2)
    executing = [s.SIGNAL_ENQUEUED, s.SIGNAL_EXECUTING, "before", 3]
    assert seen == [*executing, s.SIGNAL_COMPLETE]


def test_a_task_may_call_another(immediate, add_at_once):
    @immediate.task()
    def parent():
        return add_at_once(1, 2)()

    assert parent()() == 3


def test_what_could_not_be_enqueued_is_refused_here_too(immediate, add_at_once):
    with pytest.raises(HueyException, match="serialized"):
        add_at_once(lambda: None, 1)


def test_ctrl_c_is_the_users_and_system_exit_the_tasks(immediate):
    @immediate.task()
    def raises(error):
        raise error

    with pytest.raises(KeyboardInterrupt):
        raises(KeyboardInterrupt())
    result = raises(SystemExit(1))
    with pytest.raises(TaskException, match="SystemExit"):
        result()


def test_immediate_mode_is_switched_on_and_off(make_huey):
    huey = make_huey()
    live = huey.storage

    @huey.task()
    def add(a, b):
        return a + b

    waiting = add(1, 2)
    assert len(huey) == 1
    huey.immediate = True
    assert huey.immediate
    assert isinstance(huey.storage, MemoryStorage)
    assert huey.storage is not live
    assert add(1, 2)() == 3
    assert len(huey) == 0, "the live storage is not looked at"
    huey.immediate = False
    assert len(huey) == 1, "what waited in the live storage still waits"
    assert huey.pending()[0].id == waiting.id
    assert add(3, 4)() is None
    assert len(huey) == 2


def test_what_is_done_in_memory_does_not_reach_the_live_storage(make_huey):
    huey = make_huey(immediate=True)
    assert isinstance(huey.storage, MemoryStorage)

    @huey.task()
    def add(a, b):
        return a + b

    result = add(1, 2)
    huey.put("key", 1)
    add.revoke()
    huey.immediate = False
    assert result() is None
    assert huey.get("key") is None
    assert not add.is_revoked()


def test_without_memory_the_live_storage_is_used_throughout(make_huey):
    huey = make_huey(immediate_use_memory=False)
    live = huey.storage

    @huey.task()
    def add(a, b):
        return a + b

    waiting = add(1, 2)
    huey.immediate = True
    assert huey.storage is live
    assert add(3, 4)() == 7
    assert waiting() is None
    assert len(huey) == 1


def test_a_revocation_by_somebody_else_holds_in_immediate_mode(make_huey):
    here = make_huey("shared", immediate=True, immediate_use_memory=False)
    there = make_huey("shared")
    if isinstance(here.storage, MemoryStorage):
        there.storage = here.storage

    @here.task(name="task")
    def task_here():
        return 1

    @there.task(name="task")
    def task_there():
        return 1

    assert task_here()() == 1
    task_there.revoke()
    assert task_here()() is None
    task_there.restore()
    assert task_here()() == 1


@pytest.mark.parametrize("switched", [False, True])
def test_no_server_is_needed_in_immediate_mode(switched):
    huey = RedisHuey("nowhere", url="redis://127.0.0.1:1/0", immediate=not switched)
    huey.immediate = True

    @huey.task()
    def add(a, b):
        return a + b

    assert add(1, 2)() == 3


def test_there_is_nothing_to_consume_in_immediate_mode(immediate):
    with pytest.raises(ConfigurationError, match="immediate"):
        Consumer(immediate)
