# SPDX-License-Identifier: MIT
"""Looks at a server as who is about to keep a queue on it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import redis

from huey_green import clock
from huey_green.exceptions import StorageRefused
from huey_green.report import Finding
from huey_green.storage.redis.reports import RedisReports

#: The oldest version that has the commands which we use.
OLDEST = (6, 2)

#: Seconds by which two clocks may differ without a word.
CLOCKS_APART = 1.0


class RedisExamining(RedisReports):
    """Mixed into the storages."""

    def examine(self) -> list[Finding]:
        return [*self._examine_server(), self._compare_clocks(), self._rehearse()]

    def _examine_server(self) -> Iterator[Finding]:
        try:
            facts = _facts(self.link.execute("INFO"))
        except (StorageRefused, redis.ResponseError):
            yield Finding(
                "warning",
                "server",
                "this user may not ask for its version and settings: let it (+info), or look at "
                "them yourself: version 6.2 or newer, maxmemory-policy noeviction",
            )
            return
        yield _version(facts)
        yield _eviction(facts)
        yield _persistence(facts)
        if facts.get("role") == "slave":
            yield Finding("error", "role", "it is a replica: a queue needs the master")

    def _compare_clocks(self) -> Finding:
        before = clock.wall()
        there = self.time()
        apart = there - (before + clock.wall()) / 2
        if abs(apart) < CLOCKS_APART:
            return Finding("ok", "clock", f"{abs(apart) * 1000:.0f} ms from this machine's")
        which = "ahead of" if apart > 0 else "behind"
        return Finding(
            "warning",
            "clock",
            f"{abs(apart):.1f} s {which} this machine's: tasks come by the server's clock, and "
            "what is to run in a minute is counted from this machine's; set both by NTP",
        )

    def _rehearse(self) -> Finding:
        """Do what a consumer does first and last, under a name of its own; no task is taken."""
        name = f"check:{secrets.token_hex(8)}"
        try:
            self.extend(name, 1.0)
            try:
                self.fetch(name, 0, lease=1.0)
                self.put_report(name, b"", 1.0)
                self.forget_report(name)
            finally:
                self.leave(name)
        except StorageRefused as error:
            text = f"a consumer could not work here: {error} (docs/security.md)"
            return Finding("error", "permissions", text)
        return Finding("ok", "permissions", "a consumer may do what it has to")


def _facts(info: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in info.decode(errors="replace").splitlines())
    return {name: value.strip() for name, colon, value in lines if colon}


def _version(facts: dict[str, str]) -> Finding:
    name = facts.get("server_name", "redis").capitalize()
    said = facts.get("valkey_version") or facts.get("redis_version", "")
    # Valkey says of which Redis it does everything, too.
    numbers = facts.get("redis_version", said).split(".")
    known = tuple(int(one) for one in numbers[:2] if one.isdigit())
    if known < OLDEST:
        return Finding("error", "version", f"{name} {said or '?'}: it has to be 6.2 or newer")
    return Finding("ok", "version", f"{name} {said}")


def _eviction(facts: dict[str, str]) -> Finding:
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        return Finding("ok", "eviction", "maxmemory-policy is noeviction")
    limit = facts.get("maxmemory_human", "?")
    when = "when it has a maxmemory (it has none now)" if limit == "0B" else f"at {limit}"
    if policy.startswith("volatile"):
        text = f"maxmemory-policy is {policy}: {when} results and locks with an end may go early"
    else:
        text = f"maxmemory-policy is {policy}: {when} it deletes tasks and leases"
    level = "warning" if limit == "0B" or policy.startswith("volatile") else "error"
    return Finding(level, "eviction", f"{text}; set it to noeviction")


def _persistence(facts: dict[str, str]) -> Finding:
    if facts.get("aof_enabled") == "1":
        return Finding("ok", "persistence", "appendonly is on")
    return Finding(
        "warning",
        "persistence",
        "appendonly is off: when the server crashes, what came after its last snapshot is lost",
    )
