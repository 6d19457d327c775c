# SPDX-License-Identifier: MIT
"""HUEY_CONFIG, a Django project's settings of huey 0.3, with a queue or stores of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from huey_green.compat.hueys import Invoker
from huey_green.compat.naming import OLD, found

#: What the settings name, each beside its _NAME and its _CONNECTION.
PARTS = ("QUEUE", "RESULT_STORE", "TASK_STORE")


def is_of_own_parts(config: Mapping[str, Any]) -> bool:
    """Say whether these settings name more than one place, or what is not huey's."""
    given = [config[name] for name in PARTS if config.get(name) is not None]
    if not all(isinstance(one, str) and one.startswith("huey.") for one in given):
        return True
    modules = {one.rpartition(".")[0] for one in given}
    connections = [config.get(f"{name}_CONNECTION") for name in PARTS]
    places = [one for one in connections if one]
    return len(modules) > 1 or any(one != places[0] for one in places)


def invoker_of(config: Mapping[str, Any], name: str, imported: Callable[[str], Any]) -> Invoker:
    """Return the Invoker that these settings describe; ``name`` is what has none is called.

    Paths of huey's own classes mean ours, others are given to ``imported``.
    """
    queue, store, task_store = (_part(config, one, name, imported) for one in PARTS)
    return Invoker(queue, store, task_store, always_eager=bool(config.get("ALWAYS_EAGER")))


def _part(config: Mapping[str, Any], which: str, name: str, imported: Callable[[str], Any]) -> Any:
    given = config.get(which)
    if not isinstance(given, str):
        return given
    package, _, rest = given.partition(".")
    kind = rest.rpartition(".")[2]
    made = found(kind) if package == "huey" and kind in OLD else imported(given)
    return made(config.get(f"{which}_NAME") or name, **(config.get(f"{which}_CONNECTION") or {}))
