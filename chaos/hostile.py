# SPDX-License-Identifier: MIT
"""Tasks that do to their consumer what no task should: their fate, and that of their neighbours.

Each fault enqueues hostile tasks among the innocent ones of the run, and waits until each of
them has come to the end that the documents promise. The account sees to the innocent.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from chaos.processes import Failed, eventually
from chaos.registry import fault, scenario
from chaos.run import STAFF
from chaos.world import World
from huey_green import StorageUnavailable, TaskException

#: How many deeds of a group one fault commits.
AT_ONCE = 5

#: Seconds that a hostile task may take to come to its end.
PATIENCE = 120.0

#: What the end of a task that killed all its consumers says.
DEADLY = "each time its consumer died"


class Watch:
    """Looks after the consumers meanwhile: who has died goes on record and is replaced."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.deaths: list[str] = []

    def look(self) -> None:
        """Look once. To be done often, for the account wants to know when each death was."""
        world = self._world
        for consumer in list(world.consumers):
            if not consumer.is_alive:
                # Nobody told it to: also with the status 0 this is a death.
                world.ledger.note("killed", who=consumer.who)
                self.deaths.append(f"{consumer.who} ended with {consumer.ends()}")
                world.consumers.remove(consumer)
                world.consumer(*OPTIONS, start=False)


#: Services that a task has killed are to be back within a second.
OPTIONS = ("-c", "1")


def tasks(world: World) -> Any:
    """Return the module of the hostile tasks, as the application of this world has it."""
    assert world.app
    return importlib.import_module("chaos.hostile_tasks")


def names(world: World, prefix: str) -> list[str]:
    """Return the names of a group of deeds, in an order of chance."""
    found = [name for name in tasks(world).DEEDS if name.startswith(prefix)]
    world.chance.shuffle(found)
    return found


def commit(world: World, deeds: Iterable[str], watch: Watch) -> dict[str, str]:
    """Have these deeds be done, and return the errors with which they ended; "" for none."""
    world.staff(STAFF, *OPTIONS)
    module = tasks(world)
    handles = {
        deed: _sent(module.late if deed.startswith("late_") else module.hostile, deed)
        for deed in deeds
    }
    errors: dict[str, str] = {}

    def all_known() -> bool:
        watch.look()
        for deed in handles.keys() - errors.keys():
            error = _error_of(world, handles[deed].id)
            if error is not None:
                errors[deed] = error
        return len(errors) == len(handles)

    try:
        eventually(all_known, "an end of each", PATIENCE)
    except Failed:
        raise Failed(
            f"no end of {sorted(handles.keys() - errors.keys())}; {_said(world)}"
        ) from None
    return errors


def _sent(task: Any, deed: str) -> Any:
    """Enqueue a deed, though a fault before this one may have killed our connections."""
    sent: list[Any] = []

    def send() -> bool:
        with suppress(StorageUnavailable):
            sent.append(task(deed=deed))
        return bool(sent)

    eventually(send, f"the storage to take {deed}", PATIENCE)
    return sent[0]


def _error_of(world: World, task_id: str) -> str | None:
    """Return the error of a task, "" if it has ended well, None if it has not ended."""
    try:
        if not world.app.huey.storage.has_data_for_key(task_id):
            return None
        world.app.huey.result(task_id)
    except StorageUnavailable:
        return None
    except TaskException as error:
        return str(error.metadata["error"])
    return ""


def _said(world: World) -> str:
    said = []
    for consumer in world.consumers:
        lines = consumer.said.split("\n[")
        unexpected = [line for line in lines if "chaos.app.Expected" not in line]
        said.append(f"{consumer.who}: {chr(10).join(unexpected)[-3000:]}")
    return "\n".join(said)


@contextmanager
def nobody_dies(world: World) -> Iterator[Watch]:
    """Raise ``Failed`` if a consumer ends meanwhile."""
    watch = Watch(world)
    yield watch
    watch.look()
    if watch.deaths:
        raise Failed(f"{', '.join(watch.deaths)}; {_said(world)}")


@fault(repeat=3)
def hostile_errors(world: World) -> None:
    """Tasks that raise what nobody expects, return what nobody can store, or kill themselves."""
    with nobody_dies(world) as watch:
        errors = commit(world, names(world, "fails_")[:AT_ONCE], watch)
    if missing := [deed for deed, error in errors.items() if not error]:
        raise Failed(f"{missing} ended well")


@fault(repeat=4)
def hostile_leavings(world: World) -> None:
    """Tasks that change the process, and leave threads, children or rubbish behind."""
    with nobody_dies(world) as watch:
        errors = commit(world, names(world, "ends_")[:AT_ONCE], watch)
        world.works()
    if any(errors.values()):
        raise Failed(f"{ {deed: error for deed, error in errors.items() if error} }")


@fault(repeat=1)
def hostile_death(world: World) -> None:
    """A task that ends each process in which it runs, until it is among the dead letters."""
    [deed] = names(world, "dies_")[:1]
    watch = Watch(world)
    [error] = commit(world, [deed], watch).values()
    limit = world.app.huey.max_deliveries
    if DEADLY not in error or len(watch.deaths) < limit:
        raise Failed(f"{deed}, after {len(watch.deaths)} deaths: {error!r}; {watch.deaths}")
    letters = [one for one in world.storage.dead_letters() if DEADLY in one.reason]
    if not letters or letters[0].attempts <= limit or len(letters[0].history) < limit:
        raise Failed(f"{deed} left no dead letter that tells of it: {letters}")
    world.storage.delete_dead([one.id for one in letters])
    world.staff(STAFF)


@fault(repeat=1)
def hostile_block(world: World) -> None:
    """A task that blocks the event loop for longer than the lease: nothing runs twice."""
    began = time.monotonic()
    [deed] = world.chance.sample(["blocks", "computes"], 1)
    with nobody_dies(world) as watch:
        errors = commit(world, [deed], watch)
    done = [one for one in world.records() if one["what"] == "deed" and one["at"] > began]
    if len(done) != 1 or any(errors.values()):
        raise Failed(f"{deed} was done {len(done)} times: {errors}")
    [culprit] = [one for one in world.consumers if one.who == done[0]["by"]]
    culprit.says("hostile_tasks.hostile")
    culprit.says("blocks the event loop")


@fault(repeat=1)
def hostile_descriptors(world: World) -> None:
    """A task that leaks file descriptors until there are none, and keeps them for a while."""
    _exhaust(world, "takes_descriptors")


@fault(repeat=1)
def hostile_memory(world: World) -> None:
    """A task that takes all memory that the process may have, and keeps it for a while."""
    _exhaust(world, "takes_memory")


def _exhaust(world: World, deed: str) -> None:
    # Who has no memory may die of it, and then the task may find none again; it may even be
    # the one to fail. Nobody else is to suffer for longer than that.
    watch = Watch(world)
    world.ledger.note("shortage-begins")
    commit(world, [deed], watch)
    world.works()
    world.ledger.note("shortage-ends")
    watch.look()


@fault(repeat=3)
def hostile_greenlets(world: World) -> None:
    """A task that kills greenlets of the consumer itself, which are to be back soon."""
    deed = world.chance.choice(["kills_services", "kills_the_idle"])
    with nobody_dies(world) as watch:
        commit(world, [deed], watch)
        world.works()


@fault(repeat=2)
def hostile_lateness(world: World) -> None:
    """Tasks that run into their timeout, one of which catches it and goes on."""
    with nobody_dies(world) as watch:
        errors = commit(world, names(world, "late_"), watch)
    if "TaskTimeout" not in errors["late_and_obedient"]:
        raise Failed(f"a timeout was not noticed: {errors}")


@scenario()
def hostile_all(world: World) -> None:
    """Each hostile task once, but for those that end the process."""
    with world.producing(rate=40):
        world.staff(STAFF, *OPTIONS)
        for prefix in ("fails_", "ends_", "kills_", "late_"):
            for deed in names(world, prefix):
                with nobody_dies(world) as watch:
                    error = commit(world, [deed], watch)[deed]
                    world.works(2)
                if (prefix == "fails_" and not error) or (prefix == "ends_" and error):
                    raise Failed(f"{deed}: {error!r}")
    world.drain()
