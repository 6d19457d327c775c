# SPDX-License-Identifier: MIT
"""The producer, by hand: ``python -m crawl http://127.0.0.1:8765 --pages 300``."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

from huey_green.exceptions import TaskException

from .app import FAILURE, fetch, host_of, huey, sitemap


def outcome(result: Any) -> dict[str, Any] | None:
    """Wait for one page; None when the last of its attempts has failed as well."""
    while True:
        try:
            page: dict[str, Any] = result.get(blocking=True)
            return page
        except TaskException as error:
            if not error.metadata["retries"]:
                return None
            result.reset()  # This was the error of one attempt, and another one follows.


def main() -> None:
    """Enqueue the pages, wait for them, and print what each host gave."""
    parser = argparse.ArgumentParser(prog="crawl", description=__doc__)
    parser.add_argument("server", help="where crawl.server listens, http://127.0.0.1:8765")
    parser.add_argument("--pages", type=int, default=300)
    options = parser.parse_args()
    urls = sitemap(options.server, options.pages)

    fetched: Counter[str] = Counter()
    for url, result in zip(urls, fetch.map(urls), strict=True):
        page = outcome(result)
        if page is None:
            print(f"gave up: {url}")
        else:
            fetched[host_of(url)] += 1
    for host, count in fetched.most_common():
        print(f"{host:20} {count} pages")
    failures = [key for key in huey.all_results() if key.startswith(FAILURE)]
    kinds = Counter(huey.get(key)["kind"] for key in failures)
    print("failed attempts:", ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()))


if __name__ == "__main__":
    main()
