# SPDX-License-Identifier: MIT
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from huey_green import ConfigurationError, MemoryHuey, StorageUnavailable, TaskLockedException
from huey_green.semaphore import Semaphore
from huey_green.storage import MemoryStorage

#: Seconds after which a test gives up waiting; none that passes comes near.
PATIENCE = 30.0


@pytest.fixture
def make(huey):
    """A function that makes a semaphore of a Huey over each storage in turn."""

    def make_semaphore(name="reports", value=2, ttl=None):
        return Semaphore(lambda: huey.storage, huey.name, name, value, ttl)

    return make_semaphore


def test_as_many_get_a_permit_as_there_are(make):
    semaphore = make(value=3)
    names = [semaphore.acquire() for _ in range(4)]
    assert names[3] is None
    assert len(set(names)) == 4
    assert semaphore.release(names[1])
    assert make(value=3).acquire() is not None, "another object is the same semaphore"
    assert semaphore.acquire() is None


def test_a_name_of_ones_own_has_one_permit(make):
    semaphore = make(value=2)
    assert semaphore.acquire("mine") == "mine"
    assert semaphore.acquire("mine") == "mine"
    assert semaphore.acquire("yours") == "yours"
    assert semaphore.acquire("theirs") is None
    assert semaphore.acquire("mine") == "mine"
    assert semaphore.release("mine")
    assert not semaphore.release("mine")
    assert not semaphore.renew("mine")
    assert semaphore.renew("yours")


def test_semaphores_of_other_names_are_others(make):
    assert make("one", 1).acquire()
    assert make("two", 1).acquire()
    assert not make("one", 1).acquire()


def test_as_a_context_manager_it_raises_when_it_is_full(make):
    semaphore = make(value=2)
    with semaphore, semaphore:
        with pytest.raises(TaskLockedException, match="'reports' has no free permit, 2 are held"):
            semaphore.__enter__()
        assert semaphore.acquire() is None
    with semaphore:
        assert semaphore.acquire() is not None


def test_a_permit_is_free_again_after_an_error(make):
    semaphore = make(value=1)
    with pytest.raises(ZeroDivisionError), semaphore:
        raise ZeroDivisionError
    with semaphore:
        pass


def test_as_a_decorator_it_lets_in_so_many_at_a_time(make):
    semaphore = make(value=2)

    @semaphore
    def nested(depth):
        """Go down."""
        return depth if depth == 0 else nested(depth - 1)

    assert nested.__name__ == "nested"
    assert nested(1) == 0
    with pytest.raises(TaskLockedException):
        nested(2)
    assert nested(1) == 0


def test_an_object_that_is_entered_in_one_thread_can_be_left_in_another(make):
    semaphore = make(value=1)
    semaphore.__enter__()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(semaphore.__exit__, None, None, None).result(PATIENCE)
    assert semaphore.acquire()


def test_the_permit_of_a_dead_holder_is_free_after_its_time(present):
    semaphore = Semaphore(lambda: storage, "queue", "reports", 1, ttl=60)
    storage = MemoryStorage("queue")
    assert semaphore.acquire("dead")
    present.advance(59)
    assert semaphore.acquire() is None
    present.advance(2)
    assert semaphore.acquire("next")
    assert not semaphore.release("dead"), "it frees only what is its own"
    assert not semaphore.renew("dead")
    assert semaphore.release("next")


def test_five_minutes_are_given_where_no_time_is(present):
    semaphore = Semaphore(lambda: storage, "queue", "reports")
    storage = MemoryStorage("queue")
    assert semaphore.acquire()
    present.advance(299)
    assert semaphore.acquire() is None
    present.advance(2)
    assert semaphore.acquire()


def test_renewing_gives_the_whole_time_again(present):
    semaphore = Semaphore(lambda: storage, "queue", "reports", 1, ttl=60)
    storage = MemoryStorage("queue")
    semaphore.acquire("mine")
    for _ in range(10):
        present.advance(50)
        assert semaphore.renew("mine")
        assert semaphore.acquire("other") is None


def test_a_held_permit_is_renewed_while_a_block_runs(monkeypatch):
    monkeypatch.setattr("huey_green.semaphore.RENEWALS", 500)
    renewals = []
    enough = threading.Event()

    class Noting(MemoryStorage):
        def put_if_empty(self, key, value, ttl=None):
            if key.endswith(".renewal"):
                renewals.append(key)
                if len(renewals) == 10:
                    enough.set()
            return super().put_if_empty(key, value, ttl)

    storage = Noting()
    with Semaphore(lambda: storage, "queue", "reports", 1, ttl=10) as semaphore:
        assert enough.wait(PATIENCE)
        assert semaphore.acquire() is None
    assert semaphore.acquire()
    assert len(storage.result_items()) == 1


def test_a_renewal_that_fails_is_tried_again(caplog):
    class Failing(MemoryStorage):
        failures = 3
        renewed = threading.Event()

        def put_if_empty(self, key, value, ttl=None):
            if key.endswith(".renewal"):
                if self.failures:
                    self.failures -= 1
                    raise StorageUnavailable("is away")
                self.renewed.set()
            return super().put_if_empty(key, value, ttl)

    storage = Failing()
    with Semaphore(lambda: storage, "queue", "reports", 1, ttl=0.05):
        assert Failing.renewed.wait(PATIENCE)
    assert [record.getMessage() for record in caplog.records].count(
        "a permit of semaphore 'reports' was not renewed: is away"
    ) == 3


def test_a_permit_that_was_flushed_away_is_taken_back_or_missed(caplog, monkeypatch):
    monkeypatch.setattr("huey_green.semaphore.TRYING", 0.05)
    storage = MemoryStorage()
    semaphore = Semaphore(lambda: storage, "queue", "reports", 1, ttl=60)
    semaphore.acquire("mine")
    storage.flush_results()
    assert semaphore._renew("queue.lock.reports.0", b"mine")
    assert semaphore.acquire("other") is None
    storage.flush_results()
    semaphore.acquire("other")
    assert not semaphore._renew("queue.lock.reports.0", b"mine")
    assert semaphore.release("other")


@pytest.mark.parametrize("value", [1, 3])
def test_nobody_gets_in_between_while_a_permit_is_renewed(make, value):
    """The renewed permits are never free for anybody who looks, however often they are renewed."""
    semaphore = make(value=value, ttl=60)
    holders = [semaphore.acquire() for _ in range(value)]
    ended = threading.Event()
    got_in = []

    def contend():
        while not ended.is_set():
            name = semaphore.acquire()
            if name is not None:
                got_in.append(name)

    with ThreadPoolExecutor(3) as pool:
        contenders = [pool.submit(contend) for _ in range(3)]
        renewed = [semaphore.renew(holder) for _ in range(20) for holder in holders]
        ended.set()
        for contender in contenders:
            contender.result(PATIENCE)
    assert all(renewed)
    assert got_in == []
    assert all(semaphore.release(holder) for holder in holders)


def test_many_at_once_are_never_more_than_allowed(make):
    semaphore = make(value=3)
    inside, most, done = [], [], []

    def work(number):
        try:
            with semaphore:
                inside.append(number)
                most.append(len(inside))
                inside.remove(number)
                done.append(number)
        except TaskLockedException:
            pass

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(100)))
    assert done
    assert max(most) <= 3
    names = [semaphore.acquire() for _ in range(4)]
    assert names.count(None) == 1, "all permits are free afterwards"


@pytest.mark.parametrize("value", [0, -1, 1.5, "2", None, True])
def test_a_value_that_makes_no_sense_is_refused(value):
    with pytest.raises(ConfigurationError, match="value of semaphore 'x' is a whole number"):
        Semaphore(MemoryStorage, "queue", "x", value)


@pytest.mark.parametrize("ttl", [0, -1, "60"])
def test_a_time_that_makes_no_sense_is_refused(ttl):
    with pytest.raises(ConfigurationError, match="seconds above 0"):
        Semaphore(MemoryStorage, "queue", "x", ttl=ttl)


@pytest.mark.parametrize("name", ["", None, 5])
def test_a_name_is_a_text(name):
    with pytest.raises(ConfigurationError, match="a semaphore has a name"):
        Semaphore(MemoryStorage, "queue", name)


def test_its_permits_are_locks_that_can_be_flushed():
    huey = MemoryHuey()
    semaphore = Semaphore(lambda: huey.storage, huey.name, "reports", 2)
    semaphore.acquire()
    semaphore.acquire()
    assert Semaphore.lock_names("reports", 2) == ["reports.0", "reports.1"]
    assert huey.flush_locks("reports.0", "reports.1") == {"reports.0", "reports.1"}
    assert semaphore.acquire()
