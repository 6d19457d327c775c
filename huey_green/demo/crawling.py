# SPDX-License-Identifier: MIT
"""The producer's side of the crawl: enqueue all pages, then pick up results as they come."""

from __future__ import annotations

import importlib
import os
import secrets
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from huey_green.demo.tally import Tally
from huey_green.exceptions import TaskException

#: Where the app is, for us and for the consumer alike.
APP = "huey_green.demo.crawl.app"

#: Pages enqueued in one go: a Ctrl-C is answered, and the bar moves, between two of these.
BATCH = 250


class Crawl:
    """The crawl's app in this process, with a queue name that nobody else has.

    The app reads its storage from the environment, so this is made once in a process.
    """

    def __init__(self, location: str, tally: Tally) -> None:
        self.name = f"crawl-demo-{secrets.token_hex(4)}"
        self.variables = {"HUEY_GREEN_URL": location, "HUEY_GREEN_NAME": self.name}
        os.environ.update(self.variables)
        self.app: Any = importlib.import_module(APP)
        self.huey: Any = self.app.huey
        self.tally = tally
        tally.patience = self.app.TIMEOUT
        self._waiting: dict[str, Any] = {}
        self._hosts: dict[str, str] = {}

    def consumer_pid(self) -> int | None:
        """Return the consumer's pid once it has started, None before."""
        pid: int | None = self.huey.get(self.app.READY, peek=True)
        return pid

    def enqueue(self, urls: Sequence[str]) -> None:
        """Add one task per page."""
        results = list(self.app.fetch.map(urls))
        for url, result in zip(urls, results, strict=True):
            self._waiting[result.id] = result
            self._hosts[result.id] = self.app.host_of(url)
        self.tally.asked += len(urls)

    def collect(self) -> int:
        """Take what has come since the last time from the storage into the tally.

        One listing shows all that is there and not yet taken; then one call takes each. What
        this costs grows with the pages that have ended, not with those that are waited for.
        Returns how many pages are with the consumer.
        """
        # Before the listing: a page that ends in between is then not counted as running.
        queued: int = len(self.huey) + self.huey.scheduled_count()
        for key in list(self.huey.all_results()):
            if key in self._waiting:
                self._take(key)
            elif key.startswith(self.app.FAILURE):
                self.tally.attempt_failed(self.huey.get(key))
        return max(len(self._waiting) - queued, 0)

    def _take(self, key: str) -> None:
        result = self._waiting[key]
        try:
            page = result.get()
        except TaskException as error:
            if error.metadata["retries"]:
                result.reset()  # The error of one attempt; another attempt follows.
                return
            self.tally.gave_up(self._hosts[key])
        else:
            if page is None:
                return  # Replaced by the next attempt's result between listing and taking.
            self.tally.page(page)
        del self._waiting[key]

    def urls(self, server: str, pages: int) -> list[str]:
        """Return the addresses of that many pages of the server."""
        urls: list[str] = self.app.sitemap(server, pages)
        return urls

    def clean(self) -> None:
        """Delete all that this crawl has left in the storage."""
        self.huey.flush()
        self.huey.storage.close()


def batches(urls: Sequence[str]) -> Iterator[list[str]]:
    """Cut the addresses into lists to enqueue."""
    rest = iter(urls)
    while batch := list(islice(rest, BATCH)):
        yield batch
