# SPDX-License-Identifier: MIT
"""What users can name is explained somewhere in docs/."""

from __future__ import annotations

import argparse
import inspect
import re
from dataclasses import fields

import pytest
from doc_pages import DOCS, ROOT

import huey_green
from huey_green import exceptions, options, signals
from huey_green.huey import Huey
from huey_green.settings import ConsumerSettings

TEXT = "\n".join(path.read_text() for path in DOCS)
CONSUMER = ROOT.joinpath("docs", "consumer.md").read_text()


def is_mentioned(word: str, text: str = TEXT) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) is not None


@pytest.mark.parametrize("name", huey_green.__all__)
def test_every_public_name(name):
    assert is_mentioned(name)


@pytest.mark.parametrize("name", [name for name in vars(signals) if name.startswith("SIGNAL_")])
def test_every_signal(name):
    assert is_mentioned(name)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, value in vars(exceptions).items()
        if inspect.isclass(value) and issubclass(value, BaseException)
    ],
)
def test_every_error(name):
    assert is_mentioned(name)


@pytest.mark.parametrize("name", [one.name for one in fields(ConsumerSettings)])
def test_every_keyword_of_the_consumer(name):
    assert is_mentioned(name, CONSUMER)


@pytest.mark.parametrize(
    "flag",
    [
        flag
        for action in options._parser()._actions
        for flag in action.option_strings
        if not isinstance(action, argparse._HelpAction)
    ],
)
def test_every_flag_of_the_command(flag):
    assert is_mentioned(flag, CONSUMER)


@pytest.mark.parametrize("name", [name for name in dir(Huey) if not name.startswith("_")])
def test_every_method_of_huey(name):
    assert is_mentioned(name)


@pytest.mark.parametrize("name", list(inspect.signature(Huey).parameters))
def test_every_argument_of_huey(name):
    assert name == "storage_kwargs" or is_mentioned(name)
