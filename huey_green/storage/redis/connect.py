# SPDX-License-Identifier: MIT
"""Commands over a few connections; drivers' errors are translated here only.

redis-py makes the connections (TLS, authentication, sentinel, protocol). Its client is not
used: its bookkeeping per command costs more than the command, and its pool raises where
callers should take turns.
"""

from __future__ import annotations

import math
import os
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis
from redis.exceptions import NoScriptError

from huey_green import clock
from huey_green.backoff import exponential, jittered
from huey_green.exceptions import StorageRefused, StorageUnavailable
from huey_green.native import has_own_sockets, thread_ident
from huey_green.storage.redis.clusters import (
    IS_A_NODE,
    Address,
    NoCluster,
    Redirected,
    connection_at,
    left,
    redirected,
)
from huey_green.storage.redis.params import pool_of, where
from huey_green.storage.redis.refusals import (
    redirection_in,
    says_no_databases,
    says_no_master,
    says_not_now,
    says_not_you,
)
from huey_green.storage.redis.sentinels import apart
from huey_green.storage.redis.turns import Turns

#: Connections that one process opens for commands. Those that wait come on top: one for
#: ``fetch``, one for the heartbeat, one for results. Callers beyond it take turns.
MAX_CONNECTIONS = 2

#: Seconds of idleness after which a connection is looked at before it is used again.
TRUSTED_FOR = 1.0

#: Seconds for which a command follows a slot of a cluster that is on its way to another node.
FOLLOWED_FOR = 5.0

#: What OpenSSL says that waiting does not cure, and what that means to the reader of a log.
_TLS_TROUBLES = (
    (
        ("CERTIFICATE_VERIFY_FAILED",),
        "is not trusted: its certificate is for another host, or from an authority that is not in"
        " ssl_ca_certs",
    ),
    (
        ("CERTIFICATE_REQUIRED",),
        "wants a certificate: give one that it knows, with ssl_certfile and ssl_keyfile",
    ),
    (
        ("ALERT_UNKNOWN_CA", "ALERT_BAD_CERTIFICATE", "ALERT_CERTIFICATE"),
        "does not accept the certificate in ssl_certfile",
    ),
    (("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"), "does not speak TLS at this port"),
)
#: This it says of a server that is killed, too.
_TLS_END = "EOF occurred in violation of protocol"

# The server names the user who may not do something; who that is belongs into no log.
_USER = re.compile(r"\bUser \S+ has")

Command = Sequence[Any]


class ScriptMissing(Exception):
    """The server does not know a script (any more): it has to be loaded."""


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn redis-py's errors into ours; ``where`` names the server, without user and password."""
    try:
        yield
    except redis.AuthenticationError as error:
        raise StorageRefused(f"Redis at {where} refuses: {error}") from error
    except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
        raise _unreachable(where, error) from error
    except NoCluster as error:
        raise StorageRefused(f"Redis at {where}: {error}") from error
    except redis.ResponseError as error:
        if says_not_you(error):
            # Not "from": what is raised from it is logged together with it.
            raise StorageRefused(
                f"Redis at {where} refuses: {_USER.sub('this user has', str(error))}"
            ) from None
        if says_not_now(error):
            raise StorageUnavailable(f"Redis at {where} refuses: {error}") from error
        if says_no_databases(error):
            raise StorageRefused(f"Redis at {where} {IS_A_NODE}") from error
        raise


def _unreachable(where: str, error: Exception) -> StorageUnavailable:
    """Return an error that says to a person why a server was not reached."""
    for words, meaning in _TLS_TROUBLES:
        if any(word in str(error) for word in words):
            return StorageRefused(f"Redis at {where} {meaning} ({error})")
    if _TLS_END in str(error):
        hint = "ended the TLS connection: does it want a certificate (ssl_certfile, ssl_keyfile)?"
        return StorageUnavailable(f"Redis at {where} {hint} ({error})")
    return StorageUnavailable(f"Redis at {where} does not answer: {error}")


class Link:
    """A few connections to one Redis, which any number of greenlets or threads share.

    Raises ``StorageUnavailable`` when the server does not answer or cannot serve now.
    """

    def __init__(
        self,
        url: str | None = None,
        connection_pool: redis.ConnectionPool | None = None,
        max_connections: int | None = None,
        read_timeout: float | None = None,
        patience: float | None = None,
        **params: Any,
    ) -> None:
        """``read_timeout`` is how long an answer may take, in seconds; None leaves it as set up.
        ``patience`` bounds that, and how long it may take to connect."""
        self._pool = pool_of(url, connection_pool, params)
        self._limit = max_connections or MAX_CONNECTIONS
        self._read_timeout = read_timeout
        self._patience = patience
        self.where = where(self._pool)
        #: Called when the server is silent or no master: for who waits on a connection of his own.
        self.when_silent: list[Callable[[], None]] = []
        #: How often a connection broke: what was sent over it may be carried out later, or was
        #: carried out by a server that has lost it since.
        self.breaks = 0
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._thread = thread_ident()
        self._turns = Turns(self._limit)
        self._idle: list[tuple[Any, float]] = []
        self._lent: list[Any] = []
        self._trusted_from = 0.0

    @property
    def is_abroad(self) -> bool:
        """Whether this native thread cannot use our connections, but only some of its own.

        A socket of gevent's belongs to the event loop of the thread in which it was opened.
        """
        return self._thread != thread_ident() and has_own_sockets()

    def another(
        self,
        max_connections: int = 1,
        read_timeout: float | None = None,
        patience: float | None = None,
    ) -> Link:
        """Return a link to the same server that shares no connection with this one."""
        return Link(None, apart(self._pool), max_connections, read_timeout, patience)

    def new_connection(self, read_timeout: float | None = None) -> Any:
        """Return a connection that is not opened yet and belongs to the caller.

        Its answers are awaited for ``read_timeout`` seconds, None for as long as configured.
        """
        # Past the pool, which counts what it makes and never counts down what it does not get
        # back; and a reply is bytes, in the protocol whose shapes we read, whatever an
        # application's own client wants.
        kwargs = {**self._pool.connection_kwargs, "decode_responses": False, "protocol": 2}
        connection: Any = self._pool.connection_class(**kwargs)
        if read_timeout is not None:
            connection.socket_timeout = read_timeout
        if self._patience is not None:
            for name in ("socket_timeout", "socket_connect_timeout"):
                bound = getattr(connection, name, None) or math.inf
                setattr(connection, name, min(bound, self._patience))
        return connection

    def execute(self, *command: Any) -> Any:
        """Carry out one command and return its answer."""
        return self.together(command)[0]

    def transaction(self, *commands: Command) -> list[Any]:
        """Carry out commands as one step (MULTI) in one round trip; return their answers."""
        answers = self.together(("MULTI",), *commands, ("EXEC",))[-1]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return list(answers)

    def together(self, *commands: Command) -> list[Any]:
        """Carry out commands in one round trip; return their answers, or raise the first error.

        On a cluster they are sent again when their slot has moved, all of them: those that are
        no transaction have to be such that this does no harm.
        """
        try:
            with self.conversation() as (ask, _):
                return ask(*commands)
        except Redirected as error:
            return self._follow(error, commands)

    def _follow(self, error: Redirected, commands: Sequence[Command]) -> list[Any]:
        """Carry out commands whose slot has moved, or moves, for a while; then raise."""
        gives_up_at = clock.monotonic() + min(FOLLOWED_FOR, self._patience or math.inf)
        tries = 0
        while True:
            if tries or not error.has_moved:
                clock.sleep(jittered(exponential(tries, 0.005, 2.0, 0.2)))
            tries += 1
            try:
                if error.asks_at is not None and len(commands) == 1:
                    return [self._ask_once(error.asks_at, commands[0])]
                with self.conversation() as (ask, _):
                    return ask(*commands)
            except Redirected as again:
                if clock.monotonic() > gives_up_at:
                    raise
                error = again

    def _ask_once(self, address: Address, command: Command) -> Any:
        """Carry out a command at the node to which its key has gone before the rest of its slot."""
        with translated(self.where):
            connection = connection_at(self._pool, address)
            try:
                connection.connect()
                _, answer = exchange(connection, [("ASKING",), command])
            finally:
                connection.disconnect()
            try:
                raise_if_error(answer)
            except redis.ResponseError as refusal:
                if said := redirection_in(refusal):
                    raise redirected(self._pool, self.where, said) from refusal
                raise
        return answer

    @contextmanager
    def conversation(
        self,
    ) -> Iterator[tuple[Callable[..., list[Any]], Callable[..., Iterator[Any]]]]:
        """Lend one connection, as two functions that carry out commands in one round trip.

        The first returns all answers, or raises the first error among them. The second yields
        each when it comes, errors as values; all have to be taken.
        """
        if self._pid != os.getpid():
            self._start()  # In a forked child: the parent's connections are not ours.
        with translated(self.where), self._turns:
            is_abroad = self.is_abroad
            connection = self._take(self.new_connection(self._read_timeout) if is_abroad else None)
            self._lent.append(connection)
            try:
                yield (
                    lambda *commands: _raising(exchange(connection, commands)),
                    lambda *commands: stream(connection, commands),
                )
            except ScriptMissing:
                raise
            except redis.ResponseError as error:
                if said := redirection_in(error):
                    found = redirected(self._pool, self.where, said)
                    if said.word == "MOVED":
                        self._leave(connection)
                    raise found from error
                if says_no_master(error):
                    left(self._pool)
                    self._leave(connection)
                raise
            except BaseException as error:
                # Killed or timed out half-way: what is still to come must not answer another call.
                # And whatever cut this one has probably cut the others.
                connection.disconnect()
                self.breaks += 1
                self._trusted_from = clock.monotonic()
                left(self._pool)
                self._note_silence(error)
                raise
            finally:
                self._lent.remove(connection)
                if is_abroad:
                    connection.disconnect()
                else:
                    self._idle.append((connection, clock.monotonic()))

    def _leave(self, connection: Any) -> None:
        """Let go of a server that is not our master (any more)."""
        self.breaks += 1
        connection.disconnect()
        self.close()
        self._give_up_waits()

    def _take(self, connection: Any = None) -> Any:
        used_at = 0.0
        if connection is None:
            try:
                connection, used_at = self._idle.pop()
            except IndexError:
                connection = self.new_connection(self._read_timeout)
        try:
            if self._is_doubtful(used_at) and _is_stale(connection):
                self.breaks += 1
                connection.disconnect()
            connection.connect()
        except BaseException as error:
            connection.disconnect()
            self._note_silence(error)
            raise
        return connection

    def _note_silence(self, error: BaseException) -> None:
        if isinstance(error, (redis.TimeoutError, TimeoutError)):
            self._give_up_waits()

    def _give_up_waits(self) -> None:
        for call in tuple(self.when_silent):
            call()

    def _is_doubtful(self, used_at: float) -> bool:
        return used_at <= self._trusted_from or clock.monotonic() - used_at > TRUSTED_FOR

    def cut(self) -> None:
        """End what is under way, in other greenlets or threads: it raises StorageUnavailable."""
        for connection in tuple(self._lent):
            shut(connection)

    def close(self) -> None:
        """Close the idle connections; the next call opens new ones."""
        while self._idle:
            self._idle.pop()[0].disconnect()


def shut(connection: Any) -> None:
    """End the read in a connection that another greenlet or thread uses; closing it would not."""
    sock = getattr(connection, "_sock", None)
    if sock is not None:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # It has ended by itself.


def exchange(connection: Any, commands: Sequence[Command]) -> list[Any]:
    """Send commands over an open connection; return their answers, errors among them as values."""
    return list(stream(connection, commands))


def stream(connection: Any, commands: Sequence[Command]) -> Iterator[Any]:
    """As ``exchange``, but yield each answer when it comes."""
    if len(commands) == 1:
        connection.send_packed_command(connection.pack_command(*commands[0]))
    else:
        connection.send_packed_command(connection.pack_commands(commands))
    for _ in commands:
        try:
            answer = connection.read_response()
        except redis.ResponseError as error:
            answer = error
        yield answer


def _raising(answers: list[Any]) -> list[Any]:
    for answer in answers:
        raise_if_error(answer)
    return answers


def raise_if_error(answer: Any) -> None:
    """Raise an answer that is an error; ``ScriptMissing`` for a script that is not known."""
    if isinstance(answer, NoScriptError):
        raise ScriptMissing from answer
    if isinstance(answer, Exception):
        raise answer


def _is_stale(connection: Any) -> bool:
    """Say whether the server has closed an idle connection, or has left something unread on it."""
    try:
        # redis-py has a public name for this only since version 7.
        return connection._sock is not None and bool(connection.can_read())
    except (redis.ConnectionError, redis.TimeoutError, OSError):
        return True
