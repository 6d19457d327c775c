# SPDX-License-Identifier: MIT
"""Imports point one way only, there are no circles, files and functions stay readable.

Read with ``ast``: lazy imports and those for typing alone count like all others.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "huey_green"

#: From the bottom to the top. A name stands for itself and for all that is inside of it.
LAYERS = (
    "exceptions signals clock backoff cronfields occurrences cron message settings probe native "
    "offender progress fingerprint limits parent origin streams logformat report events "
    "version",
    "plain_json signed stored foreign serializer envelope wire",
    "storage events_redis",
    "ports task task_options wrapper registry result awaiting workflow revocation locks semaphore "
    "ratelimit",
    "execution",
    "consumer",
    "keeping reporting stopping placing enqueueing driving guarding declaring takeover events_huey "
    "huey flavours __init__",
    "__main__ cli options processes loading terminal demo testing api utils constants contrib "
    "compat",
)
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names.split()}
CONSUMER = LAYER["consumer"]

#: Imports that point upwards, or close a circle, and why they may.
ALLOWED = {
    ("consumer.consumer", "huey"): "typing only: users hand their Huey to a Consumer",
    ("consumer.group", "huey"): "typing only: the same",
    ("consumer.embedded", "huey"): "typing only: the same",
    ("consumer.parts", "huey"): "typing only: the same",
    ("takeover", "huey"): "typing only: a Huey hands itself to what takes a queue over",
    ("registry", "task"): "typing only: the registry makes tasks from classes it was given",
    ("ports", "registry"): "typing only: ports say what tasks and results reach their Huey by",
    ("ports", "result"): "typing only: the same",
    ("ports", "task"): "typing only: the same",
    ("result", "awaiting"): "inside __await__: nothing of asyncio is imported before",
    ("task", "ports"): "typing only: a task knows the Huey that declared it by its port",
    ("result", "task"): "typing only: a result is the handle on a task",
    ("wrapper", "result"): "typing only: calling a task returns a Result, which the Huey makes",
}

#: gevent below the consumer, and why: nothing yet.
GEVENT_ALLOWED: dict[str, str] = {}

MAX_FILE, MAX_FUNCTION = 500, 60

#: Longer ones, and why.
LONG_FILES = {
    "testing.leases": "one test per promise of the lease protocol, in the order of its life",
}
LONG_FUNCTIONS = {"declaring.task": "a keyword for each option, and a line for what it means"}


class Import(NamedTuple):
    """One import: who, whom, and whether it is carried out when ``source`` is imported."""

    source: str
    target: str
    typing_only: bool
    at_import: bool
    line: int


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT / PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


SOURCES = {name_of(path): path for path in sorted((ROOT / PACKAGE).rglob("*.py"))}
TREES = {name: ast.parse(path.read_text()) for name, path in SOURCES.items()}


def layer_of(name: str) -> int:
    return LAYER[name.partition(".")[0]]


def targets(node: ast.AST) -> Iterator[str]:
    """Yield the full names of the modules that an import statement needs."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"line {node.lineno}: relative imports are not used here"
        for alias in node.names:
            full = f"{node.module}.{alias.name}"
            inside = full.removeprefix(f"{PACKAGE}.")
            yield full if inside in SOURCES else node.module or ""


def is_typing(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def imports(source: str) -> Iterator[Import]:
    """Yield every import of a module, of whatever."""

    def walk(node: ast.AST, typing_only: bool, at_import: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            for target in targets(child):
                early = at_import and not typing_only
                yield Import(source, target, typing_only, early, getattr(child, "lineno", 0))
            is_function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
            yield from walk(child, typing_only or is_typing(child), at_import and not is_function)

    yield from walk(TREES[source], False, True)


def own_imports() -> Iterator[Import]:
    """Yield the imports between our modules, by their names inside of the package."""
    for source in SOURCES:
        for one in imports(source):
            if one.target == PACKAGE:
                yield one._replace(target="__init__")
            elif one.target.startswith(f"{PACKAGE}."):
                yield one._replace(target=one.target.removeprefix(f"{PACKAGE}."))


EDGES = list(own_imports())


def test_every_module_has_a_layer():
    assert {name.partition(".")[0] for name in SOURCES} <= set(LAYER)


def test_imports_point_down():
    upwards = [
        f"{one.source}:{one.line} imports {one.target}"
        for one in EDGES
        if layer_of(one.target) > layer_of(one.source) and (one.source, one.target) not in ALLOWED
    ]
    assert not upwards


def test_there_are_no_circles():
    needs: dict[str, set[str]] = {name: set() for name in SOURCES}
    for one in EDGES:
        if (one.source, one.target) not in ALLOWED and one.source != one.target:
            needs[one.source].add(one.target)
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_every_exception_is_needed_and_says_what_is_true():
    found = {(one.source, one.target): one for one in EDGES}
    for pair, reason in ALLOWED.items():
        assert pair in found, f"{pair} is not imported any more"
        assert found[pair].typing_only == reason.startswith("typing only")


def test_nothing_below_the_consumer_imports_gevent_when_it_is_imported():
    early = [
        f"{name}:{one.line} imports {one.target}"
        for name in SOURCES
        for one in imports(name)
        if layer_of(name) < CONSUMER
        and one.at_import
        and one.target.partition(".")[0] in ("gevent", "greenlet")
        and name not in GEVENT_ALLOWED
    ]
    assert not early


@pytest.mark.parametrize("module", ["", ".huey", ".storage", ".flavours", ".testing.contract"])
def test_importing_brings_neither_gevent_nor_a_driver(module):
    code = f"import sys, {PACKAGE}{module}; print(*sys.modules)"
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    heavy = {"gevent", "greenlet", "redis", "hiredis", "sqlite3", "asyncio"}
    assert not heavy & set(done.stdout.split())


def test_files_are_short():
    lengths = {name: len(path.read_text().splitlines()) for name, path in SOURCES.items()}
    assert {name for name, length in lengths.items() if length > MAX_FILE} == set(LONG_FILES)


def test_functions_are_short():
    long = {
        f"{name}.{node.name}"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION
    }
    assert long == set(LONG_FUNCTIONS)
