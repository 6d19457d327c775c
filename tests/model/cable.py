# SPDX-License-Identifier: MIT
"""A cable to a Redis that can be cut at an exact moment: before the server hears a request, or
after it has carried it out and before anybody hears the answer."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from enum import Enum
from typing import Any

from huey_green.testing.concurrency import PATIENCE, eventually


class Cut(Enum):
    """What becomes of the next request."""

    REQUEST = "the request is lost"
    ANSWER = "the answer is lost"


class Cable:
    """Forwards connections to ``port`` of this machine; a context manager.

    One request at a time: it is for tests that take turns.
    """

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._cut: Cut | None = None
        self._after = 0
        self._plugs: set[_Plug] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    def __enter__(self) -> Cable:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for plug in list(self._plugs):
            plug.pull()
        eventually(lambda: not self._plugs, "the end of all connections")
        self._thread.join(PATIENCE)

    @property
    def addresses(self) -> set[str]:
        """The connections as the server names them."""
        return {plug.address for plug in list(self._plugs)}

    def arm(self, cut: Cut | None, after: int = 0) -> None:
        """Cut the next request but ``after``, or none."""
        with self._lock:
            self._cut, self._after = cut, after

    def take_cut(self) -> Cut | None:
        """Return what becomes of the request that has just begun."""
        with self._lock:
            self._after -= 1
            if self._after >= 0:
                return None
            cut, self._cut = self._cut, None
            return cut

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._upstream))
            except OSError:
                near.close()
                continue
            plug = _Plug(self, near, far)
            self._plugs.add(plug)
            threading.Thread(target=plug.carry_requests, daemon=True).start()

    def forget(self, plug: _Plug) -> None:
        self._plugs.discard(plug)


class _Plug:
    """One connection: two threads, of which the first starts and ends the second."""

    def __init__(self, cable: Cable, near: socket.socket, far: socket.socket) -> None:
        self._cable = cable
        self._near = near
        self._far = far
        self._loses_answers = False
        host, port = far.getsockname()
        self.address = f"{host}:{port}"
        for one in (near, far):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def pull(self) -> None:
        for one in (self._near, self._far):
            with suppress(OSError):  # The other side may have been faster.
                one.shutdown(socket.SHUT_RDWR)

    def carry_requests(self) -> None:
        answers = threading.Thread(target=self._carry_answers, daemon=True)
        answers.start()
        with suppress(OSError):
            while data := self._near.recv(1 << 20):
                cut = self._cable.take_cut()
                if cut is Cut.REQUEST:
                    break
                self._loses_answers = cut is Cut.ANSWER
                self._far.sendall(data)
        self.pull()
        answers.join(PATIENCE)
        self._near.close()
        self._far.close()
        self._cable.forget(self)

    def _carry_answers(self) -> None:
        with suppress(OSError):
            while (data := self._far.recv(1 << 20)) and not self._loses_answers:
                self._near.sendall(data)
        self.pull()
