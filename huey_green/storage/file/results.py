# SPDX-License-Identifier: MIT
"""Values, counters, progress and revocations in a folder, and whoever waits for one of them."""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, TypeVar

from huey_green import clock, native
from huey_green.message import Delivery
from huey_green.storage.base import LOOK_AGAIN, BaseStorage
from huey_green.storage.file import marks
from huey_green.storage.file.change import Change
from huey_green.storage.file.folder import Folder, folder_at
from huey_green.storage.file.options import checked
from huey_green.storage.watch import Watch

Answer = TypeVar("Answer")

#: What one can wait for: a ready message, or news under a key.
READY = "ready"
NEWS = "news:"

#: What a key begins with under which the progress of a task is news.
PROGRESS = "p:"


class FileResults(BaseStorage):
    """A handle on a folder, and what tasks leave behind in it.

    Its work is carried out in a native thread where it would stop an event loop.
    """

    def __init__(
        self,
        name: str = "huey",
        path: str | os.PathLike[str] | None = None,
        levels: int = 2,
        use_thread_lock: bool = False,
        *,
        timeout: float = 30,
        fsync: bool = False,
        **unknown: Any,
    ) -> None:
        super().__init__(name)
        self._options = checked(name, path, levels, use_thread_lock, timeout, fsync, unknown)
        self.path = self._options.path
        self.levels = self._options.levels
        self.use_thread_lock = not self._options.needs_lock_files
        self._lane = native.Lane()
        self._folder: Folder | None = None
        self._start_anew()
        _handles.add(self)

    def _start_anew(self) -> None:
        """Know nothing of what was before; in a forked child that is the parent's."""
        self._lane = native.Lane()
        self._watch = Watch(self._look)
        self._glanced = b""
        self._revoked_until = float("inf")
        self._interrupted: set[str] = set()
        # Leased, and not yet with the caller: it may have been killed while it waited.
        self._landed: dict[str, deque[Delivery]] = {}
        # Where the last look for values that have ended stopped.
        self._sweep: Iterator[str] | None = None

    def close(self) -> None:
        """Let go of the folder; the last handle of a process closes its files."""
        self._lane.call(self._let_go)
        self._lane.close()

    def _let_go(self) -> None:
        self._folder = None

    def describe(self) -> str:
        return f"files in {self.path}"

    def _work(
        self,
        work: Callable[..., Answer],
        *args: Any,
        needs_state: bool = True,
        then: Callable[[Answer], object] | None = None,
    ) -> Answer:
        """Carry out a transition: see ``Folder.work``.

        A greenlet that is killed while it waits leaves it to its end.
        """

        def carry_out() -> Answer:
            options = self._options
            return self._at().work(options, work, *args, needs_state=needs_state, then=then)

        return self._lane.call(carry_out)

    def _at(self) -> Folder:
        folder = self._folder
        if folder is None:
            folder = self._folder = folder_at(self.path)
        return folder

    def _value(self, work: Callable[..., Answer], *args: Any) -> Answer:
        """Carry out what concerns values alone."""
        return self._work(work, *args, needs_state=False)

    # Values.

    def put_data(self, key: str, value: bytes, is_result: bool = False) -> None:
        self._value(marks.put, key, value)
        self._watch.tell([NEWS + key])

    def peek_data(self, key: str) -> bytes | None:
        return self.peek_many([key]).get(key)

    def peek_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        return self._value(marks.peek, keys, self.time())

    def pop_data(self, key: str) -> bytes | None:
        return self._value(marks.pop, key, self.time())

    def delete_if(self, key: str, value: bytes) -> bool:
        return self._value(marks.delete_if, key, value, self.time())

    def has_data_for_key(self, key: str) -> bool:
        return bool(self._value(marks.present, [key], self.time()))

    def put_if_empty(self, key: str, value: bytes, ttl: float | None = None) -> bool:
        stored = self._value(marks.put_if_empty, key, value, ttl, self.time())
        if stored:
            self._watch.tell([NEWS + key])
        return stored

    def result_store_size(self) -> int:
        return self._value(marks.size, self.time())

    def result_items(self) -> dict[str, bytes]:
        return self._value(marks.items, self.time())

    def flush_results(self) -> None:
        self._value(marks.flush_results)

    # Counters.

    def incr(self, key: str, amount: int = 1) -> int:
        return self._work(marks.incr, key, amount)

    def delete_counter(self, key: str) -> None:
        self._work(Change.say, "uncount", key, needs_state=False)

    def flush_counters(self) -> None:
        self._work(Change.say, "uncount_all", needs_state=False)

    # Progress.

    def put_progress(self, task_id: str, data: bytes) -> None:
        self._work(marks.put_progress, task_id, data)
        self._watch.tell([NEWS + PROGRESS + task_id])

    def peek_progress(self, task_id: str) -> bytes | None:
        return self._work(marks.progress, task_id)

    # Revocation marks.

    def put_revocation(self, key: str, value: bytes, ttl: float | None = None) -> None:
        self._work(marks.put_revocation, key, value, ttl, self.time(), then=self._note_revoked)

    def pop_revocation(self, key: str) -> bytes | None:
        return self._work(marks.pop_revocation, key, self.time())

    def has_revocations(self) -> bool:
        return self._revoked_until > self.time()

    def _note_revoked(self, ends_at: float) -> None:
        self._revoked_until = max(ends_at, self._revoked_until)

    # Waiting.

    def wait_until(
        self,
        keys: Sequence[str],
        is_ready: Callable[[], bool],
        timeout: float | None = None,
        backoff: float = 1.15,
        max_delay: float = 1.0,
    ) -> bool:
        ends_at = float("inf") if timeout is None else clock.monotonic() + timeout
        with self._watch.waiting_for(*(NEWS + key for key in keys)) as waiter:
            while not is_ready():
                now = clock.monotonic()
                if now >= ends_at:
                    return False
                self._watch.wait(waiter, min(ends_at, now + LOOK_AGAIN))
        return True

    def _look(self, awaited: Callable[[], Collection[str]]) -> list[str]:
        return self._lane.call(self._look_here, awaited)

    def _look_here(self, awaited: Callable[[], Collection[str]]) -> list[str]:
        """Return the topics that may have come true, if anybody wrote since the last look."""
        folder = self._at()
        seen = folder.glance()
        if seen == self._glanced:
            return []
        topics = awaited()
        needs_state = READY in topics
        told = folder.work(self._options, self._told, topics, needs_state=needs_state)
        self._glanced = seen
        return told

    def _told(self, change: Change, topics: Collection[str]) -> list[str]:
        keys = [topic.removeprefix(NEWS) for topic in topics if topic.startswith(NEWS)]
        told = marks.present(change, keys, self.time())
        # Whether it is another progress than before is for those to say who have seen that.
        told += [key for key in keys if key.startswith(PROGRESS)]
        is_ready = READY in topics and self._is_ready(change)
        return [*(NEWS + key for key in told), *([READY] if is_ready else [])]

    def _is_ready(self, change: Change) -> bool:
        """Say whether a message is ready; note whether there are revocations."""
        self._revoked_until = change.state.notes.revoked_until()
        return change.state.messages.ready_count > 0


_handles: weakref.WeakSet[FileResults] = weakref.WeakSet()


def _in_child() -> None:
    for handle in list(_handles):
        handle._start_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
