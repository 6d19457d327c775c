# SPDX-License-Identifier: MIT
"""The make-believe web: which hosts there are, how they behave, what their pages say.

Pure functions of a seed: the same seed, path and attempt give the same answer on every machine,
so a run can be repeated, and a page that failed can succeed when it is asked for again.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from random import Random
from typing import Literal

Kind = Literal["page", "500", "503", "reset", "slow"]

#: Seconds between which every answer that is not ``slow`` takes its time.
FASTEST, SLOWEST = 0.05, 0.5

#: Seconds that a ``slow`` answer takes: longer than any client here is ready to wait.
SLOW = 20.0

#: Share of pages that answer 500 however often they are asked, as some pages of any web do.
BROKEN_SHARE = 0.004

#: What goes wrong when something goes wrong, and how often.
TROUBLES: tuple[tuple[Kind, float], ...] = (
    ("500", 0.35),
    ("503", 0.35),
    ("reset", 0.2),
    ("slow", 0.1),
)


@dataclass(frozen=True, slots=True)
class Host:
    """One host of this web: ``median`` and ``spread`` shape its log-normal answer times."""

    name: str
    median: float
    spread: float
    trouble: float  # Probability that one attempt goes wrong.


HOSTS = (
    Host("news.example", 0.08, 0.5, 0.01),
    Host("wiki.example", 0.11, 0.4, 0.01),
    Host("shop.example", 0.14, 0.6, 0.03),
    Host("bank.example", 0.18, 0.3, 0.02),
    Host("forum.example", 0.20, 0.7, 0.05),
    Host("museum.example", 0.26, 0.4, 0.04),
    Host("gazette.example", 0.30, 0.5, 0.06),
    Host("attic.example", 0.38, 0.5, 0.12),
)

_BY_NAME = {host.name: host for host in HOSTS}

_WORDS = ["amber", "basin", "cedar", "delta", "ember", "fjord", "glade", "harbour", "island"]
_WORDS += ["juniper", "kestrel", "lantern", "meadow", "north", "orchard", "pebble", "quarry"]
_WORDS += ["river", "saffron", "timber", "umber", "valley", "willow", "yarrow", "zephyr"]


@dataclass(frozen=True, slots=True)
class Answer:
    """How one attempt at a page is answered, and after how many seconds."""

    kind: Kind
    seconds: float


def sitemap(count: int) -> list[str]:
    """Return the paths of ``count`` pages, spread evenly over the hosts."""
    return [f"/{HOSTS[i % len(HOSTS)].name}/{i // len(HOSTS)}" for i in range(count)]


def host_of(path: str) -> Host | None:
    """Return the host that a path belongs to, None when this web has no such page."""
    name, _, number = path.strip("/").partition("/")
    return _BY_NAME.get(name) if number.isdecimal() else None


def answer(seed: int, host: Host, path: str, attempt: int) -> Answer:
    """Decide how attempt number ``attempt`` (from 1) at a page is answered."""
    chance = Random(f"{seed} {path} {attempt}")
    wanted = chance.lognormvariate(log(host.median), host.spread)
    seconds = min(max(wanted, FASTEST), SLOWEST)
    if is_broken(seed, path):
        return Answer("500", seconds)
    if chance.random() >= host.trouble:
        return Answer("page", seconds)
    kinds, shares = zip(*TROUBLES, strict=True)
    kind: Kind = chance.choices(kinds, shares)[0]
    return Answer(kind, SLOW if kind == "slow" else seconds)


def is_broken(seed: int, path: str) -> bool:
    """Say whether a page fails for good."""
    return Random(f"{seed} {path}").random() < BROKEN_SHARE


def html(seed: int, host: Host, path: str) -> bytes:
    """Return the page itself: a title, some paragraphs, and links to this host and to others."""
    chance = Random(f"{seed} {path} text")
    title = f"{' '.join(chance.sample(_WORDS, 3)).capitalize()} - {host.name}"
    paragraphs = [_paragraph(chance, host) for _ in range(chance.randint(5, 12))]
    body = "\n".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    return (
        f"<!doctype html>\n<html lang=en><head><meta charset=utf-8><title>{title}</title></head>\n"
        f"<body><h1>{title}</h1>\n{body}\n</body></html>\n"
    ).encode()


def _paragraph(chance: Random, host: Host) -> str:
    words = " ".join(chance.choices(_WORDS, k=chance.randint(30, 60)))
    target = host if chance.random() < 0.7 else chance.choice(HOSTS)
    return f'{words} <a href="/{target.name}/{chance.randrange(400)}">{chance.choice(_WORDS)}</a>'
