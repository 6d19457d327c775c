# SPDX-License-Identifier: MIT
"""A web server with a consumer or without: python -m benchmarks.serving URL PORT_FILE CONSUMER.

CONSUMER is ``none``, ``embedded``, or ``plain`` for one that does not give way.
"""

from gevent import monkey

monkey.patch_all()

import signal  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
from contextlib import nullcontext  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
from gevent.pywsgi import WSGIServer  # noqa: E402

from benchmarks.app import build  # noqa: E402

#: Tasks at once.
WORKERS = 200


def answer(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]


def main(url: str, port_file: str, kind: str) -> None:
    huey = build(url, "list", results=True).huey
    listener = socket.create_server(("127.0.0.1", 0))
    # It sends head and body apart: the body would wait for 40 ms until the head is acknowledged.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = WSGIServer(listener, answer, log=None)
    server.start()
    gevent.signal_handler(signal.SIGTERM, server.stop)
    embedded = huey.embedded_consumer(workers=WORKERS, shutdown_timeout=0)
    with embedded if kind == "embedded" else nullcontext():
        plain = huey.create_consumer(workers=WORKERS) if kind == "plain" else None
        if plain is not None:
            plain.start()
        written = Path(port_file).with_suffix(".new")
        written.write_text(str(server.server_port))
        written.rename(port_file)
        server.serve_forever()
        if plain is not None:
            plain.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
