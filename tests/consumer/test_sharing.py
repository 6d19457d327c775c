# SPDX-License-Identifier: MIT
"""Several queues in one process: how they share the room for tasks."""

from __future__ import annotations

import pytest
from hueys import make
from patched import eventually, patched, unpatched

KINDS = ["memory", "list", "zset"]


class Board:
    """Which tasks run now, and in which order they began."""

    def __init__(self) -> None:
        self.running = {}
        self.most = 0
        self.begun = []

    def declare(self, huey, name, seconds):
        import gevent

        self.running[name] = 0

        @huey.task(name=name)
        def work(number):
            self.begun.append(name)
            self.running[name] += 1
            self.most = max(self.most, sum(self.running.values()))
            try:
                gevent.sleep(seconds)
            finally:
                self.running[name] -= 1

        return work


def begin(kind, url, directory, name, seconds=0.02, **options):
    """Return a board, and a group of two queues ``a`` and ``b`` with a task for each."""
    from huey_green.consumer.group import ConsumerGroup

    board = Board()
    hueys = [make(kind, f"{name}{letter}", url, f"{directory}/{letter}") for letter in "ab"]
    tasks = [board.declare(huey, letter, seconds) for huey, letter in zip(hueys, "ab", strict=True)]
    return board, ConsumerGroup(hueys, **{"workers": 8, **options}), *tasks


@pytest.mark.parametrize("kind", KINDS)
@patched
def test_while_all_have_work_each_has_its_share_and_never_more_run_than_there_is_room(
    kind, name, url, tmp_path
):
    board, group, a, b = begin(kind, url, tmp_path, name, weights=[3, 1])
    a.map([(n,) for n in range(1200)])
    b.map([(n,) for n in range(400)])
    group.start()
    eventually(lambda: len(board.begun) > 400, "some tasks")
    eventually(lambda: board.running == {"a": 6, "b": 2}, "three quarters, and one")
    before = board.begun[200:400]
    assert 0.6 < before.count("a") / len(before) < 0.9
    assert board.most == 8
    eventually(lambda: len(board.begun) == 1600, "all tasks")
    group.stop(graceful=True)
    assert board.most == 8
    for consumer in group.consumers:
        assert consumer.huey.storage.queue_size() == 0
        assert consumer.huey.storage.in_flight() == []


@pytest.mark.parametrize("strict", [False, True])
@patched
def test_what_a_queue_does_not_need_is_for_the_others(strict, name, url, tmp_path):
    board, group, _, b = begin("list", url, tmp_path, name, seconds=0.3, strict=strict)
    group.start()
    b.map([(n,) for n in range(16)])
    eventually(lambda: board.running == {"a": 0, "b": 8}, "all room for the one")
    group.stop(graceful=True)
    assert board.most == 8


@pytest.mark.parametrize("kind", KINDS)
@patched
def test_strictly_one_goes_before_the_other(kind, name, url, tmp_path):
    board, group, a, b = begin(kind, url, tmp_path, name, strict=True)
    b.map([(n,) for n in range(100)])
    a.map([(n,) for n in range(100)])
    group.start()
    eventually(lambda: len(board.begun) == 200, "all tasks")
    # What was asked for while the first queue was still being looked at is at most a batch.
    assert "b" not in board.begun[8:92]
    # And one that comes later goes before all that still waits.
    b.map([(n,) for n in range(200)])
    eventually(lambda: len(board.begun) > 216, "some of the other one")
    a(0)
    eventually(lambda: board.begun[200:].count("a") == 1, "the first one")
    assert board.begun[200:].count("b") < 150
    group.stop()
    assert board.most == 8


@patched
def test_a_queue_with_a_limit_leaves_the_rest_to_the_others(name, url, tmp_path):
    board, group, a, b = begin("list", url, tmp_path, name, limits=[2, None], strict=True)
    a.map([(n,) for n in range(200)])
    b.map([(n,) for n in range(600)])
    group.start()
    eventually(lambda: board.running == {"a": 2, "b": 6}, "two, and all the rest")
    eventually(lambda: len(board.begun) == 800, "all tasks")
    group.stop(graceful=True)
    assert board.most == 8


@patched
def test_an_idle_queue_is_waited_for_at_the_server_and_is_quick_when_something_comes(
    name, url, tmp_path
):
    board, group, a, b = begin("list", url, tmp_path, name)
    link = group.consumers[0].huey.storage.link

    def waiting():
        clients = link.execute("CLIENT", "LIST").decode().splitlines()
        return sum(" cmd=blmove " in line for line in clients)

    group.start()
    for times in range(1, 4):
        eventually(lambda: waiting() == 2, "both to wait")
        a(0)
        b(0)
        eventually(lambda times=times: len(board.begun) == 2 * times, "both tasks")
    group.stop()


@patched
def test_it_can_be_stopped_and_started_again(name, url, tmp_path):
    board, group, a, b = begin("list", url, tmp_path, name)
    for times in range(1, 4):
        group.start()
        a.map([(n,) for n in range(10)])
        b.map([(n,) for n in range(10)])
        eventually(lambda times=times: len(board.begun) == 20 * times, "all tasks")
        group.stop(graceful=True)
    assert all(consumer._pool.lanes == [] for consumer in group.consumers)


@patched
def test_what_was_not_begun_goes_back_when_it_stops(name, url, tmp_path):
    board, group, a, b = begin("list", url, tmp_path, name, seconds=60, shutdown_timeout=0.0)
    a.map([(n,) for n in range(50)])
    b.map([(n,) for n in range(50)])
    group.start()
    eventually(lambda: sum(board.running.values()) == 8, "a full pool")
    group.stop(graceful=True)
    assert not group.is_running
    sizes = [consumer.huey.storage.queue_size() for consumer in group.consumers]
    assert sizes == [50, 50]
    assert all(consumer.huey.storage.in_flight() == [] for consumer in group.consumers)


@patched
def test_a_storage_that_is_away_keeps_no_other_queue_waiting(name, url, tmp_path):
    from huey_green.consumer.group import ConsumerGroup
    from huey_green.testing.redis import PrivateRedis

    with PrivateRedis(download=True) as server:
        board = Board()
        lost, found = make("list", name, server.url, tmp_path), make("list", name, url, tmp_path)
        board.declare(lost, "a", 0.01)
        b = board.declare(found, "b", 0.01)
        group = ConsumerGroup([lost, found], workers=4, strict=True)
        group.start()
        server.stop()
        b.map([(n,) for n in range(100)])
        eventually(lambda: len(board.begun) == 100, "the tasks of the other one")
        server.start()
        group.stop()


@patched
def test_tasks_of_all_queues_count_together(name, url, tmp_path):
    _, group, a, b = begin("list", url, tmp_path, name, max_tasks=10)
    spent = []
    group.when_spent = lambda: spent.append(True)
    group.start()
    a.map([(n,) for n in range(5)])
    b.map([(n,) for n in range(4)])
    consumers = [consumer.huey.storage for consumer in group.consumers]
    eventually(lambda: all(one.queue_size() == 0 and not one.in_flight() for one in consumers))
    assert not spent
    b(0)
    eventually(lambda: spent, "the end of the tenth task")
    group.stop()


@unpatched
def test_a_process_that_is_not_patched_is_told_what_to_do(name, url, tmp_path):
    from huey_green import ConfigurationError

    _, group, _, _ = begin("list", url, tmp_path, name)
    with pytest.raises(ConfigurationError, match=r"call gevent\.monkey\.patch_all\(\) first"):
        group.start()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"weights": [1]}, r"weights \(--weights\) has 1 numbers for 2 queues"),
        ({"weights": [1, 0]}, "weights .* are more than 0, not 0"),
        ({"weights": [1, None]}, "weights .* are more than 0, not None"),
        ({"weights": [1, float("nan")]}, "weights .* are more than 0, not nan"),
        ({"limits": [1, 2, 3]}, r"limits \(--limits\) has 3 numbers for 2 queues"),
        ({"limits": [0, None]}, "limits .* are at least 1, not 0"),
        ({"limits": [1.5, None]}, "limits .* are at least 1, not 1.5"),
        ({"weights": [1, 2], "strict": True}, "exclude each other"),
        ({"colour": "red"}, "unknown consumer option colour"),
    ],
)
def test_what_does_not_fit_is_refused(options, says, url, tmp_path):
    from huey_green import ConfigurationError

    with pytest.raises(ConfigurationError, match=says):
        begin("list", url, tmp_path, "refused", **options)


def test_one_queue_twice_is_refused(url, tmp_path):
    from huey_green import ConfigurationError
    from huey_green.consumer.group import ConsumerGroup

    both = [make("list", "twice", url, tmp_path) for _ in range(2)]
    with pytest.raises(ConfigurationError, match="is given twice"):
        ConsumerGroup(both)
    with pytest.raises(ConfigurationError, match="at least one queue"):
        ConsumerGroup([])
