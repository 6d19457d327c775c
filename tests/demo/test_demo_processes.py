# SPDX-License-Identifier: MIT
"""The demo's children and the signals that end it."""

from __future__ import annotations

import os
import signal

import pytest

from huey_green.demo import processes
from huey_green.demo.interruption import SIGNALS, Interrupted, Interruption
from huey_green.demo.processes import Child, DemoError


def nothing() -> None:
    """Stand for the check whether a signal has come."""


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
        child.wait_for(lambda: None, nothing)
    assert str(caught.value) == (
        "the child has ended with status 3; the last it wrote:\n  one\n  two"
    )


def test_a_child_that_does_not_get_ready_is_given_up(child_of, monkeypatch):
    monkeypatch.setattr(processes, "STARTUP", 0.0)
    child = child_of("import time; time.sleep(60)")
    with pytest.raises(DemoError, match="has not started within 0 s; it has written nothing"):
        child.wait_for(lambda: None, nothing)


def test_a_child_that_ignores_sigterm_is_killed(child_of, monkeypatch):
    monkeypatch.setattr(processes, "GRACE", 0.1)
    monkeypatch.setattr(processes, "PATIENCE", 0.1)
    child = child_of(
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    child.wait_for(lambda: child.output() or None, nothing)
    child.end()
    child.end()
    with pytest.raises(DemoError, match="status -9"):
        child.check()


def test_a_child_finds_this_huey_green_from_anywhere(child_of):
    child = child_of(
        "import huey_green; print(huey_green.__file__, flush=True); import time; time.sleep(60)"
    )
    found = child.wait_for(lambda: child.output() or None, nothing)
    root = os.path.dirname(os.path.dirname(processes.__file__))
    assert found.strip() == os.path.join(root, "__init__.py")


@pytest.fixture
def handlers():
    """Put the handlers of signals back as they were."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield before
    for number, handler in before.items():
        signal.signal(number, handler)


def interrupt_with(*numbers: signal.Signals) -> None:
    """Send these signals, one after the other, to whom looks for them afterwards."""
    with Interruption() as interruption:
        interruption.check()
        for number in numbers:
            signal.raise_signal(number)
        interruption.check()


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_interrupts_where_it_is_looked_for(number, status):
    with pytest.raises(Interrupted) as caught:
        interrupt_with(number, signal.SIGINT)
    assert caught.value.status == status


@pytest.mark.usefixtures("handlers")
def test_nothing_changes_the_status_of_who_was_interrupted():
    with pytest.raises(Interrupted):
        interrupt_with(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)


def test_handlers_are_put_back_when_nothing_came(handlers):
    with Interruption():
        assert handlers != {number: signal.getsignal(number) for number in SIGNALS}
    assert handlers == {number: signal.getsignal(number) for number in SIGNALS}
