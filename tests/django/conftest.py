# SPDX-License-Identifier: MIT
from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django_project import Project
from private_postgres import PrivatePostgres, why_none

try:
    import django.conf  # noqa: F401
except ImportError:
    # One test is left, and says so.
    collect_ignore_glob = ["test_django_*.py"]

MakeProject = Callable[..., Project]


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database with the tables of a project."""
    project = Project(tmp_path_factory.mktemp("migrated"))
    project.manage("migrate", "-v", "0")
    return project.directory / "db.sqlite3"


@pytest.fixture
def make_project(tmp_path: Path, migrated: Path) -> Iterator[MakeProject]:
    """Makes a project with its tables; its processes end with the test."""
    with ExitStack() as made:

        def make(**settings: Any) -> Project:
            project = Project(tmp_path, **settings)
            made.callback(project.close)
            if "DATABASES" in settings:
                project.manage("migrate", "-v", "0")
            else:
                shutil.copy(migrated, tmp_path)
            return project

        yield make


@pytest.fixture
def project(make_project: MakeProject) -> Project:
    """A project on SQLite, for its data and for its queue."""
    return make_project()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    """A private PostgreSQL, started when the first test asks for it."""
    reason = why_none()
    if reason is not None:
        pytest.skip(reason)
    with PrivatePostgres() as server:
        yield server
