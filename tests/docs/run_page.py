# SPDX-License-Identifier: MIT
"""Runs the examples of a page as a reader would: python run_page.py PAGE [REDIS_URL].

The current directory is where its files are saved. See ``doc_pages`` for how a page is read.
"""

from __future__ import annotations

import doctest
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

from doc_pages import NOTES, ROOT, RUN, Piece, commands, pieces

DEADLINE = 60.0
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
#: Ports that pages show; each becomes one that is free here.
_PORT = re.compile(r"\b80\d\d\b")
_EXPORT = re.compile(r"export (\w+)=(\S+)")
_REDIS = re.compile(r"redis://localhost:6379(/\d+)?")


class Wrong(Exception):
    """An example does not do what its page says."""


class Session:
    """What a reader has open: a Python shell, a directory, programs that run."""

    def __init__(self, page: Path, redis_url: str | None) -> None:
        self.page = page
        self.redis_url = redis_url
        self.background: dict[str, subprocess.Popen[bytes]] = {}
        self.logs: dict[str, Path] = {}
        self.ports: dict[str, str] = {}
        self.environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(_programs()), os.environ["PATH"]]),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            # Files are saved again within the second by which Python would tell them apart.
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.new_shell()

    def new_shell(self) -> None:
        """Begin with no names, and with modules as they are saved now."""
        here = str(Path.cwd())
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(here):
                del sys.modules[name]
        self.module = ModuleType("shell")
        sys.modules["shell"] = self.module

    def run(self, piece: Piece) -> None:
        """Do what a piece of the page is there for."""
        code = piece.code
        if self.redis_url is not None:
            code = _REDIS.sub(self.redis_url, code)
        code = _PORT.sub(lambda found: self.port(found[0]), code)
        if piece.language == "new shell":
            self.new_shell()
        elif piece.language == "python" and piece.mark:
            self.save(piece.mark, code)
        elif piece.language in {"python", "hidden"}:
            text = "\n" * (piece.line - 1) + code
            exec(compile(text, str(self.page), "exec"), vars(self.module))
        elif piece.language == "pycon":
            self.compare_session(code, piece.line)
        else:
            for command, output in commands(code, prompt=piece.language == "console"):
                if exported := _EXPORT.fullmatch(command):
                    self.environment[exported[1]] = os.environ[exported[1]] = exported[2]
                elif piece.background:
                    self.start(command)
                else:
                    self.compare_command(command, output)

    def port(self, shown: str) -> str:
        """Return the free port that stands for one that the page shows."""
        if shown not in self.ports:
            with socket.create_server(("127.0.0.1", 0)) as server:
                self.ports[shown] = str(server.getsockname()[1])
        return self.ports[shown]

    def save(self, mark: str, code: str) -> None:
        """Save a file, or add to it, as ``app.py+`` says."""
        path = Path(mark.rstrip("+"))
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text() + "\n\n" if mark.endswith("+") else ""
        path.write_text(before + code)

    def compare_session(self, code: str, line: int) -> None:
        """Carry out a Python session; raise ``Wrong`` when it prints something else."""
        test = doctest.DocTestParser().get_doctest(code, {}, str(self.page), str(self.page), line)
        test.globs = vars(self.module)
        said: list[str] = []
        runner = doctest.DocTestRunner(optionflags=FLAGS)
        if runner.run(test, out=said.append, clear_globs=False).failed:
            raise Wrong("".join(said))

    def compare_command(self, command: str, output: str) -> None:
        """Run a command to its end; raise ``Wrong`` when it fails or prints something else."""
        done = subprocess.run(
            command,
            shell=True,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        if done.returncode:
            raise Wrong(f"$ {command}\nended with {done.returncode}:\n{done.stdout}")
        if output and not doctest.OutputChecker().check_output(output, done.stdout, FLAGS):
            raise Wrong(f"$ {command}\nprinted:\n{done.stdout}\nand not:\n{output}")

    def start(self, command: str) -> None:
        """Start a command that goes on; return once it has said something."""
        if command in self.background:
            self.stop(command)
        log = self.logs[command] = Path.cwd() / f"background{len(self.logs)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                f"exec {command}",
                shell=True,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.background[command] = process
        ends_at = time.monotonic() + DEADLINE
        while not log.stat().st_size:
            if process.poll() is not None or time.monotonic() > ends_at:
                raise Wrong(f"$ {command}\ndoes not start (status {process.returncode})")
            time.sleep(0.01)

    def stop(self, command: str) -> None:
        """Stop a command as Ctrl-C does; a consumer has to end with status 0."""
        process = self.background.pop(command)
        process.send_signal(signal.SIGINT)
        status = process.wait(DEADLINE)
        if status and "huey_green" in command:
            raise Wrong(f"$ {command}\nended with {status}:\n{self.logs[command].read_text()}")

    def close(self) -> None:
        """End what is still running."""
        for process in self.background.values():
            process.kill()
            process.wait()


def _programs() -> Path:
    """Return a directory with the commands of an environment that a reader has activated."""
    folder = Path.cwd() / ".venv" / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    for name, arguments in {"python": "", "huey_green": " -m huey_green"}.items():
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n')
        script.chmod(0o755)
    return folder


def main(page: Path, redis_url: str | None = None) -> None:
    """Run all examples of a page; raise at the first one that is wrong."""
    sys.path.insert(0, str(Path.cwd()))
    sys.dont_write_bytecode = True
    session = Session(page, redis_url)
    try:
        for piece in pieces(page.read_text()):
            if piece.language in RUN | NOTES and piece.skip is None:
                try:
                    session.run(piece)
                except BaseException:
                    print(f"{page}:{piece.line}: this example failed", file=sys.stderr)
                    for command, log in session.logs.items():
                        print(f"-- {command} wrote:\n{log.read_text()}", file=sys.stderr)
                    raise
        for command in list(session.background):
            session.stop(command)
    finally:
        session.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
