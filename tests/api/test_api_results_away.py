# SPDX-License-Identifier: MIT
"""Who waits for a result waits for a Redis that is away, too; a real one, that is killed."""

import contextlib
import logging
import threading

import pytest
from driving import PATIENCE, run_all

from huey_green import RedisHuey, ResultTimeout, StorageUnavailable, chord
from huey_green.exceptions import StorageRefused
from huey_green.progress import Progress
from huey_green.storage import absence
from huey_green.testing.concurrency import Running, eventually
from huey_green.testing.redis import PrivateRedis

SAYS = "wait for it to come back"


@pytest.fixture
def server():
    with PrivateRedis(appendonly=True) as server:
        yield server


@pytest.fixture
def huey(server):
    huey = RedisHuey("away", url=server.url)
    yield huey
    huey.storage.close()


@pytest.fixture
def add(huey):
    @huey.task()
    def add(a, b):
        return a + b

    return add


@pytest.fixture
def said(caplog):
    """What was said of outages, as a list that grows."""
    caplog.set_level(logging.WARNING, "huey_green")
    return lambda: [one.getMessage() for one in caplog.records if SAYS in one.getMessage()]


def finish(huey, server):
    """Bring the server back, and run what is in the queue."""
    server.start()
    with contextlib.suppress(StorageUnavailable):
        len(huey)  # What the pool still had of connections.
    return run_all(huey)


WAYS = {
    "get": lambda results: [one.get(blocking=True, timeout=PATIENCE) for one in results],
    "without a timeout": lambda results: [one.get(blocking=True) for one in results],
    "preserved": lambda results: [one.get(True, PATIENCE, preserve=True) for one in results],
    "a group": lambda results: results.get(blocking=True, timeout=PATIENCE),
    "as_completed": lambda results: list(results.as_completed(timeout=PATIENCE)),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_who_begins_to_wait_while_redis_is_away_has_the_value_when_it_is_back(
    huey, server, add, said, way
):
    results = add.map([(n, n) for n in range(3)])
    server.kill()
    running = Running(lambda: way(results))
    eventually(said, "the caller to notice")
    assert finish(huey, server) == 3
    assert sorted(running.result()) == [0, 2, 4]
    assert len(said()) == 1


def test_who_waits_already_when_redis_goes_has_the_value_when_it_is_back(huey, server, add):
    result = add(1, 2)
    running = Running(lambda: result.get(blocking=True, timeout=PATIENCE))
    eventually(lambda: huey.storage.wakeup.is_listening, "the caller to wait")
    server.kill()
    eventually(lambda: not huey.storage.wakeup.is_listening, "the end of the connection")
    assert finish(huey, server) == 1
    assert running.result() == 3


def test_the_value_of_a_chord_is_waited_for_through_an_outage(huey, server, add, said):
    @huey.task()
    def total(values):
        return sum(values)

    result = huey.enqueue(chord([add.s(n, n) for n in range(3)], total.s()))
    server.kill()
    running = Running(lambda: result.get(blocking=True, timeout=PATIENCE))
    eventually(said, "the caller to notice")
    assert finish(huey, server) == 4
    assert running.result() == 6


def test_progress_is_waited_for_through_an_outage(huey, server, add, said):
    result = add(1, 2)
    server.kill()
    running = Running(lambda: list(result.progress_updates(timeout=PATIENCE)))
    eventually(said, "the caller to notice")
    server.start()
    eventually(
        lambda: quietly(lambda: huey.put_progress(result.id, Progress(1, 2))), "some progress"
    )
    eventually(lambda: quietly(lambda: run_all(huey)), "the task to run")
    assert running.result() in ([Progress(1, 2)], [])


def quietly(function):
    try:
        function()
    except StorageUnavailable:
        return False
    return True


def test_one_of_all_who_wait_asks_and_one_warning_is_logged(huey, server, add, said, monkeypatch):
    results = [add(n, n) for n in range(30)]
    asked_by, ping = [], huey.storage.ping

    def counted():
        asked_by.append(threading.get_ident())
        ping()

    monkeypatch.setattr(huey.storage, "ping", counted)
    monkeypatch.setattr(absence, "LONGEST_WAIT", 0.1)
    server.kill()
    running = [Running(lambda one=one: one.get(True, PATIENCE)) for one in results]
    eventually(lambda: len(asked_by) >= 8, "somebody to ask for a while")
    assert len(set(asked_by)) == 1
    assert finish(huey, server) == 30
    assert [one.result() for one in running] == [2 * n for n in range(30)]
    assert len(said()) == 1


def test_when_the_one_who_asks_goes_another_one_asks(huey, server, add, said):
    result = add(1, 2)
    server.kill()
    first = Running(lambda: result.get(True, timeout=0.3))
    eventually(said, "the first one to ask")
    second = Running(lambda: result.get(True, PATIENCE))
    with pytest.raises(StorageUnavailable):
        first.result()
    assert finish(huey, server) == 1
    assert second.result() == 3


def test_a_timeout_that_ends_while_redis_is_away_says_so(huey, server, add):
    result, group = add(1, 2), add.map([(1, 2), (3, 4)])
    server.kill()
    for timeout in (0, 0.05):
        for way in (
            lambda timeout=timeout: result.get(True, timeout),
            lambda timeout=timeout: group.get(True, timeout),
            lambda timeout=timeout: list(group.as_completed(timeout=timeout)),
            lambda timeout=timeout: list(result.progress_updates(timeout)),
        ):
            with pytest.raises(StorageUnavailable, match="does not answer"):
                way()


def test_a_timeout_that_ends_after_the_outage_is_one(huey, server, add, said):
    result = add(1, 2)
    server.kill()
    running = Running(lambda: result.get(True, timeout=2))
    eventually(said, "the caller to notice")
    server.start()
    with pytest.raises(ResultTimeout):
        running.result()


def test_each_outage_is_logged_once(huey, server, add, said, monkeypatch):
    monkeypatch.setattr(absence, "CALM", 0.0)
    monkeypatch.setattr(absence, "LONGEST_WAIT", 0.01)
    for count in (1, 2):
        result = add(1, 2)
        server.kill()
        running = Running(lambda result=result: result.get(True, PATIENCE))
        eventually(lambda count=count: len(said()) == count, "the caller to notice")
        finish(huey, server)
        assert running.result() == 3


def test_a_server_that_takes_no_writes_is_away_though_it_answers(huey, server, add, said):
    result = add(1, 2)
    assert run_all(huey) == 1
    admin = RedisHuey("away", url=server.url).storage
    admin.link.execute("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(StorageUnavailable, match=r"READONLY|read only"):
        result.get(True, timeout=1)
    running = Running(lambda: result.get(True, PATIENCE))
    eventually(lambda: absence.absence_of(huey.storage)._tries > 8, "many tries")
    admin.link.execute("REPLICAOF", "NO", "ONE")
    assert running.result() == 3
    assert len(said()) == 1
    admin.close()


def test_who_does_not_wait_is_told_at_once(huey, server, add, said):
    result = add(1, 2)
    server.kill()
    for ask in (result.get, result.is_ready, lambda: result.get(preserve=True)):
        with pytest.raises(StorageUnavailable, match="does not answer"):
            ask()
    assert said() == []


def wrong_password(server, admin):
    admin.link.execute("CONFIG", "SET", "requirepass", "secret")


def no_right(server, admin):
    admin.link.execute("ACL", "SETUSER", "default", "-evalsha", "-eval", "-hexists", "-llen")


@pytest.mark.parametrize("mistake", [wrong_password, no_right])
def test_what_waiting_does_not_cure_is_told_at_once(huey, server, add, said, mistake):
    admin = RedisHuey("away", url=server.url).storage
    result = add(1, 2)
    mistake(server, admin)
    huey.storage.close()
    with pytest.raises(StorageRefused):
        result.get(blocking=True)
    assert said() == []
    admin.close()


@pytest.mark.parametrize("is_carried_out", [True, False])
def test_a_value_that_may_be_lost_with_the_answer_is_not_waited_for(
    huey, add, monkeypatch, is_carried_out
):
    result = add(1, 2)
    assert run_all(huey) == 1
    pop_data = huey.storage.pop_data

    def cut(key):
        monkeypatch.undo()
        if is_carried_out:
            pop_data(key)
        raise StorageUnavailable("its answer is lost")

    monkeypatch.setattr(huey.storage, "pop_data", cut)
    if is_carried_out:
        with pytest.raises(StorageUnavailable, match="lost"):
            result.get(blocking=True)
    else:
        assert result.get(blocking=True) == 3
