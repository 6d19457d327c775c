# SPDX-License-Identifier: MIT
"""The page about the model names what there is."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

import huey_green
from huey_green.storage.base import BaseStorage

PACKAGE = Path(huey_green.__file__).parent
PAGE = (PACKAGE.parent / "docs" / "lease-model.md").read_text()
TABLES = [line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("| ")]
#: The columns of SQLite and of files, in the tables of transitions.
COLUMNS = {4: "sqlite", 5: "file"}
NAMED = {
    (COLUMNS[at], name)
    for row in TABLES
    if len(row) == 7
    for at in COLUMNS
    for name in re.findall(r"`(\w+\.\w+)`", row[at])
}


@pytest.mark.parametrize("script", sorted(PACKAGE.glob("storage/redis/lua/*.lua")), ids=str)
def test_each_script_is_on_the_page(script: Path) -> None:
    assert re.search(rf"\b{script.stem}\b", PAGE)


def test_each_script_on_the_page_is_there() -> None:
    for name in re.findall(r"`(\w+)\.lua`", PAGE):
        assert (PACKAGE / "storage" / "redis" / "lua" / f"{name}.lua").exists(), name


@pytest.mark.parametrize(("storage", "name"), sorted(NAMED))
def test_each_function_on_the_page_is_there(storage: str, name: str) -> None:
    module, function = name.split(".")
    if module == "SqliteStorage":
        assert hasattr(import_module("huey_green.storage.sqlite").SqliteStorage, function)
    else:
        assert hasattr(import_module(f"huey_green.storage.{storage}.{module}"), function)


def test_each_transition_is_a_verb_of_the_storages() -> None:
    verbs = {name for row in TABLES if len(row) == 7 for name in re.findall(r"`([a-z_]+)`", row[0])}
    assert len(verbs) > 20
    assert {name for name in verbs if not hasattr(BaseStorage, name)} <= {"replace", "limited"}
