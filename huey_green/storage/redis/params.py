# SPDX-License-Identifier: MIT
"""From what a user gave (URL, pool, host...) to redis-py's pool; a mistake is told at once.

What is told has no value in it that may be a secret, and neither has an error that it came from.
"""

from __future__ import annotations

import difflib
import inspect
import os
import ssl
from collections.abc import Iterable, Mapping
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

from huey_green.exceptions import ConfigurationError
from huey_green.storage.redis.clusters import SCHEMES, ClusterPool, Nodes, said_of_cluster
from huey_green.version import __version__

#: Seconds within which a command has to be answered.
SOCKET_TIMEOUT = 5.0

_SCHEMES = ("redis://", "rediss://", "unix://")

#: Settings of TLS that name a file.
_TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")

#: What may be told of a URL that cannot be read: how these complaints begin.
_HARMLESS = ("Port could not be cast to integer value", "Port out of range", "Invalid IPv6 URL")


def pool_of(
    url: object, connection_pool: object, params: Mapping[str, Any]
) -> redis.ConnectionPool:
    """Return the pool that is given, or one made of the other settings.

    Raises ``ConfigurationError`` for what is wrong, unknown or said twice.
    """
    given = {name: value for name, value in params.items() if value is not None}
    if connection_pool is not None:
        given.pop("slot_of", None)
        return _checked_alone(connection_pool, url, given)
    cluster = said_of_cluster(url, given)
    _check_names(given)
    try:
        pool = _made(url, given) if cluster is None else _made_for(cluster, given)
        pool.make_connection()  # Finds a misspelt setting now and not at the first command.
    except (TypeError, ValueError, AttributeError, redis.RedisError) as error:
        raise ConfigurationError(f"Redis connection settings: {error}") from error
    if issubclass(pool.connection_class, redis.SSLConnection):
        _check_certificates(pool.connection_kwargs)
    return pool


def _made_for(cluster: Nodes, given: dict[str, Any]) -> ClusterPool:
    pool = ClusterPool(_made(cluster.url, given), cluster)
    if int(pool.connection_kwargs.get("db") or 0) != 0:
        raise ConfigurationError("db: a cluster has one database alone, 0: leave it out")
    return pool


def _made(url: object, given: dict[str, Any]) -> redis.ConnectionPool:
    settings: dict[str, Any] = {
        "socket_timeout": SOCKET_TIMEOUT,
        "socket_connect_timeout": SOCKET_TIMEOUT,
        "socket_keepalive": True,
        # A command sent twice would enqueue twice: whoever called decides.
        "retry": Retry(NoBackoff(), 0),
        **_driver(),
        **given,
    }
    if url in (None, ""):
        settings.update(_tls(given, bool(given.get("ssl")), "write ssl=True as well"))
        pool: redis.ConnectionPool = redis.Redis(**settings).connection_pool
        return pool
    if not isinstance(url, str):
        raise ConfigurationError(
            f"url: expected a string as 'redis://localhost:6379/0', not {type(url).__name__}"
        )
    if not url.startswith(_SCHEMES):
        known = (*_SCHEMES, *SCHEMES)
        raise ConfigurationError(f"url: expected one that begins with {_listed(known)}")
    said = _said_by(url)
    _check_names(said, "the url's ")
    for name in sorted(given.keys() & said.keys()):
        if str(given[name]) != str(said[name]):
            raise ConfigurationError(
                f"url and {name}= say two different things about {name}: leave one of them out"
            )
    if url.startswith("unix://"):
        settings.pop("socket_keepalive")  # There is none, and redis-py knows no such setting.
    is_tls = url.startswith("rediss://")
    if bool(settings.pop("ssl", is_tls)) != is_tls:
        raise ConfigurationError(
            "url and ssl= say two different things about TLS: a url that begins with rediss://"
            " has it, others have not"
        )
    settings.update(_tls({**said, **given}, is_tls, "let the url begin with rediss://"))
    return redis.ConnectionPool.from_url(url, **settings)


def _driver() -> dict[str, Any]:
    """Return who connects, as CLIENT LIST shows it from Redis 7.2 on.

    redis-py alone would look up on the disk which version it is, for each connection anew.
    """
    try:
        from redis.driver_info import DriverInfo
    except ImportError:  # It is an older one.
        return {}
    driver = DriverInfo(lib_version=redis.__version__)
    return {"driver_info": driver.add_upstream_driver("huey_green", __version__)}


def _said_by(url: str) -> dict[str, Any]:
    """Return the settings that a URL has in it."""
    place, _, query = url.partition("?")
    path = place.partition("://")[2].partition("/")[2]
    # A password with one of these in it ends too early: its rest would be taken for the name of
    # a host or a setting, and be shown as that.
    strayed = path if not url.startswith("unix://") else ""
    strayed += "".join(part for part in query.split("&") if "=" not in part)
    if "@" in strayed or "#" in url:
        raise ConfigurationError(
            "url: a character of the user or the password is taken for the end of it: write"
            " / as %2F, ? as %3F, # as %23, @ as %40 and % as %25, as urllib.parse.quote does"
        )
    try:
        said = dict(parse_url(url))  # type: ignore[no-untyped-call]
    except ValueError as error:
        told = next((known for known in _HARMLESS if str(error).startswith(known)), str(error))
        if not told.startswith((*_HARMLESS, "Invalid value for")):
            told = f"expected {_listed(_SCHEMES)} and then USER:PASSWORD@HOST:PORT/DB"
        # Not "from": the error has a part of the URL in it.
        raise ConfigurationError(f"url: {told}") from None
    said.pop("connection_class", None)
    return said


def _tls(given: Mapping[str, Any], is_tls: bool, cure: str) -> dict[str, Any]:
    """Return the settings that TLS needs besides; raise if there are some of it and it is off."""
    of_tls = sorted(name for name in given if name.startswith("ssl_"))
    if not is_tls:
        if of_tls:
            raise ConfigurationError(
                f"{_listed(of_tls)}: this connection would not be encrypted, {cure}"
            )
        return {}
    checks = str(given.get("ssl_cert_reqs", "required")) != "none"
    # redis-py of old does not do this unless it is told to.
    return {"ssl_check_hostname": True} if checks and "ssl_check_hostname" not in given else {}


def _check_certificates(settings: Mapping[str, Any]) -> None:
    """Read what TLS needs, as every connection will."""
    for name in _TLS_FILES:
        path = settings.get(name)
        if path is not None and not os.path.isfile(path):
            raise ConfigurationError(f"{name}: there is no file {path}")
    authority, certificate, key = (settings.get(name) for name in _TLS_FILES)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if authority is not None:
            context.load_verify_locations(authority)
    except OSError as error:
        raise ConfigurationError(
            f"ssl_ca_certs: {authority} has no certificates in PEM form ({error})"
        ) from error
    if certificate is None and key is None:
        return
    if certificate is None:
        raise ConfigurationError("ssl_keyfile without ssl_certfile: a key needs its certificate")
    try:
        # A password in any case: without one OpenSSL would ask for it at the terminal.
        context.load_cert_chain(certificate, key, settings.get("ssl_password") or "")
    except OSError as error:
        raise ConfigurationError(
            f"ssl_certfile and ssl_keyfile: {certificate} and {key or 'the key in it'} are no"
            f" certificate in PEM form and its key, or ssl_password is not that of it ({error})"
        ) from error


def _checked_alone(pool: object, url: object, given: Mapping[str, Any]) -> redis.ConnectionPool:
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
    return pool


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
    if isinstance(pool, ClusterPool):
        return f"cluster {pool.cluster.names}"
    service = getattr(pool, "service_name", None)
    if service is not None:
        return f"Sentinel's {service}/{kwargs.get('db') or 0}"
    if kwargs.get("path"):
        return str(kwargs["path"])
    host, port = kwargs.get("host", "localhost"), kwargs.get("port", 6379)
    return f"{host}:{port}/{kwargs.get('db') or 0}"
