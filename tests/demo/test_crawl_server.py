# SPDX-License-Identifier: MIT
"""The crawl's server as a client sees it, over real connections."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from huey_green.demo.crawl import pages
from live_web import SEED, answer_to, get, paths_with


def test_a_page_comes_with_its_text_and_the_time_it_took(server):
    path = paths_with("page")[0]
    host = pages.host_of(path)
    assert host
    seconds = answer_to(path).seconds
    assert get(server, path) == (
        200,
        f"page;dur={seconds * 1000:.1f}",
        pages.html(SEED, host, path),
    )


def test_the_sitemap_lists_as_many_pages_as_are_asked_for(server):
    status, _, body = get(server, "/sitemap.txt?pages=25")
    assert (status, body.decode().split()) == (200, pages.sitemap(25))


@pytest.mark.parametrize(("kind", "status"), [("500", 500), ("503", 503)])
def test_errors_are_http_errors(server, kind, status):
    assert get(server, paths_with(kind)[0])[0] == status


def test_a_page_that_is_not_there_is_a_404(server):
    assert get(server, "/nowhere.example/1")[0] == 404


def test_a_reset_is_a_real_one_and_passes(server):
    path = next(path for path in paths_with("reset") if answer_to(path, 2).kind == "page")
    with pytest.raises(ConnectionError):
        get(server, path)
    assert get(server, path)[0] == 200


def test_a_slow_answer_outlasts_its_client(server):
    with pytest.raises(TimeoutError):
        get(server, paths_with("slow")[0], timeout=1.0)


def test_many_clients_are_served_at_a_time(server):
    paths = [path for path in pages.sitemap(400) if "news" in path or "wiki" in path]
    with ThreadPoolExecutor(len(paths)) as pool:
        statuses = list(pool.map(lambda path: _status(server, path), paths))
    assert statuses.count(200) > 0.9 * len(paths)


def _status(server: str, path: str) -> int:
    try:
        return get(server, path)[0]
    except ConnectionError:
        return 0
