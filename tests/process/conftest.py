# SPDX-License-Identifier: MIT
from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from application import KINDS, Application, Make

from huey_green.testing.redis import PrivateRedis


@pytest.fixture
def make_app(tmp_path: Path, redis_server: PrivateRedis) -> Iterator[Make]:
    """Makes an application on a kind of storage; its consumers end with the test."""
    with ExitStack() as made:

        def make(kind: str = "list", url: str | None = None, **options: Any) -> Application:
            if kind == "sqlite":
                options["filename"] = str(tmp_path / "queue.db")
            elif kind == "file":
                options["path"] = str(tmp_path / "queue")
            else:
                options["url"] = url or redis_server.url
            app = Application(tmp_path, kind, **options)
            made.callback(app.close)
            return app

        yield make


@pytest.fixture(params=KINDS)
def app(request: pytest.FixtureRequest, make_app: Make) -> Application:
    """An application, on each kind of storage in turn."""
    return make_app(request.param)


@pytest.fixture
def own_redis() -> Iterator[PrivateRedis]:
    """A server for one test, to be stopped and killed; what it was told survives that."""
    with PrivateRedis(appendonly=True, download=True) as server:
        yield server
