# SPDX-License-Identifier: MIT
"""A Huey over several shards: what belongs together lies together, and all else is spread."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest
from driving import run_all, run_one

from huey_green import (
    ConfigurationError,
    PriorityRedisHuey,
    RedisHuey,
    chord,
    crontab,
    group,
)
from huey_green.exceptions import InvalidArgument, StorageUnavailable
from huey_green.storage.placing import Placed, fitting_id, shard_of
from huey_green.task import Task
from huey_green.testing.concurrency import Running, eventually
from huey_green.testing.redis import PrivateRedis

SHARDS = 5


@pytest.fixture(scope="module")
def urls(redis_server):
    """Two servers."""
    with PrivateRedis(download=True) as other:
        yield [redis_server.url, other.url]


@pytest.fixture
def make(urls):
    """A function that makes a Huey with shards on two servers."""
    made = []

    def make(kind=PriorityRedisHuey, name=None, **options):
        options = {"urls": urls, "shards": SHARDS, **options}
        huey = kind(name or f"test{uuid4().hex}", **options)
        made.append(huey)
        return huey

    yield make
    # The first of a name: others may be those that were refused.
    for huey in {one.name: one for one in reversed(made)}.values():
        huey.flush()
    for huey in made:
        huey.storage.close()


@pytest.fixture
def huey(make):
    return make()


@pytest.fixture
def echo(huey):
    @huey.task()
    def echo(*values):
        return values[-1] if values else None

    return echo


def shard(one):
    """Return the shard of a task, or of a result."""
    return shard_of(one.id, SHARDS)


def sizes(huey):
    """Return how many messages wait on each shard."""
    return [one.queue_size() for one in huey.storage.shards]


# Where tasks go.


def test_tasks_are_spread_over_all_shards_and_servers(huey, echo):
    results = echo.map(range(200))
    assert all(sizes(huey))
    assert sum(sizes(huey)) == huey.pending_count() == len(huey) == 200
    for number in range(SHARDS):
        waiting = huey.storage.shards[number].enqueued_items()
        assert {shard(huey.deserialize_task(data)) for data in waiting} == {number}
    assert run_all(huey) == 200
    assert results.get() == list(range(200))


def test_one_call_and_many_go_the_same_way(huey, echo):
    results = [echo(n) for n in range(40)]
    found = [0] * SHARDS
    for result in results:
        found[shard(result)] += 1
    assert sizes(huey) == found


def test_a_pipeline_lies_on_one_shard_with_all_that_may_follow_it(huey, echo):
    for _ in range(20):
        task = echo.s(1).then(echo, 2).error(echo.s("failed")).then(echo.s(3).error(echo.s("too")))
        results = list(huey.enqueue(task))
        others = [task.on_error, task.pipeline()[-1].on_error]
        assert len({shard(one) for one in [*results, *others]}) == 1
        run_all(huey)
        assert results[-1].get() == 1
        assert results[-1].revoke_id == f"r:{results[-1].id}"


def test_the_handles_of_many_pipelines_are_on_the_tasks_that_run(huey, echo):
    results = huey.enqueue_many(echo.s(n).then(echo, 0) for n in range(30))
    list(results)[7].revoke()
    run_all(huey)
    values = [result.get() for result in results]
    assert [n for n, value in enumerate(values) if value is None] == [7]


def test_a_chord_lies_on_one_shard_with_the_chords_in_it(huey, echo):
    for size in (0, 1, 12):
        inner = chord([echo.s(n) for n in range(3)], echo.s("inner").then(echo))
        members = [echo.s(n).then(echo, n) for n in range(size)]
        result = huey.enqueue(chord([*members, inner], echo.s()).then(echo).error(echo.s("no")))
        tasks = [*result.results, result.callback, *result.pipeline_results, *inner.tasks]
        assert len({shard(one) for one in [*tasks, inner.callback]}) == 1
        run_all(huey)
        values = [0, *range(1, size)] if size else []
        assert result.callback.get() == [*values, [0, 1, 2]]
        assert huey.storage.result_store_size() > 0


def test_the_members_of_a_group_go_their_own_ways(huey, echo):
    results = huey.enqueue(group([echo.s(n) for n in range(60)]))
    assert all(sizes(huey))
    run_all(huey)
    assert results.get() == list(range(60))


def test_a_unique_task_lies_where_its_key_is_whoever_calls_it(make):
    name = f"test{uuid4().hex}"
    hueys = [make(name=name) for _ in range(3)]

    def unique(value):
        return value

    tasks = [huey.task(unique=True, name="unique")(unique) for huey in hueys]
    for value in range(30):
        first, second, third = (task(value) for task in tasks)
        assert first.id == second.id == third.id
    assert hueys[0].pending_count() == 30
    assert sum(map(bool, sizes(hueys[0]))) > 1
    run_all(hueys[1])
    assert tasks[2](1).id != first.id
    assert hueys[0].pending_count() == 1


def test_a_debounced_task_is_put_off_whoever_calls_it(make):
    name = f"test{uuid4().hex}"
    hueys = [make(name=name) for _ in range(2)]

    def late(value):
        return value

    tasks = [huey.task(debounce=3600, name="late")(late) for huey in hueys]
    for value in range(20):
        assert tasks[0](value).id == tasks[1](value).id == tasks[0](value).id
    assert hueys[0].scheduled_count() == 20


def test_all_tasks_of_limited_kinds_lie_together_and_may_follow_each_other(huey, echo):
    @huey.task(max_concurrency=2)
    def two(value=0):
        return value

    @huey.task(max_concurrency=1, unique=True)
    def one(value=0):
        return value

    pipeline = two.s(1).then(echo, 2).then(one)
    last = list(huey.enqueue(pipeline))[-1]
    huey.enqueue(chord([one.s(1), two.s(2)], echo.s()))
    assert one(7).id == one(7).id
    two.map(range(20))
    assert [bool(size) for size in sizes(huey)] == [True, *[False] * (SHARDS - 1)]
    run_all(huey)
    assert last.get() == 1


def test_a_periodic_task_has_one_shard_for_all_its_ticks(huey):
    kinds = []
    for number in range(12):

        @huey.periodic_task(crontab(), name=f"tick{number}")
        def tick():
            pass

        kinds.append(tick.task_class)
    for kind in kinds:
        found = {huey.serialize_task(kind()).shard for _ in range(5)}
        assert found == {huey._shard_of_kind(kind)}
    assert len({huey._shard_of_kind(kind) for kind in kinds}) > 1


def test_a_scheduled_task_and_one_that_is_tried_again_stay_where_they_are(huey):
    ran = []

    @huey.task(retries=2)
    def fails(value):
        ran.append(value)
        raise ValueError(value)

    far = fails.schedule((1,), delay=3600)
    again = fails(2)
    run_all(huey)
    assert huey.scheduled_count() == 1
    assert [one.schedule_size() for one in huey.storage.shards][shard(far)] == 1
    assert ran == [2, 2, 2]
    assert again.is_ready()
    assert far.cancel()
    assert huey.scheduled_count() == 0


# Ids of an application's own.


def test_an_id_that_was_given_stays_and_what_follows_goes_with_it(huey, echo):
    for number in range(20):
        result = echo.schedule((number,), delay=0, id=f"order-{number}")
        assert result.id == f"order-{number}"
        first = echo.task_class((1,), id=f"first-{number}").then(echo, 2)
        results = list(huey.enqueue(first))
        assert shard(results[0]) == shard(results[1])
    run_all(huey)
    assert [huey.result(f"order-{number}") for number in range(20)] == list(range(20))


def given(kind, shard, **options):
    """Return a task with an id that was given and lies on a shard."""
    found = (f"given-{number}" for number in range(1000))
    return kind.task_class(id=next(one for one in found if shard_of(one, SHARDS) == shard))


def test_ids_that_cannot_lie_together_are_a_clear_mistake(huey, echo):
    with pytest.raises(InvalidArgument) as caught:
        huey.enqueue(given(echo, 1).then(given(echo, 2)))
    for told in ("given-", "on shard 1", "on shard 2", "5 shards", "Leave the choice"):
        assert told in str(caught.value)
    with pytest.raises(InvalidArgument):
        huey.enqueue(chord([given(echo, 1), given(echo, 3)], echo.s()))
    with pytest.raises(InvalidArgument):
        huey.enqueue_many([given(echo, 1).then(given(echo, 2))])
    assert huey.pending_count() == 0
    together = huey.enqueue(given(echo, 1).then(echo, 7).then(echo))
    run_all(huey)
    assert list(together)[-1].get() == 7


def test_an_id_that_was_given_cannot_leave_the_shard_of_a_limit_or_a_key(huey):
    @huey.task(max_concurrency=1)
    def limited():
        return "limited"

    @huey.task(unique=True)
    def unique():
        return "unique"

    with pytest.raises(InvalidArgument, match=r"max_concurrency of .*limited on shard 0"):
        huey.enqueue(given(limited, 2))
    home = shard(unique())
    run_all(huey)
    with pytest.raises(InvalidArgument, match="the key of the unique"):
        huey.enqueue(given(unique, (home + 1) % SHARDS))
    for task in (given(limited, 0), given(unique, home)):
        result = huey.enqueue(task)
        run_all(huey)
        assert result.get() in ("limited", "unique")


def test_a_class_of_ones_own_makes_ids_until_one_fits(huey):
    class Numbered(Task):
        made = 0

        def create_id(self):
            Numbered.made += 1
            return f"number-{Numbered.made}"

    class Same(Task):
        def create_id(self):
            return "always"

    @huey.task(task_base=Numbered)
    def numbered(value=None):
        return value

    @huey.task(task_base=Same)
    def same(value=None):
        return value

    results = list(huey.enqueue(numbered.s(1).then(numbered).then(numbered)))
    assert len({shard(one) for one in results}) == 1
    assert {one.id.partition("-")[0] for one in results} == {"number"}
    other = given(numbered, (shard_of("always", SHARDS) + 1) % SHARDS)
    with pytest.raises(ConfigurationError, match="create_id"):
        huey.enqueue(other.then(same))


def test_a_task_that_is_enqueued_again_stays_where_it_was(huey, echo):
    task = echo.s(1).then(echo, 2)
    before = [result.id for result in huey.enqueue(task)]
    run_all(huey)
    assert [result.id for result in huey.enqueue(task)] == before
    result = echo(5)
    moved = result.reschedule(delay=3600)
    assert moved.id != result.id
    assert huey.scheduled_count() + huey.pending_count() == 3


# Waiting, revoking, by hand, listing.


def test_who_waits_for_many_results_is_woken_by_any(huey, echo):
    results = echo.map(range(30))
    assert len({shard(one) for one in results}) > 1
    found = []

    def collect():
        found.extend(results.as_completed(timeout=30))

    waiting = Running(collect)
    for number in range(1, 31):
        assert run_one(huey)
        eventually(lambda number=number: len(found) == number, "a result")
    waiting.result()
    assert sorted(found) == list(range(30))
    assert all(not thread.name.startswith("huey_green-hearing") for thread in ended(huey))


def ended(huey):
    """Close the storage; return the threads that are left."""
    huey.storage.close()
    return threading.enumerate()


def test_a_blocking_result_comes_from_its_shard(huey, echo):
    results = [echo(n) for n in range(10)]
    waiting = [Running(lambda one=one: one.get(blocking=True, timeout=30)) for one in results]
    run_all(huey)
    assert [one.result() for one in waiting] == list(range(10))


def test_a_revoked_kind_does_not_run_on_any_shard_and_the_next_one_only_once(huey, echo):
    echo.map(range(50))
    echo.revoke(revoke_once=True)
    before = huey.pending_count()
    ran = []
    huey.signal("complete")(lambda *_: ran.append(1))
    run_all(huey)
    assert (before, len(ran)) == (50, 49)
    echo.revoke()
    results = echo.map(range(50))
    assert echo.is_revoked()
    run_all(huey)
    assert len(ran) == 49
    assert not any(result.is_ready() for result in results)
    assert echo.restore() is True
    assert echo.restore() is False
    echo.map(range(50))
    run_all(huey)
    assert len(ran) == 99
    # Nothing is left that would be looked for before each task.
    huey.storage.fetch("somebody", 0)
    assert not huey.storage.has_revocations()
    huey.storage.leave("somebody")


def test_a_task_is_revoked_and_canceled_wherever_it_lies(huey, echo):
    results = echo.map(range(20))
    for number, result in enumerate(results):
        if number % 2:
            result.revoke()
        else:
            assert result.cancel() is True
    run_all(huey)
    assert not any(result.is_ready() for result in list(results)[1::2])
    assert huey.storage.canceled(0.0)[0]


def test_locks_counters_rates_and_values_are_one_for_all(make):
    name = f"test{uuid4().hex}"
    one, two = make(name=name), make(name=name)
    for number in range(20):
        with one.lock_task(f"lock{number}"):
            assert two.is_locked(f"lock{number}")
        one.put(f"key{number}", number)
        assert two.get(f"key{number}") == number
        assert one.rate_limit(f"rate{number}", 1, 60).acquire()
        assert not two.rate_limit(f"rate{number}", 1, 60).acquire()
        assert (one.storage.incr(f"n{number}"), two.storage.incr(f"n{number}")) == (1, 2)


def test_dead_letters_are_listed_newest_first_and_requeued_by_id(huey):
    bodies = [Placed(b"nonsense %d" % number, number % SHARDS) for number in range(15)]
    for body in bodies:
        huey.storage.enqueue(body)
    run_all(huey)
    letters = huey.dead_letters()
    assert len(letters) == 15
    assert [one.died_at for one in letters] == sorted((o.died_at for o in letters), reverse=True)
    assert huey.dead_letters(4) == letters[:4]
    assert huey.requeue_dead([letters[0].id, letters[9].id, "unknown"]) == 2
    assert huey.pending_count() == 0 or huey.storage.queue_size() == 2
    assert huey.delete_dead() == 13


def test_a_task_that_is_executed_by_hand_leaves_its_result_where_it_is_looked_for(huey, echo):
    for number in range(20):
        task = echo.s(number).then(echo)
        first, second = huey.enqueue(task)
        assert huey.execute(huey.dequeue()) == number
        assert first.get() == number
        assert huey.execute(huey.dequeue()) == number
        assert second.get() == number


def test_a_flush_leaves_nothing_on_any_shard(make, urls):
    huey = make(RedisHuey)
    huey.task(name="echo")(print)
    for number in range(50):
        huey.put(f"key{number}", number)
    huey.flush()
    for one in huey.storage.shards:
        keys = one.link.execute("KEYS", f"*{one.keys._tag}*")
        assert keys == []


def test_events_of_all_shards_come_on_one_channel(make):
    huey = make(events=True)
    task = huey.task(name="echo")(lambda value: value)
    with huey.events(timeout=10) as events:
        sent = {task(number).id for number in range(20)}
        told = {next(events)["id"] for _ in range(20)}
    assert told == sent


def test_each_server_is_examined_once(huey, urls):
    told = [one.text for one in huey.storage.examine() if one.subject == "version"]
    assert [text.partition("/")[0] for text in told] == [
        url.removeprefix("redis://").partition("/")[0] for url in urls
    ]


# What the servers know.


def test_a_huey_that_says_another_number_of_shards_is_refused(make, urls):
    name = f"test{uuid4().hex}"
    make(name=name).storage.put_data("a", b"1")
    huey = make(name=name, shards=SHARDS + 1)
    with pytest.raises(ConfigurationError) as caught:
        huey.put("key", 1)
    told = str(caught.value)
    assert "knows this queue as 5 shards" in told
    assert "this Huey says 6 shards" in told
    assert "docs/scaling.md" in told
    same = make(name=name)
    assert same.storage.queue_size() == 0
    same.flush()
    huey.put("key", 1)
    assert huey.get("key") == 1


def test_a_huey_that_names_the_servers_in_another_order_is_refused(make, urls):
    name = f"test{uuid4().hex}"
    assert make(name=name).pending_count() == 0
    turned = make(name=name, urls=urls[::-1])
    with pytest.raises(ConfigurationError, match="the same urls= in the same order"):
        turned.pending_count()
    fewer = make(name=name, urls=urls[:1])
    with pytest.raises(ConfigurationError):
        fewer.pending_count()


# A server that is away.


@pytest.fixture
def half_away():
    """A Huey with a server that is there and one that may be stopped."""
    with PrivateRedis(download=True) as there, PrivateRedis(download=True) as other:
        huey = RedisHuey("halves", urls=[there.url, other.url], shards=4)
        huey.task(name="echo")(echo_value)
        yield huey, other
        huey.storage.close()


def cancels(huey, echo, shard):
    """Have a task canceled that lies on a shard; say whether it was found."""
    task = echo((1,), id=fitting_id(shard, 4))
    huey.enqueue(task)
    return huey.cancel(task.id)


def echo_value(value):
    return value


def test_while_a_server_is_away_the_shards_of_the_others_go_on(half_away):
    huey, other = half_away
    echo = huey.registry.string_to_task(f"{__name__}.echo")
    for number in range(20):
        huey.enqueue(echo((number,)))
    assert huey.pending_count() == 20
    other.kill()
    accepted, refused = [], 0
    for number in range(40):
        task = echo((number,))
        try:
            huey.enqueue(task)
        except StorageUnavailable:
            assert shard_of(task.id, 4) % 2 == 1
            refused += 1
        else:
            assert shard_of(task.id, 4) % 2 == 0
            accepted.append(task)
    assert accepted
    assert refused
    here = huey.storage.shards[::2]
    while any(one.queue_size() for one in here):
        run_one(huey)
    for task in accepted:
        assert huey.result(task.id) == task.args[0]
    assert cancels(huey, echo, shard=0)
    with pytest.raises(StorageUnavailable):
        huey.pending_count()
    with pytest.raises(StorageUnavailable):
        huey.enqueue_many(echo((n,)) for n in range(40))
    assert all(one.queue_size() for one in here)
