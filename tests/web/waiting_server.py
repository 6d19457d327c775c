# SPDX-License-Identifier: MIT
"""gevent.pywsgi with so many requests that wait for a result: python waiting_server.py PORT N.

It says how many wait and on how many connections to Redis they do, then runs their tasks.
"""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import sys  # noqa: E402

import gevent  # noqa: E402
from gevent import socket  # noqa: E402
from gevent.pywsgi import WSGIServer  # noqa: E402
from site_app import application, huey, ledger  # noqa: E402

address, number = ("127.0.0.1", int(sys.argv[1])), int(sys.argv[2])
before = {one["id"] for one in ledger.client_list()}
server = WSGIServer(address, application, log=None, backlog=number)
server.start()


def ask(n: int) -> bytes:
    with socket.create_connection(address) as visitor:
        visitor.sendall(f"GET /double?n={n} HTTP/1.0\r\n\r\n".encode())
        return b"".join(iter(lambda: visitor.recv(4096), b""))


def waits_for_all() -> bool:
    return len(huey) == number


visitors = [gevent.spawn(ask, n) for n in range(number)]
print("consumes", flush=True)
while not waits_for_all():
    gevent.sleep(0.01)
held = [one for one in ledger.client_list() if one["id"] not in before]
subscribed = [one for one in held if int(one["sub"]) or int(one["psub"])]
assert len(held) <= 4, "one to wait on, two for commands, one of this program"
print("waiting:", json.dumps([len(huey), len(subscribed)]), flush=True)
with huey.embedded_consumer():
    answers = [one.get() for one in visitors]
right = sum(answer.endswith(b"%d" % (2 * n)) for n, answer in enumerate(answers))
print("answers:", right, flush=True)
server.stop()
