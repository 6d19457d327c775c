# SPDX-License-Identifier: MIT
"""Tasks that do to their consumer what no task should: one per deed, called by the deed's name.

A deed is a function with the name of its group in front, as ``fails_with_system_exit``. What
has to become of it is in ``chaos.hostile``.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import multiprocessing
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import gevent.hub
from gevent import monkey
from gevent.os import fork_gevent
from gevent.threadpool import ThreadPool

from chaos.app import SETTINGS, WHO, WORLD, huey, ledger
from huey_green import TaskInterrupted
from huey_green.consumer.slots import Slots

_start_native: Any = monkey.get_original("_thread", "start_new_thread")
_native_waitpid: Any = monkey.get_original("os", "waitpid")
_native_sleep: Any = monkey.get_original("time", "sleep")

#: Seconds for which resources stay exhausted, and the hub stays blocked: a minute in a long run.
HELD, BLOCKED = 3.0, 60.0 if SETTINGS["scale"] > 10 else 8.0


class HidesItself(Exception):
    """Raises whatever it is asked for."""

    def __str__(self) -> str:
        raise ValueError("no str")

    __repr__ = __str__

    def __reduce__(self) -> Any:
        raise ValueError("no reduce")


class EndsEverything(BaseException):
    """Nothing that anybody catches by name."""


class TakesTwo(Exception):
    """Can be pickled, and not unpickled."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__("takes two")


# Tasks that fail.


def fails_with_base_exception() -> None:
    raise EndsEverything("on purpose")


def fails_with_system_exit() -> None:
    sys.exit("on purpose")


def fails_with_greenlet_exit() -> None:
    raise gevent.GreenletExit


def fails_with_keyboard_interrupt() -> None:
    raise KeyboardInterrupt


def fails_with_generator_exit() -> None:
    raise GeneratorExit


def fails_with_stop_iteration() -> None:
    raise StopIteration(1)


def fails_with_timeout_of_its_own() -> None:
    with gevent.Timeout(0.05):
        time.sleep(5)


def fails_by_killing_itself() -> None:
    gevent.getcurrent().kill()
    time.sleep(5)


def fails_by_killing_itself_soon() -> None:
    gevent.getcurrent().kill(block=False)
    time.sleep(5)


def fails_hidden() -> None:
    raise HidesItself


def fails_unpicklable() -> None:
    raise TakesTwo(1, 2)


def fails_in_a_group() -> None:
    cause = ValueError("inner")
    cause.__cause__ = cause  # Goes round in a circle.
    raise RuntimeError("outer") from cause


def fails_deep() -> None:
    fails_deep()


def fails_to_return_a_generator() -> Any:
    return (number for number in range(3))


def fails_to_return_a_lambda() -> Any:
    return lambda: None


def fails_to_return_a_socket() -> Any:
    return socket.socket()


def fails_to_return_itself() -> Any:
    return HidesItself()


def fails_to_return_what_is_deep() -> Any:
    deep: list[Any] = []
    for _ in range(200_000):
        deep = [deep]
    return deep


# Tasks that end well, and leave something behind.


def ends_with_much() -> bytes:
    return b"x" * 20_000_000


def ends_in_another_directory() -> None:
    path = WORLD / "elsewhere"
    path.mkdir(exist_ok=True)
    os.chdir(path)


def ends_in_a_removed_directory() -> None:
    path = WORLD / f"gone{time.monotonic_ns()}"
    path.mkdir()
    os.chdir(path)
    path.rmdir()


def ends_with_a_default_timeout() -> None:
    socket.setdefaulttimeout(0.001)


def ends_with_known_random_numbers() -> None:
    random.seed(1)


def ends_with_other_logging() -> None:
    logging.disable(logging.CRITICAL)
    logging.getLogger().handlers.clear()
    logging.getLogger("huey_green").handlers.append(logging.NullHandler())


def ends_with_closed_streams() -> None:
    sys.stdout.close()
    sys.stderr = None  # type: ignore[assignment]


def ends_with_another_umask() -> None:
    os.umask(0o777)


def ends_without_collecting() -> None:
    gc.disable()
    gc.collect()


def ends_with_another_environment() -> None:
    for name in ("PYTHONPATH", "CHAOS_WORLD", "CHAOS_WHO", "PATH", "HOME", "TMPDIR"):
        os.environ.pop(name, None)


def ends_with_a_short_recursion_limit() -> None:
    sys.setrecursionlimit(200)


def ends_with_other_handlers() -> None:
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    time.sleep(0.5)
    signal.setitimer(signal.ITIMER_REAL, 0)


def ends_after_an_exit_in_a_thread() -> None:
    threads = [threading.Thread(target=target) for target in (sys.exit, _raise)]
    threads += [threading.Thread(target=time.sleep, args=(0.1,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _raise() -> None:
    raise EndsEverything("in a thread")


def ends_with_an_exit_in_a_greenlet() -> None:
    gevent.spawn(_raise).join()


_lock = threading.Lock()


def ends_after_sleeping_under_a_lock() -> None:
    with _lock:
        time.sleep(0.5)


def ends_with_threads_left_behind() -> None:
    for _ in range(5):
        threading.Thread(target=time.sleep, args=(2.0,)).start()
        gevent.spawn(time.sleep, 2.0)
        _start_native(_native_sleep, (2.0,))


def ends_after_enqueueing_in_threads() -> None:
    values: list[Any] = []
    threads = [threading.Thread(target=lambda: values.append(_ask())) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    values.append(native().get(blocking=True, timeout=30))
    if values != ["answer"] * 6:
        raise ValueError(f"{values}")


def ends_after_native_threads() -> None:
    pool = ThreadPool(4)
    if [one.get() for one in [pool.spawn(abs, -number) for number in range(9)]] != list(range(9)):
        raise ValueError("wrong")
    pool.kill()


@huey.task()
def answer(*, deed: str = "") -> str:
    return "answer"


@huey.task(native_thread=True)
def native() -> Any:
    """Enqueue and wait in a native thread that the consumer lends."""
    return _ask()


def _ask() -> Any:
    return answer().get(blocking=True, timeout=30)


def _end_of(child: int) -> int | None:
    # The event loop of gevent 26.9 sometimes misses the end of a child that it watches; but when
    # it watches another one it takes the ends of all, and nobody learns of the status.
    try:
        while (ended := _native_waitpid(child, os.WNOHANG)) == (0, 0):
            gevent.sleep(0.01)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(ended[1])


def ends_after_a_fork() -> None:
    pid = fork_gevent()
    if pid == 0:
        os._exit(7)
    if _end_of(pid) not in (7, None):
        raise ValueError("not the status of the child")


def ends_after_a_fork_that_waits() -> None:
    """The child lets other greenlets run, as far as it has any."""
    pid = fork_gevent()
    if pid == 0:
        time.sleep(1.0)
        os._exit(7)
    _end_of(pid)


def ends_in_parent_and_child() -> None:
    """The child goes on as if it were the consumer."""
    pid = fork_gevent()
    if pid == 0:
        time.sleep(0.2)
        return
    _end_of(pid)


def ends_after_a_fork_that_raises() -> None:
    pid = fork_gevent()
    if pid == 0:
        time.sleep(0.1)
        sys.exit(3)
    _end_of(pid)


def ends_after_a_fork_that_enqueues() -> None:
    process = multiprocessing.get_context("fork").Process(target=_ask)
    process.start()
    process.join()
    if process.exitcode != 0:
        raise ValueError(f"the child ended with {process.exitcode}")


def ends_after_terminating_a_child() -> None:
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    process.start()
    process.terminate()
    process.join()
    if process.exitcode != -signal.SIGTERM:
        raise ValueError(f"the child ended with {process.exitcode}")


def ends_after_subprocesses() -> None:
    running = [subprocess.Popen(["sleep", "0.2"]) for _ in range(5)]
    if [one.wait() for one in running] != [0] * 5:
        raise ValueError("not the status of the child")
    if subprocess.run(["echo", "this"], capture_output=True).stdout != b"this\n":
        raise ValueError("not what the child said")


def ends_after_a_fork_in_a_thread() -> None:
    thread = threading.Thread(target=ends_after_a_fork_that_waits)
    thread.start()
    thread.join()


# Tasks that hurt others.


def blocks() -> None:
    """Hold the event loop longer than the lease."""
    _native_sleep(BLOCKED)


def computes() -> None:
    """Hold the event loop, and Python's lock as well."""
    ends_at = time.monotonic() + BLOCKED
    while time.monotonic() < ends_at:
        sum(range(10_000))


def takes_descriptors() -> None:
    """Open files until there is room for none, and keep them for a while."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, before[1]))
    taken = []
    try:
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        time.sleep(HELD)
    finally:
        for one in taken:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def takes_memory() -> None:
    """Fill what little memory the process may have, and keep it for a while."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    here = pages * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (here + 64 * 2**20, before[1]))
    # From here on the event loop may stand still, until the process has no memory left to live on.
    ledger.note("suspended", who=WHO)
    taken, size = [], 2**24
    try:
        while size >= 64:
            try:
                taken.append(bytearray(size))
            except MemoryError:
                size //= 2
        time.sleep(HELD)
    finally:
        taken.clear()
        resource.setrlimit(resource.RLIMIT_AS, before)
        ledger.note("resumed", who=WHO)


def kills_services() -> None:
    """Kill the greenlets of the consumer itself."""
    for one in _greenlets():
        if str(getattr(one, "name", "")).startswith("huey_green"):
            gevent.kill(one)


def kills_the_idle() -> None:
    """Kill all greenlets that have no task in hand: services, helpers, those that are parked or
    have not begun."""
    gevent.get_hub().loop.run_callback(_kill_the_idle, gevent.getcurrent())
    time.sleep(0.1)


def _kill_the_idle(killer: Any) -> None:
    # In the hub: nothing can begin between the look and the kill.
    parked, working = set(), set()
    for slots in (one for one in gc.get_objects() if isinstance(one, Slots)):
        parked.update(slots._parked)
        working.update(one for one in slots._greenlets if one.gr_frame is not None)
    for one in _greenlets():
        if one is not killer and (one in parked or one not in working):
            one.throw(gevent.GreenletExit)


def _greenlets() -> list[gevent.Greenlet]:  # type: ignore[type-arg]
    return [one for one in gc.get_objects() if isinstance(one, gevent.Greenlet) and not one.dead]


# Tasks that end their process.


def dies_by_exit() -> None:
    os._exit(3)


def dies_by_clean_exit() -> None:
    os._exit(0)


def dies_by_abort() -> None:
    os.abort()


def dies_by_segmentation_fault() -> None:
    ctypes.string_at(0)


def dies_by_kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dies_by_exit_in_a_thread() -> None:
    _start_native(os._exit, (4,))
    time.sleep(30)


def dies_by_overflow() -> None:
    sys.setrecursionlimit(10**9)
    repr(_nested(10**6))


def _nested(depth: int) -> list[Any]:
    deep: list[Any] = []
    for _ in range(depth):
        deep = [deep]
    return deep


# Tasks that do not want to end; each has a timeout of a second.


def late_and_obedient() -> None:
    time.sleep(30)


def late_and_stubborn() -> None:
    """Catch whatever is raised, and go on for a while."""
    ends_at = time.monotonic() + 3
    while time.monotonic() < ends_at:
        try:
            time.sleep(max(0.0, ends_at - time.monotonic()))
        except BaseException as error:
            if isinstance(error, TaskInterrupted):
                raise


DEEDS: dict[str, Callable[[], Any]] = {
    name: deed
    for name, deed in list(globals().items())
    if name.startswith(
        ("fails_", "ends_", "blocks", "computes", "takes_", "kills_", "dies_", "late_")
    )
}


@huey.task(context=True)
def hostile(*, deed: str, task: Any = None) -> Any:
    ledger.note("deed", deed=deed, id=task.id, pid=os.getpid())
    return _did(DEEDS[deed]())


@huey.task(context=True, timeout=1)
def late(*, deed: str, task: Any = None) -> Any:
    ledger.note("deed", deed=deed, id=task.id, pid=os.getpid())
    return _did(DEEDS[deed]())


def _did(value: Any) -> Any:
    # Of None nothing would be stored that tells of the end.
    return "done" if value is None else value
