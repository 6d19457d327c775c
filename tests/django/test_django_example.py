# SPDX-License-Identifier: MIT
"""examples/django_app does what its README says."""

from __future__ import annotations

import re
from http.cookiejar import CookieJar
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import pytest
from django_project import ROOT, Project

from huey_green.testing.concurrency import eventually


@pytest.fixture
def example(tmp_path):
    project = Project(tmp_path, ROOT / "examples" / "django_app")
    yield project
    project.close()


@pytest.mark.parametrize("storage", ["sqlite", "redis"])
def test_what_is_ordered_on_the_page_is_delivered_by_the_consumer(example, storage, request):
    if storage == "redis":
        url = request.getfixturevalue("redis_server").url.removesuffix("/0")
        example.environment["REDIS_URL"] = f"{url}/14"
    example.manage("migrate", "-v", "0")
    assert "No changes detected" in example.manage("makemigrations", "--check", "--dry-run")
    consumer = example.start("manage.py", "run_huey")
    consumer.says("orders.tasks.summarize")
    web = example.serve()
    opener = build_opener(HTTPCookieProcessor(CookieJar()))

    def page(data=None):
        with opener.open(web, data and urlencode(data).encode(), timeout=30) as answer:
            return answer.read().decode()

    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page())
    assert token is not None
    for item in ("tea", "cups"):
        page({"csrfmiddlewaretoken": token[1], "item": item})
    for item in ("tea", "cups"):
        eventually(lambda item=item: f"{item}: delivered" in page(), f"{item} delivered")
    consumer.stop()
