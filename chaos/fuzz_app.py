# SPDX-License-Identifier: MIT
"""The application that is fed with bad messages: tasks that take anything and write down their id.

The same tasks are declared for a consumer (``huey``, as the environment says) and for the twin, a
queue in memory that says what has to become of a message.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from chaos.kinds import HUEYS
from huey_green import Huey, MemoryHuey, Serializer
from huey_green.serializer import JSONSerializer, SignedSerializer

#: Bytes: the least there is, so that what is larger costs little.
MAX_MESSAGE_SIZE = 256 * 1024

NAME = "fuzz"

KINDS: dict[str, Callable[..., Huey]] = {**HUEYS, "memory": MemoryHuey}

SERIALIZERS: dict[str, Callable[[], Serializer]] = {
    "pickle": Serializer,
    "json": JSONSerializer,
    "gzip": lambda: Serializer(compression=True),
    "zlib": lambda: JSONSerializer(compression=True, use_zlib=True),
    "signed": lambda: SignedSerializer("of the fuzzer, and of no use"),
}


def make(kind: str, serializer: str, run: Callable[[str], None], **options: Any) -> Huey:
    """Return a Huey with tasks that tell ``run`` their id, whatever they are called with."""
    huey = KINDS[kind](
        NAME, serializer=SERIALIZERS[serializer](), max_message_size=MAX_MESSAGE_SIZE, **options
    )

    @huey.task(context=True, name="plain")
    def plain(*args: Any, task: Any = None, **kwargs: Any) -> None:
        run(task.id)

    @huey.task(context=True, name="with_value", retries=2, retry_delay=5)
    def with_value(*args: Any, task: Any = None, **kwargs: Any) -> list[int]:
        run(task.id)
        return [1]

    return huey


def _ledger(path: str) -> Callable[[str], None]:
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(id_: str) -> None:
        os.write(file, f"{id_}\n".encode())

    return note


if SETTINGS := os.environ.get("CHAOS_FUZZ"):
    sys.tracebacklimit = 0  # Each dead letter has a traceback, which costs more than all the rest.
    _given = json.loads(SETTINGS)
    huey = make(
        _given["kind"], _given["serializer"], _ledger(_given["ledger"]), **_given["options"]
    )
