# SPDX-License-Identifier: MIT
"""A consumer in each worker of uWSGI with gevent, for the module of the application::

from huey_green.contrib.uwsgi import embed

embed(huey, workers=200)
"""

from __future__ import annotations

import atexit
from importlib import import_module
from typing import Any

from huey_green.consumer.embedded import EmbeddedConsumer
from huey_green.exceptions import ConfigurationError
from huey_green.huey import Huey

__all__ = ["embed"]


def embed(huey: Huey, **options: Any) -> EmbeddedConsumer:
    """Have a consumer start in each worker after the fork, and stop with the worker.

    ``options`` are those of ``Huey.embedded_consumer``. Called when the application is loaded.
    Raises ``ConfigurationError`` outside of uWSGI, and in one without its options ``gevent`` and
    ``gevent-monkey-patch``.
    """
    try:
        server: Any = import_module("uwsgi")
    except ImportError:
        raise ConfigurationError(
            "huey_green.contrib.uwsgi.embed is for applications that uWSGI has loaded, and it has "
            "not loaded this one: elsewhere use huey.embedded_consumer()"
        ) from None
    missing = [name for name in ("gevent", "gevent-monkey-patch") if name not in server.opt]
    if missing:
        raise ConfigurationError(
            f"uWSGI runs without its option {' and without '.join(missing)}, which an embedded "
            "consumer needs: add `gevent = 100` and `gevent-monkey-patch = true` to its settings"
        )
    consumer = huey.embedded_consumer(**options)

    def start() -> None:
        consumer.start()
        server.atexit = consumer.stop
        atexit.register(consumer.stop)

    import_module("uwsgidecorators").postfork(start)
    return consumer
