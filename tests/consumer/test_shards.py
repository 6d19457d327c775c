# SPDX-License-Identifier: MIT
"""A consumer of a queue with shards: one pool of greenlets, and a lane for each shard."""

from __future__ import annotations

import pytest
from patched import Records, eventually, patched, unpatched


@pytest.fixture
def second(redis_server):
    """Another server, by its URL."""
    from huey_green.testing.redis import PrivateRedis

    with PrivateRedis(download=True) as server:
        yield server.url


def make(name, *urls, kind="PriorityRedisHuey", shards=4, **options):
    import huey_green

    return getattr(huey_green, kind)(name, urls=list(urls), shards=shards, **options)


@pytest.mark.parametrize("kind", ["RedisHuey", "PriorityRedisHuey"])
@patched
def test_all_that_belongs_together_works_in_one_consumer(kind, name, url, second):
    from huey_green import chord

    huey = make(name, url, second, kind=kind)

    @huey.task(retries=1)
    def add(a, b=0):
        return a + b

    @huey.task()
    def total(values):
        return sum(values)

    @huey.task(max_concurrency=2)
    def limited(value):
        return value

    @huey.task(unique=True, unique_until="end")
    def unique(value):
        return value

    consumer = huey.create_consumer(workers=10)
    consumer.start()
    assert add(1, 2).get(True, 30) == 3
    assert list(huey.enqueue(add.s(1, 2).then(limited).then(add, 5)))[-1].get(True, 30) == 8
    chords = [huey.enqueue(chord([add.s(n, n) for n in range(20)], total.s())) for _ in range(5)]
    assert [one.get(True, 30) for one in chords] == [380] * 5
    assert sorted(add.map([(n, 1) for n in range(200)]).as_completed(timeout=30)) == [
        *range(1, 201)
    ]
    assert [unique(n % 3).get(True, 30) for n in range(9)] == [0, 1, 2] * 3
    assert [one.get(True, 30) for one in [limited(n) for n in range(30)]] == [*range(30)]
    consumer.stop(graceful=True)
    assert huey.storage.in_flight() == []
    assert huey.storage.consumers() == {}
    assert huey.storage.parked_items() == []
    huey.flush()


@patched
def test_all_shards_share_the_room_evenly_and_it_is_never_exceeded(name, url, second):
    import gevent

    huey = make(name, url, second)
    running = dict.fromkeys(range(4), 0)
    most = []

    @huey.task(context=True)
    def work(task=None):
        from huey_green.storage.placing import shard_of

        here = shard_of(task.id, 4)
        running[here] += 1
        most.append(sum(running.values()))
        gevent.sleep(0.02)
        running[here] -= 1

    work.map([()] * 800)
    consumer = huey.create_consumer(workers=8)
    consumer.start()
    for _ in range(3):
        eventually(lambda: set(running.values()) == {2}, "an even share of each")
        gevent.sleep(0.05)
    consumer.stop(graceful=True)
    assert max(most) == 8
    huey.flush()


@patched
def test_one_place_for_tasks_is_for_all_shards_by_turns(name, url, second):
    huey = make(name, url, second)
    order = []

    @huey.task(context=True)
    def work(task=None):
        from huey_green.storage.placing import shard_of

        order.append(shard_of(task.id, 4))

    work.map([()] * 400)
    consumer = huey.create_consumer(workers=1)
    consumer.start()
    eventually(lambda: len(order) > 100, "some tasks")
    consumer.stop(graceful=True)
    assert all(10 <= order[:100].count(shard) <= 40 for shard in range(4))
    huey.flush()


@patched
def test_an_urgent_task_is_next_while_all_shards_have_a_backlog_of_others(name, url, second):
    huey = make(name, url, second)
    order = []

    @huey.task()
    def work(what):
        import gevent

        order.append(what)
        gevent.sleep(0.002)

    work.map(["low"] * 2000)
    consumer = huey.create_consumer(workers=4)
    consumer.start()
    eventually(lambda: len(order) > 50, "some tasks")
    for number in range(20):
        before = len(order)
        huey.enqueue(work.s(f"urgent {number}", priority=9))
        eventually(lambda number=number: f"urgent {number}" in order, "the urgent one")
        # What each lane has in its hands goes before it, and not the hundreds that wait.
        assert order.index(f"urgent {number}") - before < 60
    assert len(order) < 1900
    consumer.stop()
    huey.flush()


@patched
def test_periodic_tasks_run_once_however_many_consumers_there_are(name, url, second):
    from huey_green import every

    huey = make(name, url, second)
    seen = []

    def declare(number):
        @huey.periodic_task(every(seconds=0.25), name=f"tick{number}", context=True)
        def tick(task=None):
            seen.append((number, task.id))

    for number in range(8):
        declare(number)
    due = []
    huey.signal("enqueued")(lambda _, task: due.append((task.name, task.id)))
    consumers = [huey.create_consumer(workers=5) for _ in range(3)]
    import time

    began = time.monotonic()
    for one in consumers:
        one.start()
    eventually(
        lambda: all(sum(one == number for one, _ in seen) >= 6 for number in range(8)),
        "several ticks of each",
    )
    for one in consumers:
        one.stop(graceful=True)
    took = time.monotonic() - began
    # One a moment of each, where three consumers could make three. What fell due before the start
    # counts as one, and what fell due at the end may wait.
    most = took / 0.25 + 2
    names = [name for name, _ in due]
    assert {names.count(name) for name in names} <= {*range(6, int(most) + 1)}
    assert len({task_id for _, task_id in seen}) == len(seen)
    assert {task_id for _, task_id in seen} <= {task_id for _, task_id in due}
    huey.flush()


@patched
def test_hooks_run_once_and_locks_are_freed_once(name, url, second):
    huey = make(name, url, second)
    happened = []
    huey.on_startup()(lambda: happened.append("begin"))
    huey.on_shutdown()(lambda: happened.append("end"))
    lock = huey.lock_task("lock")
    assert lock.acquire()
    consumer = huey.create_consumer(workers=5, flush_locks=True)
    consumer.start()
    assert happened == ["begin"]
    assert not huey.is_locked("lock")
    consumer.stop()
    assert happened == ["begin", "end"]
    consumer.start()
    consumer.stop()
    assert happened == ["begin", "end"] * 2
    huey.flush()


@patched
def test_a_revoked_kind_runs_on_no_shard_and_one_time_is_used_up_once(name, url, second):
    huey = make(name, url, second)
    ran = []

    @huey.task()
    def work(n):
        ran.append(n)

    consumer = huey.create_consumer(workers=20)
    consumer.start()
    work.map(range(50))
    eventually(lambda: len(ran) == 50, "all")
    work.revoke(revoke_once=True)
    work.map(range(50))
    eventually(lambda: huey.pending_count() == 0 and len(ran) >= 99, "all but one")
    work.revoke()
    work.map(range(50))
    eventually(lambda: huey.pending_count() == 0, "none")
    consumer.stop(graceful=True)
    assert len(ran) == 99
    huey.flush()


@patched
def test_a_running_task_is_canceled_on_whichever_shard_it_is(name, url, second):
    import gevent

    huey = make(name, url, second)
    running = []

    @huey.task()
    def hangs(n):
        running.append(n)
        gevent.sleep(60)

    consumer = huey.create_consumer(workers=20)
    consumer.start()
    results = list(hangs.map(range(12)))
    eventually(lambda: len(running) == 12, "all")
    for result in results:
        assert result.cancel()
    eventually(lambda: not any(one.running for one in map(workers, consumer.consumers)), "all")
    consumer.stop(graceful=True)
    huey.flush()


def workers(consumer):
    return consumer._worker


@patched
def test_several_queues_of_which_some_have_shards_share_one_pool(name, url, second):
    import gevent

    from huey_green import RedisHuey
    from huey_green.consumer.group import ConsumerGroup

    spread = make(f"{name}a", url, second)
    plain = RedisHuey(f"{name}b", url=url)
    running = {"spread": 0, "plain": 0}
    most = {"spread": 0, "all": 0}

    def declare(huey, which):
        @huey.task(name=which)
        def work(n):
            running[which] += 1
            most["all"] = max(most["all"], sum(running.values()))
            most["spread"] = max(most["spread"], running["spread"])
            gevent.sleep(0.02)
            running[which] -= 1

        return work

    one, other = declare(spread, "spread"), declare(plain, "plain")
    one.map(range(600))
    other.map(range(600))
    group = ConsumerGroup([spread, plain], workers=12, limits=[6, None])
    group.start()
    assert len(group.consumers) == 5
    eventually(lambda: running == {"spread": 6, "plain": 6}, "half for each")
    eventually(lambda: plain.pending_count() == 0 and spread.pending_count() == 0, "all")
    group.stop(graceful=True)
    assert most["all"] == 12
    assert most["spread"] == 6
    for huey in (spread, plain):
        assert huey.storage.in_flight() == []
        huey.flush()


@patched
def test_the_limit_of_a_queue_holds_for_all_its_shards_when_all_wake_up_at_once(name, url, second):
    import gevent

    from huey_green.consumer.group import ConsumerGroup

    huey = make(name, url, second, shards=8)
    running, most, ended = [0], [], []

    @huey.task()
    def work(n):
        running[0] += 1
        most.append(running[0])
        gevent.sleep(0.02)
        running[0] -= 1
        ended.append(n)

    group = ConsumerGroup([huey], workers=100, limits=[2])
    group.start()
    for number in range(5):
        eventually(lambda: all(one._slots.is_idle for one in group.consumers), "all to be idle")
        work.map(range(16))
        eventually(lambda number=number: len(ended) == 16 * (number + 1), "all of them")
    group.stop(graceful=True)
    assert max(most) == 2
    huey.flush()


@patched
def test_in_strict_order_all_shards_of_a_queue_come_before_the_next(name, url, second):
    import gevent

    from huey_green import RedisHuey
    from huey_green.consumer.group import ConsumerGroup

    first = make(f"{name}a", url, second)
    then = RedisHuey(f"{name}b", url=url)
    order = []

    @first.task(name="first")
    def urgent(n):
        order.append("first")
        gevent.sleep(0.005)

    @then.task(name="then")
    def patient(n):
        order.append("then")

    urgent.map(range(300))
    patient.map(range(50))
    group = ConsumerGroup([first, then], workers=8, strict=True)
    group.start()
    eventually(lambda: len(order) == 350, "all")
    group.stop(graceful=True)
    # What was fetched before the shards had told that they have work may go first.
    assert order[60:250].count("then") == 0
    first.flush()
    then.flush()


@patched
def test_a_server_that_ends_and_comes_back_keeps_no_other_shard_waiting(name, url):
    from huey_green.exceptions import StorageUnavailable
    from huey_green.testing.redis import PrivateRedis

    with PrivateRedis(appendonly=True, download=True) as other:
        huey = make(name, url, other.url)
        ran = set()

        @huey.task()
        def work(n):
            ran.add(n)

        consumer = huey.create_consumer(workers=10)
        consumer.start()
        work.map(range(40))
        eventually(lambda: len(ran) == 40, "all of the first")
        other.kill()
        accepted = {n for n in range(100, 200) if is_taken(work, n)}
        assert 10 < len(accepted) < 90
        eventually(lambda: accepted <= ran, "those of the other server's shards")
        with pytest.raises(StorageUnavailable):
            huey.pending_count()
        other.start()
        eventually(lambda: all(is_taken(work, n) for n in range(300, 310)), "its return")
        eventually(lambda: set(range(300, 310)) <= ran, "all of the last")
        consumer.stop(graceful=True)
        huey.flush()
        huey.storage.close()


def is_taken(work, n):
    from huey_green.exceptions import StorageUnavailable

    try:
        work(n)
    except StorageUnavailable:
        return False
    return True


@patched
def test_a_consumer_starts_with_the_shards_that_are_there_and_takes_the_others_later(name, url):
    from huey_green.exceptions import StorageUnavailable
    from huey_green.testing.redis import PrivateRedis

    with PrivateRedis(appendonly=True, download=True) as other:
        huey = make(name, url, other.url)
        ran = set()
        begun = []
        huey.on_startup()(lambda: begun.append(1))

        @huey.task()
        def work(n):
            ran.add(n)

        work.map(range(40))
        other.kill()
        with Records() as records:
            consumer = huey.create_consumer(workers=10)
            consumer.start()
            assert sum("The other shards are consumed" in one for one in records) == 2
            eventually(lambda: len(ran) > 5, "those that are there")
            other.start()
            eventually(lambda: len(ran) == 40, "all of them")
            eventually(lambda: all(one.is_running for one in consumer.consumers), "all lanes")
        assert begun == [1]
        consumer.stop(graceful=True)
        assert huey.storage.in_flight() == []
        other.kill()
        consumer.start()
        consumer.stop()
        there = make(name, other.url, shards=2)
        with pytest.raises(StorageUnavailable):
            there.create_consumer().start()
        huey.storage.close()


@patched
def test_a_consumer_of_another_number_of_shards_does_not_start(name, url, second):
    from huey_green import ConfigurationError

    huey = make(name, url, second)
    assert huey.pending_count() == 0
    with pytest.raises(ConfigurationError, match="knows this queue as 4 shards"):
        make(name, url, second, shards=6).create_consumer().start()
    huey.flush()


@unpatched
def test_in_a_process_with_plain_threads_the_shards_are_looked_at_by_turns(name, url, second):
    huey = make(name, url, second)

    @huey.task()
    def add(a, b):
        return a + b

    consumer = huey.create_consumer(workers=4, max_delay=0.05)
    consumer.start()
    results = add.map([(n, 1) for n in range(50)])
    assert sorted(results.as_completed(timeout=30)) == [*range(1, 51)]
    consumer.stop(graceful=True)
    assert huey.storage.in_flight() == []
    huey.flush()
    huey.storage.close()
