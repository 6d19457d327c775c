# SPDX-License-Identifier: MIT
from dataclasses import FrozenInstanceError, fields

import pytest

from huey_green import ConfigurationError
from huey_green.settings import ConsumerSettings, names, settings_from


def test_the_defaults_are_fine_and_hueys_where_huey_has_them():
    settings = settings_from({})
    assert settings == ConsumerSettings()
    assert (settings.workers, settings.worker_type) == (100, "greenlet")
    assert (settings.initial_delay, settings.backoff, settings.max_delay) == (0.1, 1.15, 10.0)
    assert (settings.scheduler_interval, settings.periodic) == (1, True)
    assert (settings.check_worker_health, settings.health_check_interval) == (True, 10)
    assert (settings.flush_locks, settings.extra_locks) == (False, ())


def test_hueys_keyword_arguments_are_accepted():
    settings = settings_from(
        {
            "workers": 3,
            "periodic": False,
            "initial_delay": 1,
            "backoff": 2,
            "max_delay": 5,
            "scheduler_interval": 2,
            "worker_type": "thread",
            "check_worker_health": False,
            "health_check_interval": 30,
            "flush_locks": True,
            "extra_locks": None,
        }
    )
    assert (settings.workers, settings.periodic, settings.extra_locks) == (3, False, ())


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("workers", 0, "at least 1"),
        ("workers", -5, "at least 1"),
        ("workers", 1.5, "a whole number"),
        ("workers", "10", "a whole number"),
        ("workers", None, "a whole number"),
        ("workers", True, "a whole number"),
        ("worker_type", "fiber", "greenlet, thread, process"),
        ("worker_type", None, "greenlet, thread, process"),
        ("initial_delay", 0, "more than 0"),
        ("initial_delay", "soon", "a number"),
        ("max_delay", -1, "more than 0"),
        ("backoff", 0.5, "at least 1"),
        ("backoff", None, "a number"),
        ("backoff", float("nan"), "a number"),
        ("scheduler_interval", 0, "more than 0"),
        ("scheduler_interval", float("nan"), "a number"),
        ("health_check_interval", 0, "more than 0"),
        ("shutdown_timeout", -1, "at least 0"),
        ("lease", 0.5, "at least 1"),
        ("lease", None, "a number"),
        ("periodic", "no", "True or False"),
        ("periodic", None, "True or False"),
        ("flush_locks", "yes", "True or False"),
        ("max_tasks", 0, "at least 1"),
        ("max_tasks", 2.5, "a whole number"),
        ("graceful_signal", "HUP", "INT, TERM"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_option_flag_and_what_it_accepts(
    option, value, says
):
    with pytest.raises(ConfigurationError) as caught:
        settings_from({option: value})
    message = str(caught.value)
    assert message.startswith(f"{option} (-")
    assert says in message
    assert repr(value) in message


def test_no_shutdown_timeout_means_to_wait_for_ever():
    assert settings_from({"shutdown_timeout": None}).shutdown_timeout is None
    assert settings_from({"shutdown_timeout": 0}).shutdown_timeout == 0


def test_the_graceful_signal_may_be_named_in_full():
    assert settings_from({"graceful_signal": "SIGTERM"}).graceful_signal == "TERM"
    assert settings_from({"graceful_signal": "int"}).graceful_signal == "INT"
    assert settings_from({"graceful_signal": None}).graceful_signal is None


def test_an_unknown_option_is_refused_with_the_known_ones():
    with pytest.raises(ConfigurationError, match=r"unknown consumer option wrokers.*workers"):
        settings_from({"wrokers": 5})


@pytest.mark.parametrize("given", ["a, b,,c ", ["a", "b", "c"], ("a", "b", "c")])
def test_locks_to_free_are_a_list_or_a_text_with_commas(given):
    assert tuple(settings_from({"extra_locks": given}).extra_locks) == ("a", "b", "c")


def test_names_are_split_at_commas():
    assert names("") == ()
    assert names("one") == ("one",)
    assert names(" one ,two, ") == ("one", "two")


def test_settings_do_not_change():
    with pytest.raises(FrozenInstanceError):
        ConsumerSettings().workers = 5


def test_every_option_has_a_flag_of_its_own_and_a_help_text():
    flags = [flag for one in fields(ConsumerSettings) for flag in one.metadata["flags"]]
    assert len(flags) == len(set(flags))
    for one in fields(ConsumerSettings):
        assert any(flag.startswith("--") for flag in one.metadata["flags"]), one.name
        assert one.metadata["help"], one.name
