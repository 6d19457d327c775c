# SPDX-License-Identifier: MIT
"""The crawl's task, run in place against the real server."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from huey_green.demo.crawl.parse import parse
from live_web import answer_to, paths_with


@pytest.fixture
def app(tmp_path_factory, monkeypatch) -> Any:
    """Return the app, imported once, over a file of its own."""
    monkeypatch.setenv("HUEY_GREEN_URL", str(tmp_path_factory.mktemp("crawl") / "crawl.db"))
    return importlib.import_module("huey_green.demo.crawl.app")


def test_a_page_is_fetched_and_read(app, server):
    path = paths_with("page")[1]
    record = app.fetch.call_local(server + path)
    assert record["url"] == server + path
    assert record["host"] == path.split("/")[1]
    assert record["attempt"] == 1
    assert record["title"].endswith(record["host"])
    assert record["links"] > 0
    assert record["bytes"] > 1000
    assert record["served_in"] == pytest.approx(answer_to(path).seconds, abs=0.001)
    assert record["seconds"] >= record["served_in"]


@pytest.mark.parametrize(
    ("kind", "said"),
    [("500", "HTTP 500"), ("503", "HTTP 503"), ("reset", "connection reset"), ("slow", "timeout")],
)
def test_trouble_is_named(app, server, monkeypatch, kind, said):
    monkeypatch.setattr(app, "TIMEOUT", 1.0)
    with pytest.raises(app.FetchError) as caught:
        app.fetch.call_local(server + paths_with(kind)[1])
    assert str(caught.value) == said
    assert (caught.value.served_in > 0) == kind.isdecimal()


def test_a_server_that_is_not_there_is_trouble_too(app):
    with pytest.raises(app.FetchError):
        app.fetch.call_local("http://127.0.0.1:9/news.example/1")


def test_the_sitemap_gives_addresses(app, server):
    assert app.sitemap(server, 2) == [f"{server}/news.example/0", f"{server}/wiki.example/0"]


def test_pages_are_read_as_the_task_reads_them(app, server):
    body, _ = app.download(server + paths_with("page")[2])
    assert parse(body.decode(), server).title
