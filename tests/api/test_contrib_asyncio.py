# SPDX-License-Identifier: MIT
import asyncio
import threading
import time
from uuid import uuid4

import pytest
import redis

from huey_green import (
    MemoryHuey,
    RedisHuey,
    ResultTimeout,
    StorageUnavailable,
    TaskException,
    awaiting,
    chord,
)
from huey_green.contrib.asyncio import aget_result, aget_result_group
from huey_green.exceptions import StorageRefused
from huey_green.storage import MemoryStorage
from huey_green.storage.base import LOOK_AGAIN
from huey_green.storage.redis.connect import MAX_CONNECTIONS
from huey_green.testing.redis import PrivateRedis

#: Seconds after which a test gives up waiting; none that passes comes near.
PATIENCE = 30.0


def run(main):
    """Run a coroutine function in an event loop of its own, and see that nothing is left over."""

    async def bounded():
        try:
            return await asyncio.wait_for(main(), PATIENCE)
        finally:
            await until(lambda: not awaiting._watches.get(asyncio.get_running_loop()))

    return asyncio.run(bounded())


async def until(condition):
    async def look():
        while not condition():
            await asyncio.sleep(0.005)

    await asyncio.wait_for(look(), PATIENCE)


class Counting(MemoryStorage):
    """Notes what is asked of it, by which thread."""

    def __init__(self, name="huey", **options):
        super().__init__(name, **options)
        self.looks = []
        self.threads = set()

    def peek_many(self, keys):
        self.looks.append(len(keys))
        self.threads.add(threading.get_ident())
        return super().peek_many(keys)

    def pop_data(self, key):
        self.threads.add(threading.get_ident())
        return super().pop_data(key)


def test_a_result_is_awaited(huey, add, start):
    start(huey)

    async def main():
        return await aget_result(add(1, 2))

    assert run(main) == 3


def test_handles_can_be_awaited(huey, add, start):
    start(huey)
    total = huey.task(name="total")(sum)

    async def main():
        group = add.map([(number, 2) for number in range(5)])
        whole = huey.enqueue(chord([add.s(1, 2), add.s(3, 4)], total.s()))
        with pytest.raises(TaskException, match="TypeError"):
            await add("1", 2)
        return await add(1, 2), await group, await whole, await asyncio.wait_for(add(3, 4), 30)

    assert run(main) == (3, [2, 3, 4, 5, 6], 10, 7)


def test_several_are_awaited_side_by_side_and_as_a_group(huey, add, start):
    start(huey)

    async def main():
        handles = [add(number, 1) for number in range(5)]
        group = add.map([(number, 2) for number in range(5)])
        return await asyncio.gather(*map(aget_result, handles)), await aget_result_group(group)

    assert run(main) == ([1, 2, 3, 4, 5], [2, 3, 4, 5, 6])


@pytest.mark.parametrize("where", ["memory", "sqlite"])
def test_a_thousand_wait_and_the_loop_goes_on(request, where, tmp_path, start):
    from huey_green import SqliteHuey

    huey = MemoryHuey() if where == "memory" else SqliteHuey(filename=tmp_path / "huey.db")
    double = huey.task()(lambda number: 2 * number)
    ticks = []

    async def tick():
        while True:
            ticks.append(1)
            await asyncio.sleep(0)

    async def main():
        ticking = asyncio.create_task(tick())
        results = [double(number) for number in range(1000)]
        waiting = asyncio.gather(*map(aget_result, results))
        await asyncio.sleep(0.05)
        threads = threading.active_count()
        start(huey, workers=4)
        values = await waiting
        ticking.cancel()
        return values, threads

    before = threading.active_count()
    values, threads = run(main)
    assert values == [2 * number for number in range(1000)]
    assert len(ticks) > 100
    assert threads <= before + 6, "not a thread for each"
    huey.storage.close()


def test_the_storage_is_asked_for_all_at_once_and_never_in_the_threads_of_the_loop():
    storage = Counting()
    huey = MemoryHuey()
    huey.storage = storage
    identity = huey.task()(lambda number: number)

    def drain():
        while (task := huey.dequeue()) is not None:
            huey.execute(task)

    async def main():
        results = [identity(number) for number in range(100)]
        waiting = asyncio.gather(*map(aget_result, results))
        await until(lambda: len(storage.looks) >= 3)
        assert storage.looks[0] == 100
        await asyncio.to_thread(drain)
        assert await waiting == list(range(100))
        assert threading.get_ident() not in storage.threads

    run(main)


def test_more_than_are_looked_for_at_once_are_all_answered(monkeypatch):
    monkeypatch.setattr(awaiting, "AT_ONCE", 3)
    huey = MemoryHuey(immediate=True)
    identity = huey.task()(lambda number: number)

    async def main():
        return await asyncio.gather(*[aget_result(identity(number)) for number in range(20)])

    assert run(main) == list(range(20))


def test_an_error_of_the_task_is_raised():
    huey = MemoryHuey(immediate=True)
    fail = huey.task()(lambda: 1 / 0)
    well = huey.task(name="well")(lambda: "well")

    async def main():
        for _ in range(2):
            result = fail()
            with pytest.raises(TaskException, match="ZeroDivisionError"):
                await aget_result(result)
            with pytest.raises(TaskException, match="ZeroDivisionError"):
                await aget_result(result)
        assert await aget_result(well()) == "well"

    run(main)


def test_the_first_error_of_a_group_ends_the_wait_for_the_others():
    huey = MemoryHuey()
    divide = huey.task()(lambda a, b: a / b)

    async def main():
        group = divide.map([(1, 1), (1, 0), (1, 2)])
        for _ in range(2):
            huey.execute(huey.dequeue())
        with pytest.raises(TaskException, match="ZeroDivisionError"):
            await aget_result_group(group, timeout=PATIENCE)

    run(main)


@pytest.mark.parametrize("timeout", [0, 0.05])
def test_a_result_that_does_not_come_times_out(huey, add, timeout):
    async def main():
        result = add(1, 2)
        with pytest.raises(ResultTimeout, match=f"no result of task {result.id} within"):
            await aget_result(result, timeout=timeout)
        with pytest.raises(ResultTimeout):
            await aget_result_group(add.map([(1, 2), (3, 4)]), timeout=timeout)

    run(main)


def test_with_no_time_at_all_a_result_that_is_there_is_found():
    huey = MemoryHuey(immediate=True)
    identity = huey.task()(lambda number: number)

    async def main():
        assert await aget_result(identity(5), timeout=0) == 5

    run(main)


def test_a_result_is_taken_out_of_the_store_unless_it_is_to_be_preserved():
    huey = MemoryHuey(immediate=True)
    identity = huey.task()(lambda number: number)

    async def main():
        kept, taken = identity(1), identity(2)
        assert await aget_result(kept, preserve=True) == 1
        assert await aget_result_group(identity.map([3, 4]), preserve=True) == [3, 4]
        assert await aget_result(taken) == 2
        assert await aget_result(taken) == 2, "the handle has kept it"
        assert huey.result_count() == 3

    run(main)


def test_none_is_a_value_where_it_is_stored():
    huey = MemoryHuey(immediate=True, store_none=True)
    nothing = huey.task()(lambda: None)

    async def main():
        assert await aget_result(nothing(), timeout=PATIENCE) is None

    run(main)


def test_the_result_of_a_chord_is_that_of_its_callback():
    huey = MemoryHuey(immediate=True)
    identity = huey.task()(lambda number: number)
    total = huey.task(name="total")(lambda values: sum(values))

    async def main():
        whole = chord([identity.s(1), identity.s(2)], total.s())
        assert await aget_result(huey.enqueue(whole)) == 3

    run(main)


def test_a_wait_can_be_canceled_and_taken_up_again():
    huey = MemoryHuey()
    identity = huey.task()(lambda number: number)

    async def main():
        result = identity(5)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(aget_result(result), 0.05)
        huey.execute(huey.dequeue())
        assert await aget_result(result) == 5

    run(main)


def test_who_takes_a_result_away_leaves_the_others_waiting():
    huey = MemoryHuey(immediate=True)
    identity = huey.task()(lambda number: number)

    async def main():
        result = identity(5)
        assert huey.result(result.id) == 5
        with pytest.raises(ResultTimeout):
            await aget_result(result, timeout=0.05)

    run(main)


class Away(MemoryStorage):
    error = StorageUnavailable("is away")
    looks = 0

    def peek_many(self, keys):
        self.looks += 1
        if self.error is not None:
            raise self.error
        return super().peek_many(keys)


def test_a_storage_that_is_away_is_waited_for():
    huey = MemoryHuey(storage_class=Away, immediate=True, immediate_use_memory=False)
    identity = huey.task()(lambda number: number)

    async def looked_thrice():
        while huey.storage.looks < 3:
            await asyncio.sleep(0.01)

    async def main():
        huey.storage.error = None
        group = identity.map([1, 2, 3])
        huey.storage.error = Away.error
        values = asyncio.ensure_future(aget_result_group(group))
        await asyncio.wait_for(looked_thrice(), 30)
        huey.storage.error = None
        assert await values == [1, 2, 3]

    run(main)


def test_one_who_waits_alone_waits_for_a_storage_that_is_away():
    class AllAway(Away):
        def pop_data(self, key):
            self.looks += 1
            if self.error is not None:
                raise self.error
            return super().pop_data(key)

    huey = MemoryHuey(storage_class=AllAway)
    identity = huey.task()(lambda number: number)

    async def main():
        value = asyncio.ensure_future(identity(5))
        await until(lambda: huey.storage.looks >= 3 or value.done())
        huey.storage.error = None
        huey.execute(huey.dequeue())
        assert await value == 5

    run(main)


def test_a_timeout_that_ends_while_the_storage_is_away_says_so():
    huey = MemoryHuey(storage_class=Away)
    identity = huey.task()(lambda number: number)

    async def main():
        waits = [aget_result(one, timeout=0.05) for one in identity.map([1, 2, 3])]
        errors = await asyncio.gather(*waits, return_exceptions=True)
        assert [type(error) for error in errors] == [StorageUnavailable] * 3

    run(main)


def test_what_waiting_does_not_cure_is_an_error_of_all_who_wait():
    class Refusing(Away):
        error = StorageRefused("another password")

    huey = MemoryHuey(storage_class=Refusing)
    identity = huey.task()(lambda number: number)

    async def main():
        group = identity.map([1, 2, 3])
        errors = await asyncio.gather(*map(aget_result, group), return_exceptions=True)
        assert [type(error) for error in errors] == [StorageRefused] * 3

    run(main)


def test_a_result_that_cannot_be_read_is_an_error_of_the_one_who_waits_for_it():
    huey = MemoryHuey(immediate=True)
    identity = huey.task()(lambda number: number)

    async def main():
        broken, sound = identity(1), identity(2)
        huey.storage.put_data(broken.id, b"not a pickle")
        errors = await asyncio.gather(
            aget_result(broken), aget_result(sound), return_exceptions=True
        )
        assert isinstance(errors[0], Exception)
        assert errors[1] == 2

    run(main)


def test_every_event_loop_and_every_huey_has_a_watch_of_its_own():
    hueys = [MemoryHuey(f"number {number}", immediate=True) for number in range(3)]
    tasks = [huey.task()(lambda number: number) for huey in hueys]

    async def main():
        return await asyncio.gather(*[aget_result(task(5)) for task in tasks])

    assert run(main) == [5, 5, 5]
    assert run(main) == [5, 5, 5]


@pytest.fixture
def looks(monkeypatch):
    """How many results were looked for in all, one by one or together."""
    looks = []
    read = awaiting._read

    def noted(huey, asked):
        looks.append(len(asked))
        return read(huey, asked)

    monkeypatch.setattr(awaiting, "_read", noted)
    return looks


@pytest.mark.parametrize("shards", [None, 2])
def test_redis_says_when_to_look_to_a_thousand_on_a_connection_of_each_shard(
    redis_server, looks, shards
):
    name = f"test{uuid4().hex}"
    huey = RedisHuey(name, url=redis_server.url, client_name=name, shards=shards)
    double = huey.task()(lambda number: 2 * number)
    shards = shards or 1

    def connections():
        with redis.Redis.from_url(redis_server.url) as client:
            return sum(one["name"] == name for one in client.client_list())

    def work():
        while (task := huey.dequeue()) is not None:
            huey.execute(task)

    async def main():
        began_at = time.monotonic()
        group = double.map(range(1000))
        waiting = asyncio.ensure_future(group)
        # They look when they come, and again from when they are told.
        await until(lambda: sum(looks) >= 2000)
        assert connections() <= shards * (MAX_CONNECTIONS + 1)
        await asyncio.to_thread(work)
        assert await waiting == [2 * number for number in range(1000)]
        # And all in doubt, from time to time.
        doubts = (time.monotonic() - began_at) // LOOK_AGAIN
        assert sum(looks) <= (2 + shards + doubts * shards) * 1000

    run(main)
    huey.storage.flush_all()
    huey.storage.close()


def test_who_waits_at_redis_is_answered_after_an_outage(looks):
    with PrivateRedis(appendonly=True) as server:
        huey = RedisHuey(url=server.url)
        double = huey.task()(lambda number: 2 * number)

        async def main():
            group = double.map(range(20))
            waiting = asyncio.ensure_future(group)
            await until(lambda: sum(looks) >= 40)
            server.kill()
            before = sum(looks)
            await until(lambda: sum(looks) > before)
            server.start()
            await asyncio.to_thread(lambda: [huey.execute(huey.dequeue()) for _ in range(20)])
            assert await waiting == [2 * number for number in range(20)]

        run(main)
        huey.storage.close()


def test_the_pause_between_looks_grows_up_to_what_is_asked_for():
    delays = []

    async def main():
        loop = asyncio.get_running_loop()
        call_later = loop.call_later

        def noted(delay, callback, *args, **kwargs):
            if getattr(callback, "__func__", None) is awaiting._Waiter.look:
                delays.append(round(delay, 6))
            return call_later(delay, callback, *args, **kwargs)

        loop.call_later = noted
        result = MemoryHuey().task()(lambda: 1)()
        with pytest.raises(ResultTimeout):
            await aget_result(result, backoff=2.0, max_delay=0.05, timeout=0.5)

    run(main)
    # The last ones are as long as there is time left.
    assert delays[:4] == [0.01, 0.02, 0.04, 0.05]
    assert max(delays) == 0.05
