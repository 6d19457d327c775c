# SPDX-License-Identifier: MIT
"""A whole application whose tasks and results are JSON, and signed: nothing in it needs pickle."""

import pickle
import time
from datetime import datetime

import pytest

from huey_green import (
    Consumer,
    JSONSerializer,
    MemoryHuey,
    RetryTask,
    SignedSerializer,
    TaskException,
    TaskLockedException,
    chord,
    crontab,
    group,
)
from huey_green.exceptions import SerializationError
from huey_green.signals import SIGNAL_ERROR, SIGNAL_REVOKED

#: Seconds after which a test gives up waiting; none that passes comes near.
PATIENCE = 30.0


class SignedJSON(SignedSerializer, JSONSerializer):
    """Both, as the documents have it."""


@pytest.fixture(params=["json", "compressed", "signed"])
def huey(request, monkeypatch):
    serializer = {
        "json": JSONSerializer(),
        "compressed": JSONSerializer(compression=True),
        "signed": SignedJSON("secret"),
    }[request.param]
    monkeypatch.setattr(pickle, "dumps", None)
    monkeypatch.setattr(pickle, "loads", None)
    return MemoryHuey(serializer=serializer)


@pytest.fixture
def consumer(huey):
    consumer = Consumer(huey, workers=4, scheduler_interval=0.02, max_delay=0.05)
    consumer.start()
    yield consumer
    consumer.stop()


def value_of(result):
    return result.get(blocking=True, timeout=PATIENCE)


def wait_for(condition):
    ends_at = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends_at, "it did not come to that"
        time.sleep(0.005)


@pytest.mark.usefixtures("consumer")
def test_arguments_and_values_come_as_they_went(huey):
    @huey.task()
    def echo(*args, **kwargs):
        return args, kwargs

    args = (1, 2.5, "Zoë", None, True, [1, (2,)], {"$tuple": [1], "a": ()}, {"$tuple": [1]})
    assert value_of(echo(*args, key={"b": [()]})) == (args, {"key": {"b": [()]}})


@pytest.mark.usefixtures("consumer")
def test_pipelines_of_tuples_and_dicts_mean_what_they_mean_with_pickle(huey):
    @huey.task()
    def fib(a, b=1):
        return a + b, a

    @huey.task()
    def name(**kwargs):
        return {"first": 1, **kwargs}

    @huey.task()
    def as_list(value):
        return [value]

    pipe = fib.s(1).then(fib).then(fib).then(fib)
    assert value_of(huey.enqueue(pipe)) == [(2, 1), (3, 2), (5, 3), (8, 5)]
    assert value_of(huey.enqueue(name.s(last=2).then(name, middle=3))) == [
        {"first": 1, "last": 2},
        {"first": 1, "last": 2, "middle": 3},
    ]
    assert value_of(huey.enqueue(as_list.s(1).then(as_list))) == [[1], [[1]]]


@pytest.mark.usefixtures("consumer")
def test_retries_and_what_is_scheduled_run(huey):
    tries = []

    @huey.task(retries=2, retry_delay=0.02)
    def flaky():
        tries.append("flaky")
        if len(tries) < 3:
            raise ValueError("not yet")
        return len(tries)

    @huey.task()
    def asks():
        tries.append("asks")
        if tries.count("asks") == 1:
            raise RetryTask("again", delay=0.02)
        return "asked"

    @huey.task()
    def later(moment):
        return time.time() >= moment

    result = flaky()
    wait_for(lambda: stored(huey, result) == 3)
    assert value_of(asks()) == "asked"
    moment = time.time() + 0.05
    assert value_of(later.schedule((moment,), delay=0.05)) is True
    assert value_of(later.schedule((moment,), eta=datetime.fromtimestamp(moment))) is True


def stored(huey, result):
    """Return the value that is stored, None while it is the error of the try before."""
    try:
        return huey.result(result.id, preserve=True)
    except TaskException:
        return None


@pytest.mark.usefixtures("consumer")
def test_errors_are_reported_and_error_tasks_get_a_text(huey):
    reported, told = [], []

    @huey.signal(SIGNAL_ERROR)
    def note(signal, task, error):
        reported.append(repr(error))

    @huey.task()
    def fail(why):
        raise ValueError(why)

    @huey.task()
    def tell(who, error):
        told.append((who, error))

    result = huey.enqueue(fail.s("no").error(tell, "me"))
    with pytest.raises(TaskException, match=r"ValueError\('no'\)") as raised:
        value_of(result)
    assert raised.value.metadata["retries"] == 0
    assert "ValueError: no" in raised.value.metadata["traceback"]
    wait_for(lambda: told and reported)
    assert told == [("me", "ValueError('no')")]
    assert reported == ["ValueError('no')"]


@pytest.mark.usefixtures("consumer")
def test_groups_and_chords_collect_their_values(huey):
    @huey.task()
    def square(number):
        if number < 0:
            raise ValueError(number)
        return number * number

    @huey.task()
    def total(values):
        return sum(value for value in values if isinstance(value, int))

    assert value_of(huey.enqueue(group([square.s(1), square.s(2)]))) == [1, 4]
    assert value_of(huey.enqueue(chord([square.s(1), square.s(-1), square.s(3)], total.s()))) == 10


@pytest.mark.usefixtures("consumer")
def test_locks_hold(huey):
    @huey.task()
    @huey.lock_task("one")
    def locked():
        return "ran"

    lock = huey.lock_task("one")
    with lock, pytest.raises(TaskException, match=TaskLockedException.__name__):
        value_of(locked())
    assert value_of(locked()) == "ran"


def test_what_is_revoked_does_not_run(huey):
    ran, revoked = [], []

    @huey.signal(SIGNAL_REVOKED)
    def note(signal, task):
        revoked.append(task.args[0])

    @huey.task()
    def run(number):
        ran.append(number)

    run(1).revoke()
    restored = run(2)
    restored.revoke()
    assert restored.is_revoked()
    assert restored.restore()
    run.revoke(revoke_until=datetime(2000, 1, 1))
    assert not run.is_revoked()
    run.revoke(revoke_until=datetime(2100, 1, 1))
    assert run.is_revoked()
    run(3)
    consumer = Consumer(huey, workers=1)
    consumer.start()
    wait_for(lambda: len(revoked) == 3)
    consumer.stop()
    assert run.restore()
    assert ran == []


@pytest.mark.usefixtures("consumer")
def test_stored_values_and_periodic_tasks(huey):
    ran = []

    @huey.periodic_task(crontab())
    def tick():
        ran.append("tick")

    huey.put("key", ("a", {"b": [1]}))
    assert huey.get("key", peek=True) == ("a", {"b": [1]})
    assert huey.get("key") == ("a", {"b": [1]})
    [due] = huey.read_periodic(datetime.now())
    huey.enqueue(due)
    wait_for(lambda: ran)


@pytest.mark.usefixtures("consumer")
def test_what_json_does_not_carry_is_refused_where_it_is_given(huey):
    @huey.task()
    def send(*args, **kwargs):
        return datetime(2024, 1, 1)

    with pytest.raises(
        SerializationError, match=r"send cannot be serialized: kwargs\['when'\]\[0\] is a datetime"
    ):
        send(1, when=[datetime(2024, 1, 1)])
    assert huey.pending() == []
    with pytest.raises(TaskException, match=r"cannot be serialized: value is a datetime\.datetime"):
        value_of(send())
