# SPDX-License-Identifier: MIT
"""A producer: runs each line of JSON that it reads as a program, and writes what that told."""

from __future__ import annotations

import json
import sys
import traceback
from typing import Any

import shop


def run(code: str) -> dict[str, Any]:
    names = dict(vars(shop))
    try:
        exec(code, names)
        # ``told`` is a connection to Redis until a program has something to tell.
        return {"told": None if names["told"] is shop.told else names["told"]}
    except Exception:
        return {"error": traceback.format_exc()}


for line in sys.stdin:
    print(json.dumps(run(json.loads(line))), flush=True)
