# SPDX-License-Identifier: MIT
"""What the documents show works as they say; what is not run says why."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import takewhile
from pathlib import Path

import pytest
import redis
from doc_pages import INERT, PAGES, README, ROOT, RUN, blocks, has_examples, pieces

RUNNER = Path(__file__).with_name("run_page.py")
#: Seconds for one page.
DEADLINE = 120.0
#: Pages that are run at the same time.
AT_ONCE = 4

#: How many blocks of a page are not run. Each says why, in a comment above it.
SKIPPED = {
    "README.md": 2,
    "docs/quickstart.md": 1,
    "docs/security.md": 1,
    "docs/tutorial.md": 1,
}


#: Where commands are that were installed beside this interpreter.
SCRIPTS = Path(sys.executable).parent


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def run(page: Path, directory: Path, redis_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(RUNNER), str(page), redis_url],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{SCRIPTS}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def redis_url(redis_server) -> str:
    """A database of the examples' own, and empty. Each page names its queues otherwise."""
    url = redis_server.url.removesuffix("/0") + "/15"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture(scope="module")
def runs(request, redis_url, tmp_path_factory) -> Iterator[Callable[[Path], Future[None]]]:
    """Returns how a page went; most of the time they wait, so some are run at once.

    Of several processes that share the tests each runs what it comes to.
    """
    asked = [
        item.callspec.params["page"]
        for item in request.session.items
        if getattr(item, "originalname", "") == "test_the_examples_of_a_page_work"
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:

        def begun(page: Path) -> Future[None]:
            return pool.submit(run, page, tmp_path_factory.mktemp("page"), redis_url)

        if "PYTEST_XDIST_WORKER" in os.environ:
            yield begun
        else:
            yield {page: begun(page) for page in asked}.__getitem__


@pytest.mark.parametrize("page", [one for one in PAGES if has_examples(one)], ids=named)
def test_the_examples_of_a_page_work(page, runs):
    runs(page).result()


def test_the_quickstart_works_with_its_line_for_redis(tmp_path, redis_url):
    text = README.read_text()
    [line] = [one.code for one in blocks(README) if one.code.startswith("huey = RedisHuey")]
    text = re.sub(r"^huey = SqliteHuey.*\n", line, text, flags=re.MULTILINE)
    page = tmp_path / "README.md"
    page.write_text(text.replace("import SqliteHuey", "import RedisHuey"))
    run(page, tmp_path, redis_url)


def test_each_block_that_is_not_run_says_why_and_they_are_counted():
    counted = {}
    for page in PAGES:
        for one in pieces(page.read_text()):
            if one.skip is not None:
                assert len(one.skip.split()) > 2, f"{named(page)}:{one.line} does not say why"
                counted[named(page)] = counted.get(named(page), 0) + 1
    assert counted == SKIPPED


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_no_block_escapes(page):
    text = page.read_text()
    languages = {one.language for one in blocks(page) if not one.language.startswith("{")}
    assert languages <= RUN | INERT
    fences = [line for line in text.splitlines() if line.lstrip().startswith(("```", "~~~"))]
    assert len(fences) == 2 * len(blocks(page)), "a fence without a language, or one indented"
    assert text.count("<!-- test:") == text.count("\n<!-- test: ") == len(_notes(text))


def _notes(text: str) -> list[str]:
    return re.findall(
        r"^<!-- test: (?:skip .+|background) -->\n+(?=```)"
        r"|^<!-- test: hidden\n(?:.*\n)+?-->$"
        r"|^<!-- test: new shell -->$",
        text,
        flags=re.MULTILINE,
    )


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_block_that_is_not_run_can_be_read_at_least(page):
    for one in blocks(page):
        if one.language == "python" and one.skip is not None:
            compile(one.code, f"{page}:{one.line}", "exec")


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
    missing = [one for one in targets if "://" not in one and not (page.parent / one).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_file_is_named_in_the_text_above_it(page):
    lines = page.read_text().splitlines()
    unnamed = []
    for one in blocks(page):
        if one.language == "python" and one.mark:
            above = reversed(lines[: one.line - 2])
            text = "\n".join(takewhile(lambda line: not line.startswith("```"), above))
            if f"`{one.mark.rstrip('+')}`" not in text:
                unnamed.append(f"{one.mark}, line {one.line}")
    assert unnamed == []
