# SPDX-License-Identifier: MIT
"""Help for tests that talk to a real server of the make-believe web with seed ``SEED``."""

from __future__ import annotations

from http.client import HTTPConnection
from urllib.parse import urlsplit

from huey_green.demo.crawl import pages

SEED = 7


def get(server: str, path: str, timeout: float = 30.0) -> tuple[int, str, bytes]:
    """Return status, Server-Timing and body."""
    parts = urlsplit(server)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.getheader("Server-Timing", ""), response.read()
    finally:
        connection.close()


def answer_to(path: str, attempt: int = 1) -> pages.Answer:
    """Return what the server will do with an attempt at a page."""
    host = pages.host_of(path)
    assert host
    return pages.answer(SEED, host, path, attempt)


def paths_with(kind: str) -> list[str]:
    """Return the pages whose first attempt is answered in this way."""
    return [path for path in pages.sitemap(4000) if answer_to(path).kind == kind]
