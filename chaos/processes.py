# SPDX-License-Identifier: MIT
"""Consumers and producers as processes of their own. What is done to them goes on record."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chaos import watchdog
from chaos.ledger import Ledger

ROOT = Path(__file__).resolve().parents[1]

#: Seconds that a condition may take to come true; only a machine in trouble needs them.
PATIENCE = 60.0


class Failed(Exception):
    """A run did not do what it had to."""


def eventually(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Wait until ``condition`` is true and return what it said; raises ``Failed``."""
    ends_at = time.monotonic() + patience
    while not (answer := condition()):
        if time.monotonic() > ends_at:
            raise Failed(f"not within {patience:g} s: {what}")
        time.sleep(0.02)
    return answer


#: The exit statuses of a process that was told to stop before it listened, when it starts or
#: starts anew: it died of the signal, or Python turned it into an exit of its own.
NOT_YET_LISTENING: dict[int, tuple[int, ...]] = {
    signal.SIGTERM: (-signal.SIGTERM,),
    signal.SIGINT: (-signal.SIGINT, 1, 130),
}


class Child:
    """A process of a run, which does not outlive the harness; all that it says is in ``said``."""

    def __init__(
        self,
        who: str,
        directory: Path,
        ledger: Ledger,
        command: list[str],
        extra: Mapping[str, str],
    ) -> None:
        self.who = who
        self.ledger = ledger
        self._log = directory / f"{who}.log"
        known = {"CHAOS_WORLD": str(directory), "CHAOS_WHO": who, "PYTHONPATH": str(ROOT)}
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=directory,
                env={**os.environ, **known, **extra},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        watchdog.watch(-self.pid)
        ledger.note("spawned", who=who, pid=self.pid)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def said(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended. The end of one that nobody killed goes on record here."""
        if self.process.poll() is None:
            return True
        watchdog.forget(-self.pid)
        return False

    def send(self, number: int) -> None:
        """Send it a signal, on record."""
        self.ledger.note("signal", who=self.who, number=number)
        self.process.send_signal(number)

    def kill(self) -> None:
        """kill -9, on record; does nothing when it has ended."""
        if self.is_alive:
            self.ledger.note("killed", who=self.who)
            self.process.kill()
        self.ends()

    def clear_away(self) -> None:
        """End it, off the record: the run is over."""
        if self.is_alive:
            self.process.kill()
            self._waited(PATIENCE)

    def suspend(self) -> None:
        """SIGSTOP, on record."""
        self.ledger.note("suspended", who=self.who)
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT, on record."""
        self.process.send_signal(signal.SIGCONT)
        self.ledger.note("resumed", who=self.who)

    def ends(self, patience: float = PATIENCE) -> int:
        """Wait for its end, which goes on record; return the exit status."""
        status = self._waited(patience)
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.stdin.close()
            self.ledger.note("ended-process", who=self.who, status=status)
        return status

    def _waited(self, patience: float) -> int:
        try:
            status = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise Failed(
                f"{self.who} still runs after {patience:g} s:\n{self.said[-3000:]}"
            ) from None
        watchdog.forget(-self.pid)
        return status

    def wait_for(self, condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
        """Wait for something that this process is to bring about; raises ``Failed``."""

        def looked() -> Any:
            answer = condition()
            if not answer and not self.is_alive:
                raise Failed(f"{self.who} ended with {self.ends()}:\n{self.said[-3000:]}")
            return answer

        return eventually(looked, f"{what}, by {self.who}", patience)

    def says(self, text: str, patience: float = PATIENCE) -> None:
        """Wait until it has said something."""
        self.wait_for(lambda: text in self.said, f"{text!r} in the log", patience)


class Consumer(Child):
    """``huey_green chaos.app.huey`` with these options."""

    def __init__(
        self,
        who: str,
        directory: Path,
        ledger: Ledger,
        options: list[str],
        extra: Mapping[str, str],
    ) -> None:
        command = [sys.executable, "-m", "huey_green", "chaos.app.huey", *options]
        super().__init__(who, directory, ledger, command, extra)
        #: Says whether it has begun to consume more often than it has stopped.
        self.consumes: Callable[[], bool] = lambda: True

    def stop(self, number: int = signal.SIGTERM, patience: float = PATIENCE) -> None:
        """End it as a service manager does; raises ``Failed`` when it does not end well."""
        if self.is_alive:
            self.send(number)
        status = self.ends(patience)
        if status != 0 and (status not in NOT_YET_LISTENING[number] or self.consumes()):
            raise Failed(f"{self.who} ended with {status}:\n{self.said[-3000:]}")


class Producer(Child):
    """Enqueues jobs until it is stopped."""

    def __init__(
        self,
        who: str,
        directory: Path,
        ledger: Ledger,
        load: tuple[str, float, float, tuple[str, ...]],
        extra: Mapping[str, str],
    ) -> None:
        seed, rate, seconds, kinds = load
        command = [sys.executable, "-m", "chaos.producer", seed, str(rate), str(seconds), *kinds]
        super().__init__(who, directory, ledger, command, extra)

    def stop(self, patience: float = PATIENCE) -> None:
        """Have it end after the job that it enqueues now."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.stdin.close()
        if (status := self._waited(patience)) != 0:
            raise Failed(f"{self.who} ended with {status}:\n{self.said[-3000:]}")
