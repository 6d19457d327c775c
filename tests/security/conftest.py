# SPDX-License-Identifier: MIT
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from tls_server import TLSServer, server_with_tls

from huey_green import Consumer


@pytest.fixture
def name() -> str:
    """A name for a queue that nobody else has."""
    return f"test{uuid4().hex}"


@pytest.fixture
def consume(request: pytest.FixtureRequest) -> Callable[..., Consumer]:
    """A function that starts a consumer in this process, which gevent has not patched."""

    def start(huey: Any, **options: Any) -> Consumer:
        options = {"workers": 8, "scheduler_interval": 0.02, "max_delay": 0.05, **options}
        consumer = Consumer(huey, **options)
        consumer.start()
        request.addfinalizer(consumer.stop)
        return consumer

    return start


@pytest.fixture(scope="session")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TLSServer]:
    """A Redis that speaks TLS; a test may change its settings, and puts them back."""
    server, why_not = server_with_tls()
    if server is None:
        pytest.skip(why_not)
    found = TLSServer(server, tmp_path_factory.mktemp("tls"))
    with found.plain:
        yield found
