# SPDX-License-Identifier: MIT
"""The names of huey 0.3 and 0.4, thin over the present ones: ``huey_green.compat`` where an
application of that time has ``huey``.

Each name that is used tells what to write in its place. (``docs/guide/old-names.md``.)
"""

from __future__ import annotations

from huey_green.compat.naming import OLD, finding

__getattr__ = finding(__name__, tuple(OLD))


def __dir__() -> list[str]:
    return sorted({*globals(), *OLD})
