# SPDX-License-Identifier: MIT
"""What README.md promises at a glance."""

from __future__ import annotations

from doc_pages import README, ROOT, blocks


def test_the_quickstart_is_short():
    lines = [
        line
        for block in blocks(README)
        if block.mark.endswith(".py")
        for line in block.code.splitlines()
        if line
    ]
    assert len(lines) <= 20


def test_the_two_commands_are_one_line_each_in_a_block_of_their_own():
    commands = [block.code for block in blocks(README) if "python3 -m venv" in block.code]
    assert len(commands) == 2
    for command in commands:
        assert command.count("\n") == 1
    assert commands[0].endswith("huey_green demo\n")
    assert commands[1].endswith("-m pytest -n 4\n")


def test_ci_runs_the_test_command_of_the_readme():
    [command] = [block.code for block in blocks(README) if block.code.endswith("-m pytest -n 4\n")]
    steps = command.strip().split(" && ")
    script = ROOT.joinpath(".ci", "run").read_text()
    assert steps[-1].removeprefix(".venv/bin/python ") in script
    assert "'.[dev]'" in script
