# SPDX-License-Identifier: MIT
"""``huey_green demo``: the crawl of examples/crawl, end to end, on this machine.

The crawl has one source. An installed package holds it as ``huey_green.demo.crawl`` (setup.py
maps it there); in a clone it is found where it stands, in examples/.
"""

from pathlib import Path

_HERE = Path(__file__).resolve().parent
_EXAMPLES = _HERE.parents[1] / "examples"

if not (_HERE / "crawl").is_dir() and (_EXAMPLES / "crawl").is_dir():
    __path__.append(str(_EXAMPLES))
