# SPDX-License-Identifier: MIT
"""gevent.pywsgi with an embedded consumer: python pywsgi_server.py PORT [JSON of options]."""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402

import gevent  # noqa: E402
from gevent.pywsgi import WSGIServer  # noqa: E402
from site_app import application, huey  # noqa: E402

options = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
server = WSGIServer(("127.0.0.1", int(sys.argv[1])), application, log=None)
gevent.signal_handler(signal.SIGTERM, server.stop)
with huey.embedded_consumer(**options):
    print("consumes", flush=True)
    server.serve_forever()
print("ended in good order", flush=True)
