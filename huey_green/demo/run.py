# SPDX-License-Identifier: MIT
"""One run of the demo: what is started in which order, watched, and ended in the reverse one."""

from __future__ import annotations

import re
import resource
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from huey_green import clock
from huey_green.demo import measure, stores
from huey_green.demo.crawling import APP, Crawl, batches
from huey_green.demo.interruption import Interrupted, Interruption
from huey_green.demo.processes import Child, DemoError
from huey_green.demo.screen import Screen, make_screen
from huey_green.demo.summary import Usage, print_partial, print_summary
from huey_green.demo.tally import Tally
from huey_green.exceptions import StorageUnavailable

SERVER = "huey_green.demo.crawl.server"

#: Seconds between two looks at the results.
LOOK_EVERY = 0.1

#: Seconds between two measurements of memory and connections.
MEASURE_EVERY = 0.5

#: Seconds without a page after which something must be wrong: several times what four attempts
#: take that all end in a timeout.
STALLED = 60.0

#: Open files that a process needs beside one socket per worker.
SPARE_FILES = 256


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for; ``storage`` None lets the demo choose."""

    storage: str | None = None
    workers: int = 500
    pages: int = 3000
    seed: int = 1


class Run:
    """Starts everything, crawls, ends everything, and prints the summary."""

    def __init__(self, options: Options, console: Console, interruption: Interruption) -> None:
        self._options = options
        self._console = console
        self._interruption = interruption
        self._tally = Tally()
        self._children: list[Child] = []
        self._started_at = clock.monotonic()
        self._measured_at = 0.0
        self._progress = (0, 0.0)

    def __call__(self) -> None:
        """Run to the end; raises Interrupted after everything was ended, DemoError for trouble."""
        try:
            with ExitStack() as stack:
                try:
                    self._start(stack)
                    self._crawl_all()
                finally:
                    seconds = self._elapsed()
        except Interrupted:
            print_partial(self._console, self._tally, seconds)
            raise
        print_summary(self._console, self._tally, self._usage)

    def _start(self, stack: ExitStack) -> None:
        """Start server, storage and consumer; ``stack`` ends the consumer first."""
        options, check = self._options, self._interruption.check
        _allow_open_files(options.workers + SPARE_FILES)
        self._directory = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="huey_green-demo-"))
        )
        arguments = ["--port", "0", "--seed", str(options.seed)]
        server = self._start_child(stack, "server", SERVER, arguments)
        self._open_store(stack)
        check()
        arguments = [f"{APP}.huey", "--workers", str(options.workers), "--quiet", "--no-periodic"]
        self._consumer = self._start_child(stack, "consumer", "huey_green", arguments)
        address = server.wait_for(lambda: _address(server.output()), check)
        self._say("server", f"{address}, eight hosts that answer in 50 to 500 ms, if they do")
        self._urls = self._crawl.urls(address, options.pages)
        pid = self._consumer.wait_for(self._crawl.consumer_pid, check)
        self._say("consumer", f"one process (pid {pid}), {options.workers} workers")

    def _start_child(self, stack: ExitStack, what: str, module: str, arguments: list[str]) -> Child:
        child = Child(what, module, arguments, self._directory)
        stack.callback(child.end)
        self._children.append(child)
        return child

    def _open_store(self, stack: ExitStack) -> None:
        """Choose the storage and make sure that it answers; ``stack`` empties it."""
        named = self._options.storage
        self._store = stores.given(named) if named else stores.automatic(self._directory, stack)
        self._crawl = Crawl(self._store.location, self._tally)
        stack.callback(self._clean)
        self._crawl.huey.storage.ping()
        storage = self._store.describe()
        self._usage = Usage(self._options.workers, storage, self._store.is_redis)
        self._say("storage", storage + self._store.why)

    def _crawl_all(self) -> None:
        """Enqueue all pages and collect their results until the last one is there."""
        self._started_at = clock.monotonic()
        with make_screen(self._console, len(self._urls)) as screen:
            for batch in batches(self._urls):
                self._crawl.enqueue(batch)
                self._look(screen)
            while self._tally.finished < self._tally.asked:
                clock.sleep(LOOK_EVERY)
                self._look(screen)
        self._usage.seconds = self._elapsed()
        self._measure()

    def _look(self, screen: Screen) -> None:
        self._interruption.check()
        for child in self._children:
            child.check()
        running = self._crawl.collect()
        elapsed = self._elapsed()
        self._usage.pace.add(elapsed, self._tally.finished)
        screen.show(self._tally, running, elapsed)
        if elapsed - self._measured_at >= MEASURE_EVERY:
            self._measured_at = elapsed
            self._measure()
        finished, since = self._progress
        if self._tally.finished != finished:
            self._progress = (self._tally.finished, elapsed)
        elif elapsed - since > STALLED:
            raise DemoError(f"no page has come for {STALLED:.0f} s{self._consumer.last_words()}")

    def _measure(self) -> None:
        pid = self._consumer.pid
        client_name = f"{self._crawl.name}-{pid}"
        self._usage.saw(measure.memory_peak(pid), self._store.usage(pid, client_name))

    def _elapsed(self) -> float:
        return clock.monotonic() - self._started_at

    def _clean(self) -> None:
        with suppress(StorageUnavailable):  # Then it was the reason why we end.
            self._crawl.clean()

    def _say(self, what: str, text: str) -> None:
        self._console.print(f"{what:9} {text}", soft_wrap=True)


def _address(output: str) -> str | None:
    """Find where the server listens in what it wrote, once it has."""
    found = re.search(r"^listening on (\S+)$", output, re.MULTILINE)
    return found.group(1) if found else None


def _allow_open_files(wanted: int) -> None:
    """Raise the limit that our children inherit, as far as the system lets us (macOS: from 256)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
