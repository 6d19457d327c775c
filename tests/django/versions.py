# SPDX-License-Identifier: MIT
"""Runs these tests with all supported versions of Django, each in a virtual environment of its own.

    python tests/django/versions.py [--keep DIRECTORY] [VERSION...]

Those of them are left out that this interpreter cannot have. ``--keep`` makes the environments
in a directory that stays, for the next time.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from test_supported import SUPPORTED

ROOT = Path(__file__).resolve().parents[2]

#: The oldest Python for a version, where it is not that of huey_green.
NEEDS = {(6, 0): (3, 12), (6, 1): (3, 12)}


def main() -> int:
    """Run the tests; return 1 if any have failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("versions", nargs="*", metavar="VERSION", help="as in 5.2; default: all")
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY")
    given = parser.parse_args()
    failed = []
    with tempfile.TemporaryDirectory(prefix="huey_green-django.") as temporary:
        for version in SUPPORTED:
            name = ".".join(map(str, version))
            if given.versions and name not in given.versions:
                continue
            if sys.version_info < NEEDS.get(version, (3, 0)):
                print(f"== Django {name} needs a newer Python", flush=True)
                continue
            print(f"== Django {name}", flush=True)
            if not _passes(given.keep or Path(temporary), name):
                failed.append(name)
    print(f"== failed: {', '.join(failed)}" if failed else "== all is well")
    return 1 if failed else 0


def _passes(directory: Path, version: str) -> bool:
    environment = directory / f"django-{version}-python-{sys.version_info[0]}.{sys.version_info[1]}"
    python = environment / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*install, "-e", f"{ROOT}[test]", "psycopg2-binary", f"django=={version}.*"], check=True
    )
    tests = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/django"]
    return subprocess.run(tests, cwd=ROOT, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
