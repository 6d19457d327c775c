# SPDX-License-Identifier: MIT
"""huey 0.3's BaseConfiguration: what a consumer consumes, and how."""

from __future__ import annotations

import logging
from typing import Any

from huey_green.compat.hueys import Invoker, invokers_of
from huey_green.exceptions import ConfigurationError


class _OfConfiguration:
    """The Invoker that a consumer of a configuration consumes."""

    def __get__(self, instance: Any, owner: type[BaseConfiguration]) -> Invoker:
        return owner.invoker()


class BaseConfiguration:
    """Subclass it, and start ``python -m huey_green.compat my_app.Configuration``."""

    QUEUE: Any = None
    RESULT_STORE: Any = None
    TASK_STORE: Any = None
    #: Whether this consumer enqueues periodic commands.
    PERIODIC = False
    #: How many commands run at the same time.
    THREADS = 1
    LOGFILE: str | None = None
    LOGLEVEL = logging.INFO
    #: How waits between looks at a queue that is polled grow, in seconds where it is no factor.
    BACKOFF: float = 1.15
    INITIAL_DELAY: float = 0.1
    MAX_DELAY: float = 10
    #: Crontabs and naive moments are in UTC, otherwise in local time.
    UTC = True

    huey = _OfConfiguration()
    _made: Invoker | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Producers import it too, and learn by it in which time the consumer lives."""
        super().__init_subclass__(**kwargs)
        for one in [] if cls.QUEUE is None else invokers_of(cls.QUEUE):
            one.utc = cls.UTC

    @classmethod
    def invoker(cls) -> Invoker:
        """Return the first Invoker that was made over ``QUEUE``, or make one of these stores."""
        if cls.QUEUE is None:
            raise ConfigurationError(f"{cls.__name__} has no QUEUE: say from where it consumes")
        found = invokers_of(cls.QUEUE)
        invoker = found[0] if found else Invoker(cls.QUEUE, cls.RESULT_STORE, cls.TASK_STORE)
        # It is found by the name of the queue as long as somebody holds it.
        cls._made = invoker
        invoker.utc = cls.UTC
        return invoker

    @classmethod
    def arguments(cls) -> list[str]:
        """Return these settings as options of the command ``huey_green``."""
        options = {
            "--workers": cls.THREADS,
            "--delay": cls.INITIAL_DELAY,
            "--max-delay": cls.MAX_DELAY,
            "--backoff": cls.BACKOFF,
            "--logfile": cls.LOGFILE,
        }
        flags = {
            "--no-periodic": not cls.PERIODIC,
            "--verbose": cls.LOGLEVEL <= logging.DEBUG,
            "--quiet": cls.LOGLEVEL >= logging.ERROR,
            "--localtime": not cls.UTC,
        }
        said = [
            text
            for flag, value in options.items()
            if value is not None
            for text in (flag, str(value))
        ]
        return [*said, *(flag for flag, is_set in flags.items() if is_set)]


__all__ = ["BaseConfiguration"]
