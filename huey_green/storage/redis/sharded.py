# SPDX-License-Identifier: MIT
"""Makes the shards of a queue from what a user said of them."""

from __future__ import annotations

from typing import Any

from huey_green.exceptions import ConfigurationError
from huey_green.storage.base import BaseStorage
from huey_green.storage.redis import _Redis
from huey_green.storage.redis.layout import layout_of, tag_of, tags_of
from huey_green.storage.redis.shards import PriorityRedisShards, RedisShards


def sharded(storage_class: type[BaseStorage], name: str, kwargs: dict[str, Any]) -> RedisShards:
    """Return a queue over ``shards``, on the servers of ``urls`` if there are several.

    Raises ``ConfigurationError`` for what does not fit together.
    """
    if not issubclass(storage_class, _Redis):
        raise ConfigurationError(
            f"shards: {storage_class.__name__} is no storage of ours in Redis, which can be spread"
        )
    kwargs = dict(kwargs)
    tag = tag_of(name, kwargs.pop("clean_name", True))
    layout = layout_of(tag, kwargs)
    shards = []
    for number, own in enumerate(tags_of(tag, layout.shards)):
        server = layout.servers[layout.server_of(number)]
        settings = {**kwargs, **server, "clean_name": False, "slot_of": own}
        shards.append(storage_class(f"{{{own}}}", **settings))
    places = dict.fromkeys(shard.link.where for shard in shards)
    layout = layout._replace(where=", ".join(places))
    whole = PriorityRedisShards if storage_class.priority else RedisShards
    return whole(name, shards, layout)
