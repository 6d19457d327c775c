# SPDX-License-Identifier: MIT
import inspect
from datetime import datetime, timezone
from functools import wraps

import pytest

from huey_green import ConfigurationError, MemoryHuey, RetryTask, Task, TaskWrapper, crontab


@pytest.fixture
def huey():
    return MemoryHuey()


@pytest.fixture
def add(huey):
    @huey.task()
    def add(a, b=0):
        """Add two numbers."""
        return a + b

    return add


@pytest.mark.parametrize(
    ("value", "args", "kwargs"),
    [
        (None, (1,), {"b": 2}),
        (0, (1, 0), {"b": 2}),
        (False, (1, False), {"b": 2}),
        ("", (1, ""), {"b": 2}),
        ("text", (1, "text"), {"b": 2}),
        ([8, 9], (1, [8, 9]), {"b": 2}),
        ((), (1,), {"b": 2}),
        ((8, 9), (1, 8, 9), {"b": 2}),
        ((None,), (1, None), {"b": 2}),
        ({}, (1,), {"b": 2}),
        ({"b": 3, "c": 4}, (1,), {"b": 3, "c": 4}),
    ],
)
def test_the_parents_value_extends_the_arguments(value, args, kwargs):
    task = Task((1,), {"b": 2})
    task.extend_data(value)
    assert task.data == (args, kwargs)


def test_arguments_are_copied():
    args, kwargs = [1], {"b": 2}
    task = Task(args, kwargs)
    args.append(3)
    kwargs["c"] = 4
    assert task.data == ((1,), {"b": 2})


def test_every_task_has_an_id_of_its_own(add):
    assert add.s(1).id != add.s(1).id
    assert add.task_class(id="mine").id == "mine"


def test_equal_tasks_are_of_one_kind_with_the_same_id_time_arguments_and_followers(huey, add):
    @huey.task()
    def other(a, b=0):
        pass

    eta = datetime(2030, 1, 1)
    task = add.task_class((1,), {"b": 2}, "id", eta)
    assert task == add.task_class((1,), {"b": 2}, "id", eta, retries=5, priority=3)
    assert hash(task) == hash(add.task_class((1,), {"b": 2}, "id", eta))
    assert len({task, add.task_class((1,), {"b": 2}, "id", eta)}) == 1
    for different in (
        add.task_class((1,), {"b": 2}, "other", eta),
        add.task_class((2,), {"b": 2}, "id", eta),
        add.task_class((1,), {"b": 3}, "id", eta),
        add.task_class((1,), {"b": 2}, "id"),
        other.task_class((1,), {"b": 2}, "id", eta),
        add.task_class((1,), {"b": 2}, "id", eta).then(add),
        add.task_class((1,), {"b": 2}, "id", eta).error(add),
        "id",
        None,
    ):
        assert task != different


def test_the_repr_says_what_it_is_when_it_runs_and_what_follows(huey, add):
    task = add.task_class((1,), id="abc")
    assert repr(task) == f"{__name__}.add: abc"
    task = add.task_class(
        (1,), None, "abc", datetime(2030, 1, 2, 3, 4, 5), retries=2, priority=9
    ).then(add.task_class(id="def"))
    assert repr(task) == (
        f"{__name__}.add: abc @2030-01-02 03:04:05 2 retries p=9 -> {__name__}.add: def"
    )


def test_then_appends_to_the_end_of_the_chain_and_returns_the_parent(add):
    first = add.s(1)
    assert first.then(add, 2).then(add, 3).then(add, b=4) is first
    chain = first.pipeline()
    assert chain[0] is first
    assert [one.data for one in chain] == [((1,), {}), ((2,), {}), ((3,), {}), ((), {"b": 4})]


def test_then_takes_a_task_and_adds_the_arguments_to_its_own(add):
    second = add.s(2)
    chain = add.s(1).then(second, b=5).pipeline()
    assert chain[1] is second
    assert second.data == ((2,), {"b": 5})


def test_error_chains_what_is_to_run_when_the_one_before_fails(add):
    first = add.s(1)
    assert first.error(add, 2).error(add, 3) is first
    assert first.pipeline() == [first]
    assert first.on_error.data == ((2,), {})
    assert first.on_error.on_error.data == ((3,), {})
    assert first.on_error.on_complete is None


@pytest.mark.parametrize("method", ["then", "error"])
@pytest.mark.parametrize("wrong", [None, "add", lambda: None, Task])
def test_a_pipeline_of_something_else_is_refused(add, method, wrong):
    with pytest.raises(TypeError, match="pipeline"):
        getattr(add.s(1), method)(wrong)


def test_a_task_without_a_function_says_so():
    with pytest.raises(NotImplementedError, match=r"@huey\.task"):
        Task().execute()


def test_the_wrapper_looks_like_its_function(huey, add):
    assert isinstance(add, TaskWrapper)
    assert (add.__name__, add.__doc__, add.__module__) == ("add", "Add two numbers.", __name__)
    assert list(inspect.signature(add).parameters) == ["a", "b"]
    assert add.call_local(1, b=2) == 3
    assert add.huey is huey
    assert (add.retries, add.retry_delay) == (0, 0)
    assert add.s(1).execute() == 1


def test_the_decorator_sets_the_defaults_and_s_overrides_them(huey):
    @huey.task(retries=2, retry_delay=3, priority=4, name="named", task_base=Task, setting="kept")
    def function():
        pass

    task = function.s()
    assert (task.retries, task.retry_delay, task.priority) == (2, 3, 4)
    assert task.name == "named"
    assert task.setting == "kept"
    assert (function.retries, function.retry_delay) == (2, 3)
    task = function.s(priority=5, retries=0, retry_delay=0)
    assert (task.retries, task.retry_delay, task.priority) == (0, 0, 5)
    assert task.data == ((), {})


def test_s_sets_an_eta_read_like_that_of_schedule(huey, add):
    eta = datetime(2030, 1, 1, 12, tzinfo=timezone.utc)
    assert add.s(1, eta=eta).eta == datetime(2030, 1, 1, 12)


def test_a_parameter_of_the_functions_own_is_not_taken_for_an_option(huey):
    @huey.task()
    def ticket(text, priority, retries=None, *, eta=None):
        pass

    task = ticket.s("text", priority="high", retries="many", eta="soon")
    assert task.kwargs == {"priority": "high", "retries": "many", "eta": "soon"}
    assert task.priority is None


def test_a_parameter_behind_another_decorator_is_not_taken_for_an_option_either(huey):
    def logged(function):
        @wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapper

    @huey.task()
    @logged
    def ticket(text, priority=None):
        return text, priority

    @huey.task()
    @huey.lock_task("lock")
    def locked(text, priority=None):
        return text, priority

    for wrapper in (ticket, locked):
        task = wrapper.s("text", priority="high")
        assert task.execute() == ("text", "high")
        assert task.priority is None


def test_context_passes_the_task_itself(huey):
    @huey.task(context=True)
    def show(text, task=None):
        return text, task

    task = show.s("hello")
    assert task.execute() == ("hello", task)
    assert task.kwargs == {}


def test_a_function_may_be_made_a_task_and_a_periodic_one(huey):
    @huey.task()
    def sweep(folder="/"):
        return folder

    periodic = huey.periodic_task(crontab(minute="0"), name="hourly")(sweep)
    assert periodic.func is sweep.func
    assert periodic.task_class is not sweep.task_class
    assert periodic.task_class.is_periodic
    assert not sweep.task_class.is_periodic


def test_a_task_base_of_ones_own_is_used(huey):
    class Audited(Task):
        def execute(self):
            raise AssertionError("the function is what runs")

        def audit(self):
            return f"{self.name} {self.args}"

    @huey.task(task_base=Audited)
    def function(a):
        return a

    task = function.s(1)
    assert isinstance(task, Audited)
    assert (task.execute(), task.audit()) == (1, "function (1,)")


@pytest.mark.parametrize(
    "options",
    [
        *[{"retries": wrong} for wrong in (-1, 1.5, "3", None)],
        *[{"retry_delay": wrong} for wrong in (-1, "3", None)],
        {"priority": "high"},
    ],
)
def test_an_option_that_could_only_fail_in_the_consumer_is_refused_at_the_declaration(
    huey, options
):
    [name] = options
    with pytest.raises(ConfigurationError, match=rf"broken: {name} is"):

        @huey.task(**options)
        def broken():
            pass


def test_the_decorator_without_brackets_is_refused(huey):
    def function():
        pass

    with pytest.raises(ConfigurationError, match=r"@huey\.task\(\)"):
        huey.task(function)


def test_a_schedule_that_is_no_function_is_refused(huey):
    with pytest.raises(ConfigurationError, match="crontab"):
        huey.periodic_task("0 * * * *")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, ValueError),
        ({"args": (1,)}, ValueError),
        ({"eta": datetime(2030, 1, 1), "delay": 1}, ValueError),
        ({"eta": 60}, TypeError),
        ({"eta": "tomorrow"}, TypeError),
        ({"args": "text", "delay": 1}, TypeError),
        ({"args": b"bytes", "delay": 1}, TypeError),
        ({"args": 1, "delay": 1}, TypeError),
    ],
)
def test_a_schedule_that_cannot_be_meant_is_refused(huey, add, arguments, error):
    with pytest.raises(error):
        add.schedule(**arguments)
    assert len(huey) == 0


def test_retry_task_keeps_what_it_was_given():
    assert RetryTask("why", delay=3).delay == 3
    assert str(RetryTask("why", delay=3)) == "why"
    assert str(RetryTask()) == ""


ENDS_UNSEEN = {"unique": True, "unique_until": "end"}


@pytest.mark.parametrize(
    ("of_the_huey", "of_the_task"),
    [(False, {"at_most_once": True}), (True, {}), (True, {"at_most_once": True})],
)
@pytest.mark.parametrize("unique", [True, lambda n: n])
def test_one_that_could_block_all_others_for_ever_is_refused(of_the_huey, of_the_task, unique):
    huey = MemoryHuey("ends-unseen", at_most_once=of_the_huey)
    task = huey.task(**{**ENDS_UNSEEN, **of_the_task, "unique": unique})
    with pytest.raises(ConfigurationError, match=r"@task on .*takes: .* give it a ttl"):

        @task
        def takes(n):
            raise AssertionError

    assert not huey.registry.tasks


@pytest.mark.parametrize(
    ("of_the_huey", "options"),
    [
        (True, {**ENDS_UNSEEN, "ttl": 60}),
        (True, {**ENDS_UNSEEN, "at_most_once": False}),
        (True, {"unique": True}),
        (True, {"unique_until": "end"}),
        (False, {**ENDS_UNSEEN, "ttl": 60, "at_most_once": True}),
        (False, ENDS_UNSEEN),
        (False, {"unique": True, "at_most_once": True}),
    ],
)
def test_one_that_cannot_block_all_others_for_ever_is_accepted(of_the_huey, options):
    huey = MemoryHuey("ends-seen", at_most_once=of_the_huey)
    assert huey.task(**options)(lambda n: n).task_class.unique_until


def test_a_bounded_concurrency_needs_leases():
    huey = MemoryHuey(at_most_once=True)
    with pytest.raises(ConfigurationError, match="at_most_once=False"):
        huey.task(max_concurrency=2)

    @huey.task(max_concurrency=2, at_most_once=False)
    def function():
        pass

    assert huey.needs_leases()
