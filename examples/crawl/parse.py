# SPDX-License-Identifier: MIT
"""What is taken from a page: its title and the links on it."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import urljoin


class Page(NamedTuple):
    """The title, white space collapsed, and the absolute addresses linked to, each once."""

    title: str
    links: list[str]


def parse(text: str, url: str) -> Page:
    """Read a page that came from ``url``; broken markup gives less, never an error."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    links = dict.fromkeys(urljoin(url, link) for link in reader.links)
    return Page(" ".join("".join(reader.title).split()), list(links))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.title: list[str] = []
        self.links: list[str] = []
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "title":
            self._in_title = True
        elif tag == "a":
            self.links.extend(value for name, value in attrs if name == "href" and value)

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title.append(data)
