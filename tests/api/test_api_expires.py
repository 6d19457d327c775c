# SPDX-License-Identifier: MIT
"""``expires``: the moment after which a task is not begun any more."""

from datetime import datetime, timedelta, timezone

import pytest
from driving import promote, run_all

from huey_green import InvalidArgument, RetryTask, chord, clock, crontab
from huey_green import signals as s


@pytest.fixture
def ran():
    return []


@pytest.fixture
def note(huey, ran):
    @huey.task()
    def note(n):
        ran.append(n)
        return n

    return note


def outcomes(sent):
    """What became of each task: its signals by its first argument."""
    found = {}
    for name, task, *_ in sent:
        found.setdefault(task.args[0], []).append(name)
    return found


def in_ten_minutes(utc=None):
    return datetime.now(utc) + timedelta(minutes=10)


EXPIRIES = {
    "seconds": lambda: 600,
    "a fraction": lambda: 599.5,
    "timedelta": lambda: timedelta(minutes=10),
    "naive": in_ten_minutes,
    "aware": lambda: in_ten_minutes(timezone(timedelta(hours=-7))),
}


@pytest.fixture(params=list(EXPIRIES))
def expires(request):
    return EXPIRIES[request.param]()


def test_a_task_is_run_until_it_expires_and_not_after(huey, note, ran, expires, sent, present):
    early = note.s("early", expires=expires)
    late = note.s("late", expires=expires)
    results = [huey.enqueue(task) for task in (early, late)]
    present.advance(580)
    assert huey.execute(huey.dequeue()) == "early"
    present.advance(40)
    run_all(huey)
    assert ran == ["early"]
    assert [result() for result in results] == ["early", None]
    assert outcomes(sent) == {
        "early": [s.SIGNAL_ENQUEUED, s.SIGNAL_EXECUTING, s.SIGNAL_COMPLETE],
        "late": [s.SIGNAL_ENQUEUED, s.SIGNAL_EXPIRED],
    }
    assert huey.storage.peek_data(late.id) is None
    assert len(huey) == huey.scheduled_count() == 0


def test_a_huey_in_local_time_knows_the_same_moments(make_huey, expires, present):
    huey = make_huey(utc=False)

    @huey.task(expires=expires)
    def task(n):
        return n

    for call in (task, lambda n: huey.enqueue(task.s(n, expires=expires))):
        early, late = call("early"), call("late")
        present.advance(580)
        assert huey.execute(huey.dequeue()) == "early"
        present.advance(40)
        run_all(huey)
        assert [early(), late()] == ["early", None]
        present.advance(-620)


def test_every_call_of_a_task_may_expire(huey, ran, expires, present):
    @huey.task(expires=expires)
    def task(n):
        ran.append(n)

    task(1)
    run_all(huey)
    task(2)
    task.s(3)
    huey.enqueue_many([task.s(4), task.s(5, expires=10**6)])
    task.map([(6,)])
    present.advance(620)
    run_all(huey)
    assert ran == [1, 5]


def test_a_scheduled_task_expires_counted_from_when_it_was_scheduled(
    huey, note, ran, expires, sent, present
):
    note.schedule(("in time",), delay=300, expires=expires)
    note.schedule(("too late",), delay=900, expires=expires)
    run_all(huey)
    assert huey.scheduled_count() == 2
    present.advance(301)
    promote(huey)
    run_all(huey)
    present.advance(600)
    promote(huey)
    run_all(huey)
    assert ran == ["in time"]
    assert outcomes(sent)["too late"][-1] == s.SIGNAL_EXPIRED


def test_the_moment_of_a_task_can_be_read(huey, note):
    result = note.schedule((1,), delay=10, expires=60)
    task = huey.dequeue()
    left = clock.to_epoch(task.expires_resolved, huey.utc) - clock.wall()
    assert 55 < left <= 60
    assert task.expires == 60
    assert "exp=60" in repr(task)
    assert result.task.expires_resolved == task.expires_resolved
    assert note.s(1).expires is None


def test_a_retry_keeps_the_moment(huey, ran, sent, present):
    @huey.task(retries=10, retry_delay=100, expires=250)
    def fails(n):
        ran.append(n)
        raise ValueError

    fails("a")
    run_all(huey)
    for _ in range(5):
        present.advance(101)
        promote(huey)
        run_all(huey)
    assert ran == ["a"] * 3
    assert outcomes(sent)["a"][-1] == s.SIGNAL_EXPIRED
    assert huey.scheduled_count() == 0


def test_a_task_that_asks_to_be_retried_keeps_the_moment(huey, ran, present):
    @huey.task(expires=250)
    def asks(n):
        ran.append(n)
        raise RetryTask(delay=100)

    asks("a")
    run_all(huey)
    for _ in range(5):
        present.advance(101)
        promote(huey)
        run_all(huey)
    assert ran == ["a"] * 3


def test_rescheduling_counts_anew(huey, note, ran, present):
    result = note.schedule((1,), delay=10, expires=60)
    present.advance(50)
    again = result.reschedule(delay=50)
    run_all(huey)
    present.advance(51)
    promote(huey)
    run_all(huey)
    assert ran == [1]
    assert (result(), again()) == (None, 1)


def test_rescheduling_may_change_it_and_keeps_a_moment_that_was_given(huey, note, ran, present):
    first = note.schedule((1,), delay=10, expires=60).reschedule(delay=50, expires=40)
    second = note.schedule((2,), delay=10, expires=in_ten_minutes()).reschedule(delay=620)
    third = note.schedule((3,), delay=10).reschedule(delay=620)
    run_all(huey)
    present.advance(621)
    promote(huey)
    run_all(huey)
    assert ran == [3]
    assert [result() for result in (first, second, third)] == [None, None, 3]


def test_a_task_that_is_enqueued_again_counts_anew(huey, note, ran, present):
    task = note.s(1, expires=60)
    huey.enqueue(task)
    present.advance(61)
    huey.enqueue(task)
    run_all(huey)
    assert ran == [1]


def test_what_follows_a_task_expires_counted_from_the_end_of_that(huey, note, ran, present):
    for task in (
        note.s("first").then(note.task_class(("in time",), expires=60)),
        note.s("second").then(note.task_class(("too late",), expires=60)),
    ):
        huey.enqueue(task)
    present.advance(1000)
    assert huey.execute(huey.dequeue()) == "first"
    present.advance(50)
    assert huey.execute(huey.dequeue()) == "second"


def test_followers_error_tasks_and_callbacks_have_a_time_of_their_own(huey, ran, present):
    @huey.task()
    def note(*args):
        ran.append(args[0])

    @huey.task()
    def fails(*args):
        raise ValueError

    def workflows(word):
        return [
            note.s("-").then(note.s(f"{word} then", expires=60)),
            fails.s().error(note.s(f"{word} error", expires=60)),
            chord([note.s("-")], note.s(f"{word} callback", expires=60)),
            note.s("-").then(note.s(f"{word} moment", expires=in_ten_minutes())),
            chord([note.s("-")], note.s(f"{word} chord's moment", expires=in_ten_minutes())),
        ]

    for one in workflows("early") + workflows("late"):
        huey.enqueue(one)
    present.advance(500)
    for _ in range(5):  # What comes first of the early ones; then what follows it.
        huey.execute(huey.dequeue())
    firsts = [huey.dequeue() for _ in range(5)]
    run_all(huey)
    early = [word for word in ran if word != "-"]
    assert sorted(word.split()[1] for word in early) == [
        *("callback", "chord's", "error", "moment", "then")
    ]
    for task in firsts:
        huey.execute(task)
    present.advance(200)
    run_all(huey)
    assert [word for word in ran if word.startswith("late")] == []


def test_an_expired_step_ends_the_pipeline(huey, note, ran, sent, present):
    results = huey.enqueue(note.s(1, expires=60).then(note.task_class((2,))))
    present.advance(61)
    run_all(huey)
    assert ran == []
    assert results() == [None, None]
    assert outcomes(sent)[1][-1] == s.SIGNAL_EXPIRED


def test_a_periodic_task_expires(huey, ran, present, sent):
    @huey.periodic_task(crontab(), expires=60)
    def tick():
        ran.append("tick")

    [task] = huey.read_periodic()
    huey.storage.enqueue(huey.serialize_task(task))
    present.advance(61)
    run_all(huey)
    assert ran == []
    assert [name for name, *_ in sent] == [s.SIGNAL_EXPIRED]


def test_a_task_that_expired_before_it_was_enqueued_does_not_run(huey, note, ran, sent):
    note.s(1, expires=datetime.now() - timedelta(seconds=1))
    huey.enqueue(note.s(1, expires=datetime.now() - timedelta(seconds=1)))
    run_all(huey)
    assert ran == []
    assert outcomes(sent)[1] == [s.SIGNAL_ENQUEUED, s.SIGNAL_EXPIRED]


def test_an_immediate_task_expires_as_well(make_huey):
    huey = make_huey(immediate=True)

    @huey.task()
    def task():
        return 1

    assert huey.enqueue(task.s(expires=60))() == 1
    assert huey.enqueue(task.s(expires=datetime.now() - timedelta(seconds=1)))() is None


def test_the_present_may_be_given(huey, note, sent):
    result = note.s(1, expires=60)
    result = huey.enqueue(result)
    later = clock.from_epoch(clock.wall() + 61, huey.utc)
    assert huey.execute(huey.dequeue(), later) is None
    assert result() is None
    assert outcomes(sent)[1][-1] == s.SIGNAL_EXPIRED


@pytest.mark.parametrize("wrong", ["10", 0, -1, float("nan"), float("inf"), True, timedelta(0), []])
def test_what_is_no_time_is_refused(huey, note, wrong):
    for call in (
        lambda: note.s(1, expires=wrong),
        lambda: note.schedule((1,), delay=1, expires=wrong),
        lambda: note.schedule((1,), delay=1).reschedule(delay=1, expires=wrong),
    ):
        with pytest.raises(InvalidArgument, match=r"^expires is .*, not "):
            call()
