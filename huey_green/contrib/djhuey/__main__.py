# SPDX-License-Identifier: MIT
"""``python -m huey_green.contrib.djhuey [OPTIONS] -- manage.py run_huey ...``: patches, and then
runs what stands behind the dashes as if it had been started by itself. See ``starting``."""

from __future__ import annotations

import os
import runpy
import sys
import traceback
from collections.abc import Sequence

from huey_green import __main__ as command
from huey_green import origin, parent
from huey_green.contrib.djhuey import starting

#: The first option of a process that is to start anew when code changes.
RELOAD = "--reload"

#: Exit statuses of one that was told to stop, and so is not to wait for other code.
_ASKED_TO = (0, 130)


def main() -> int:
    """Run a project's command; return the exit status."""
    arguments = sys.argv[1:]
    split = arguments.index("--") if "--" in arguments else len(arguments)
    own, target = arguments[:split], arguments[split + 1 :]
    if not target:
        print("start the consumer with: manage.py run_huey", file=sys.stderr)
        return 2
    starting.note()
    parent.find()
    reload = own[:1] == [RELOAD]
    processes = own[1:] if reload else own
    try:
        if processes and parent.present is None:
            from huey_green.processes.command import main as start_processes

            return start_processes(["settings.HUEY", *processes])
        command.patch()
        if not reload or parent.present is not None:
            return _run(target)
        return _run_and_reload(target)
    except command.CannotPatch as error:
        print(
            f"run_huey: gevent cannot be imported ({error}); "
            f"install it: {sys.executable} -m pip install gevent",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        return 130


def _run(target: Sequence[str]) -> int:
    """Run a script, or a module after -m, as the interpreter would."""
    is_module = target[0] == "-m"
    sys.argv = list(target[1:] if is_module else target)
    name = sys.argv[0]
    if not is_module and not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.path.dirname(os.path.realpath(name))
    try:
        if is_module:
            runpy.run_module(name, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(name, run_name="__main__")
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
            return 1
        return ended.code or 0
    return 0


def _run_and_reload(target: Sequence[str]) -> int:
    """The same; when it fails, wait until the code has changed, and start anew."""
    failure: Exception | None = None
    try:
        status = _run(target)
    except Exception as error:
        traceback.print_exc()
        failure, status = error, 1
    if status in _ASKED_TO:
        return status
    from huey_green.contrib.djhuey.waiting import wait_for_change

    wait_for_change("the consumer has failed, and starts anew when the code has changed", failure)
    assert origin.present is not None
    origin.present.start_again()
    return status


if __name__ == "__main__":
    sys.exit(main())
