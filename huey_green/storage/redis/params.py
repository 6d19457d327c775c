# SPDX-License-Identifier: MIT
"""From what a user gave (URL, pool, host...) to redis-py's pool; a mistake is told at once."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

from huey_green.exceptions import ConfigurationError

#: Seconds within which a command has to be answered.
SOCKET_TIMEOUT = 5.0

_SCHEMES = ("redis://", "rediss://", "unix://")


def pool_of(
    url: object, connection_pool: object, params: Mapping[str, Any]
) -> redis.ConnectionPool:
    """Return the pool that is given, or one made of the other settings.

    Raises ``ConfigurationError`` for what is wrong, unknown or said twice. Its text has no
    value of a setting in it that may be a secret.
    """
    given = {name: value for name, value in params.items() if value is not None}
    if connection_pool is not None:
        _check_alone(connection_pool, url, given)
        return connection_pool  # type: ignore[return-value]
    _check_names(given)
    try:
        pool = _made(url, given)
        pool.make_connection()  # Finds a misspelt setting now and not at the first command.
    except (TypeError, ValueError, AttributeError) as error:
        raise ConfigurationError(f"Redis connection settings: {error}") from error
    return pool


def _made(url: object, given: dict[str, Any]) -> redis.ConnectionPool:
    settings: dict[str, Any] = {
        "socket_timeout": SOCKET_TIMEOUT,
        "socket_connect_timeout": SOCKET_TIMEOUT,
        "socket_keepalive": True,
        # A command sent twice would enqueue twice: whoever called decides.
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        **given,
    }
    if url in (None, ""):
        pool: redis.ConnectionPool = redis.Redis(**settings).connection_pool
        return pool
    if not isinstance(url, str):
        raise ConfigurationError(
            f"url: expected a string as 'redis://localhost:6379/0', not {type(url).__name__}"
        )
    if not url.startswith(_SCHEMES):
        raise ConfigurationError(f"url: expected one that begins with {_listed(_SCHEMES)}")
    said: Mapping[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
    _check_names(said, "the url's ")
    for name in sorted(given.keys() & said.keys()):
        if str(given[name]) != str(said[name]):
            raise ConfigurationError(
                f"url and {name}= say two different things about {name}: leave one of them out"
            )
    return redis.ConnectionPool.from_url(url, **settings)


def _check_alone(pool: object, url: object, given: Mapping[str, Any]) -> None:
    if isinstance(pool, redis.Redis):
        raise ConfigurationError(
            "connection_pool: expected a redis.ConnectionPool, not a client: pass its"
            " .connection_pool"
        )
    if not isinstance(pool, redis.ConnectionPool):
        raise ConfigurationError(
            f"connection_pool: expected a redis.ConnectionPool, not {type(pool).__name__}"
        )
    if url:
        raise ConfigurationError("give either connection_pool or url, not both")
    if given:
        raise ConfigurationError(
            f"{_listed(f'{name}=' for name in sorted(given))} beside connection_pool: a pool has"
            " all settings of its connections, give them to the pool"
        )


def _check_names(given: Iterable[str], whose: str = "") -> None:
    known = _known()
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "see redis.Redis for what there is"
            raise ConfigurationError(f"{whose}{name}: redis-py knows no such setting; {hint}")


def _known() -> set[str]:
    classes = (
        redis.Redis,
        redis.Connection,
        redis.SSLConnection,
        redis.UnixDomainSocketConnection,
        *redis.Connection.__mro__[1:-1],
    )
    names = {name for one in classes for name in inspect.signature(one).parameters}
    return names - {"self", "args", "kwargs", "connection_pool", "from_url"}


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def where(pool: redis.ConnectionPool) -> str:
    """Return what names a pool's server to a reader, without a password."""
    kwargs = pool.connection_kwargs
    service = getattr(pool, "service_name", None)
    if service is not None:
        return f"Sentinel's {service}/{kwargs.get('db') or 0}"
    if kwargs.get("path"):
        return str(kwargs["path"])
    host, port = kwargs.get("host", "localhost"), kwargs.get("port", 6379)
    return f"{host}:{port}/{kwargs.get('db') or 0}"
