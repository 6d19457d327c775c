# SPDX-License-Identifier: MIT
"""``huey_green app.web app.mail``: one process for several queues."""

from __future__ import annotations

import subprocess
from uuid import uuid4

import pytest
from consumer_process import PYTHON, ConsumerProcess, environment


@pytest.fixture
def two_queues(tmp_path, redis_server):
    """A directory with an application of two queues; its tasks say where they ran."""
    (tmp_path / "app.py").write_text(
        "import os\n"
        "from huey_green import RedisHuey\n"
        f"web = RedisHuey('web{uuid4().hex}', url={redis_server.url!r})\n"
        f"mail = RedisHuey('mail{uuid4().hex}', url={redis_server.url!r})\n"
        "def work(n):\n"
        "    with open('ran', 'a') as file:\n"
        "        file.write(f'{n}\\n')\n"
        "for_web = web.task(name='for_web')(work)\n"
        "for_mail = mail.task(name='for_mail')(work)\n"
    )
    return tmp_path


def test_one_process_consumes_several_queues(two_queues):
    consumer = ConsumerProcess(
        two_queues, "app.mail", "-w", "10", "--weights", "3,1", "--limits", ",2", first="app.web"
    )
    try:
        consumer.says("consumes ", times=2)
        subprocess.run(
            [*PYTHON, "-c", "import app; app.for_web('web'); app.for_mail('mail')"],
            cwd=two_queues,
            env=environment(),
            check=True,
        )
        ran = two_queues / "ran"
        consumer.wait_for(lambda: ran.exists() and set(ran.read_text().split()) == {"web", "mail"})
        consumer.stop()
    finally:
        consumer.kill()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("app.web",), "is given twice"),
        (("app.mail", "--weights", "1"), "weights (--weights) has 1 numbers for 2 queues"),
        (("app.mail", "--weights", "a,b"), "--weights: are numbers with commas between them"),
        (("app.mail", "--limits", "1,-1"), "limits (--limits) are at least 1, not -1"),
        (("app.mail", "--strict", "--weights", "1,2"), "exclude each other"),
        (("app.nothing",), "has no attribute 'nothing'; there is"),
    ],
)
def test_queues_that_do_not_fit_together_are_a_clear_mistake(two_queues, options, says):
    consumer = ConsumerProcess(two_queues, *options, first="app.web")
    assert consumer.ends() == 2
    assert says in consumer.said
    assert "Traceback" not in consumer.said
