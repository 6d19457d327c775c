# SPDX-License-Identifier: MIT
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from web_server import Site


@pytest.fixture
def site(tmp_path: Path, redis_server) -> Iterator[Site]:
    """A site with a queue of its own; its servers end with the test."""
    with Site(tmp_path, redis_server.url) as made:
        yield made
