# SPDX-License-Identifier: MIT
"""What a Huey tells of its tasks, and who hears it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from huey_green import (
    BaseEventEmitter,
    ConfigurationError,
    Consumer,
    EventStream,
    Huey,
    InvalidArgument,
    MemoryHuey,
    PriorityRedisHuey,
    RedisEventEmitter,
    RedisHuey,
    SqliteHuey,
    StorageUnavailable,
    events,
    events_redis,
)
from huey_green.events import Outbox
from huey_green.message import Delivery
from huey_green.testing.concurrency import eventually
from huey_green.testing.redis import PrivateRedis

ROOT = Path(__file__).resolve().parents[2]

#: What the documents say that an event has.
DOCUMENTED = {
    *("status", "id", "task", "retries", "retry_delay", "execute_time", "error", "traceback"),
}


class Recorder(BaseEventEmitter):
    """Keeps what it is to send."""

    def __init__(self) -> None:
        super().__init__("a-channel")
        self.sent: list[dict] = []

    def emit(self, data: str) -> None:
        self.sent.append(json.loads(data))

    def statuses(self, task_id: str | None = None) -> list[str]:
        return [one["status"] for one in self.sent if task_id in (None, one["id"])]


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def huey(recorder):
    """A Huey whose events are kept, with a consumer."""
    huey = MemoryHuey("kept", events=recorder)
    consumer = Consumer(huey, workers=4)
    consumer.start()
    yield huey
    consumer.stop()


def ended(recorder, result, last):
    """Wait for the last event of a task; return all of them."""
    eventually(lambda: last in recorder.statuses(result.id), f"{last} of the task")
    return [one for one in recorder.sent if one["id"] == result.id]


def test_an_event_has_what_the_documents_say(huey, recorder):
    @huey.task(retries=3, retry_delay=7)
    def add(a, b):
        return a + b

    result = add(1, 2)
    told = ended(recorder, result, "finished")
    assert [one["status"] for one in told] == ["enqueued", "started", "finished"]
    for one in told:
        assert set(one) == DOCUMENTED | {"queue", "at"}
        assert (one["id"], one["task"]) == (result.id, f"{__name__}.add")
        assert (one["retries"], one["retry_delay"]) == (3, 7)
        assert (one["execute_time"], one["error"], one["traceback"]) == (None, False, None)
        assert one["queue"] == "kept"
    assert result.get() == 3


def test_a_retry_tells_its_moment(huey, recorder):
    @huey.task(retries=1, retry_delay=600)
    def fail():
        raise ValueError

    told = ended(recorder, fail(), "scheduled")[-1]
    assert told["at"] < told["execute_time"] <= told["at"] + 600


def test_a_task_for_later_tells_its_moment(huey, recorder):
    @huey.task()
    def add(a, b):
        return a + b

    eta = datetime.now() + timedelta(hours=1)
    told = ended(recorder, add.schedule((1, 2), eta=eta), "scheduled")
    assert [one["status"] for one in told] == ["enqueued", "scheduled"]
    assert all(one["execute_time"] == pytest.approx(eta.timestamp(), abs=1e-3) for one in told)


def test_a_task_that_fails_tells_its_error_and_that_it_is_tried_again(huey, recorder):
    @huey.task(retries=1)
    def fail():
        raise ValueError("why not")

    result = fail()
    eventually(lambda: recorder.statuses(result.id).count("error") == 2, "two errors")
    told = [one for one in recorder.sent if one["id"] == result.id]
    assert [one["status"] for one in told] == [
        *("enqueued", "started", "error", "retrying", "enqueued", "started", "error"),
    ]
    errors = [one for one in told if one["error"]]
    assert [one["status"] for one in errors] == ["error", "error"]
    for one in errors:
        assert "ValueError: why not" in one["traceback"]
        assert one["traceback"].startswith("Traceback")


def test_a_task_that_is_revoked_or_expired_or_cancels_itself_tells_that(huey, recorder):
    @huey.task()
    def add(a, b):
        return a + b

    add.revoke()
    assert [one["status"] for one in ended(recorder, add(1, 2), "revoked")] == [
        *("enqueued", "revoked"),
    ]
    add.restore()
    late = add.s(1, 2, expires=datetime.now() - timedelta(seconds=1))
    assert [one["status"] for one in ended(recorder, huey.enqueue(late), "expired")] == [
        *("enqueued", "expired"),
    ]


def test_a_message_that_cannot_be_read_is_told_of(huey, recorder):
    huey.storage.enqueue(b"not a message")
    eventually(lambda: "dead" in recorder.statuses(), "the dead letter")
    [dead] = recorder.sent
    assert (dead["task"], dead["error"]) == (None, True)
    assert dead["id"] == huey.dead_letters()[0].id


def test_events_can_be_had_by_hand_and_in_immediate_mode_too(recorder):
    huey = MemoryHuey(events=recorder)

    @huey.task()
    def add(a, b):
        return a + b

    add(1, 2)
    huey.execute(huey.dequeue())
    assert recorder.statuses() == ["enqueued", "started", "finished"]
    huey.immediate = True
    add(1, 2)
    assert len(recorder.sent) == 3
    assert huey.emitter is None
    with pytest.raises(ConfigurationError, match="it is immediate"):
        huey.events()
    huey.immediate = False
    add(1, 2)
    assert len(recorder.sent) == 4


def test_who_does_not_ask_pays_nothing():
    huey = MemoryHuey()
    assert huey.emitter is None
    assert not any(huey.signals.has_receivers(name) for name in ("executing", "complete"))
    assert huey.executor.run(Delivery(b"x")).events == ()
    with pytest.raises(ConfigurationError, match="it has no events=True"):
        huey.events()


@pytest.mark.parametrize("wrong", ["yes", 1, RedisEventEmitter, object()])
def test_what_is_no_emitter_is_refused(wrong):
    with pytest.raises(ConfigurationError, match="events is True"):
        MemoryHuey(events=wrong)


def test_a_storage_without_channels_says_what_to_do(tmp_path):
    for make in (MemoryHuey, lambda **how: SqliteHuey(filename=str(tmp_path / "q.db"), **how)):
        with pytest.raises(ConfigurationError, match="RedisEventEmitter"):
            make(events=True)


def test_an_emitter_without_ears_says_so(recorder):
    with pytest.raises(ConfigurationError, match="has no way to listen"):
        MemoryHuey(events=recorder).events()


def test_an_emitter_that_fails_stops_nothing(caplog):
    class Broken(Recorder):
        def emit(self, data):
            raise OSError("broken")

    huey = MemoryHuey(events=Broken())

    @huey.task()
    def add(a, b):
        return a + b

    result = add(1, 2)
    huey.execute(huey.dequeue())
    assert result.get() == 3
    assert "signal receiver" in caplog.text


# On Redis.


@pytest.fixture(params=[RedisHuey, PriorityRedisHuey])
def loud(request, redis_server):
    """A Huey that publishes its events by Redis."""
    huey = request.param(f"loud-{uuid4().hex}", url=redis_server.url, events=True)

    @huey.task()
    def add(a, b):
        return a + b

    huey.add = add
    yield huey
    huey.emitter.close()
    huey.flush()
    huey.storage.close()


def run_one(huey):
    huey.execute(huey.dequeue())


def test_events_are_heard_by_all_who_listen(loud):
    with loud.events(timeout=30) as one, loud.events(timeout=30) as other:
        result = loud.add(1, 2)
        run_one(loud)
        for stream in (one, other):
            told = [next(stream) for _ in range(3)]
            assert [event["status"] for event in told] == ["enqueued", "started", "finished"]
            assert {event["id"] for event in told} == {result.id}
        assert iter(one) is one


def test_a_plain_subscriber_reads_json_on_the_channel(loud, redis_server):
    emitter = loud.emitter
    assert isinstance(emitter, RedisEventEmitter)
    assert emitter.channel == f"huey.events.{loud.name.replace('-', '')}"
    ear = emitter.listen()
    ear.open()
    loud.add(1, 2)
    data = eventually(lambda: ear.read(1.0), "an event")
    ear.close()
    assert json.loads(data)["status"] == "enqueued"
    assert b"\n" not in data


def test_an_emitter_of_its_own_works_with_any_storage(redis_server):
    channel = f"channel-{uuid4().hex}"
    emitter = RedisEventEmitter(channel, url=redis_server.url)
    huey = MemoryHuey(events=emitter)

    @huey.task()
    def add(a, b):
        return a + b

    with huey.events(timeout=30) as stream:
        add(1, 2)
        assert next(stream)["status"] == "enqueued"
        emitter.emit('{"status": "mine"}')
        assert next(stream) == {"status": "mine"}
    emitter.close()


def test_listening_ends_after_a_silence_or_when_it_is_closed(loud):
    with loud.events(timeout=0.05) as stream:
        assert list(stream) == []
    stream = loud.events()
    threading.Timer(0.05, stream.close).start()
    assert list(stream) == []
    assert list(stream) == []
    for wrong in (0, -1, True):
        with pytest.raises(InvalidArgument, match="timeout is seconds above 0"):
            loud.events(timeout=wrong)


def test_what_others_publish_is_no_event(loud):
    with loud.events(timeout=30) as stream:
        for junk in (b"", b"[1]", b"{}", b"\xff", b"[" * 5000):
            loud.storage.link.execute("PUBLISH", loud.emitter.channel, junk)
        loud.emitter.emit('{"status": "real"}')
        assert next(stream) == {"status": "real"}


def test_nobody_to_listen_to_is_an_error_at_once():
    huey = RedisHuey(port=1, events=True)
    with pytest.raises(StorageUnavailable, match="localhost:1"):
        huey.events()


def test_events_go_on_after_the_server_was_away(tmp_path):
    with PrivateRedis(download=True) as server:
        huey = RedisHuey("away", url=server.url, events=True)
        seen = []
        stream = huey.events()
        reader = threading.Thread(target=lambda: seen.extend(stream))
        reader.start()
        try:
            huey.emitter.emit('{"status": "one"}')
            eventually(lambda: len(seen) == 1, "an event")
            server.kill()
            huey.emitter.emit('{"status": "lost"}')
            eventually(lambda: huey.emitter.dropped == 1, "an event that is dropped")
            server.start()

            def heard():
                huey.emitter.emit('{"status": "two"}')
                return any(one["status"] == "two" for one in seen)

            eventually(heard, "events again")
            assert stream.reconnects >= 1
        finally:
            stream.close()
            reader.join(30)
            huey.emitter.close()
            huey.storage.close()
    assert not reader.is_alive()


def test_a_server_that_stands_still_holds_nobody_up(monkeypatch):
    monkeypatch.setattr(events_redis, "PATIENCE", 0.2)
    monkeypatch.setattr(events, "RETRY", 0.01)
    with PrivateRedis(download=True) as server:
        emitter = RedisEventEmitter("a-channel", url=server.url)
        ear = emitter.listen()
        ear.open()
        emitter.emit('{"status": "first"}')
        eventually(lambda: ear.read(1.0), "an event")
        server.pause()
        try:
            for _ in range(events.MOST_WAITING + 2 * events.BATCH):
                emitter.emit('{"status": "x"}')
            assert emitter.dropped >= events.BATCH
            eventually(lambda: emitter.dropped >= 2 * events.BATCH, "a batch that is given up")
        finally:
            server.resume()
        assert emitter.flush(30)
        ear.close()
        emitter.close()


def test_a_consumer_that_stops_has_sent_its_events(loud):
    with loud.events(timeout=30) as stream:
        consumer = Consumer(loud, workers=2)
        consumer.start()
        result = loud.add(1, 2)
        assert result.get(blocking=True, timeout=30) == 3
        consumer.stop(graceful=True)
        assert not loud.emitter._outbox._waiting
        assert [next(stream)["status"] for _ in range(3)] == ["enqueued", "started", "finished"]


# The way to the server.


class Server:
    """Takes events when it is let."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.is_asked = threading.Event()
        self.taken: list[str] = []
        self.left = 0
        self.is_away = False

    def send(self, batch: list[str]) -> None:
        self.is_asked.set()
        self.open.wait(30)
        if self.is_away:
            raise StorageUnavailable("away")
        self.taken += batch

    def leave(self) -> None:
        self.left += 1


@pytest.fixture
def server():
    server = Server()
    yield server
    server.open.set()


def test_a_slow_server_holds_nobody_up_and_what_is_too_much_is_counted(server, caplog):
    outbox = Outbox(server.send, server.leave, limit=100)
    outbox.put("first")
    assert server.is_asked.wait(30)
    for n in range(250):
        outbox.put(str(n))
    assert outbox.dropped == 150
    assert not outbox.flush(0.01)
    server.open.set()
    assert outbox.flush(30)
    assert server.taken[0] == "first"
    assert [one for one in server.taken if one.isdigit()] == [str(n) for n in range(100)]
    [dropped] = [json.loads(one) for one in server.taken if one.startswith("{")]
    assert dropped == {"status": "dropped", "id": None, "task": None, "dropped": 150}
    outbox.put("last")
    outbox.close()
    assert server.taken[-1] == "last"
    assert caplog.text.count("events are dropped") == 1
    assert caplog.text.count("150 were dropped so far") == 1


def test_what_an_absent_server_was_to_get_is_dropped_and_told_afterwards(
    server, monkeypatch, caplog
):
    monkeypatch.setattr(events, "RETRY", 0.01)
    server.is_away = True
    server.open.set()
    outbox = Outbox(server.send, server.leave)
    for n in range(5):
        outbox.put(str(n))
        assert outbox.flush(30)
    eventually(lambda: outbox.dropped == 5, "five lost events")
    server.is_away = False
    outbox.put("again")
    assert outbox.flush(30)
    outbox.close()
    assert json.loads(server.taken[0])["dropped"] == 5
    assert server.taken[1:] == ["again"]
    assert caplog.text.count("events are dropped: away") == 1


def test_the_thread_ends_when_nothing_comes_and_begins_again(server, monkeypatch):
    monkeypatch.setattr(events, "IDLE", 0.01)
    server.open.set()
    outbox = Outbox(server.send, server.leave)
    for n in range(3):
        outbox.put(str(n))
        eventually(lambda n=n: server.left == n + 1, "the end of the thread")
    assert server.taken == ["0", "1", "2"]
    outbox.close()


def test_a_thread_that_cannot_be_started_is_tried_again(server, monkeypatch):
    server.open.set()
    outbox = Outbox(server.send, server.leave)
    start = events._start_native

    def refuse(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(events, "_start_native", refuse)
    with pytest.raises(RuntimeError):
        outbox.put("one")
    monkeypatch.setattr(events, "_start_native", start)
    outbox.put("two")
    assert outbox.flush(30)
    outbox.close()
    assert server.taken == ["one", "two"]


def test_events_of_many_threads_all_arrive(server, monkeypatch):
    monkeypatch.setattr(events, "IDLE", 0.0005)
    server.open.set()
    outbox = Outbox(server.send, server.leave)

    def put(first):
        for n in range(first, first + 500):
            outbox.put(str(n))

    threads = [threading.Thread(target=put, args=(n * 500,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outbox.flush(30)
    outbox.close(30)
    assert sorted(map(int, server.taken)) == list(range(2000))


def run(code: str, url: str) -> str:
    command = [sys.executable, "-W", "error", "-c", code, url]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


PROGRAM = """
import sys
from huey_green import RedisHuey
huey = RedisHuey("program", url=sys.argv[1], events=True)
@huey.task()
def add(a, b):
    return a + b
"""


def test_a_program_that_ends_at_once_has_sent_its_events(redis_server):
    listener = RedisHuey("program", url=redis_server.url, events=True)
    with listener.events(timeout=30) as stream:
        run(PROGRAM + "add(1, 2)\nassert 'gevent' not in sys.modules\n", redis_server.url)
        assert next(stream)["status"] == "enqueued"
    listener.flush()
    listener.storage.close()


def test_a_forked_child_sends_events_of_its_own(redis_server):
    listener = RedisHuey("program", url=redis_server.url, events=True)
    with listener.events(timeout=30) as stream:
        fork = (
            "import os\nadd(1, 2)\nhuey.emitter.flush()\n"
            "pid = os.fork()\n"
            "if pid == 0:\n    add(3, 4)\n    huey.emitter.flush()\n    os._exit(0)\n"
            "assert os.waitpid(pid, 0)[1] == 0\nadd(5, 6)\n"
        )
        run(PROGRAM + fork, redis_server.url)
        assert [next(stream)["status"] for _ in range(3)] == ["enqueued"] * 3
    listener.flush()
    listener.storage.close()


def test_a_patched_program_sends_events_and_listens(redis_server):
    patched = "from gevent import monkey\nmonkey.patch_all()\nimport gevent\n"
    program = """
consumer = huey.create_consumer(workers=5)
consumer.start()
stream = huey.events(timeout=30)
results = [add(n, n) for n in range(20)]
told = []
for event in stream:
    told.append(event["status"])
    if told.count("finished") == 20:
        break
stream.close()
consumer.stop()
print(sorted(set(told)), len(told))
"""
    said = run(patched + PROGRAM + program, redis_server.url)
    assert said == "['enqueued', 'finished', 'started'] 60\n"


def test_the_names_are_where_users_look_for_them():
    assert issubclass(RedisEventEmitter, BaseEventEmitter)
    assert isinstance(Huey.events.__doc__, str)
    assert EventStream.__module__ == "huey_green.events"
