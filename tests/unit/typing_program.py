# SPDX-License-Identifier: MIT
"""A user's program, for mypy --strict to read; it is never run. See test_typing.py.

A line that ends with ``# error: code`` has exactly that error, all others have none.
"""

from __future__ import annotations

import datetime
from typing import Any

from typing_extensions import assert_type

from huey_green import (
    SKIPPED,
    CancelExecution,
    ChordResult,
    Consumer,
    Error,
    FileHuey,
    Huey,
    JSONSerializer,
    MemoryHuey,
    PriorityRedisExpireHuey,
    PriorityRedisHuey,
    Progress,
    RateLimit,
    RateLimitExceeded,
    RedisExpireHuey,
    RedisHuey,
    Result,
    ResultGroup,
    RetryTask,
    Semaphore,
    Serializer,
    SignedSerializer,
    SqliteHuey,
    Task,
    TaskException,
    TaskLock,
    TaskTimeout,
    TaskWrapper,
    chord,
    crontab,
    every,
    group,
)
from huey_green.api import Huey as ApiHuey
from huey_green.consumer import Consumer as ConsumerByItsPath
from huey_green.contrib.asyncio import aget_result, aget_result_group
from huey_green.contrib.helpers import RedisSemaphore, lock_task_semaphore
from huey_green.contrib.mini import MiniHuey, MiniHueyResult
from huey_green.signals import SIGNAL_ERROR

huey: Huey = RedisHuey("app", url="redis://localhost:6379/0")
others: list[Huey] = [PriorityRedisHuey("app"), SqliteHuey(filename="app.db"), MemoryHuey()]
others += [RedisExpireHuey("app", expire_time=60), PriorityRedisExpireHuey("app")]
others.append(FileHuey("app", path="queue", levels=2, use_thread_lock=True))


@huey.task()
def add(a: int, b: int = 0) -> int:
    return a + b


@huey.task(retries=2, retry_delay=10, priority=5, context=True, name="greet")
def greet(name: str, task: Task | None = None) -> str:
    if name == "again":
        raise RetryTask("later", delay=60)
    return f"hello {name}"


@huey.periodic_task(crontab(minute="*/5"), retries=1)
def report() -> None:
    raise CancelExecution(retry=False)


@huey.task()
@huey.lock_task("backup")
def backup(folder: str) -> bool:
    with huey.lock_task("database"):
        return bool(folder)


assert_type(add(1, 2), Result[int])
assert_type(add(1, b=2)(), int | None)
assert_type(add(1).get(blocking=True, timeout=5), int | None)
assert_type(greet("x")(blocking=True), str | None)
assert_type(report(), Result[None])
assert_type(backup("/"), Result[bool])
assert_type(add.call_local(1, 2), int)
assert_type(add.schedule((1, 2), delay=10), Result[int])
assert_type(add.schedule(args=(1,), kwargs={"b": 2}, eta=datetime.datetime.now()), Result[int])
assert_type(add.map([(1, 2), (3, 4)]), ResultGroup)
assert_type(add.map([(1, 2)]).get(blocking=True), list[Any])
assert_type(add.s(1, 2), Task)
assert_type(add.s(1, priority=3).then(add, 3).error(greet, "x"), Task)
assert_type(add(1).reschedule(delay=5), Result[int])
assert_type(add.revoke(revoke_until=datetime.datetime.now()), None)
assert_type(add.restore(), bool)
assert_type(add(1).is_revoked(), bool)

# What follows one task, or many.


@huey.task()
def add_up(values: list[Any]) -> int:
    return sum([one for one in values if one is not SKIPPED and not isinstance(one, Error)])


assert_type(add.s(1).then(add, 2), Task)
assert_type(group([add.s(1), add.s(2).then(add, 3), report]), group)
assert_type(group(add.s(n) for n in range(3)).then(add_up), chord)
assert_type(group([add.s(1)]).error(greet, "x"), group)
assert_type(chord([add.s(1), chord([], add_up)], add_up.s()), chord)
assert_type(chord([add.s(1)], add_up).then(add, 2).error(greet, "x"), chord)
assert_type(len(group([])), int)
assert_type(huey.enqueue(add.s(1).then(add, 2)), Any)
assert_type(huey.enqueue(group([add.s(1)])), ResultGroup)
assert_type(huey.enqueue(chord([], add_up)), ChordResult[Any])
assert_type(huey.enqueue_many([add.s(1), chord([], add_up)]), ResultGroup)


def of_a_chord(result: ChordResult[int]) -> None:
    assert_type(result(), int | None)
    assert_type(result.get(blocking=True, timeout=5), int | None)
    assert_type(result.results, ResultGroup)
    assert_type(result.callback, Result[int])
    assert_type(result.pipeline_results, ResultGroup | None)
    assert_type(result.is_ready(), bool)
    assert_type(result.cancel(), bool)


# When a task may run, for how long, how often.


@huey.task(
    retries=5,
    retry_delay=1,
    retry_backoff=2,
    retry_max_delay=60,
    retry_jitter=0.1,
    retry_on=(OSError, TaskTimeout),
    no_retry_on=FileNotFoundError,
    expires=datetime.timedelta(hours=1),
    timeout=30,
    unique=True,
    unique_until="end",
    ttl=600,
    at_most_once=False,
)
@huey.rate_limit("api", limit=10, per=60)
def download(url: str) -> bytes:
    return url.encode()


@huey.task(unique=lambda page, **others: page, native_thread=True, max_concurrency=4)
@huey.lock_task_semaphore("printers", 2)
def print_out(page: int, copies: int = 1) -> None:
    with huey.rate_limit("paper", 100, per=0.5, retry=False) as limit:
        assert_type(limit, RateLimit)


@huey.periodic_task(every(seconds=15), timeout=10, expires=10, context=True)
def tick(task: Task | None = None) -> None:
    if task is not None:
        assert_type(task.time_remaining, float | None)
        task.check_timeout()
        task.progress(1, 10, "begun")


class Database:
    def __enter__(self) -> Database:
        return self

    def __exit__(self, *error: object) -> None:
        """Close it."""


@huey.context_task(Database(), as_argument=True, retries=1)
def store(database: Database, value: int) -> bool:
    return bool(value)


assert_type(download("https://example.com"), Result[bytes])
assert_type(print_out(1, copies=2), Result[None])
assert_type(download.schedule(("x",), delay=datetime.timedelta(days=1), expires=60), Result[bytes])
assert_type(download.s("x", expires=60, timeout=5, retry_backoff=2), Task)
assert_type(store(5), Result[bool])
assert_type(add(1).cancel(), bool)
assert_type(huey.cancel("id"), bool)
assert_type(add(1).progress(), Progress | None)
assert_type([step.done for step in add(1).progress_updates(timeout=60)], list[float])
assert_type(add(1).get_raw_result(), Any)
assert_type(add(1).is_ready(), bool)
assert_type(list(add.map([(1,)]).as_completed(timeout=5)), list[Any])
assert_type(list(add.map([(1,)])), list[Result[Any]])
assert_type(huey.rate_limit("api", 10, per=60).acquire(), bool)
assert_type(huey.rate_limit("api", 10, per=60).current_usage(), int)
assert_type(huey.lock_task("backup", ttl=60), TaskLock)
assert_type(huey.lock_task_semaphore("printers", 2), Semaphore)
assert_type(huey.is_locked("backup"), bool)
assert_type(huey.flush_locks("backup", "others"), set[str])
assert_type(huey.pending(task=add), list[Task])
assert_type(huey.dequeue(), Task | None)
assert_type(huey.execute(add.s(1), datetime.datetime.now()), Any)
assert_type(huey.read_schedule(), list[Task])
assert_type(huey.ready_to_run(add.s(1)), bool)
assert_type(RateLimitExceeded("api", 5.0).delay, float | None)
huey.revoke(add, args=(1,))
huey.periodic_task(crontab.hourly())

group(5)  # error: arg-type
group([5])  # error: list-item
chord([add.s(1)])  # error: call-arg
download(5)  # error: arg-type
print_out()  # error: call-arg
huey.task(timeout="x")  # error: arg-type
huey.task(unique_until="later")  # error: arg-type
huey.task(expires="tomorrow")  # error: arg-type
huey.task(retry_on=[ValueError])  # error: arg-type
huey.task(native_thread="yes")  # error: arg-type
huey.rate_limit("api", limit="5", per=1)  # error: arg-type
huey.lock_task_semaphore("index", "2")  # error: arg-type
huey.enqueue(add)  # error: call-overload
huey.enqueue_many(5)  # error: arg-type
huey.read_schedule("now")  # error: arg-type
add(1).cancel("now")  # error: call-arg
every(15)  # error: call-arg
huey.task(retry_on=5)  # error: arg-type
huey.task(retry_on=ValueError())  # error: arg-type
huey.rate_limit("api", "10", per=60)  # error: arg-type
huey.rate_limit("api", 10)  # error: call-arg
huey.lock_task("backup", ttl="x")  # error: arg-type
huey.cancel(5)  # error: arg-type
every(seconds="15")  # error: arg-type
add.schedule(delay=1, expires="x")  # error: arg-type

add("1")  # error: arg-type
add()  # error: call-arg
add(1, 2, 3)  # error: call-arg
add(1, c=2)  # error: call-arg
add.call_local(None)  # error: arg-type
total: int = add(1)()  # error: assignment
word: str | None = add(1).get()  # error: assignment
greet(5)  # error: arg-type
report(1)  # error: call-arg
backup(3)  # error: arg-type
add.schedule(delay="soon")  # error: arg-type
add.schedule(eta=60)  # error: arg-type
add.map(5)  # error: arg-type
huey.task(retries="3")  # error: arg-type
huey.periodic_task("0 * * * *")  # error: arg-type
huey.taks()  # error: attr-defined


@huey.signal(SIGNAL_ERROR)
def failed(signal: str, task: Task, exc: Exception | None = None) -> None:
    print(signal, task.id, exc)


@huey.pre_execute()
def before(task: Task) -> None:
    print(task.args, task.kwargs)


@huey.post_execute("named")
def after(task: Task, value: Any, error: BaseException | None) -> None:
    print(task, value, error)


@huey.on_startup()
def started() -> None:
    huey.put("key", 1)


assert_type(huey.get("key", peek=True), Any)
assert_type(huey.pending(), list[Task])
assert_type(huey.scheduled(limit=5), list[Task])
assert_type(len(huey), int)
assert_type(huey.immediate, bool)
huey.immediate = True
huey.disconnect_signal(failed, SIGNAL_ERROR)
huey.unregister_pre_execute(before)
huey.unregister_post_execute("named")

try:
    add(1).get()
except TaskException as error:
    assert_type(error.metadata, dict[str, Any])


def work(function: TaskWrapper[[int, int], int]) -> None:
    consumer: Consumer = huey.create_consumer(workers=50, periodic=False)
    consumer.start()
    assert_type(function(1, 2).get(True), int | None)
    consumer.stop(graceful=True)
    raise SystemExit(consumer.run())


class JSON(Serializer):
    def _serialize(self, data: Any) -> bytes:
        return repr(data).encode()

    def _deserialize(self, data: bytes) -> Any:
        return data.decode()


SqliteHuey("app", results=False, serializer=JSON(), compression=True, at_most_once=True)


class SignedJSON(SignedSerializer, JSONSerializer):
    """Both."""


signed = MemoryHuey(serializer=SignedJSON(["new", b"old"], digest="blake2b", compression=True))
by_another_path: ApiHuey = signed
ConsumerByItsPath(by_another_path, workers=1).stop()


@huey.task()
@lock_task_semaphore(huey, "reports", 2)
def limited(number: int) -> str:
    return str(number)


async def awaiting() -> None:
    assert_type(await aget_result(limited(1), timeout=5), str | None)
    assert_type(await aget_result_group(limited.map([1, 2])), list[Any])
    limited("x")  # error: arg-type


with RedisSemaphore(huey, "reports", 2) as semaphore:
    assert_type(semaphore.acquire(), str | None)

mini = MiniHuey(pool_size=5)


@mini.task()
def fetch(url: str) -> bytes:
    return url.encode()


@mini.periodic_task(crontab(minute="*/5"))
def refresh() -> int:
    return 5


assert_type(fetch("http://localhost"), MiniHueyResult)
assert_type(fetch.schedule(("http://localhost",), delay=0.5), MiniHueyResult)
assert_type(refresh(), int)
fetch(5)  # error: arg-type
