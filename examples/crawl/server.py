# SPDX-License-Identifier: MIT
"""A real HTTP server for the make-believe web: ``python -m crawl.server --port 8765``.

Paths are ``/HOST/NUMBER``, and ``/sitemap.txt?pages=N`` lists N of them. The first line on
standard output names the address that it listens on.
"""

from __future__ import annotations

import argparse
import errno
import socket
import struct
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import gevent
from gevent.pywsgi import WSGIHandler, WSGIServer

from . import pages

#: Connections that may wait to be accepted: more than a consumer with -w 5000 opens at a time.
BACKLOG = 8192

#: Key in the WSGI environment under which a request finds its own socket.
SOCKET = "crawl.socket"

#: SO_LINGER on, for zero seconds: closing then sends a reset instead of an end of stream.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

_STATUS = {"page": "200 OK", "500": "500 Internal Server Error", "503": "503 Service Unavailable"}

StartResponse = Callable[..., Any]


class Web:
    """The WSGI application. It counts how often each page was asked for: that is the attempt."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._asked: Counter[str] = Counter()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
        path = environ["PATH_INFO"]
        if path == "/sitemap.txt":
            count = parse_qs(environ["QUERY_STRING"]).get("pages", ["100"])[0]
            return _respond(start_response, "200 OK", "\n".join(pages.sitemap(int(count))))
        host = pages.host_of(path)
        if host is None:
            return _respond(start_response, "404 Not Found", "no such page\n")
        self._asked[path] += 1
        answer = pages.answer(self.seed, host, path, self._asked[path])
        gevent.sleep(answer.seconds)
        if answer.kind == "reset":
            _reset(environ[SOCKET])
        if answer.kind in ("500", "503"):
            return _respond(start_response, _STATUS[answer.kind], "out of order\n", answer.seconds)
        return _respond(start_response, "200 OK", pages.html(self.seed, host, path), answer.seconds)


def _respond(
    start_response: StartResponse, status: str, body: str | bytes, seconds: float = 0.0
) -> list[bytes]:
    content = body.encode() if isinstance(body, str) else body
    kind = "text/html" if content.startswith(b"<!doctype") else "text/plain"
    headers = [
        ("Content-Type", f"{kind}; charset=utf-8"),
        ("Content-Length", str(len(content))),
        ("Server-Timing", f"page;dur={seconds * 1000:.1f}"),
        ("Connection", "close"),
    ]
    start_response(status, headers)
    return [content]


def _reset(connection: Any) -> None:
    """Cut the connection off, as a crashed or overloaded server does; does not return."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    raise ConnectionResetError(errno.ECONNRESET, "cut off on purpose")


class _Handler(WSGIHandler):  # type: ignore[misc,unused-ignore]
    """Lets the application reach the socket, which WSGI itself has no word for."""

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        environ[SOCKET] = self.socket
        return environ


def make_server(port: int = 0, seed: int = 1) -> WSGIServer:
    """Return a server that listens on 127.0.0.1, on a free port when ``port`` is 0."""
    server = WSGIServer(
        ("127.0.0.1", port), Web(seed), backlog=BACKLOG, handler_class=_Handler, log=None
    )
    server.init_socket()
    return server


def main(argv: list[str] | None = None) -> int:
    """Serve until interrupted; returns the exit status."""
    parser = argparse.ArgumentParser(prog="crawl.server", description=__doc__)
    parser.add_argument("--port", type=int, default=8765, help="0 for any free one")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    server = make_server(options.port, options.seed)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
