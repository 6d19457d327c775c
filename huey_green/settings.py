# SPDX-License-Identifier: MIT
"""The consumer's options, each declared once: its flag, unit, default, limits and help."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from huey_green.exceptions import ConfigurationError

#: Seconds: a year. Timers of the operating system refuse what is much longer.
LONGEST = 31_536_000.0


def option(
    default: Any,
    *flags: str,
    minimum: float | None = None,
    above: float | None = None,
    optional: bool = False,
    whole: bool = False,
    metavar: str | None = None,
    choices: tuple[str, ...] | None = None,
    convert: Callable[[str], Any] | None = None,
    group: str = "Workers",
    help: str,  # noqa: A002 - argparse's name
) -> Any:
    """Declare an option; see ``ConsumerSettings``."""
    described = {
        "flags": flags,
        "minimum": minimum,
        "above": above,
        "optional": optional,
        "whole": whole,
        "metavar": metavar,
        "choices": choices,
        "convert": convert,
        "group": group,
        "help": help,
    }
    return field(default=default, metadata=described)


def names(text: str) -> tuple[str, ...]:
    """Split a comma-separated list."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def signal_name(text: str) -> str:
    """Return the name of a process signal as ``graceful_signal`` has it: SIGTERM is TERM."""
    return text.strip().upper().removeprefix("SIG")


@dataclass(frozen=True, kw_only=True)
class ConsumerSettings:
    """What ``Consumer`` accepts and the command offers. Durations are seconds."""

    workers: int = option(
        100, "-w", "--workers", minimum=1, metavar="COUNT", help="tasks that run at the same time"
    )
    worker_type: str = option(
        "greenlet",
        "-k",
        "--worker-type",
        choices=("greenlet", "thread", "process"),
        help="how tasks run at the same time; greenlets for all three (a note says so)",
    )
    initial_delay: float = option(
        0.1,
        "-d",
        "--delay",
        above=0,
        metavar="SECONDS",
        help="shortest wait between polls, for storages that have to be polled",
    )
    max_delay: float = option(
        10.0,
        "-m",
        "--max-delay",
        above=0,
        metavar="SECONDS",
        help="longest wait between polls, for storages that have to be polled",
    )
    backoff: float = option(
        1.15,
        "-b",
        "--backoff",
        minimum=1,
        metavar="FACTOR",
        help="by how much the wait between polls grows while nothing comes",
    )
    check_worker_health: bool = option(
        True,
        "-C",
        "--disable-health-check",
        help="do not look whether the consumer's own services still run",
    )
    health_check_interval: float = option(
        10.0,
        "-c",
        "--health-check-interval",
        above=0,
        metavar="SECONDS",
        help="time between looks at whether the consumer's own services still run",
    )
    flush_locks: bool = option(
        False, "-f", "--flush-locks", help="free all task locks before the first task runs"
    )
    extra_locks: tuple[str, ...] = option(
        (),
        "-L",
        "--extra-locks",
        metavar="NAMES",
        convert=names,
        help="further locks to free with -f, separated by commas",
    )
    shutdown_timeout: float | None = option(
        30.0,
        "-t",
        "--shutdown-timeout",
        minimum=0,
        optional=True,
        metavar="SECONDS",
        help="time that running tasks get to end when the consumer stops; those that do not "
        "are interrupted and go back to the queue",
    )
    graceful_signal: str | None = option(
        None,
        "-g",
        "--graceful-signal",
        choices=("INT", "TERM"),
        optional=True,
        metavar="INT|TERM",
        convert=signal_name,
        help="the process signal that lets running tasks end; the other one then interrupts them "
        "at once (by default both let them end)",
    )
    max_tasks: int | None = option(
        None,
        "-M",
        "--max-tasks",
        minimum=1,
        optional=True,
        whole=True,
        metavar="COUNT",
        convert=int,
        help="let running tasks end and start the process anew after so many tasks: for tasks "
        "that leak memory",
    )
    max_rss: float | None = option(
        None,
        "--max-rss",
        above=0,
        optional=True,
        metavar="MB",
        help="let running tasks end and start the process anew once it holds more than so many "
        "megabytes of memory (its resident set)",
    )
    lease: float = option(
        30.0,
        "--lease",
        minimum=1,
        metavar="SECONDS",
        help="time without a heartbeat after which a consumer counts as dead and its tasks run "
        "elsewhere",
    )
    scheduler_interval: float = option(
        1.0,
        "-s",
        "--scheduler-interval",
        above=0,
        metavar="SECONDS",
        group="Scheduler",
        help="time between looks at the schedule",
    )
    periodic: bool = option(
        True,
        "-n",
        "--no-periodic",
        group="Scheduler",
        help="do not enqueue periodic tasks in this consumer",
    )

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            problem = _problem(value, one.default, one.metadata)
            if problem:
                flags = "/".join(one.metadata["flags"])
                raise ConfigurationError(f"{one.name} ({flags}) {problem}, not {value!r}")


def _problem(value: Any, default: Any, limits: Any) -> str | None:
    """Return what a value should have been, None when it is fine."""
    if value is None and limits["optional"]:
        return None
    if limits["choices"] is not None:
        return None if value in limits["choices"] else f"is one of {', '.join(limits['choices'])}"
    if isinstance(default, bool):
        return None if value in (True, False) else "is True or False"
    if isinstance(default, tuple):
        fits = isinstance(value, (tuple, list, set, frozenset)) and all(
            isinstance(one, str) and one for one in value
        )
        return None if fits else "is a list of names"
    whole = limits["whole"] or isinstance(default, int)
    if (
        isinstance(value, bool)
        or not isinstance(value, int if whole else (int, float))
        or value != value  # Not a number is none either.
    ):
        return "is a whole number" if whole else "is a number"
    if limits["minimum"] is not None and value < limits["minimum"]:
        return f"is at least {limits['minimum']}"
    if limits["above"] is not None and value <= limits["above"]:
        return f"is more than {limits['above']}"
    if not whole and not limits["optional"] and value > LONGEST:
        return f"is at most {LONGEST:g}"
    return None


def settings_from(options: dict[str, Any]) -> ConsumerSettings:
    """Return settings from keyword arguments; an unknown one is refused with the known ones."""
    known = {one.name for one in fields(ConsumerSettings)}
    unknown = sorted(set(options) - known)
    if unknown:
        raise ConfigurationError(
            f"unknown consumer option {', '.join(unknown)}; there are {', '.join(sorted(known))}"
        )
    if options.get("extra_locks") is None:
        options = {**options, "extra_locks": ()}
    elif isinstance(options["extra_locks"], str):
        options = {**options, "extra_locks": names(options["extra_locks"])}
    if isinstance(options.get("graceful_signal"), str):
        options = {**options, "graceful_signal": signal_name(options["graceful_signal"])}
    return ConsumerSettings(**options)
