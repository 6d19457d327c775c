# SPDX-License-Identifier: MIT
"""What a consumer does for its leases, and those of others, when the storage was away."""

from __future__ import annotations

from patched import eventually, patched


class Storage:
    """Is away as often as its verbs are called, until the list of answers says that it is back."""

    def __init__(self, *is_there: bool) -> None:
        self.calls: list[str] = []
        self.ahead = 0.0
        self.known: dict[str, float] = {}
        self._is_there = list(is_there)
        self.patience = 0.0

    def independent(self, patience=None):
        self.patience = patience
        return self

    def close(self):
        self.calls.append("close")

    def _call(self, verb, answer=None):
        from huey_green import StorageUnavailable

        self.calls.append(verb)
        if self._is_there and not self._is_there.pop(0):
            raise StorageUnavailable("it is away")
        return answer

    def ping(self):
        self._call("ping")

    def time(self):
        from huey_green import clock

        return self._call("time", clock.monotonic() + self.ahead)

    def consumers(self):
        return self._call("consumers", self.known)

    def reclaim(self, limit, dead):
        return self._call("reclaim", 0)

    def extend(self, consumer, lease):
        self._call("extend")


@patched
def test_after_an_outage_the_reaper_lets_the_living_extend_their_leases_first():
    from huey_green.consumer.outage import Outage
    from huey_green.consumer.reaper import Reaper
    from huey_green.consumer.scheduler import StorageClock

    storage = Storage(True, True, True, False, False, True)
    reaper = Reaper(storage, Outage("a storage"), StorageClock(storage), 30.0)
    waits = [reaper._tick() for _ in range(5)]
    looks = ["consumers", "time", "reclaim"]
    assert storage.calls == [*looks, "consumers", "ping", "ping", "consumers"]
    # The round in which it is found back is a look ahead of the next one.
    assert waits[3] > 2.0


@patched
def test_the_reaper_leaves_time_to_the_living_when_the_storages_clock_is_set_forward():
    from huey_green.consumer.outage import Outage
    from huey_green.consumer.reaper import Reaper
    from huey_green.consumer.scheduler import StorageClock

    storage = Storage()
    storage.known = {"living": storage.time() + 4.0}
    reaper = Reaper(storage, Outage("a storage"), StorageClock(storage), 4.0)
    reaper.tick()
    storage.calls.clear()
    reaper.tick()
    assert storage.calls == ["consumers"]
    reaper._asks_at = 0.0
    storage.ahead = 0.9  # Less than a quarter of the lease.
    reaper.tick()
    assert storage.calls == ["consumers", "consumers", "time", "reclaim"]
    storage.calls.clear()
    storage.ahead = 3600.0
    storage.known["late"] = 0.0  # By the clock as it was known, too.
    reaper.tick()
    reaper.tick()
    assert storage.calls == ["consumers", "time"] * 2
    reaper._waits_until -= 2.0  # Half a lease later.
    reaper.tick()
    assert storage.calls[-1] == "reclaim"
    storage.ahead = 0.0  # Set back: leases last the longer.
    reaper.tick()
    assert storage.calls[-1] == "reclaim"


@patched
def test_a_step_of_the_storages_clock_that_another_service_has_seen_is_noticed_too():
    from huey_green.consumer.outage import Outage
    from huey_green.consumer.reaper import Reaper
    from huey_green.consumer.scheduler import StorageClock

    storage = Storage()
    storage_clock = StorageClock(storage)
    reaper = Reaper(storage, Outage("a storage"), storage_clock, 4.0)
    reaper.tick()
    storage.known["late"] = 0.0
    storage.ahead = 3600.0
    storage_clock.check(0.0)
    storage.calls.clear()
    reaper.tick()
    assert storage.calls == ["consumers", "time"]


@patched
def test_a_heartbeat_that_found_no_storage_is_soon_followed_by_another():
    from huey_green.consumer import heartbeat

    heartbeat.RETRY = 0.01
    storage = Storage(*[False] * 30)
    # At the regular pace of a third of a lease they would take half a minute.
    beating = heartbeat.Heartbeat(storage, "me", 3.0)
    beating.start()
    eventually(lambda: len(storage.calls) > 30, "a beat that found it", 15.0)
    beating.stop()
    assert storage.calls == [*["extend"] * 31, "close"]


@patched
def test_a_heartbeat_and_the_one_after_it_have_their_time_before_the_lease_ends():
    from huey_green.consumer import heartbeat

    lease, storage = 0.06, Storage()
    beating = heartbeat.Heartbeat(storage, "me", lease)
    beating.start()
    eventually(lambda: storage.calls, "a beat")
    beating.stop()
    assert 0 < storage.patience <= lease / 3
    one_is_lost = heartbeat.SHARE + heartbeat.PATIENCE + heartbeat.AGAIN
    assert one_is_lost * lease + storage.patience <= lease * 1.0001


@patched
def test_a_heartbeat_whose_connection_is_silent_is_followed_by_one_over_another(name):
    """The first connection goes to somebody who never answers, as after a lost route."""
    import socket

    from huey_green import RedisHuey
    from huey_green.consumer import heartbeat
    from huey_green.testing.redis import PrivateRedis

    with PrivateRedis() as server, socket.create_server(("127.0.0.1", 0)) as silent:
        huey = RedisHuey(name, url=server.url)
        make, made = huey.storage.link._pool.connection_class, []

        def connection(**kwargs):
            if not made:
                kwargs["port"] = silent.getsockname()[1]
            made.append(make(**kwargs))
            return made[-1]

        huey.storage.link._pool.connection_class = connection
        beating = heartbeat.Heartbeat(huey.storage, "me", 1.0)
        beating.start()
        eventually(lambda: len(made) > 1, "another connection", 4.0)
        beating.stop()
        huey.storage.link._pool.connection_class = make
        assert [one.socket_timeout for one in made] == [0.25] * len(made)
        assert "me" in huey.storage.consumers()
        huey.storage.close()


@patched
def test_what_was_refused_after_its_answer_was_lost_is_not_surely_ours():
    from huey_green import StorageUnavailable
    from huey_green.consumer.acknowledger import Acknowledger
    from huey_green.consumer.outage import Outage
    from huey_green.message import NOTHING, Delivery

    late, fine, calls = Delivery(b"late", "r1"), Delivery(b"fine", "r2"), []

    class Lossy(Storage):
        def settle(self, consumer, settlements):
            calls.append(len(settlements))
            if len(calls) == 1:
                raise StorageUnavailable("its answer is lost")
            return [one for one in settlements if one.delivery is late]

    acknowledger = Acknowledger(Lossy(), "me", Outage("a storage"), lambda at: None, print)
    batch = acknowledger.add(late, NOTHING)
    acknowledger.add(fine, NOTHING)
    acknowledger.start()
    batch.wait()
    assert calls == [2, 2]
    # Its end counts: whoever has it now, or nobody, it was settled. But it may run elsewhere.
    assert not batch.was_refused(late)
    assert not batch.is_surely_ours(late)
    assert batch.is_surely_ours(fine)
    acknowledger.stop()
    assert acknowledger.join(5)
