# SPDX-License-Identifier: MIT
import logging

import pytest

from huey_green import CancelExecution, signals
from huey_green.execution.hooks import Hooks
from huey_green.signals import Signals


def test_hooks_are_called_in_the_order_in_which_they_were_registered():
    called = []
    hooks = Hooks("pre_execute")
    for name in ("b", "c", "a"):
        hooks.register(lambda value, name=name: called.append((name, value)), name)
    hooks.run(1)
    assert called == [("b", 1), ("c", 1), ("a", 1)]


def test_a_hook_of_the_same_name_replaces_the_one_before():
    called = []
    hooks = Hooks("pre_execute")
    hooks.register(lambda: called.append("old"), "name")
    hooks.register(lambda: called.append("new"), "name")
    hooks.run()
    assert called == ["new"]


def test_a_hook_is_unregistered_by_its_function_or_its_name():
    def first():
        pass

    def second():
        pass

    hooks = Hooks("pre_execute")
    hooks.register(first)
    hooks.register(second, "named")
    assert hooks.unregister(first)
    assert not hooks.unregister(first)
    assert not hooks.unregister("second")
    assert hooks.unregister("named")
    assert not hooks


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1)])
def test_an_error_of_a_hook_is_logged_and_stops_nothing(caplog, error):
    def fails():
        raise error

    called = []
    hooks = Hooks("pre_execute")
    hooks.register(fails)
    hooks.register(lambda: called.append(1), "other")
    with caplog.at_level(logging.ERROR):
        hooks.run()
    assert called == [1]
    assert "the pre_execute hook 'fails' failed" in caplog.text


@pytest.mark.parametrize("error", [CancelExecution("no"), KeyboardInterrupt()])
def test_a_hook_may_cancel_and_ctrl_c_ends_it(error):
    def cancels():
        raise error

    hooks = Hooks("pre_execute")
    hooks.register(cancels)
    with pytest.raises(type(error)):
        hooks.run()


class Receiver:
    def __init__(self):
        self.received = []

    def __call__(self, *args):
        self.received.append(args)


def test_a_receiver_gets_the_signals_it_asked_for_with_what_they_carry():
    dispatcher, receiver = Signals(), Receiver()
    dispatcher.connect(receiver, "error", "locked")
    error = ValueError()
    dispatcher.send("error", "task", error)
    dispatcher.send("complete", "task")
    dispatcher.send("locked", "task")
    assert receiver.received == [("error", "task", error), ("locked", "task")]


def test_a_receiver_that_names_none_gets_all():
    dispatcher, receiver = Signals(), Receiver()
    dispatcher.connect(receiver)
    dispatcher.send("error", 1)
    dispatcher.send("anything", 2)
    assert receiver.received == [("error", 1), ("anything", 2)]


def test_disconnecting_one_signal_keeps_the_others():
    dispatcher, receiver = Signals(), Receiver()
    dispatcher.connect(receiver, "error", "locked")
    dispatcher.disconnect(receiver, "error")
    dispatcher.send("error", 1)
    dispatcher.send("locked", 2)
    assert receiver.received == [("locked", 2)]
    assert not dispatcher.has_receivers("error")
    assert dispatcher.has_receivers("locked")


def test_disconnecting_without_a_name_disconnects_from_all():
    dispatcher, receiver, other = Signals(), Receiver(), Receiver()
    dispatcher.connect(receiver, "error", "locked")
    dispatcher.connect(receiver)
    dispatcher.connect(other, "error")
    dispatcher.disconnect(receiver)
    dispatcher.send("error", 1)
    dispatcher.send("locked", 2)
    assert receiver.received == []
    assert other.received == [("error", 1)]


def test_disconnecting_one_signal_from_a_receiver_of_all_keeps_the_others():
    dispatcher, receiver = Signals(), Receiver()
    dispatcher.connect(receiver)
    dispatcher.disconnect(receiver, "error")
    dispatcher.send("error", 1)
    dispatcher.send("locked", 2)
    assert receiver.received == [("locked", 2)]
    dispatcher.connect(receiver, "error")
    dispatcher.send("error", 3)
    assert receiver.received == [("locked", 2), ("error", 3)]


def test_disconnecting_a_stranger_changes_nothing():
    dispatcher, receiver = Signals(), Receiver()
    dispatcher.connect(receiver, "error")
    dispatcher.disconnect(Receiver(), "error", "never heard of")
    dispatcher.send("error", 1)
    assert receiver.received == [("error", 1)]


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1)])
def test_an_error_of_a_receiver_is_logged_and_stops_nothing(caplog, error):
    def fails(*args):
        raise error

    dispatcher, receiver = Signals(), Receiver()
    dispatcher.connect(fails, "error")
    dispatcher.connect(receiver, "error")
    with caplog.at_level(logging.ERROR):
        dispatcher.send("error", "task")
    assert receiver.received == [("error", "task")]
    assert "failed on 'error' of 'task'" in caplog.text


def test_receivers_are_called_in_the_order_in_which_they_were_connected():
    called = []
    dispatcher = Signals()
    for name in "cab":
        names = [] if name == "a" else ["error"]
        dispatcher.connect(lambda *args, name=name: called.append(name), *names)
    dispatcher.send("error", "task")
    assert called == ["c", "a", "b"]


def test_every_signal_has_hueys_name_at_hueys_place():
    names = {name for name in vars(signals) if name.startswith("SIGNAL_")}
    assert names >= {
        *("SIGNAL_CANCELED", "SIGNAL_COMPLETE", "SIGNAL_ENQUEUED", "SIGNAL_ERROR"),
        *("SIGNAL_EXECUTING", "SIGNAL_INTERRUPTED", "SIGNAL_LOCKED"),
        *("SIGNAL_RETRYING", "SIGNAL_REVOKED", "SIGNAL_SCHEDULED"),
        *("SIGNAL_EXPIRED", "SIGNAL_TIMEOUT", "SIGNAL_RATE_LIMITED"),
    }
    for name in names:
        assert getattr(signals, name) == name.removeprefix("SIGNAL_").lower().replace("_", "-")
