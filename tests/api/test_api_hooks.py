# SPDX-License-Identifier: MIT
"""Hooks around tasks. (API reference, "pre_execute", "post_execute".)"""

import pytest
from driving import run_all

from huey_green import CancelExecution, TaskException, TaskInterrupted
from huey_green.signals import SIGNAL_CANCELED, SIGNAL_EXECUTING


def test_hooks_see_the_task_before_and_its_value_after(huey, add):
    seen = []

    @huey.pre_execute()
    def before(task):
        seen.append(("before", task.id, task.args))

    @huey.post_execute()
    def after(task, value, error):
        seen.append(("after", task.id, value, error))

    result = add(1, 2)
    run_all(huey)
    assert result() == 3
    assert seen == [("before", result.id, (1, 2)), ("after", result.id, 3, None)]


def test_the_hook_after_sees_the_exception(huey):
    seen = []
    raised = ValueError("x")

    @huey.task()
    def fails():
        raise raised

    @huey.post_execute()
    def after(task, value, error):
        seen.append((value, error))

    fails()
    run_all(huey)
    assert seen == [(None, raised)]


def test_hooks_run_in_order_for_every_try_and_a_decorated_one_stays_a_function(huey):
    seen = []

    @huey.task(retries=1)
    def fails():
        seen.append("task")
        raise ValueError

    @huey.pre_execute()
    def one(task):
        seen.append("one")

    @huey.pre_execute(name="second")
    def two(task):
        seen.append("two")

    @huey.post_execute()
    def three(task, value, error):
        seen.append("three")

    fails()
    run_all(huey)
    assert seen == ["one", "two", "task", "three"] * 2
    one(None)
    assert seen[-1] == "one"


def test_a_hook_cancels_the_task(huey, add, sent):
    after = []
    huey.post_execute("after")(lambda *args: after.append(args))

    @huey.pre_execute()
    def no_work(task):
        if task.args[0] == 0:
            raise CancelExecution("Sunday -- no work will be done.")

    canceled, done = add(0, 1), add(1, 1)
    del sent[:]
    run_all(huey)
    assert (canceled(), done()) == (None, 2)
    assert [task.id for name, task in sent if name == SIGNAL_CANCELED] == [canceled.id]
    assert [name for name, task in sent[:2]] == [SIGNAL_EXECUTING, SIGNAL_CANCELED]
    assert [task.id for task, _, _ in after] == [done.id]


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_an_error_in_a_hook_is_logged_and_nothing_else(huey, add, caplog, error):
    @huey.pre_execute()
    def before(task):
        raise error

    @huey.post_execute()
    def after(task, value, exc):
        raise error

    result = add(1, 2)
    run_all(huey)
    assert result() == 3
    assert "hook 'before' failed" in caplog.text
    assert "hook 'after' failed" in caplog.text


@pytest.mark.parametrize("error", [CancelExecution, TaskInterrupted])
def test_after_the_task_it_is_too_late_to_cancel_or_interrupt(huey, add, caplog, error):
    @huey.post_execute()
    def after(task, value, exc):
        raise error

    result = add(1, 2)
    run_all(huey)
    assert result() == 3
    assert "post_execute" in caplog.text


def test_hooks_are_unregistered_by_function_or_name(huey, add):
    seen = []

    @huey.pre_execute()
    def one(task):
        seen.append("one")

    @huey.pre_execute(name="named")
    def two(task):
        seen.append("two")

    @huey.post_execute()
    def three(task, value, error):
        seen.append("three")

    assert huey.unregister_pre_execute(one) is True
    assert huey.unregister_pre_execute("named") is True
    assert huey.unregister_pre_execute("named") is False
    assert huey.unregister_post_execute("three") is True
    assert huey.unregister_post_execute(three) is False
    add(1, 2)
    run_all(huey)
    assert seen == []


def test_startup_and_shutdown_hooks_are_unregistered_too(huey):
    hook = huey.on_startup()(huey.on_shutdown("named")(lambda: None))
    assert huey.unregister_on_startup(hook) is True
    assert huey.unregister_on_startup(hook) is False
    assert huey.unregister_on_shutdown("named") is True
    assert huey.unregister_on_shutdown("named") is False


def test_a_hook_may_change_what_the_task_is_given(huey, add):
    @huey.pre_execute()
    def more(task):
        task.kwargs["b"] = 100

    result = add(1)
    run_all(huey)
    assert result() == 101


def test_a_value_that_cannot_be_serialized_is_shown_to_the_hook_all_the_same(huey):
    seen = []

    @huey.task()
    def function():
        return len

    @huey.task()
    def unserializable():
        return lambda: 5

    @huey.post_execute()
    def after(task, value, error):
        seen.append(value)

    first, second = function(), unserializable()
    run_all(huey)
    assert first() is len
    with pytest.raises(TaskException):
        second()
    assert seen[0] is len
    assert seen[1]() == 5
