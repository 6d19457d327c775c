# SPDX-License-Identifier: MIT
"""Random interleavings over every storage, beside the model; docs/internals.md says how to let
them run for long."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import pytest
from machine import StorageMachine, explore
from remote import RemoteMachine
from worlds import REDIS_KINDS, FileWorld, MemoryWorld, RedisWorld, SqliteWorld

from huey_green.testing.redis import PrivateRedis


@pytest.fixture(scope="module")
def durable_redis() -> Iterator[PrivateRedis]:
    """A server of our own that keeps what it has acknowledged, where the machine can in memory:
    it survives a kill of the server there, and does not wait for a disk."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", memory)
        server = PrivateRedis(appendonly=True, download=True).start()
    with server:
        yield server


def test_a_storage_in_memory_is_always_as_the_model_says() -> None:
    explore(StorageMachine, MemoryWorld)


def test_a_storage_in_sqlite_is_always_as_the_model_says() -> None:
    explore(StorageMachine, SqliteWorld)


def test_a_storage_in_files_is_always_as_the_model_says() -> None:
    explore(StorageMachine, FileWorld)


@pytest.mark.parametrize("kind", REDIS_KINDS)
def test_a_storage_in_redis_is_always_as_the_model_says(
    durable_redis: PrivateRedis, kind: str
) -> None:
    explore(RemoteMachine, lambda: RedisWorld(durable_redis, REDIS_KINDS[kind]), share=0.5)
