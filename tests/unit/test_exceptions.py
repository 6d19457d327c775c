# SPDX-License-Identifier: MIT
import copy
import pickle
from datetime import datetime

import pytest

from huey_green import exceptions
from huey_green.exceptions import (
    CancelExecution,
    ConfigurationError,
    HueyException,
    ResultTimeout,
    RetryTask,
    StorageUnavailable,
    TaskException,
    TaskInterrupted,
    TaskLockedException,
)

METADATA = {"error": "ValueError('x')", "traceback": "...", "retries": 1, "task_id": "abc"}


@pytest.mark.parametrize(
    "error",
    [
        HueyException("a", 1),
        ConfigurationError("a"),
        StorageUnavailable("a"),
        TaskLockedException("a"),
        ResultTimeout("a"),
        CancelExecution(),
        CancelExecution("a", retry=True),
        RetryTask(),
        RetryTask("a"),
        RetryTask("a", "b", delay=3),
        RetryTask(eta=datetime(2030, 1, 1)),
        TaskException(),
        TaskException(METADATA),
        TaskException(METADATA, "more"),
        TaskInterrupted("a"),
        exceptions.SerializationError("a"),
        exceptions.UnreadableMessage("a"),
        exceptions.UnknownTask("a"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("way", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy])
def test_an_error_travels_whole(error, way):
    again = way(error)
    assert type(again) is type(error)
    assert again.args == error.args
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_all_errors_are_huey_exceptions_but_the_one_that_a_task_must_not_swallow():
    own = [one for one in vars(exceptions).values() if isinstance(one, type)]
    errors = [one for one in own if issubclass(one, BaseException)]
    assert len(errors) > 8
    for error in errors:
        assert issubclass(error, HueyException) != issubclass(error, TaskInterrupted)
    assert not issubclass(TaskInterrupted, Exception)


def test_a_task_exception_says_what_the_task_raised():
    assert str(TaskException(METADATA)) == "ValueError('x')"
    assert TaskException(METADATA).metadata == METADATA
    assert str(TaskException()) == "unknown error"
