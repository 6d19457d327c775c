# SPDX-License-Identifier: MIT
"""Redis Cluster: a queue is in one slot, and whoever works with it follows that slot."""

from __future__ import annotations

import re
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from redis.crc import key_slot

from huey_green import (
    ConfigurationError,
    Consumer,
    Huey,
    PriorityRedisExpireHuey,
    PriorityRedisHuey,
    RedisExpireHuey,
    RedisHuey,
)
from huey_green.exceptions import StorageRefused, StorageUnavailable
from huey_green.storage.redis import RedisStorage
from huey_green.storage.redis.keys import Keys
from huey_green.storage.redis.refusals import redirection_in
from huey_green.testing.concurrency import Running, eventually, second_handle
from huey_green.testing.contract import StorageContract
from huey_green.testing.redis import PrivateRedis
from huey_green.testing.redis_cluster import Node, PrivateCluster

FLAVOURS = [RedisHuey, PriorityRedisHuey, RedisExpireHuey, PriorityRedisExpireHuey]

DOCS = Path(__file__).resolve().parents[2] / "docs"
SECURITY, STORAGES = DOCS / "security.md", DOCS / "guide" / "storages.md"

#: Milliseconds of silence after which a master is replaced.
NODE_TIMEOUT = 2000


@pytest.fixture(scope="session")
def cluster() -> Iterator[PrivateCluster]:
    """Three masters with a replica each; a test leaves it whole, whoever is the master then."""
    with ExitStack() as ending:
        try:
            cluster = ending.enter_context(PrivateCluster(timeout=NODE_TIMEOUT))
        except ConfigurationError as error:
            pytest.skip(str(error))
        yield cluster


@pytest.fixture
def make(cluster: PrivateCluster) -> Iterator[Callable[..., Any]]:
    """A function that makes a Huey on the cluster."""
    made: list[Huey] = []

    def make(kind: type[Huey] = RedisHuey, name: str | None = None, **options: Any) -> Huey:
        options = {"cluster": cluster.addresses[:2], **options}
        made.append(kind(name or f"test{uuid4().hex}", **options))
        return made[-1]

    yield make
    # The first of a name, which may do more than those after it.
    for huey in {one.name: one for one in reversed(made)}.values():
        huey.storage.flush_all()
    for huey in made:
        huey.storage.close()


class TestListOnACluster(StorageContract):
    @pytest.fixture
    def storage(self, make: Callable[..., Huey]) -> Any:
        return make(RedisHuey, dead_limit=None, dead_ttl=None).storage


class TestZsetOnACluster(StorageContract):
    @pytest.fixture
    def storage(self, make: Callable[..., Huey]) -> Any:
        return make(PriorityRedisHuey, dead_limit=None, dead_ttl=None).storage


# One slot.


@pytest.mark.parametrize("kind", FLAVOURS)
def test_all_keys_and_the_channel_of_a_queue_are_in_one_slot(
    make: Callable[..., Any], kind: type[Huey]
) -> None:
    keys = make(kind, "shop-1").storage.keys
    names = [value for name, value in vars(keys).items() if not name.startswith("_")]
    of_one = [name for name, value in vars(Keys).items() if not name.startswith("_")]
    for method in of_one:
        found = getattr(keys, method)("some}thing{else}")
        names += [found] if isinstance(found, str) else found
    assert len(names) > 30
    assert {key_slot(name.encode()) for name in names} == {key_slot(b"shop1")}


def test_names_that_are_cleaned_to_the_same_are_the_same_queue(make: Callable[..., Any]) -> None:
    one, other = make(name="shop-1"), make(name="shop1")
    one.storage.enqueue(b"message")
    assert other.storage.dequeue() == b"message"


@pytest.mark.parametrize("name", ["{}", "a{b", "a}b", "}", ""])
def test_a_name_that_would_leave_the_slot_open_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="name"):
        RedisHuey(name, cluster=["127.0.0.1:1"], clean_name=False)


def test_several_hueys_are_on_the_masters_of_their_slots(
    make: Callable[..., Any], cluster: PrivateCluster
) -> None:
    names: dict[int, str] = {}
    while len(names) < 3:
        name = f"test{uuid4().hex}"
        names[cluster.master_of(name).port] = name
    for port, name in names.items():
        huey = make(name=name)
        huey.storage.enqueue(b"message")
        assert huey.storage.link.execute("INFO", "server").count(b"tcp_port:%d\r" % port) == 1
        with second_handle(huey.storage) as other:
            assert other.dequeue() == b"message"


# At work, while the cluster changes.


class Work:
    """A consumer, and who enqueues: each number once, as far as he is told so."""

    def __init__(self, huey: Any) -> None:
        self.huey = huey
        self.ran: Counter[int] = Counter()
        self.accepted: list[int] = []
        #: Those that were enqueued again, as nobody had said what became of them.
        self.doubted: set[int] = set()
        self._stopping = threading.Event()

        @huey.task(name="job")
        def job(number: int) -> int:
            self.ran[number] += 1
            threading.Event().wait(0.005)
            return number

        self.job = job
        self.consumer = Consumer(huey, workers=4, scheduler_interval=0.1)
        self.consumer.start()

    def enqueue(self, numbers: range) -> None:
        for number in numbers:
            if self._stopping.wait(0.002):
                return
            while True:
                try:
                    self.job(number)
                    break
                except StorageUnavailable:
                    self.doubted.add(number)
                    threading.Event().wait(0.05)
            self.accepted.append(number)

    def is_done(self) -> bool:
        storage = self.huey.storage
        return not (set(self.accepted) - set(self.ran) or len(self.huey) or storage.in_flight())

    def end(self) -> None:
        self._stopping.set()
        self.consumer.stop(graceful=True)

    @property
    def again(self) -> set[int]:
        """What ran more than once."""
        return {number for number, count in self.ran.items() if count > 1}


@pytest.fixture
def kind() -> type[Huey]:
    return RedisHuey


@pytest.fixture
def work(make: Callable[..., Any], kind: type[Huey]) -> Iterator[Work]:
    work = Work(make(kind))
    yield work
    work.end()


both = pytest.mark.parametrize("kind", [RedisHuey, PriorityRedisExpireHuey])


def caught_up(master: Node, replica: Node) -> bool:
    return bool(master.ask("ROLE")[1] <= replica.ask("ROLE")[4])


@both
def test_a_consumer_goes_on_when_its_slot_moves(work: Work, cluster: PrivateCluster) -> None:
    name = work.huey.name
    enqueuing = Running(lambda: work.enqueue(range(100_000)))
    for _ in range(3):
        before = len(work.ran)
        target = cluster.reshard(name)
        assert cluster.master_of(name) is target
        eventually(lambda before=before: len(work.ran) > before + 50, "work at the new master")
    work._stopping.set()
    enqueuing.result()
    eventually(lambda: patient(work.is_done), "the end of all work")
    assert work.doubted == set()
    assert work.again == set()


@both
def test_a_consumer_goes_on_after_a_failover_by_order(work: Work, cluster: PrivateCluster) -> None:
    name = work.huey.name
    enqueuing = Running(lambda: work.enqueue(range(100_000)))
    eventually(lambda: len(work.ran) > 50, "work")
    replica = cluster.fail_over(cluster.master_of(name))
    before = len(work.ran)
    eventually(lambda: len(work.ran) > before + 50, "work at the new master")
    work._stopping.set()
    enqueuing.result()
    eventually(lambda: patient(work.is_done), "the end of all work")
    assert cluster.master_of(name) is replica
    assert work.again <= work.doubted


def test_a_consumer_goes_on_after_kill_9_of_its_master(work: Work, cluster: PrivateCluster) -> None:
    name = work.huey.name
    master = cluster.master_of(name)
    replica = cluster.replica_of(master)
    work.enqueue(range(200))
    # What a master has confirmed and not passed on would be lost with it, and not by us.
    eventually(lambda: caught_up(master, replica), "a replica that has it all")
    waiting = Running(lambda: patient_wait(work.huey, "late"))
    eventually(lambda: work.huey.storage.wakeup.is_listening, "who waits for a result")
    master.kill()
    work.enqueue(range(200, 400))
    assert work.job(1000).get(blocking=True, timeout=30) == 1000
    work.huey.storage.put_data("late", b"1", is_result=True)
    assert waiting.result() is True
    eventually(lambda: patient(work.is_done), "the end of all work")
    assert set(work.accepted) == set(range(400))
    assert cluster.master_of(name) is replica
    master.start()
    eventually(cluster.is_whole, "a whole cluster")


def patient_wait(huey: Huey, key: str) -> bool:
    """Wait for a result, from anew when a look at it has met the end of the server."""
    while True:
        try:
            return huey.storage.wait_result(key, 30.0)
        except StorageUnavailable:
            threading.Event().wait(0.05)


def patient(call: Callable[[], Any]) -> Any:
    """Return what a call returns, False when the storage is away."""
    try:
        return call()
    except StorageUnavailable:
        return False


@pytest.mark.parametrize("kind", FLAVOURS)
def test_during_a_migration_single_keys_are_followed_and_scripts_wait(
    make: Callable[..., Any], cluster: PrivateCluster, kind: type[Huey]
) -> None:
    huey = make(kind)
    storage = huey.storage
    slot, source = key_slot(huey.name.encode()), cluster.master_of(huey.name)
    target = next(node for node in cluster.masters() if node is not source)
    for number in range(5):
        storage.enqueue(b"%d" % number)
        storage.put_data(f"key{number}", b"value", is_result=True)
    cluster.begin_moving(slot, source, target)
    # Keys that are nowhere yet are made at the new master.
    storage.add_to_schedule(b"later", 1e11)
    storage.extend("consumer", 30.0)
    assert target.ask("CLUSTER", "COUNTKEYSINSLOT", slot) == 2
    fetching = Running(lambda: storage.fetch("consumer", 10))
    for _ in cluster.move_keys(slot, source, target):
        assert storage.schedule_size() == 1
    cluster.end_moving(slot, target)
    assert [one.body for one in fetching.result()] == [b"%d" % number for number in range(5)]
    assert storage.peek_many([f"key{number}" for number in range(5)]) == {
        f"key{number}": b"value" for number in range(5)
    }


def test_who_waits_at_the_old_master_is_called_away(
    make: Callable[..., Any], cluster: PrivateCluster
) -> None:
    huey = make()
    storage = huey.storage
    storage.fetch("consumer", 1)

    def fetch() -> Any:
        while not (found := storage.fetch("consumer", 1, 20.0)):
            threading.Event().wait(0.01)
        return found

    fetching = Running(fetch)
    eventually(lambda: storage._leasing_of("consumer").waiting._client is not None, "a wait")
    cluster.reshard(huey.name)
    other = make(name=huey.name)
    other.storage.enqueue(b"message")
    assert [one.body for one in fetching.result()] == [b"message"]


def test_a_cluster_without_all_its_masters_is_away_and_comes_back(
    make: Callable[..., Any], cluster: PrivateCluster
) -> None:
    huey = make()
    huey.storage.enqueue(b"message")
    node = cluster.master_of(huey.name)
    # Not the queue's own slot: by default a cluster serves all of them or none.
    slots = {slot for first, last in ranges_of(node) for slot in (first, last)}
    slot = (slots - {key_slot(huey.name.encode())}).pop()
    node.ask("CLUSTER", "DELSLOTS", slot)
    with pytest.raises(StorageUnavailable, match="cluster"):
        huey.storage.enqueue(b"another")
    node.ask("CLUSTER", "ADDSLOTS", slot)
    eventually(lambda: patient(huey.storage.dequeue) == b"message", "its return")
    eventually(cluster.is_whole, "a whole cluster")


def ranges_of(node: Node) -> list[tuple[int, int]]:
    """Return the slots of a master: the first and the last of each range."""
    answer = node.ask("CLUSTER", "SLOTS")
    return [(first, last) for first, last, master, *_ in answer if master[1] == node.port]


def test_other_nodes_are_asked_when_the_first_is_gone(
    make: Callable[..., Any], cluster: PrivateCluster
) -> None:
    with PrivateRedis() as gone:
        port = gone.port
    huey = make(cluster=[f"127.0.0.1:{port}", cluster.addresses[4]])
    huey.storage.enqueue(b"message")
    assert huey.storage.dequeue() == b"message"


def test_nodes_that_were_not_named_are_asked_when_the_named_one_is_silent(
    make: Callable[..., Any], cluster: PrivateCluster
) -> None:
    huey = make()
    master = cluster.master_of(huey.name)
    named = next(
        node
        for node in cluster.nodes.values()
        if not node.is_master and cluster.replica_of(master) is not node
    )
    huey = make(name=huey.name, cluster=[f"127.0.0.1:{named.port}"], socket_timeout=0.3)
    huey.storage.enqueue(b"message")
    named.pause()
    huey.storage.link.close()
    huey.storage.link._pool.cluster.doubt()
    huey.storage.enqueue(b"another")
    named.resume()
    assert len(huey) == 2
    eventually(cluster.is_whole, "a whole cluster")


# How a user says it, and what he is told.


def test_the_documented_settings_make_a_node_of_a_cluster() -> None:
    blocks = re.findall(r"^```ini\n(.*?)^```", STORAGES.read_text(), re.DOTALL | re.MULTILINE)
    [block] = [block for block in blocks if "cluster-enabled" in block]
    settings = dict(line.split() for line in block.splitlines())
    settings.pop("port")
    node = Node(*(part for name, value in settings.items() for part in (f"--{name}", value)))
    with node:
        for name, value in settings.items():
            # Redis 6.2 does not tell all of them.
            assert node.ask("CONFIG", "GET", name)[1:] in ([], [value.encode()])
        assert node.id


def test_a_url_names_nodes_user_and_password(cluster: PrivateCluster) -> None:
    for node in cluster.nodes.values():
        node.ask("ACL", "SETUSER", "ursula", "on", ">pass,@word", "~*", "&*", "+@all")
    hosts = ",".join(cluster.addresses[:2])
    url = f"redis+cluster://ursula:pass,%40word@{hosts}?socket_timeout=3"
    huey = PriorityRedisHuey("shop", url=url)
    huey.storage.enqueue(b"message")
    assert huey.storage.link.execute("ACL", "WHOAMI") == b"ursula"
    assert huey.storage.describe() == f"Redis cluster {hosts}, huey.redis.{{shop}}"
    assert huey.storage.link._pool.connection_kwargs["socket_timeout"] == 3
    huey.storage.flush_all()
    huey.storage.close()
    for node in cluster.nodes.values():
        node.ask("ACL", "DELUSER", "ursula")


ANSWERS = [
    (redis.ResponseError("MOVED 7 10.0.0.1:7000"), ("MOVED", "10.0.0.1", 7000)),
    (redis.exceptions.MovedError("7 10.0.0.1:7000"), ("MOVED", "10.0.0.1", 7000)),
    (redis.ResponseError("MOVED 7 :7000"), ("MOVED", "", 7000)),
    (redis.exceptions.AskError("7 ::1:7000"), ("ASK", "::1", 7000)),
    (redis.ResponseError("ASK 7 ::1:7000"), ("ASK", "::1", 7000)),
    (redis.exceptions.TryAgainError("Multiple keys"), ("TRYAGAIN", "", 0)),
    (redis.ResponseError("TRYAGAIN Multiple keys"), ("TRYAGAIN", "", 0)),
    (redis.ResponseError("CROSSSLOT Keys in request"), ("CROSSSLOT", "", 0)),
    (redis.ResponseError("ERR MOVED"), None),
]


@pytest.mark.parametrize(("error", "said"), ANSWERS)
def test_a_redirection_is_read_however_redis_py_tells_it(
    error: redis.ResponseError, said: tuple[str, str, int] | None
) -> None:
    assert redirection_in(error) == said


NODES = ["127.0.0.1:7000"]
URL = "redis+cluster://127.0.0.1:7000,127.0.0.1:7001"

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"cluster": NODES, "db": 1}, "db"),
    ({"url": f"{URL}/1"}, "db"),
    ({"cluster": NODES, "host": "127.0.0.1"}, "host="),
    ({"url": URL, "port": 7000}, "port="),
    ({"cluster": NODES, "unix_socket_path": "/redis"}, "unix_socket_path="),
    ({"cluster": NODES, "url": URL}, "cluster or url"),
    ({"cluster": NODES, "url": "redis://127.0.0.1"}, "cluster or url"),
    ({"cluster": NODES, "connection_pool": redis.ConnectionPool()}, "cluster="),
    ({"url": URL, "connection_pool": redis.ConnectionPool()}, "connection_pool or url"),
    ({"cluster": []}, "list of some of its nodes"),
    ({"cluster": NODES[0]}, "list of some of its nodes"),
    ({"cluster": True}, "list of some of its nodes"),
    ({"cluster": [("127.0.0.1", 7000)]}, "list of some of its nodes"),
    ({"cluster": ["127.0.0.1:port"]}, "HOST:PORT"),
    ({"cluster": ["127.0.0.1:70000"]}, "HOST:PORT"),
    ({"cluster": ["redis://127.0.0.1:7000"]}, "HOST:PORT"),
    ({"cluster": ["u:hunter2@127.0.0.1:7000"]}, "HOST:PORT"),
    ({"url": "redis+cluster://"}, "HOST:PORT"),
    ({"url": "redis+cluster://u:hunter2@a:1,b:hunter2"}, "HOST:PORT"),
    ({"url": "redis+cluster://u:se/hunter2@127.0.0.1:7000"}, "%2F"),
    ({"url": "redis+cluster://u:se#hunter2@127.0.0.1:7000"}, "%2F"),
    ({"url": "redis+cluster://u:hunter2@[::1:7000"}, "url"),
    ({"url": URL, "ssl": True}, "TLS"),
    ({"cluster": NODES, "ssl_ca_certs": "ca.pem"}, "ssl=True"),
    ({"cluster": NODES, "pasword": "hunter2"}, "did you mean password"),
]


def told_in_full(error: BaseException) -> str:
    """Return what a log would have of an error."""
    return "".join(traceback.format_exception(error))


@pytest.mark.parametrize(("options", "told"), WRONG)
def test_what_does_not_go_together_is_refused_and_no_secret_is_told(
    options: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        RedisHuey("shop", **options)
    assert told in str(caught.value)
    assert "hunter2" not in told_in_full(caught.value)


def test_ipv6_tls_and_a_port_that_is_not_said_are_understood() -> None:
    huey: Any = RedisHuey("shop", url="rediss+cluster://[::1],example.com:7001")
    assert huey.storage.link.where == "cluster [::1]:6379,example.com:7001"
    connection = huey.storage.link.new_connection()
    assert isinstance(connection, redis.SSLConnection)
    other: Any = RedisHuey("shop", cluster=["example.com"], ssl=True, password="hunter2")
    assert isinstance(other.storage.link.new_connection(), redis.SSLConnection)
    assert "hunter2" not in repr(other.storage.link.new_connection())


def test_a_storage_that_would_not_be_in_one_slot_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="RedisHuey"):
        RedisStorage("shop", cluster=NODES)


def test_a_server_that_is_no_cluster_is_named(redis_server: PrivateRedis) -> None:
    huey = RedisHuey("shop", cluster=[f"127.0.0.1:{redis_server.port}"], password=None)
    with pytest.raises(StorageRefused, match=f"{redis_server.port} is no node of a cluster"):
        huey.storage.enqueue(b"message")


@pytest.fixture
def users(cluster: PrivateCluster) -> Iterator[dict[str, str]]:
    """The users of the document, with what it says of clusters; the passwords by their names."""
    page = SECURITY.read_text()
    [besides] = re.findall(
        r"write `{shop}` for `shop`.*?add `(.+?)` to both lines", page, re.DOTALL
    )
    passwords = {}
    for line in re.findall(r"^ACL SETUSER .+$", page, re.MULTILINE):
        words = [re.sub(r"\bshop\b", "{shop}", word) for word in line.split()]
        passwords[words[2]] = next(word[1:] for word in words if word.startswith(">"))
        for node in cluster.nodes.values():
            node.ask(*words, *besides.split())
            node.ask("ACL", "LOG", "RESET")
    yield passwords
    for node in cluster.nodes.values():
        node.ask("ACL", "DELUSER", *passwords)


def denied(cluster: PrivateCluster) -> list[bytes]:
    """Return what nodes have denied, but for what redis-py says of itself."""
    entries = [entry for node in cluster.nodes.values() for entry in node.ask("ACL", "LOG")]
    told = [dict(zip(entry[::2], entry[1::2], strict=True))[b"object"] for entry in entries]
    return [one for one in told if b"setinfo" not in one.lower() and one != b"client"]


@both
def test_the_documented_users_may_do_all_that_a_cluster_needs(
    users: dict[str, str], make: Callable[..., Any], cluster: PrivateCluster, kind: type[Huey]
) -> None:
    consuming, producing = (
        make(kind, "shop", username=user, password=users[user]) for user in ("consumer", "producer")
    )
    work = Work(consuming)

    @producing.task(name="job")
    def job(number: int) -> int:
        raise AssertionError("not here")

    assert job(1).get(blocking=True, timeout=30) == 1
    enqueuing = Running(lambda: [job(n) for n in range(2, 200) if not time.sleep(0.002)])
    cluster.reshard("shop")
    results = enqueuing.result()
    assert [result.get(blocking=True, timeout=30) for result in results] == [*range(2, 200)]
    work.end()
    assert denied(cluster) == []


def test_a_wrong_password_is_told_and_not_shown(cluster: PrivateCluster) -> None:
    huey = RedisHuey("shop", cluster=cluster.addresses, username="ursula", password="hunter2")
    with pytest.raises(StorageRefused) as caught:
        huey.storage.enqueue(b"message")
    assert "hunter2" not in told_in_full(caught.value)


@pytest.mark.parametrize("kind", [RedisHuey, PriorityRedisHuey])
@pytest.mark.parametrize("db", [0, 1])
def test_who_takes_a_node_for_a_server_is_told_what_to_write(
    cluster: PrivateCluster, kind: type[Huey], db: int
) -> None:
    node = next(node for node in cluster.masters() if node is not cluster.master_of("x"))
    huey = kind("shop", url=f"redis://:@127.0.0.1:{node.port}/{db}")
    with pytest.raises(StorageRefused, match=r"redis\+cluster://"):
        huey.storage.fetch("consumer", 1)
    huey.storage.close()
