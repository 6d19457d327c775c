# SPDX-License-Identifier: MIT
"""How Sphinx makes the site: ``make docs``. Pages are Markdown that reads well as it is, too."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]

import huey_green  # noqa: E402  (found by the line above)

project = "huey_green"
author = "the authors of huey_green"
release = version = huey_green.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "consumer_options"]
myst_heading_anchors = 3
nitpicky = True
# Types in signatures: those of others, and those of ours that have no entry of their own.
nitpick_ignore_regex = [(r"py:(class|obj|data)", r".*")]

# A list of every method of everything beside every page is no help, and takes most of the time.
toc_object_entries = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True

html_theme = "furo"
html_title = f"huey_green {release}"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False

_NOTE = re.compile(r"^<!-- test: .*?-->\n", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^```python (\S+?)(\+?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


#: What stands below what: in one place, so that the pages stay plain Markdown.
CONTENTS = {
    "index": {
        "Begin": ["quickstart", "tutorial"],
        "Write tasks": ["guide/index"],
        "Run them": [
            *("consumer", "delivery", "dead-letters", "scaling", "security", "troubleshooting"),
        ],
        "Coming from": ["coming-from/huey", "coming-from/celery", "coming-from/rq"],
        "Look up": ["reference/index", "compatibility"],
        "Inside": [
            "internals",
            "lease-model",
            "chaos",
            "benchmarks",
            "benchmarks-report",
            "decisions/index",
        ],
    },
    "guide/index": {
        "": [
            "tasks",
            "scheduling",
            "periodic",
            "retries",
            "canceling",
            "workflows",
            "limits",
            "signals",
            "events",
            "testing",
            "inspecting",
            "terminal",
            "storages",
            "serializers",
            "web",
            "django",
            "old-names",
        ]
    },
    "reference/index": {
        "": [
            "huey",
            "tasks",
            "results",
            "schedules",
            "consumer",
            "locks",
            "signals",
            "exceptions",
            "storages",
            "serializers",
            "contrib",
        ]
    },
    "decisions/index": {"": sorted(path.stem for path in HERE.glob("decisions/0*.md"))},
}


def _contents(name: str) -> str:
    """Return what the page ``name`` is above, as its tables of contents."""
    folder = (HERE / name).parent
    trees = []
    for caption, pages in CONTENTS.get(name, {}).items():
        found = [page for page in pages if (folder / f"{page}.md").exists()]
        options = [":hidden:", *([f":caption: {caption}"] if caption else [])]
        trees.append("\n".join(["```{toctree}", *options, "", *found, "```"]))
    return "\n\n".join(["", *trees, ""])


def _show_what_tests_read(app: Any, name: str, source: list[str]) -> None:
    """Put a file's name above its code, and leave out what only the tests have to know."""
    text = _NOTE.sub("", source[0])
    source[0] = _FILE.sub(_captioned, text) + _contents(name)


def _captioned(found: re.Match[str]) -> str:
    name, added, code = found.groups()
    caption = f"{name}, added at its end" if added else name
    return f"```{{code-block}} python\n:caption: {caption}\n\n{code}```"


def _by_public_name(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Resolve a type that the code names as ``Result``, which is documented as huey_green's."""
    name = node.get("reftarget", "").rpartition(".")[2]
    if node.get("refdomain") != "py" or name not in huey_green.__all__:
        return None
    return env.get_domain("py").resolve_xref(
        env, node["refdoc"], app.builder, "class", f"huey_green.{name}", node, content
    )


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _show_what_tests_read)
    app.connect("missing-reference", _by_public_name)
