# SPDX-License-Identifier: MIT
"""Several processes under one parent: children that die, and children that are replaced."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

from chaos.processes import Consumer
from chaos.registry import scenario
from chaos.world import World

#: Children of the parent.
CREW = 3


@scenario()
def processes(world: World) -> None:
    """Children of one parent are killed, asked to go, and replaced all in turn, under load."""
    parent = world.consumer("--processes", str(CREW), start=False, CHAOS_CREW="1")
    is_complete = partial(_is_complete, world, parent)
    parent.wait_for(is_complete, "its children")
    with world.producing():
        for _ in range(world.times(6)):
            world.pause(0.2, 1.0)
            who, pid = world.chance.choice(_living(world, parent))
            deed = world.chance.choice(["kill", "replace one", "replace all"])
            if deed == "kill":
                world.ledger.note("killed", who=who)
                os.kill(pid, signal.SIGKILL)
            else:
                os.kill(pid if deed == "replace one" else parent.pid, signal.SIGHUP)
            parent.wait_for(is_complete, "its children")
    world.drain()
    parent.stop()


def _is_complete(world: World, parent: Consumer) -> bool:
    return len(_living(world, parent)) >= CREW


def _living(world: World, parent: Consumer) -> list[tuple[str, int]]:
    """Return the names and process ids of the children that have begun to consume."""
    started = [one for one in world.records() if one["what"] == "started"]
    began = [(str(one["by"]), int(one["pid"])) for one in started]
    return [
        (who, pid)
        for who, pid in began
        if who.startswith(f"{parent.who}.") and _lives(pid) and not world.has("killed", who=who)
    ]


def _lives(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"
