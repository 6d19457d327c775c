# SPDX-License-Identifier: MIT
"""A consumer in each worker of uWSGI with gevent, for the module of the application::

from huey_green.contrib.uwsgi import embed

embed(huey, workers=200)
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from gevent import reinit

from huey_green.consumer.embedded import EmbeddedConsumer
from huey_green.exceptions import ConfigurationError
from huey_green.huey import Huey
from huey_green.native import has_own_sockets

__all__ = ["embed"]


def embed(huey: Huey, **options: Any) -> EmbeddedConsumer:
    """Have a consumer start in each worker after the fork, and stop with the worker.

    ``options`` are those of ``Huey.embedded_consumer``. Called when the application is loaded.
    Raises ``ConfigurationError`` outside of uWSGI, in one without its option ``gevent``, and where
    gevent has not patched the process yet: ``gevent-monkey-patch`` does that too late, which is
    after the fork and after the application's imports.
    """
    try:
        server: Any = import_module("uwsgi")
    except ImportError:
        raise ConfigurationError(
            "huey_green.contrib.uwsgi.embed is for applications that uWSGI has loaded, and it has "
            "not loaded this one: elsewhere use huey.embedded_consumer()"
        ) from None
    if "gevent" not in server.opt or not has_own_sockets():
        raise ConfigurationError(
            "an embedded consumer runs tasks in greenlets beside the requests, from the moment "
            "that the worker is there: give uWSGI the options `gevent = 100` and "
            "`gevent-early-monkey-patch = true` (gevent-monkey-patch patches too late)"
        )
    consumer = huey.embedded_consumer(**options)

    def start() -> None:
        reinit()  # uWSGI forks behind the back of gevent.
        consumer.start()
        before = getattr(server, "atexit", None)

        def stop() -> None:
            consumer.stop()
            if before is not None:
                before()

        server.atexit = stop

    if server.worker_id():
        start()  # With lazy-apps this is a worker already.
    else:
        import_module("uwsgidecorators").postfork(start)
    return consumer
