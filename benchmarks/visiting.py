# SPDX-License-Identifier: MIT
"""Visitors of a web server: python -m benchmarks.visiting PORT REQUESTS FILE.

Each has a connection of its own, and asks again after a pause. The seconds of all requests are
written to FILE, as JSON.
"""

import json
import random
import socket
import sys
import threading
import time
from pathlib import Path

#: Visitors at once, and seconds between two requests of one.
VISITORS = 4
PAUSE = (0.005, 0.015)

#: Requests before the clock runs.
WARM_UP = 10

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def visit(port: int, requests: int, seconds: list[float]) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(WARM_UP + requests):
            time.sleep(random.uniform(*PAUSE))
            began_at = time.perf_counter()
            connection.sendall(REQUEST)
            answer = b""
            while not answer.endswith(b"\r\n\r\nok"):
                received = connection.recv(4096)
                if not received:
                    raise ConnectionError(f"closed after {answer!r}")
                answer += received
            if number >= WARM_UP:
                seconds.append(time.perf_counter() - began_at)


def main(port: int, requests: int, file: Path) -> None:
    seconds: list[float] = []
    each = max(1, requests // VISITORS)
    visitors = [threading.Thread(target=visit, args=(port, each, seconds)) for _ in range(VISITORS)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    file.with_suffix(".new").write_text(json.dumps(seconds))
    file.with_suffix(".new").rename(file)
    time.sleep(60)  # Whoever started this ends it once the file is there.


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
