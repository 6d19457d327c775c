# SPDX-License-Identifier: MIT
"""Where keys lie on shards, and how shards lie on servers: without a server."""

from __future__ import annotations

from collections import Counter
from uuid import UUID, uuid4

import pytest
import redis
from redis.crc import key_slot

from huey_green import ConfigurationError, RedisHuey, SqliteHuey
from huey_green.storage.memory import MemoryStorage
from huey_green.storage.placing import Placed, fitting_id, shard_of
from huey_green.storage.redis import RedisStorage
from huey_green.storage.redis.layout import SLOTS, tags_of

SERVERS = ["redis://a:1/0", "redis://b:1/0", "redis://c:1/0"]


def test_where_a_key_lies_never_changes():
    keys = ("order-17", "shop.lock.mail", "", "ключ", "3e25960a-79db-4d9f-8e1d-1b2d5c0d3b5a")
    assert [shard_of(key, 8) for key in keys] == [4, 4, 0, 2, 6]
    assert {shard_of(key, 1) for key in keys} == {0}


def test_all_that_is_kept_of_a_task_lies_where_its_result_does():
    for _ in range(50):
        task_id = str(uuid4())
        kept = {task_id, f"r:{task_id}", f"p:{task_id}", f"r:r:{task_id}"}
        assert len({shard_of(key, 64) for key in kept}) == 1


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 256])
def test_an_id_can_be_made_for_every_shard_and_is_a_new_one_each_time(count):
    made = [fitting_id(shard, count) for shard in range(count) for _ in range(3)]
    assert [shard_of(one, count) for one in made] == [n for n in range(count) for _ in range(3)]
    assert len({*made}) == 3 * count
    assert {UUID(one).version for one in made} == {4}


@pytest.mark.parametrize("count", [2, 3, 8, 16])
def test_tasks_are_spread_evenly(count):
    each = 2000
    found = Counter(shard_of(str(uuid4()), count) for _ in range(each * count))
    # Six times the deviation that chance has.
    assert all(abs(found[shard] - each) < 6 * each**0.5 for shard in range(count))


@pytest.mark.parametrize("masters", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("name", ["shop", "a", "x" * 40])
@pytest.mark.parametrize("each", [1, 2, 5])
def test_masters_with_equal_shares_of_the_slots_have_equal_shares_of_the_shards(
    masters, name, each
):
    tags = tags_of(name, masters * each)
    slots = [key_slot(tag.encode()) for tag in tags]
    found = Counter(slot * masters // SLOTS for slot in slots)
    assert len({*tags}) == masters * each
    assert {*found.values()} == {each}


def test_the_first_shard_has_the_same_name_however_many_there_are():
    assert len({tags_of("shop", count)[0] for count in (1, 2, 5, 256)}) == 1


def test_a_placed_message_is_its_bytes():
    placed = Placed(b"message", 3)
    assert placed == b"message"
    assert placed.shard == 3
    assert {placed: 1}[b"message"] == 1


def test_shards_are_on_the_servers_by_turns():
    huey = RedisHuey("shop", urls=SERVERS, shards=7)
    where = [shard.link.where for shard in huey.storage.shards]
    assert where == [f"{'abc'[number % 3]}:1/0" for number in range(7)]
    assert "7 shards" in huey.storage.describe()
    assert len(RedisHuey("shop", urls=SERVERS).storage.shards) == 3
    assert len(RedisHuey("shop", shards=5).storage.shards) == 5


def test_pools_stand_for_servers():
    pools = [redis.ConnectionPool(host=host) for host in "ab"]
    shards = RedisHuey("shop", connection_pool=pools, shards=4).storage.shards
    assert [shard.link.where for shard in shards] == ["a:6379/0", "b:6379/0"] * 2
    assert len(RedisHuey("shop", connection_pool=pools[0], shards=3).storage.shards) == 3


def test_each_shard_has_keys_of_its_own():
    first = RedisHuey("shop", shards=40).storage.shards
    assert len({shard.keys.queue for shard in first}) == 40
    again = RedisHuey("s-h-o-p", urls=SERVERS, shards=40).storage.shards
    assert [shard.keys.queue for shard in again] == [shard.keys.queue for shard in first]
    other = RedisHuey("other", shards=40).storage.shards
    assert not {shard.keys.queue for shard in other} & {shard.keys.queue for shard in first}
    assert RedisHuey("shop").storage.keys.queue not in {shard.keys.queue for shard in first}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"shards": 0}, "shards is a whole number from 1 to 256, not 0"),
        ({"shards": 257}, "from 1 to 256"),
        ({"shards": 2.0}, "whole number"),
        ({"shards": True}, "whole number"),
        ({"shards": "2"}, "whole number"),
        ({"urls": []}, "urls is a list of the servers' URLs"),
        ({"urls": "redis://a"}, "urls is a list of the servers' URLs"),
        ({"urls": [1]}, "urls is a list of strings"),
        ({"urls": ["redis://a", "redis://a"]}, "urls has a server twice"),
        ({"urls": SERVERS, "shards": 2}, "shards=2 for 3 servers: each server has one at least"),
        ({"urls": SERVERS, "url": "redis://d"}, "url= and urls= both say where Redis is"),
        ({"urls": SERVERS, "host": "d"}, "host= and urls= both say"),
        ({"urls": SERVERS, "cluster": ["a:1"]}, "cluster= and urls= both say"),
        ({"urls": ["redis+cluster://a:1"]}, "of a cluster name some nodes: cluster=[...]"),
        ({"urls": ["http://a"]}, "begins with redis://"),
        ({"connection_pool": []}, "expected a redis.ConnectionPool"),
        ({"shards": 2, "connection_pool": []}, "a list with one at least"),
        ({"shards": 2, "clean_name": False, "name": "a{b"}, "no { or }"),
        ({"shards": 2, "name": "--"}, "a letter or a digit at least"),
        ({"shards": 2, "nonsense": 1}, "nonsense"),
        ({"shards": 2, "storage_class": MemoryStorage}, "MemoryStorage is no storage of ours"),
    ],
)
def test_what_cannot_be_spread_is_a_clear_mistake(options, says):
    with pytest.raises(ConfigurationError) as caught:
        RedisHuey(**{"name": "shop", **options})
    assert says in str(caught.value)


def test_no_shards_are_said_by_none():
    storage = RedisHuey("shop", shards=None, urls=None).storage
    assert type(storage) is RedisStorage


def test_a_storage_of_ones_own_kind_can_be_spread():
    class Own(RedisStorage):
        """An application's."""

    storage = RedisHuey("shop", shards=2, storage_class=Own).storage
    assert {type(shard) for shard in storage.shards} == {Own}


def test_other_storages_know_no_shards(tmp_path):
    with pytest.raises((TypeError, ConfigurationError)):
        SqliteHuey("shop", filename=tmp_path / "huey.db", shards=2)
