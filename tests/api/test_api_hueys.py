# SPDX-License-Identifier: MIT
"""Making a Huey. (API reference, "Huey object".)"""

import pytest
from driving import run_all

from huey_green import ConfigurationError, Huey, MemoryHuey, RedisHuey, SqliteHuey
from huey_green.storage import MemoryStorage


@pytest.mark.parametrize("name", ["", None, 5, b"name"])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(ConfigurationError, match="name"):
        MemoryHuey(name)


def test_a_huey_without_a_storage_is_refused_with_the_way_out():
    with pytest.raises(ConfigurationError, match="SqliteHuey"):
        Huey("name")


def test_a_huey_without_a_storage_is_fine_in_immediate_mode():
    huey = Huey("name", immediate=True)
    add = huey.task(name="add")(lambda a, b: a + b)
    assert add(1, 2)() == 3


@pytest.mark.parametrize("as_attribute", [False, True])
def test_a_storage_class_of_ones_own_is_used_with_what_is_left_of_the_arguments(as_attribute):
    class Own(MemoryStorage):
        def __init__(self, name, color):
            super().__init__(name)
            self.color = color

    class OwnHuey(Huey):
        storage_class = Own

    made = OwnHuey("own", color="red") if as_attribute else Huey("own", storage_class=Own, color=1)
    assert type(made.storage) is Own
    assert made.storage.name == "own"
    assert made.storage.color == ("red" if as_attribute else 1)

    @made.task()
    def add(a, b):
        return a + b

    result = add(1, 2)
    run_all(made)
    assert result() == 3


def test_an_unknown_argument_of_a_storage_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="colour"):
        RedisHuey("name", colour="red")
    with pytest.raises(ConfigurationError, match="colour"):
        SqliteHuey("name", filename=tmp_path / "huey.db", colour="red")


def test_a_consumer_is_made_by_the_huey_and_refuses_unknown_options(huey):
    consumer = huey.create_consumer(workers=3, periodic=False)
    assert consumer.huey is huey
    assert consumer.settings.workers == 3
    assert not consumer.is_running
    with pytest.raises(ConfigurationError, match="wrokers"):
        huey.create_consumer(wrokers=3)
