# SPDX-License-Identifier: MIT
"""The site is made without a warning, reads without a network, and knows every public name."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields

import pytest
from doc_pages import DOCS, ROOT

import huey_green
from huey_green import Huey
from huey_green.settings import ConsumerSettings

pytest.importorskip("sphinx", reason="needs the extra 'docs'")
pytest.importorskip("furo", reason="needs the extra 'docs'")


@pytest.fixture(scope="module")
def site(alone):
    """The site, made as `make docs` makes it, by one for all processes of this run."""
    with alone("site") as shared:
        folder = shared / "site"
        if not folder.exists():
            _make(folder)
    return folder


def _make(folder):
    made = folder.with_suffix(".unchecked")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-n", "-W", "--keep-going", "-q", "docs", str(made)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made.rename(folder)


def test_each_page_is_there(site):
    pages = [page.relative_to(ROOT / "docs").with_suffix(".html") for page in DOCS]
    assert [page for page in pages if not site.joinpath(page).exists()] == []


def test_nothing_is_loaded_from_elsewhere(site):
    loads = re.compile(r"""(?:<(?:script|img|iframe)[^>]*\bsrc|<link[^>]*\bhref)="(\w+:)?//""")
    imports = re.compile(r"""@import\s+["']?(?:url\()?["']?(?:\w+:)?//|url\(["']?(?:\w+:)?//""")
    found = [str(page) for page in site.rglob("*.html") if loads.search(page.read_text())]
    found += [str(sheet) for sheet in site.rglob("*.css") if imports.search(sheet.read_text())]
    assert found == []


@pytest.mark.parametrize("name", sorted(set(huey_green.__all__) - {"signals"}))
def test_each_public_name_has_an_entry(site, name):
    reference = "".join(page.read_text() for page in site.joinpath("reference").glob("*.html"))
    assert re.search(rf'id="huey_green(\.\w+)*\.{name}"', reference)


@pytest.mark.parametrize("name", sorted(set(dir(Huey)) - {"storage_class", "enqueue_all"}))
def test_each_method_of_huey_has_an_entry(site, name):
    page = site.joinpath("reference", "huey.html").read_text()
    assert name.startswith("_") or f'id="huey_green.Huey.{name}"' in page


@pytest.mark.parametrize("name", [one.name for one in fields(ConsumerSettings)])
def test_each_option_of_the_consumer_is_in_the_generated_table(site, name):
    page = site.joinpath("reference", "consumer.html").read_text()
    assert f'<span class="pre">{name}</span>' in page[page.index("<table") :]


def test_notes_to_the_tests_are_not_shown(site):
    assert [page.name for page in site.rglob("*.html") if "!-- test: " in page.read_text()] == []
