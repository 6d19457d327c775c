# SPDX-License-Identifier: MIT
"""A fetch asks for hundreds of messages; of large ones it gets a few, in order, the rest later."""

import pytest

MEGABYTE = 1024 * 1024


def bodies(sizes):
    return [b"%d " % number + bytes(size) for number, size in enumerate(sizes)]


def taken_all(huey, limit, lease=30.0):
    fetches = []
    while deliveries := huey.storage.fetch("one", limit, lease=lease):
        fetches.append([one.body for one in deliveries])
    return fetches


@pytest.mark.parametrize("lease", [30.0, None], ids=["leased", "popped"])
@pytest.mark.parametrize("kind", ["list", "zset"])
@pytest.mark.parametrize(
    "sizes",
    [[2 * MEGABYTE] * 15, [10] * 100 + [3 * MEGABYTE] * 30, [3 * MEGABYTE, 10] * 25],
    ids=["large", "large behind small", "mixed"],
)
def test_large_messages_come_a_few_at_a_time(make_huey, kind, sizes, lease):
    huey = make_huey(kind)
    sent = bodies(sizes)
    for body in sent:
        huey.storage.enqueue(body)
    fetches = taken_all(huey, 500, lease)
    in_order = [body for fetch in fetches for body in fetch] == sent
    assert in_order  # Apart, so that no assertion compares megabytes.
    # Sixteen megabytes, and sixteen messages that were asked for before one was seen to be large.
    assert max(sum(map(len, fetch)) for fetch in fetches) <= (16 + 16 * 3) * MEGABYTE
    is_more_than_one = len(fetches) > 1
    assert is_more_than_one


@pytest.mark.parametrize("kind", ["list", "zset"])
@pytest.mark.parametrize("limit", [1, 2, 15, 16, 17, 33, 500])
def test_small_messages_come_all_at_once(make_huey, kind, limit):
    huey = make_huey(kind)
    sent = bodies([100] * 500)
    for body in sent:
        huey.storage.enqueue(body)
    fetches = taken_all(huey, limit)
    assert [body for fetch in fetches for body in fetch] == sent
    assert len(fetches) == -(-500 // limit)


@pytest.mark.parametrize("kind", ["list", "zset"])
def test_what_is_left_behind_is_not_waited_for(make_huey, kind):
    huey = make_huey(kind)
    for body in bodies([9 * MEGABYTE] * 4):
        huey.storage.enqueue(body)
    counts = [len(huey.storage.fetch("one", 100, wait=5.0)) for _ in range(2)]
    assert counts == [2, 2]
