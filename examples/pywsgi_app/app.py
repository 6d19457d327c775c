"""A page that enqueues a task and shows how far it has come, with the consumer in the same process.

Start it with `python app.py`.
"""

from gevent import monkey

monkey.patch_all()  # Before all other imports.

import json  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
from urllib.parse import parse_qs  # noqa: E402

import gevent  # noqa: E402
from gevent.pywsgi import WSGIServer  # noqa: E402
from tasks import bake, huey  # noqa: E402

PAGE = """<!doctype html>
<title>Bakery</title>
<form id="order">Loaves: <input name="loaves" value="5" size="3"> <button>Bake</button></form>
<ul id="said"></ul>
<script>
order.onsubmit = async (event) => {
  event.preventDefault();
  const answer = await fetch("/bake?loaves=" + order.loaves.value, {method: "POST"});
  const events = new EventSource("/events?id=" + await answer.text());
  const say = (text) => said.appendChild(document.createElement("li")).textContent = text;
  events.onmessage = (one) => say(JSON.parse(one.data).message);
  events.addEventListener("end", (one) => { say(one.data); events.close(); });
};
</script>
"""


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    status, kind, body = "200 OK", "text/plain", [b""]
    if environ["PATH_INFO"] == "/":
        kind, body = "text/html", [PAGE.encode()]
    elif environ["PATH_INFO"] == "/bake" and environ["REQUEST_METHOD"] == "POST":
        body = [bake(int(query["loaves"][0])).id.encode()]
    elif environ["PATH_INFO"] == "/events":
        kind, body = "text/event-stream", events_of(query["id"][0])
    else:
        status, body = "404 Not Found", [b"no such page\n"]
    start_response(status, [("Content-Type", kind)])
    return body


def events_of(task_id):
    """Yield server-sent events: the task's progress, and its value at the end."""
    result = huey.result_handle(task_id)
    for progress in result.progress_updates(timeout=60):
        yield b"data: %s\n\n" % json.dumps(progress._asdict()).encode()
    yield b"event: end\ndata: %s\n\n" % str(result.get(blocking=True, timeout=60)).encode()


def main():
    server = WSGIServer(("127.0.0.1", int(os.environ.get("PORT", "8000"))), application)
    gevent.signal_handler(signal.SIGTERM, server.stop)  # As Ctrl-C does.
    with huey.embedded_consumer(workers=200):
        server.start()
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
