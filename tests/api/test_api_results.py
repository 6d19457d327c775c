# SPDX-License-Identifier: MIT
"""What a Result gives. (API reference, "Result", "ResultGroup", "Huey.result".)"""

import pytest
from driving import PATIENCE, run_all, run_one, takes_results, unread_results

from huey_green import HueyException, TaskException
from huey_green.testing.concurrency import Running


@pytest.fixture
def fails(huey):
    @huey.task()
    def fails():
        raise ValueError("I failed")

    return fails


def test_a_value_is_read_once_from_the_store_and_kept_in_the_handle(huey, add):
    result = add(1, 2)
    assert result.get() is None
    run_all(huey)
    assert result.get() == 3
    assert result.get() == 3
    assert result(blocking=True, timeout=0) == 3
    assert unread_results(huey) == {}
    assert huey.result(result.id) == (None if takes_results(huey) else 3)


def test_a_preserved_value_stays_in_the_store(huey, add):
    result = add(1, 2)
    run_all(huey)
    assert result.get(preserve=True) == 3
    assert huey.result(result.id, preserve=True) == 3
    assert huey.result(result.id) == 3
    assert huey.result(result.id) == (None if takes_results(huey) else 3)


def test_a_blocking_get_waits_for_the_value(huey, add):
    result = add(1, 2)
    waiting = Running(lambda: result.get(blocking=True, timeout=PATIENCE))
    assert not waiting.ended
    run_all(huey)
    assert waiting.result() == 3


def test_several_may_wait_for_their_own(huey, add):
    results = [add(n, n) for n in range(8)]
    waiting = [Running(lambda one=one: one(blocking=True, timeout=PATIENCE)) for one in results]
    run_all(huey)
    assert [one.result() for one in waiting] == [2 * n for n in range(8)]


@pytest.mark.parametrize("timeout", [0, 0.01])
def test_a_blocking_get_gives_up_after_its_timeout(huey, add, timeout):
    result = add(1, 2)
    with pytest.raises(HueyException):
        result.get(blocking=True, timeout=timeout)
    with pytest.raises(HueyException):
        huey.result(result.id, blocking=True, timeout=timeout)
    assert not result.is_revoked()
    run_all(huey)
    assert result() == 3


def test_a_timeout_may_revoke_the_task(huey, add):
    result = add(1, 2)
    with pytest.raises(HueyException):
        result.get(blocking=True, timeout=0.01, revoke_on_timeout=True)
    assert result.is_revoked()
    run_all(huey)
    assert result() is None
    assert huey.all_results() == {}


def test_revoking_on_timeout_works_by_id_as_well(huey, add):
    result = add(1, 2)
    with pytest.raises(HueyException):
        huey.result(result.id, blocking=True, timeout=0.01, revoke_on_timeout=True)
    assert result.is_revoked()
    run_all(huey)
    assert result() is None


def test_a_result_that_comes_while_its_task_is_being_revoked_is_returned(huey, add, monkeypatch):
    result = add(1, 2)
    put_revocation = huey.storage.put_revocation

    def put_late(*args, **kwargs):
        run_all(huey)
        put_revocation(*args, **kwargs)

    monkeypatch.setattr(huey.storage, "put_revocation", put_late)
    assert result.get(blocking=True, timeout=0.01, revoke_on_timeout=True) == 3
    assert not result.is_revoked()


def test_only_a_single_task_is_not_revoked_for_ever(huey, add, monkeypatch):
    kept = []
    put_revocation = huey.storage.put_revocation
    monkeypatch.setattr(
        huey.storage,
        "put_revocation",
        lambda key, data, ttl=None: (kept.append(ttl), put_revocation(key, data, ttl)),
    )
    result = add(1, 2)
    result.revoke()
    assert result.is_revoked()
    add.revoke()
    assert kept == [400 * 86400, None]


def test_a_failure_is_raised_by_the_result(huey, fails):
    result = fails()
    run_all(huey)
    for _ in range(2):
        with pytest.raises(TaskException, match="I failed") as caught:
            result()
    assert isinstance(caught.value, HueyException)
    metadata = caught.value.metadata
    assert metadata["error"] == "ValueError('I failed')"
    assert metadata["retries"] == 0
    assert metadata["task_id"] == result.id
    assert metadata["traceback"].startswith("Traceback (most recent call last):")
    assert 'raise ValueError("I failed")' in metadata["traceback"]


def test_a_failure_is_raised_by_a_blocking_get_and_by_id(huey, fails):
    first, second = fails(), fails()
    run_all(huey)
    with pytest.raises(TaskException, match="I failed"):
        first.get(blocking=True, timeout=PATIENCE)
    with pytest.raises(TaskException, match="I failed"):
        huey.result(second.id)


def test_reset_forgets_what_was_read(huey):
    runs = []

    @huey.task(retries=1)
    def flaky():
        runs.append(1)
        if len(runs) == 1:
            raise ValueError("failing!")
        return "OK"

    result = flaky()
    assert run_one(huey)
    with pytest.raises(TaskException, match="failing!"):
        result()
    assert run_one(huey)
    with pytest.raises(TaskException):
        result()
    result.reset()
    assert result() == "OK"


def test_none_is_not_stored(huey):
    @huey.task()
    def nothing():
        pass

    result = nothing()
    run_all(huey)
    assert result() is None
    assert not result.is_ready()
    assert huey.all_results() == {}


def test_none_is_stored_where_that_is_asked_for(make_huey):
    huey = make_huey(store_none=True)

    @huey.task()
    def nothing():
        pass

    result = nothing()
    assert not result.is_ready()
    run_all(huey)
    assert result.is_ready()
    assert set(huey.all_results()) == {result.id}
    assert result(blocking=True, timeout=PATIENCE) is None
    assert result.is_ready()
    assert unread_results(huey) == {}


@pytest.mark.parametrize("value", [0, False, "", (), [], {}, b""])
def test_an_empty_value_is_a_value(huey, value):
    @huey.task()
    def give(value):
        return value

    result = give(value)
    run_all(huey)
    found = result(blocking=True, timeout=PATIENCE)
    assert found == value
    assert type(found) is type(value)


def test_a_group_gives_its_values_in_order(huey, add):
    group = add.map([(1, 2), (3, 4)])
    assert group.get() == [None, None]
    run_all(huey)
    assert group[1] == 7
    assert [one.get() for one in group] == [3, 7]
    assert group(blocking=True, timeout=PATIENCE) == [3, 7]
    assert len(group) == 2


def test_a_group_passes_its_arguments_on(huey, add):
    group = add.map([(1, 2), (3, 4)])
    with pytest.raises(HueyException):
        group.get(blocking=True, timeout=0)
    run_all(huey)
    assert group.get(preserve=True) == [3, 7]
    assert huey.result_count() == 2


def test_a_group_raises_what_one_of_it_raises(huey, add):
    group = add.map([(1, 2), (3, "4")])
    run_all(huey)
    with pytest.raises(TaskException, match="TypeError"):
        group.get(blocking=True, timeout=PATIENCE)
    assert group[0] == 3


def test_a_value_that_cannot_be_serialized_is_the_tasks_failure(huey):
    @huey.task()
    def function():
        return lambda: None

    result = function()
    run_all(huey)
    with pytest.raises(TaskException, match="cannot be serialized"):
        result(blocking=True, timeout=PATIENCE)
    assert len(huey) == 0
    assert huey.storage.in_flight() == []
    assert huey.dead_letters() == []


class Unspeakable(Exception):
    def __repr__(self):
        raise RuntimeError("no repr")

    __str__ = __repr__


def test_an_error_that_cannot_be_shown_is_a_failure_like_any_other(huey):
    @huey.task(retries=1)
    def fails():
        raise Unspeakable

    result = fails()
    assert run_all(huey) == 2
    with pytest.raises(TaskException, match="Unspeakable"):
        result()
