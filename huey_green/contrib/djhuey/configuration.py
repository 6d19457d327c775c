# SPDX-License-Identifier: MIT
"""From Django's settings to a Huey: an instance, huey's dict, and the dicts of older releases."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

import huey_green
from huey_green.compat.huey_config import PARTS, invoker_of, is_of_own_parts
from huey_green.contrib.djhuey.connections import DjangoExecutor
from huey_green.exceptions import ConfigurationError
from huey_green.huey import Huey

#: Older names of entries of settings.HUEY, and what they are called now.
_RENAMED = {
    "backend_class": "huey_class",
    "result_store": "results",
    "always_eager": "immediate",
    "consumer_options": "consumer",
}

#: The backends of huey 0.4.
_BACKENDS = {
    "redis_backend": "RedisHuey",
    "sqlite_backend": "SqliteHuey",
    "dummy": "MemoryHuey",
}

#: Entries of HUEY_CONFIG that are options of the consumer, and what those are called now.
_OLD_CONSUMER = {
    "PERIODIC": "periodic",
    "THREADS": "workers",
    "LOGFILE": "logfile",
    "LOGLEVEL": "loglevel",
    "BACKOFF": "backoff",
    "INITIAL_DELAY": "initial_delay",
    "MAX_DELAY": "max_delay",
}


class Configuration(NamedTuple):
    """What the settings say: the Huey, and the options of its consumer."""

    huey: Huey
    consumer: Mapping[str, Any]
    #: It is immediate, or not, because DEBUG is on, or not.
    follows_debug: bool


_lock = Lock()
_present: Configuration | None = None


def the_huey() -> Huey:
    """Return the project's Huey; raises ``ImproperlyConfigured``."""
    return configuration().huey


def configuration() -> Configuration:
    """Return what the settings say, read once; raises ``ImproperlyConfigured``."""
    global _present
    with _lock:  # Two Hueys would share the tasks out between them.
        if _present is None:
            _present = _read()
            _present.huey.executor = DjangoExecutor(_present.huey)
    return _present


def _read() -> Configuration:
    given = getattr(settings, "HUEY", None)
    if isinstance(given, Huey):
        return Configuration(given, {}, follows_debug=False)
    if given is None:
        config = getattr(settings, "HUEY_CONFIG", None) or {}
        if is_of_own_parts(config):
            return _of_own_parts(config)
        given = _from_config(config)
    if not isinstance(given, Mapping):
        hint = ""
        if type(given).__module__.partition(".")[0] == "huey":
            hint = " Import it from huey_green instead of huey."
        raise ImproperlyConfigured(f"settings.HUEY is a dict or a Huey, not {given!r}.{hint}")
    return _from_dict(_renamed(given))


def _renamed(given: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in given.items():
        present = _RENAMED.get(name, name)
        if present in found:
            raise ImproperlyConfigured(
                f"settings.HUEY has {name!r}, an older name, beside {present!r}: leave one out"
            )
        found[present] = value
    return found


def _from_dict(given: dict[str, Any]) -> Configuration:
    consumer = given.pop("consumer", None) or {}
    connection = given.pop("connection", None) or {}
    for name, value in (("consumer", consumer), ("connection", connection)):
        if not isinstance(value, Mapping):
            raise ImproperlyConfigured(f"settings.HUEY[{name!r}] is a dict, not {value!r}")
    huey_class = _class_of(given)
    name = given.pop("name", None) or _database_name()
    follows_debug = given.get("immediate") is None
    if follows_debug:
        given["immediate"] = bool(settings.DEBUG)
    if "location" in connection and "filename" not in connection:  # huey 0.4.
        connection = {**connection, "filename": str(connection["location"])}
        del connection["location"]
    try:
        huey = huey_class(name, **{**given, **connection})
    except (ConfigurationError, TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"settings.HUEY: {error}") from error
    return Configuration(huey, dict(consumer), follows_debug)


def _database_name() -> str:
    """Return what a queue is called that has no name: as the database, as with huey."""
    return str(settings.DATABASES.get("default", {}).get("NAME") or "huey")


def _class_of(given: dict[str, Any]) -> type[Huey]:
    wanted, backend = given.pop("huey_class", None), given.pop("backend", None)
    if wanted is None and backend is not None:
        kind = str(backend).rpartition(".")[2]
        if kind not in _BACKENDS:
            raise ImproperlyConfigured(
                f"settings.HUEY['backend'] is {backend!r}, of which there is nothing here: say "
                "'huey_class': 'huey_green.RedisHuey', or SqliteHuey, FileHuey..."
            )
        wanted = f"huey_green.{_BACKENDS[kind]}"
    if wanted is None:
        wanted = "huey_green.RedisHuey"
    found = _imported(wanted) if isinstance(wanted, str) else wanted
    if not (isinstance(found, type) and issubclass(found, Huey)):
        raise ImproperlyConfigured(
            f"settings.HUEY['huey_class'] is a class of Huey or the path to one, not {wanted!r}"
        )
    return found


def _imported(path: str) -> Any:
    # A project that moves here from huey may leave its settings as they are.
    name = path.rpartition(".")[2]
    if path.partition(".")[0] == "huey" and isinstance(getattr(huey_green, name, None), type):
        return getattr(huey_green, name)
    try:
        return import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(
            f"settings.HUEY['huey_class'] is {path!r}, which cannot be imported: {error}"
        ) from error


def _from_config(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return HUEY_CONFIG, of huey 0.3, as huey 2 has it; an empty dict for one that is empty."""
    if not given:
        return {}
    connections = [given.get(f"{name}_CONNECTION") or {} for name in PARTS]
    return {
        "huey_class": f"huey_green.{_kind_of(given.get('QUEUE'))}",
        "name": given.get("QUEUE_NAME"),
        "results": given.get("RESULT_STORE") is not None,
        "immediate": bool(given.get("ALWAYS_EAGER", False)),
        "connection": dict(next(filter(None, connections), {})),
        "consumer": _consumer_of(given),
    }


def _of_own_parts(given: Mapping[str, Any]) -> Configuration:
    """Return what HUEY_CONFIG says that names a queue or stores of the project's own, or more
    than one place."""
    try:
        huey = invoker_of(given, _database_name(), import_string)
    except (ConfigurationError, TypeError, ValueError, ImportError) as error:
        raise ImproperlyConfigured(f"settings.HUEY_CONFIG: {error}") from error
    return Configuration(huey, _consumer_of(given), follows_debug=False)


def _consumer_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the consumer in HUEY_CONFIG."""
    consumer = {new: given[old] for old, new in _OLD_CONSUMER.items() if given.get(old) is not None}
    # As documented: one of several consumers was told to.
    return {"periodic": False, **consumer}


def _kind_of(path: str | None) -> str:
    """Return the kind of Huey for a path like huey.backends.redis_backend.RedisQueue."""
    backend = "redis_backend" if path is None else path.split(".")[-2]
    if backend not in _BACKENDS:
        raise ImproperlyConfigured(
            f"HUEY_CONFIG['QUEUE'] is {path!r}, of which there is nothing here: write "
            "'huey.backends.redis_backend.RedisQueue', or the path of a class of your own"
        )
    return _BACKENDS[backend]
