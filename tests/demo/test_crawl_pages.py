# SPDX-License-Identifier: MIT
"""The make-believe web: repeatable, varied, and wrong now and then."""

from __future__ import annotations

import statistics
from collections import Counter

import pytest
from huey_green.demo.crawl import pages
from huey_green.demo.crawl.parse import parse

from huey_green.demo.tally import percentile

PATHS = pages.sitemap(4000)


def answers(seed: int, attempt: int = 1) -> list[pages.Answer]:
    """Return how one attempt at each page is answered."""
    found = [(pages.host_of(path), path) for path in PATHS]
    return [pages.answer(seed, host, path, attempt) for host, path in found if host]


def test_the_same_seed_gives_the_same_web_and_another_one_another():
    assert answers(1) == answers(1)
    assert answers(1) != answers(2)
    assert answers(1, attempt=1) != answers(1, attempt=2)


def test_an_answer_is_known_once_and_for_all():
    host = pages.host_of("/news.example/0")
    assert host
    assert pages.answer(1, host, "/news.example/0", 1) == pages.Answer("page", 0.05)


def test_answer_times_are_spread_between_50_and_500_ms():
    seconds = [answer.seconds for answer in answers(1) if answer.kind != "slow"]
    assert min(seconds) == pages.FASTEST
    assert max(seconds) == pages.SLOWEST
    assert percentile(seconds, 10) < 0.1 < statistics.median(seconds) < 0.3
    assert percentile(seconds, 90) > 0.35


def test_hosts_differ():
    def median(name: str) -> float:
        return statistics.median(
            answer.seconds
            for path, answer in zip(PATHS, answers(1), strict=True)
            if path.startswith(f"/{name}/")
        )

    assert median("news.example") < median("forum.example") < median("attic.example")


def test_every_kind_of_trouble_is_met_and_most_pages_are_fine():
    kinds = Counter(answer.kind for answer in answers(1))
    assert set(kinds) == {"page", "500", "503", "reset", "slow"}
    assert kinds["page"] > 0.9 * len(PATHS)


def test_trouble_passes_unless_the_page_is_broken():
    first, second = answers(1, attempt=1), answers(1, attempt=2)
    pairs = list(zip(PATHS, first, second, strict=True))
    assert any(one.kind != "page" == two.kind for _, one, two in pairs)
    broken = [(one, two) for path, one, two in pairs if pages.is_broken(1, path)]
    assert broken
    assert all(one.kind == two.kind == "500" for one, two in broken)


def test_a_page_has_a_title_and_links_within_the_web():
    host = pages.host_of("/wiki.example/3")
    assert host
    page = parse(pages.html(1, host, "/wiki.example/3").decode(), "http://web/wiki.example/3")
    assert page.title.endswith(" - wiki.example")
    assert len(page.links) >= 5
    assert all(pages.host_of(link.removeprefix("http://web")) for link in page.links)


@pytest.mark.parametrize("path", ["/", "/nowhere.example/1", "/news.example/", "/news.example/x"])
def test_other_paths_are_no_pages(path):
    assert pages.host_of(path) is None


@pytest.mark.parametrize(
    ("text", "title", "links"),
    [
        ("<title> Two \n words </title>", "Two words", []),
        ("<title>a &amp; b</title>", "a & b", []),
        ("<a href=/x>1</a> <a href='/x'>2</a> <a name=y>", "", ["http://host/x"]),
        ('<a href="sub/?q=1&amp;r=2">', "", ["http://host/dir/sub/?q=1&r=2"]),
        ("<title>unclosed", "unclosed", []),
        ("<a href", "", []),
        ("", "", []),
    ],
)
def test_titles_and_links_are_read_from_any_markup(text, title, links):
    assert parse(text, "http://host/dir/page") == (title, links)
