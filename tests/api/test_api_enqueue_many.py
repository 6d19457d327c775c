# SPDX-License-Identifier: MIT
"""``huey.enqueue_many`` and ``.map()``: many tasks in few round trips."""

import pytest
from driving import run_all, run_one

from huey_green import chord, group
from huey_green import signals as s
from huey_green.exceptions import InvalidArgument, SerializationError
from huey_green.result import ResultGroup

#: More than goes to the storage in one call.
MANY = 10_000

#: Round trips that so many may take: one for each 500, and some to make the connection.
FEW = 30


@pytest.fixture
def ran():
    """What has run, in order."""
    return []


@pytest.fixture
def note(huey, ran):
    """A task that notes that it ran."""

    @huey.task()
    def note(value):
        ran.append(value)
        return value

    return note


def round_trips(huey, calls):
    """How many commands clients have sent; what a script calls itself is not sent."""
    stats = huey.storage.link.execute("INFO", "commandstats").decode()
    counts = {
        line.partition(":")[0].removeprefix("cmdstat_"): int(line.split("calls=")[1].split(",")[0])
        for line in stats.splitlines()
        if line.startswith("cmdstat_")
    }
    return sum(counts.get(name, 0) for name in calls)


def test_tasks_of_several_kinds_are_enqueued_in_order(huey, add, note, ran):
    results = huey.enqueue_many([add.s(1, 2), note.s("a"), add.s(3, 4), note.s("b")])
    assert isinstance(results, ResultGroup)
    assert [task.id for task in huey.pending()] == [one.id for one in results]
    assert run_all(huey) == 4
    assert results() == [3, "a", 7, "b"]
    assert ran == ["a", "b"]


def test_of_a_pipeline_the_result_is_the_last_ones(huey, add):
    results = huey.enqueue_many([add.s(1, 2).then(add, 10).then(add, 100), add.s(3, 4)])
    assert len(huey) == 2
    run_all(huey)
    assert results() == [113, 7]


def test_of_a_chord_the_result_is_the_callbacks_or_what_follows_it(huey, add):
    @huey.task()
    def total(values):
        return sum(values)

    results = huey.enqueue_many(
        [
            chord([add.s(1, 1), add.s(2, 2)], total.s()),
            add.s(0, 1),
            chord([add.s(3, 3)], total.s()).then(add, 100),
            chord([], total.s()),
        ]
    )
    assert len(results) == 4
    run_all(huey)
    assert results() == [6, 1, 106, 0]


def test_a_unique_task_that_waits_already_is_not_enqueued_again(huey, ran):
    @huey.task(unique=True)
    def once(value):
        ran.append(value)

    first = once("a")
    results = list(huey.enqueue_many([once.s("a"), once.s("b"), once.s("b")]))
    assert results[0].id == first.id
    assert results[1].id == results[2].id != first.id
    assert run_all(huey) == 2
    assert ran == ["a", "b"]


def test_what_needs_a_call_of_its_own_keeps_its_place(huey, note, ran):
    @huey.task(unique=True)
    def once(value):
        ran.append(value)

    callback = chord([note.s(6)], note.s())
    huey.enqueue_many([note.s(1), note.s(2), once.s(3), note.s(4), once.s(5), callback, note.s(7)])
    while run_one(huey):
        continue
    assert ran == [1, 2, 3, 4, 5, 6, 7, [6]]


def test_a_task_that_waits_for_quiet_goes_to_the_schedule(huey, note, ran):
    @huey.task(debounce=3600)
    def quiet(value):
        """Never run here."""

    results = list(huey.enqueue_many([note.s(1), quiet.s("a"), quiet.s("a"), note.s(2)]))
    assert results[1].id == results[2].id
    assert huey.scheduled_count() == 1
    run_all(huey)
    assert ran == [1, 2]


def test_a_generator_is_taken_from_as_it_comes(huey, note, ran):
    most = [0]

    def tasks():
        for number in range(1200):
            most[0] = max(most[0], number - len(huey))
            yield note.s(number)

    assert len(huey.enqueue_many(tasks())) == 1200
    assert most[0] <= 500, "so many may wait for the next round trip"
    run_all(huey)
    assert ran == list(range(1200))


@pytest.mark.parametrize("none", [[], (), iter(())])
def test_of_nothing_nothing_is_enqueued(huey, none, sent):
    results = huey.enqueue_many(none)
    assert len(results) == 0
    assert results() == []
    assert results.is_ready()
    assert len(huey) == 0
    assert sent == []


def test_what_is_no_task_is_refused_before_anything_is_enqueued(huey, add, sent):
    @huey.task(unique=True)
    def once():
        """Never run."""

    good = [add.s(1, 2) for _ in range(600)]
    for wrong, named in [
        (add, r"not <task conftest\.add>"),
        (group([add.s(1, 2)]), "not <.*group"),
        ((1, 2), r"not \(1, 2\)"),
        (None, "not None"),
        (add.task_class, "not <class"),
    ]:
        for tasks in ([*good, once.s(), wrong], (wrong, *good)):
            with pytest.raises(InvalidArgument, match=named) as caught:
                huey.enqueue_many(tasks)
            assert "enqueue_many takes tasks (of .s()) and chords" in str(caught.value)
    assert len(huey) == 0
    assert sent == []
    assert list(huey.enqueue_many([once.s()])), "nothing holds its place"
    assert len(huey) == 1


def test_what_is_no_list_of_tasks_is_refused(huey, add):
    for wrong in (add.s(1, 2), chord([], add.s()), group([add.s(1, 2)]), add, 5, None, "tasks"):
        with pytest.raises(InvalidArgument, match="enqueue_many takes a list of tasks, not "):
            huey.enqueue_many(wrong)
    assert len(huey) == 0


def test_what_cannot_be_serialized_keeps_its_neighbours_from_the_queue(huey, add, sent):
    with pytest.raises(SerializationError):
        huey.enqueue_many([add.s(1, 2), add.s(1, lambda: 2), add.s(3, 4)])
    assert len(huey) == 0
    assert sent == []


def test_each_task_is_told_as_enqueued_once(huey, add, sent):
    results = huey.enqueue_many([add.s(1, 2), add.s(1, 2).then(add, 3), add.s(5, 6)])
    assert [name for name, _ in sent] == [s.SIGNAL_ENQUEUED] * 3
    ids = [task.pipeline()[-1].id for _, task in sent]
    assert ids == [one.id for one in results]


def test_a_task_with_a_moment_waits_for_it(huey, add, present):
    huey.enqueue_many([add.s(1, 2, delay=60), add.s(3, 4)])
    run_all(huey)
    assert [task.args for task in huey.scheduled()] == [(1, 2)]


def test_a_time_to_live_counts_from_when_the_task_is_enqueued(huey, note, ran, present):
    tasks = [note.s("short", expires=10), note.s("long", expires=100)]
    present.advance(50)
    huey.enqueue_many(tasks)
    present.advance(11)
    run_all(huey)
    assert ran == ["long"]


def test_the_highest_priority_runs_first_and_equals_in_order(huey, note, ran):
    priorities = [1, 5, None, 5, -3, 1, 5, None]
    huey.enqueue_many(note.s((p, n), priority=p) for n, p in enumerate(priorities))
    run_all(huey)
    enqueued = [(p, n) for n, p in enumerate(priorities)]
    if huey.storage.priority:
        assert ran == sorted(enqueued, key=lambda one: -(one[0] or 0))
    else:
        assert ran == enqueued


def test_thousands_of_calls_keep_their_order_and_take_few_round_trips(huey, note, ran):
    in_redis = hasattr(huey.storage, "link")
    # A queue with an order is filled by a script; into a list one command pushes.
    sends = ["evalsha", "eval"] if huey.storage.priority else ["lpush", "evalsha", "eval"]
    before = round_trips(huey, sends) if in_redis else 0
    results = note.map(range(MANY))
    after = round_trips(huey, sends) if in_redis else 0
    assert after - before <= FEW
    assert len(results) == len(huey) == MANY
    assert huey.pending(limit=3)[2].args == (2,)
    waiting = [task.id for task in huey.pending()]
    assert waiting == [one.id for one in results]
    for _ in range(100):
        assert run_one(huey)
    assert ran == list(range(100))


def test_map_takes_tuples_lists_and_single_arguments(huey, add, note):
    assert len(add.map([])) == 0
    pairs = add.map(pair for pair in [(1, 2), [3, 4]])
    singles = note.map([5, "six", None, (("seven",),)])
    run_all(huey)
    assert pairs() == [3, 7]
    assert singles() == [5, "six", None, ("seven",)]


def test_map_names_what_cannot_be_serialized(huey, note):
    with pytest.raises(SerializationError, match=r"note.*args\[0\]"):
        note.map([1, lambda: 2])
    assert len(huey) == 0


def test_in_immediate_mode_each_is_run_at_once_in_order(make_huey):
    huey = make_huey(immediate=True)
    ran = []

    @huey.task()
    def note(value):
        ran.append(value)
        return value

    @huey.task(unique=True)
    def once(value):
        ran.append(value)
        return value

    assert note.map(range(5))() == [0, 1, 2, 3, 4]
    tasks = [note.s(1), once.s(2), note.s(3).then(note), chord([note.s(4)], note.s()), once.s(2)]
    results = huey.enqueue_many(one for one in tasks)
    assert results() == [1, 2, 3, [4], 2]
    assert ran == [0, 1, 2, 3, 4, 1, 2, 3, 3, 4, [4], 2]


def test_without_results_there_are_handles_all_the_same(make_huey):
    huey = make_huey(results=False)
    ran = []

    @huey.task()
    def note(value):
        ran.append(value)
        return value

    @huey.task(unique=True)
    def once(value):
        ran.append(value)

    mapped = list(note.map(range(3)))
    assert [task.id for task in huey.pending()] == [one.id for one in mapped]
    mapped[1].revoke()
    many = huey.enqueue_many([note.s(3).then(note, 0), once.s(4), chord([note.s(5)], note.s())])
    assert len(many) == 3
    run_all(huey)
    assert ran[:2] == [0, 2]
    assert huey.all_results() == {}
