# SPDX-License-Identifier: MIT
"""The application: one task that fetches one page, with retries.

Blocking code from the standard library, as one writes it anyway; the consumer runs hundreds of
these calls at once. ``huey_green crawl.app.huey -w 500`` starts it.
"""

from __future__ import annotations

import os
import time
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

from huey_green import RedisHuey, SqliteHuey

from .parse import parse

#: Seconds without a byte from the server after which a fetch is given up.
TIMEOUT = 3.0

#: Tries after the first one.
RETRIES = 3

#: Failed attempts are recorded in the result store under this, the task's id and the attempt.
FAILURE = "failed-attempt:"

#: A consumer that has started says so under this key, with its process id.
READY = "consumer-ready"


def open_huey(location: str, name: str) -> RedisHuey | SqliteHuey:
    """Return the Huey for a Redis URL, or for anything else taken as the path of an SQLite file."""
    if "://" in location:
        # The client name tells the connections of this process from others in CLIENT LIST.
        return RedisHuey(name, url=location, client_name=f"{name}-{os.getpid()}")
    return SqliteHuey(name, filename=location)


huey = open_huey(
    os.environ.get("HUEY_GREEN_URL", "crawl.db"), os.environ.get("HUEY_GREEN_NAME", "crawl")
)


class FetchError(Exception):
    """A fetch went wrong; the text is the kind of trouble, such as ``HTTP 503`` or ``timeout``.

    ``served_in`` is how many seconds the server says that it took, 0.0 when it did not tell.
    """

    def __init__(self, kind: str, served_in: float = 0.0) -> None:
        super().__init__(kind)
        self.served_in = served_in


@huey.on_startup()
def say_ready() -> None:
    """Let whoever waits for the consumer know that it runs."""
    huey.put(READY, os.getpid())


@huey.task(retries=RETRIES, retry_delay=0.2, context=True)
def fetch(url: str, task: Any = None) -> dict[str, Any]:
    """Fetch a page and return what was found; a failed attempt leaves a record and raises."""
    left = RETRIES if task is None else task.retries
    record: dict[str, Any] = {"url": url, "host": host_of(url), "attempt": RETRIES - left + 1}
    started = time.monotonic()
    try:
        body, record["served_in"] = download(url)
    except FetchError as error:
        record["seconds"] = time.monotonic() - started
        record.update(kind=str(error), served_in=error.served_in, will_retry=left > 0)
        if task is not None:
            huey.put(f"{FAILURE}{task.id}:{record['attempt']}", record)
        raise
    record["seconds"] = time.monotonic() - started
    page = parse(body.decode(errors="replace"), url)
    record.update(bytes=len(body), title=page.title, links=len(page.links))
    return record


def host_of(url: str) -> str:
    """Return the make-believe host that an address of this web belongs to."""
    return urlsplit(url).path.strip("/").partition("/")[0]


def download(url: str) -> tuple[bytes, float]:
    """Return a page and how many seconds the server says that it took; raises FetchError."""
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT)
    try:
        connection.request("GET", target, headers={"Connection": "close"})
        response = connection.getresponse()
        body = response.read()
    except TimeoutError:
        raise FetchError("timeout") from None
    except ConnectionError:
        raise FetchError("connection reset") from None
    except (HTTPException, OSError) as error:
        raise FetchError(type(error).__name__) from error
    finally:
        connection.close()
    served_in = _served_in(response)
    if response.status != 200:
        raise FetchError(f"HTTP {response.status}", served_in)
    return body, served_in


def sitemap(server: str, count: int) -> list[str]:
    """Return the addresses of ``count`` pages of the server at ``http://host:port``."""
    body, _ = download(f"{server}/sitemap.txt?pages={count}")
    return [server + path for path in body.decode().split()]


def _served_in(response: HTTPResponse) -> float:
    """Read ``Server-Timing: page;dur=MILLISECONDS``; 0.0 when a server does not tell."""
    _, _, milliseconds = response.getheader("Server-Timing", "").partition("dur=")
    return float(milliseconds or 0) / 1000
