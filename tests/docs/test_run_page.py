# SPDX-License-Identifier: MIT
"""The runner of examples notices when one is wrong."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from doc_pages import ROOT, commands

RUNNER = ROOT / "tests" / "docs" / "run_page.py"


def run(directory, text):
    page = directory / "page.md"
    page.write_text(text)
    return subprocess.run(
        [sys.executable, str(RUNNER), str(page)],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


RIGHT = """\
<!-- test: hidden
b = 1
-->
```python
a = b
```

```pycon
>>> a
1
```

```python one.py
print("one")
```

```python one.py+
print("two")
```

```console
$ python one.py
one
t...
```

<!-- test: skip it would fail -->
```python
raise SystemExit(1)
```

```text
not python
```
"""


def test_a_page_that_is_right_is_run_through(tmp_path):
    done = run(tmp_path, RIGHT)
    assert done.returncode == 0, done.stderr
    assert tmp_path.joinpath("one.py").read_text() == 'print("one")\n\n\nprint("two")\n'


@pytest.mark.parametrize(
    ("was", "becomes", "complaint"),
    [
        (">>> a\n1", ">>> a\n2", "Expected:\n    2\nGot:\n    1"),
        (">>> a\n1", ">>> nobody\n1", "NameError"),
        ("b = 1", "b = ", "SyntaxError"),
        ("a = b", "a = c", "line 5, in <module>"),
        ("one\nt...", "two", "printed:\none\ntwo"),
        ("$ python one.py", "$ python three.py", "ended with 2"),
        ("<!-- test: skip it would fail -->\n", "", "this example failed"),
    ],
)
def test_a_page_with_an_example_that_is_wrong_fails(tmp_path, was, becomes, complaint):
    assert was in RIGHT
    done = run(tmp_path, RIGHT.replace(was, becomes))
    assert done.returncode == 1
    assert complaint in done.stderr


def test_a_command_that_goes_on_is_ended_with_its_page(tmp_path):
    tmp_path.joinpath("on.py").write_text("import os, time\nprint(os.getpid())\ntime.sleep(600)\n")
    done = run(tmp_path, "<!-- test: background -->\n```console\n$ python on.py\n```\n")
    assert done.returncode == 0, done.stderr
    pid = int(tmp_path.joinpath("background0.log").read_text().split()[0])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_consumer_that_does_not_start_fails_its_page(tmp_path):
    done = run(tmp_path, "<!-- test: background -->\n```console\n$ huey_green no.huey\n```\n")
    assert done.returncode == 1
    assert "there is no module" in done.stderr


def test_commands_are_told_from_what_they_print():
    block = "$ one \\\n  two\nsaid\n\n$ three\n"
    assert list(commands(block)) == [("one \\\n  two", "said\n\n"), ("three", "")]
    assert list(commands("one\ntwo\n", prompt=False)) == [("one", ""), ("two", "")]
