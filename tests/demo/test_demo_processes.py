# SPDX-License-Identifier: MIT
"""The demo's children and the signals that end it."""

from __future__ import annotations

import os
import signal

import pytest

from huey_green.demo import processes
from huey_green.demo.interruption import SIGNALS, Interrupted, Interruption
from huey_green.demo.processes import Child, DemoError


@pytest.fixture
def child_of(tmp_path, request):
    """Return a function that runs some Python as a child, which ends with the test."""

    def start(code: str) -> Child:
        (tmp_path / "crawl_child.py").write_text(code)
        child = Child("child", "crawl_child", [], tmp_path)
        request.addfinalizer(child.end)
        return child

    return start


def test_a_child_that_has_ended_is_reported_with_its_last_words(child_of):
    child = child_of("print('\\x1b[31mone'); print('two'); raise SystemExit(3)")
    with pytest.raises(DemoError) as caught:
        child.wait_for(lambda: None)
    assert str(caught.value) == (
        "the child has ended with status 3; the last it wrote:\n  one\n  two"
    )


def test_a_child_that_does_not_get_ready_is_given_up(child_of, monkeypatch):
    monkeypatch.setattr(processes, "STARTUP", 0.0)
    child = child_of("import time; time.sleep(60)")
    with pytest.raises(DemoError, match="has not started within 0 s; it has written nothing"):
        child.wait_for(lambda: None)


def test_a_child_that_ignores_sigterm_is_killed(child_of, monkeypatch):
    monkeypatch.setattr(processes, "GRACE", 0.1)
    monkeypatch.setattr(processes, "PATIENCE", 0.1)
    child = child_of(
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    child.wait_for(lambda: child.output() or None)
    child.end()
    child.end()
    with pytest.raises(DemoError, match="status -9"):
        child.check()


def test_a_child_finds_this_huey_green_from_anywhere(child_of):
    child = child_of(
        "import huey_green; print(huey_green.__file__, flush=True); import time; time.sleep(60)"
    )
    found = child.wait_for(lambda: child.output() or None)
    root = os.path.dirname(os.path.dirname(processes.__file__))
    assert found.strip() == os.path.join(root, "__init__.py")


@pytest.fixture
def handlers():
    """Put the handlers of signals back as they were."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield before
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_the_first_signal_interrupts_and_the_next_do_nothing():
    def interrupted_twice() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted) as caught, Interruption():
        interrupted_twice()
    signal.raise_signal(signal.SIGINT)
    assert caught.value.status == 130


@pytest.mark.usefixtures("handlers")
def test_sigterm_has_its_own_status():
    with pytest.raises(Interrupted) as caught, Interruption():
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.status == 143


@pytest.mark.usefixtures("handlers")
def test_a_signal_waits_for_the_end_of_what_is_held():
    done = []

    def start_something(interruption: Interruption) -> None:
        with interruption.held():
            signal.raise_signal(signal.SIGINT)
            done.append("started")

    with pytest.raises(Interrupted), Interruption() as interruption:
        start_something(interruption)
    assert done == ["started"]


def test_signals_are_ignored_once_all_is_being_ended(handlers):
    with Interruption() as interruption:
        interruption.ignore()
        signal.raise_signal(signal.SIGINT)
    assert handlers == {number: signal.getsignal(number) for number in SIGNALS}
