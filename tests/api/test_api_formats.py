# SPDX-License-Identifier: MIT
"""What tasks and results become on the way. (API reference, "Serializer", "compression".)"""

import gzip
import json
import zlib
from datetime import datetime, timedelta

import pytest
from driving import promote, run_all

from huey_green import RetryTask, Serializer, TaskException


class JSONSerializer(Serializer):
    """As the documents have it: two methods, and nothing that JSON has no word for."""

    def _serialize(self, data):
        return json.dumps(data).encode()

    def _deserialize(self, data):
        return json.loads(data)


KINDS = {
    "gzip": {"compression": True},
    "zlib": {"compression": True, "use_zlib": True},
    "json": {"serializer": JSONSerializer()},
    "json-gzip": {"serializer": JSONSerializer(compression=True)},
    "json-zlib": {"serializer": JSONSerializer(), "compression": True, "use_zlib": True},
}


@pytest.fixture(params=list(KINDS))
def kind(request):
    return request.param


@pytest.fixture
def huey(make_huey, kind):
    return make_huey(**KINDS[kind])


def test_messages_and_results_are_in_the_format(huey, kind, add):
    result = add(1, 2)
    [message] = huey.storage.enqueued_items()
    run_all(huey)
    for data in (message, huey.all_results()[result.id]):
        if "gzip" in kind:
            data = gzip.decompress(data)
        elif "zlib" in kind:
            data = zlib.decompress(data)
        if "json" in kind:
            json.loads(data)
    assert result() == 3


def test_results_values_and_none_come_back(huey, add):
    result = add("a", "b")
    run_all(huey)
    assert result() == "ab"
    huey.put("key", {"a": [1, None]})
    assert huey.get("key") == {"a": [1, None]}


def test_errors_come_back(huey, add):
    result = add(1, "2")
    run_all(huey)
    with pytest.raises(TaskException, match="TypeError") as caught:
        result()
    assert caught.value.metadata["task_id"] == result.id


def test_pipelines_with_tuples_and_dicts_and_error_tasks_run(huey, add):
    @huey.task()
    def fib(a, b=1):
        a, b = a + b, a
        return (a, b)

    @huey.task()
    def words(a, b):
        return {"a": b, "b": a}

    @huey.task()
    def handle(error):
        return "TypeError" in str(error) or "TypeError" in repr(error)

    group = huey.enqueue(fib.s(1).then(fib).then(add).then(words, 0))
    failing = add.s(1, "2").error(handle)
    huey.enqueue(failing)
    run_all(huey)
    first, second, third, fourth = group()
    assert (tuple(first), tuple(second), third, fourth) == ((2, 1), (3, 2), 5, {"a": 5, "b": 0})
    assert huey.result(failing.on_error.id) is True


def test_retries_schedules_and_priorities_survive(huey, present):
    runs = []

    @huey.task(retries=1, retry_delay=5, priority=3)
    def flaky():
        runs.append(1)
        if len(runs) == 1:
            raise ValueError
        if len(runs) == 2:
            raise RetryTask(delay=7)
        return "OK"

    result = flaky.schedule(eta=datetime.now() + timedelta(seconds=10))
    for _ in range(3):
        assert run_all(huey) == 1
        assert huey.scheduled()[0].priority == 3
        present.advance(11)
        assert promote(huey) == 1
    run_all(huey)
    result.reset()
    assert result() == "OK"


def test_revocations_work(huey, add, present):
    add.revoke(revoke_once=True)
    first, second = add(1, 2), add(3, 4)
    run_all(huey)
    assert (first(), second()) == (None, 7)
    add.revoke(revoke_until=datetime.now() + timedelta(seconds=60))
    assert add.is_revoked()
    present.advance(61)
    assert not add.is_revoked()


def test_a_value_without_a_word_in_the_format_is_the_tasks_failure(huey):
    @huey.task()
    def function():
        return lambda: None

    result = function()
    run_all(huey)
    with pytest.raises(TaskException, match="cannot be serialized"):
        result()


def test_compression_can_be_switched_on_while_tasks_wait(make_huey, kind):
    plain = {key: value for key, value in KINDS[kind].items() if key == "serializer"}
    if kind == "json-gzip":
        plain = {"serializer": JSONSerializer()}
    before, after = make_huey("switched", **plain), make_huey("switched", **KINDS[kind])
    after.storage.close()
    after.storage = before.storage

    def declare(huey):
        @huey.task()
        def add(a, b):
            return a + b

        return add

    add_before, _ = declare(before), declare(after)
    result = add_before(1, 2)
    before.put("key", "value")
    run_all(after)
    assert after.result(result.id) == 3
    assert after.get("key") == "value"
