# SPDX-License-Identifier: MIT
"""The floor: what redis-py and gevent can do on this machine when nothing else is asked of them.

A program of its own, started by the benchmarks as a child: ``python -m benchmarks.floor``.
It is the least that a consumer with leases has to do (DESIGN.md, section 6), and no more: no
task registry, no serializer, no signals, no retries, no logging.

- ``drain``: a Lua script moves up to 256 messages from a LIST into an in-flight hash; each runs
  in a NEW greenlet of a ``Pool``, or, with ``--reuse``, long-lived greenlets take the next one
  themselves. What has ended since the last wake-up is acknowledged (HDEL) and its results are
  stored (HSET) in one pipelined batch.
- ``pickup``: ``BLMOVE``, and a new greenlet that notes how old the message is.
- ``echo``: ``BLPOP``, and ``LPUSH`` of the same bytes.

SIGTERM ends it; it then leaves what it counted under ``SUMMARY_KEY``.
"""

from __future__ import annotations

from gevent import monkey

if __name__ == "__main__":
    monkey.patch_all()

import argparse
import json
import signal
import sys
import time
from collections import deque
from typing import Any

import gevent
from gevent.event import Event
from gevent.pool import Pool
from redis import Redis

from benchmarks.keys import (
    ID_BYTES,
    IN_FLIGHT_KEY,
    LANDING_KEY,
    QUEUE_KEY,
    REPLY_KEY,
    RESULTS_KEY,
    SUMMARY_KEY,
)

#: Messages moved by one call of the script.
BATCH = 256

#: Seconds of one blocking command: short enough that nothing in between drops the connection.
BLOCK = 5

# move: lease messages. What BLMOVE left in the landing list goes first.
# KEYS  1 queue   2 landing list   3 in-flight hash    ARGV  1 limit   2 bytes of an id
MOVE = """
local messages = {}
for _, key in ipairs({KEYS[2], KEYS[1]}) do
  local left = ARGV[1] - #messages
  if left > 0 then
    for _, message in ipairs(redis.call('RPOP', key, left) or {}) do
      messages[#messages + 1] = message
    end
  end
end
if #messages > 0 then
  local fields = {}
  for index, message in ipairs(messages) do
    fields[2 * index - 1] = string.sub(message, 1, ARGV[2])
    fields[2 * index] = message
  end
  redis.call('HSET', KEYS[3], unpack(fields))
end
return messages
"""


def connect(url: str) -> Any:
    """Return a client whose blocking commands outlast redis-py's own socket timeout."""
    return Redis.from_url(url, socket_timeout=BLOCK + 5)


class Drain:
    """The leased loop; ``_run_all`` is where the two kinds of greenlets differ."""

    def __init__(self, url: str, concurrency: int, seconds: float, results: bool) -> None:
        self.redis = connect(url)
        self.move = self.redis.register_script(MOVE)
        self.concurrency = concurrency
        self.seconds = seconds
        self.results = results
        self.executed = 0
        self.ended: list[bytes] = []
        self.has_ended = Event()

    def run(self) -> None:
        gevent.spawn(self._settle)
        while True:
            messages = self._fetch(min(BATCH, self._capacity()))
            if messages:
                self._run_all(messages)
            else:
                self.redis.blmove(QUEUE_KEY, LANDING_KEY, BLOCK, "RIGHT", "LEFT")

    def summary(self) -> dict[str, Any]:
        return {"executed": self.executed}

    def note(self, message: bytes) -> None:
        """What a task does; ``benchmarks.peers`` has it do more."""
        self.executed += 1

    def _capacity(self) -> int:
        raise NotImplementedError

    def _run_all(self, messages: list[bytes]) -> None:
        raise NotImplementedError

    def _fetch(self, limit: int) -> list[bytes]:
        keys = (QUEUE_KEY, LANDING_KEY, IN_FLIGHT_KEY)
        messages: list[bytes] = self.move(keys=keys, args=(limit, ID_BYTES))
        return messages

    def _body(self, message: bytes) -> None:
        if self.seconds:
            gevent.sleep(self.seconds)
        self.note(message)
        self.ended.append(message[:ID_BYTES])
        self.has_ended.set()

    def _settle(self) -> None:
        while True:
            self.has_ended.wait()
            self.has_ended.clear()
            ids, self.ended = self.ended, []
            with self.redis.pipeline(transaction=False) as pipe:
                if self.results:
                    pipe.hset(RESULTS_KEY, mapping=dict.fromkeys(ids, b"1"))
                pipe.hdel(IN_FLIGHT_KEY, *ids)
                pipe.execute()


class NewGreenlets(Drain):
    """A greenlet is made for each task."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.pool = Pool(self.concurrency)

    def _capacity(self) -> int:
        self.pool.wait_available()
        return int(self.pool.free_count())

    def _run_all(self, messages: list[bytes]) -> None:
        for message in messages:
            self.pool.spawn(self._body, message)


class ReusedGreenlets(Drain):
    """As many greenlets as tasks may run at once, each taking the next message by itself.

    While messages are ready somebody is awake: the fetcher wakes one greenlet, and whoever wakes
    up to several messages wakes one more before it begins, in case its own body has to wait.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.ready: deque[bytes] = deque()
        self.free = self.concurrency
        self.has_free = Event()
        self.parked: list[Event] = []
        for _ in range(self.concurrency):
            gevent.spawn(self._work)

    def _capacity(self) -> int:
        while self.free <= len(self.ready):
            self.has_free.clear()
            self.has_free.wait()
        return self.free - len(self.ready)

    def _run_all(self, messages: list[bytes]) -> None:
        self.ready.extend(messages)
        self._wake_one()

    def _wake_one(self) -> None:
        if self.parked:
            self.parked.pop().set()

    def _work(self) -> None:
        wake_up = Event()
        while True:
            while self.ready:
                self.free -= 1
                self._body(self.ready.popleft())
                self.free += 1
                self.has_free.set()
            self.parked.append(wake_up)
            wake_up.wait()
            wake_up.clear()
            if len(self.ready) > 1:
                self._wake_one()


class Pickup:
    """Notes how many seconds after its making each message was begun."""

    def __init__(self, url: str) -> None:
        self.redis = connect(url)
        self.delays: list[float] = []

    def run(self) -> None:
        while True:
            message = self.redis.blmove(QUEUE_KEY, LANDING_KEY, BLOCK, "RIGHT", "LEFT")
            if message is not None:
                gevent.spawn(self._body, message)

    def summary(self) -> dict[str, Any]:
        return {"delays": self.delays}

    def note(self, message: bytes) -> None:
        self.delays.append(time.time() - float(message))

    def _body(self, message: bytes) -> None:
        self.note(message)
        self.redis.lrem(LANDING_KEY, 1, message)


class Echo:
    """Sends every message back as it came."""

    def __init__(self, url: str) -> None:
        self.redis = connect(url)
        self.executed = 0

    def run(self) -> None:
        while True:
            popped = self.redis.blpop([QUEUE_KEY], BLOCK)
            if popped is not None:
                self.redis.lpush(REPLY_KEY, popped[1])
                self.executed += 1

    def summary(self) -> dict[str, Any]:
        return {"executed": self.executed}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floor")
    parser.add_argument("mode", choices=("drain", "pickup", "echo"))
    parser.add_argument("--url", required=True)
    parser.add_argument("--workers", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=0.0, help="how long each task sleeps")
    parser.add_argument("--results", action="store_true")
    parser.add_argument("--reuse", action="store_true", help="long-lived greenlets")
    options = parser.parse_args()

    loop: Drain | Pickup | Echo
    if options.mode == "drain":
        drain = ReusedGreenlets if options.reuse else NewGreenlets
        loop = drain(options.url, options.workers, options.seconds, options.results)
    else:
        loop = (Pickup if options.mode == "pickup" else Echo)(options.url)
    serve(loop)
    connect(options.url).set(SUMMARY_KEY, json.dumps(loop.summary()))


def serve(loop: Drain | Pickup | Echo) -> None:
    """Run the loop until SIGTERM; exit with status 1 if it ends by itself."""
    stopping = Event()
    gevent.signal_handler(signal.SIGTERM, stopping.set)
    running = gevent.spawn(loop.run)
    running.link_exception(lambda _: stopping.set())
    stopping.wait()
    if running.exception is not None:
        sys.exit(1)  # gevent has printed the traceback.


if __name__ == "__main__":
    main()
