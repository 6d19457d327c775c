# SPDX-License-Identifier: MIT
"""What ``@huey.task`` and a call of a task may be given: checked where it is written."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Set
from datetime import datetime, timedelta
from inspect import (
    isasyncgenfunction,
    iscoroutinefunction,
    isgeneratorfunction,
    signature,
    unwrap,
)
from typing import Any

from huey_green.exceptions import ConfigurationError, InvalidArgument
from huey_green.limits import LARGEST_NUMBER
from huey_green.message import Retention
from huey_green.task import Task

Check = Callable[[Any], "str | None"]


#: Seconds beyond which a moment may be none that a datetime can hold: some 300 years.
LONGEST = 1e10


def _number(
    at_least: float | None = None,
    above: float | None = None,
    whole: bool = False,
    at_most: float = LARGEST_NUMBER,
) -> Check:
    kinds = (int,) if whole else (int, float)
    what = "a whole number" if whole else "a number"
    if at_least is not None:
        what += f" from {at_least:g}"
    if above is not None:
        what += f" above {above:g}"

    def check(value: Any) -> str | None:
        fits = (
            isinstance(value, kinds)
            and not isinstance(value, bool)
            and -math.inf < value < math.inf
            and value <= at_most
            and (at_least is None or value >= at_least)
            and (above is None or value > above)
        )
        return None if fits else what

    return check


def seconds(at_least: float | None = None, above: float | None = None) -> Check:
    """Return a check that says what is wanted of a number of seconds, None if it is that."""
    return _number(at_least, above, at_most=LONGEST)


def _flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else "True or False"


def _share(value: Any) -> str | None:
    wanted = _number(at_least=0)(value)
    return wanted if wanted or value <= 1 else "a share from 0 to 1"


def _moment(value: Any) -> str | None:
    if not isinstance(value, datetime):
        return "a datetime"
    # At the ends of what a datetime can hold it cannot be moved to another time zone.
    return None if 1 < value.year < 9999 else "a datetime of the years 2 to 9998"


def _delay(value: Any) -> str | None:
    given = value.total_seconds() if isinstance(value, timedelta) else value
    if _number(at_most=math.inf)(given):
        return "seconds from now or a timedelta"
    return None if abs(given) <= LONGEST else f"at most {LONGEST:g} seconds from now"


def _expires(value: Any) -> str | None:
    if isinstance(value, datetime):
        return _moment(value)
    given = value.total_seconds() if isinstance(value, timedelta) else value
    return seconds(above=0)(given) and "seconds above 0, a timedelta above 0 or a datetime"


def _errors(value: Any) -> str | None:
    kinds = value if isinstance(value, tuple) else (value,)
    if all(isinstance(one, type) and issubclass(one, BaseException) for one in kinds):
        return None
    return "an exception class or a tuple of them"


def _unique(value: Any) -> str | None:
    return (
        None
        if isinstance(value, bool) or callable(value)
        else "True or a function of the arguments"
    )


def _until(value: Any) -> str | None:
    return None if value in ("start", "end") else "'start' or 'end'"


def _task_class(value: Any) -> str | None:
    return None if isinstance(value, type) and issubclass(value, Task) else "a subclass of Task"


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) and value else "a string that is not empty"


#: What an option takes.
_CHECKS: dict[str, Check] = {
    "retries": _number(at_least=0, whole=True),
    "retry_delay": seconds(at_least=0),
    "retry_backoff": _number(at_least=0),
    "retry_max_delay": seconds(above=0),
    "retry_jitter": _share,
    "retry_on": _errors,
    "no_retry_on": _errors,
    "priority": _number(),
    "context": _flag,
    "name": _text,
    "expires": _expires,
    "timeout": seconds(above=0),
    "at_most_once": _flag,
    "unique": _unique,
    "unique_until": _until,
    "ttl": seconds(above=0),
    "max_concurrency": _number(at_least=1, whole=True),
    "native_thread": _flag,
    "result_ttl": seconds(above=0),
    "debounce": seconds(above=0),
    "task_base": _task_class,
    "eta": _moment,
    "delay": _delay,
}
#: Options for which None is not the default.
_NEVER_NONE = frozenset(["retries", "retry_delay", "retry_backoff", "retry_jitter"])
_OF_A_CALL_ONLY = frozenset(["eta", "delay"])
#: What people write for what they mean, where another option looks more like it.
_MEANT = {"retry": "retries"}

#: Attributes of the task class that have another name than the option.
_ATTRIBUTES = {
    **{
        name: f"default_{name}"
        for name in ("retries", "retry_delay", "retry_backoff", "priority", "expires", "timeout")
    },
    "ttl": "unique_ttl",
}


def _problem(name: str, value: Any, none_counts: bool = False) -> str | None:
    wanted = None if value is None and not none_counts else _CHECKS[name](value)
    if wanted is None:
        return None
    hint = f": in seconds, {value.total_seconds():g}" if isinstance(value, timedelta) else ""
    return f"{name} is {wanted}, not {value!r}{hint}"


def check_call_options(options: Mapping[str, Any]) -> None:
    """Raise ``InvalidArgument`` for an option of one call that could only fail in the consumer."""
    for name, value in options.items():
        problem = _problem(name, value)
        if problem:
            raise InvalidArgument(problem)
    if options.get("eta") is not None and options.get("delay") is not None:
        raise InvalidArgument("a task takes one of eta= and delay=, not both")


def check_retention(result_ttl: Any, dead_limit: Any, dead_ttl: Any) -> Retention:
    """Return what a Huey keeps of its dead letters; raises ``ConfigurationError`` for what is
    no number, None being one without an end."""
    for name, value, check in (
        ("result_ttl", result_ttl, seconds(above=0)),
        ("dead_limit", dead_limit, _number(at_least=0, whole=True)),
        ("dead_ttl", dead_ttl, seconds(above=0)),
    ):
        wanted = None if value is None else check(value)
        if wanted is not None:
            raise ConfigurationError(f"{name} is {wanted}, or None for no limit, not {value!r}")
    return Retention(dead_limit, dead_ttl)


def check_arguments(args: Any, kwargs: Any) -> None:
    """Raise ``InvalidArgument`` unless these are the args and kwargs of a call, or None."""
    if args is not None and (
        isinstance(args, (str, bytes, Mapping, Set)) or not isinstance(args, Iterable)
    ):
        raise InvalidArgument(f"args is a tuple of arguments, not {args!r}: write ({args!r},)")
    if kwargs is not None and not isinstance(kwargs, Mapping):
        raise InvalidArgument(f"kwargs is a dict of arguments, not {kwargs!r}")
    for name in kwargs or ():
        if not isinstance(name, str):
            raise InvalidArgument(f"kwargs has names of arguments as its keys, not {name!r}")


def task_settings(
    func: Callable[..., Any],
    options: Mapping[str, Any],
    settings: Mapping[str, Any],
    others: Mapping[str, Any],
    base: type[Task] | None,
) -> dict[str, Any]:
    """Return the attributes of the task class that is declared with ``options``.

    ``settings`` are further keywords, which may only set attributes of ``base``; ``others`` are
    options that become no attribute. Raises ``ConfigurationError`` for anything that is wrong,
    naming the function.
    """
    where = f"@task on {getattr(func, '__qualname__', func)!s}"
    _check_function(func, where)
    if others.get("name") is None and not isinstance(getattr(func, "__name__", None), str):
        raise ConfigurationError(f"{where}: it has no name; give it one, @huey.task(name='...')")
    for name, value in {**options, **others, "task_base": base}.items():
        problem = _problem(name, value, name in _NEVER_NONE)
        if problem:
            raise ConfigurationError(f"{where}: {problem}")
    _check_settings(settings, base, where)
    _check_together(options, where)
    if base is not None and base.is_periodic:
        _check_takes_nothing(func, bool(others.get("context")), where)
    found = {_ATTRIBUTES.get(name, name): value for name, value in options.items()}
    for name in ("retry_on", "no_retry_on"):
        if isinstance(found.get(name), type):
            found[name] = (found[name],)
    return {**found, **settings}


def check_unique_once(func: Any, options: Mapping[str, Any], at_most_once: bool) -> None:
    """Raise ``ConfigurationError`` for a task that could block all others like it for ever.

    ``at_most_once`` is what holds for tasks whose options do not say it.
    """
    said = options.get("at_most_once")
    is_left_behind = at_most_once if said is None else said
    is_held = options.get("unique") and options.get("unique_until") == "end"
    if is_left_behind and is_held and options.get("ttl") is None:
        raise ConfigurationError(
            f"@task on {getattr(func, '__qualname__', func)!s}: with at_most_once a task ends with "
            "its consumer, and nobody is left to say that another may follow one that is unique "
            "until its end: give it a ttl, longer than it ever waits and runs; or "
            "unique_until='start'; or at_most_once=False"
        )


def check_decorated(func: Any, decorator: str) -> None:
    """Raise ``ConfigurationError`` unless ``decorator`` stands right above a plain function."""
    if hasattr(func, "task_class"):
        raise ConfigurationError(
            f"{decorator} belongs below @huey.task(), right above the function: above it, it would "
            "guard the enqueueing and not the run"
        )
    if not callable(func):
        raise ConfigurationError(f"{decorator} decorates a function, not {func!r}")


def _check_function(func: Callable[..., Any], where: str) -> None:
    if not callable(func):
        raise ConfigurationError(f"@task decorates a function, not {func!r}")
    inner = unwrap(func)
    called = inner if isinstance(inner, type) else getattr(type(inner), "__call__", inner)  # noqa: B004
    if any(iscoroutinefunction(one) or isasyncgenfunction(one) for one in (inner, called)):
        raise ConfigurationError(
            f"{where}: tasks run in greenlets, where nothing awaits an async def; make it a plain "
            "def and call what is blocking (gevent lets others run meanwhile), or call "
            "asyncio.run(...) in it and declare it with native_thread=True"
        )
    if isgeneratorfunction(inner):
        raise ConfigurationError(
            f"{where}: a generator cannot be a task's value; return a list, or enqueue a task for "
            "each item"
        )


def _check_takes_nothing(func: Callable[..., Any], context: bool, where: str) -> None:
    try:
        signature(func).bind(**({"task": None} if context else {}))
    except TypeError as error:
        raise ConfigurationError(
            f"{where}: nobody passes arguments to a periodic task ({error}); give them defaults"
        ) from None
    except ValueError:
        return  # A function in C that does not tell what it takes.


def _check_settings(settings: Iterable[str], base: type[Task] | None, where: str) -> None:
    known = sorted(_CHECKS.keys() - _OF_A_CALL_ONLY)
    for name in settings:
        near = [_MEANT[name]] if name in _MEANT else difflib.get_close_matches(name, known, n=1)
        # Who brings a task_base knows what its settings mean.
        if base is not None and (hasattr(base, name) or not near):
            continue
        if name in _OF_A_CALL_ONLY:
            raise ConfigurationError(
                f"{where}: {name} is for one call and not for all: write "
                f"schedule(args=(...), {name}=...)"
            )
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise ConfigurationError(
            f"{where}: unknown option {name}; {hint} (Settings of your own go with a task_base.)"
        )


def _check_together(options: Mapping[str, Any], where: str) -> None:
    if options.get("max_concurrency") is not None and options.get("at_most_once"):
        raise ConfigurationError(
            f"{where}: max_concurrency counts leases, and a task that runs at most once has none"
        )
    if options.get("unique") and options.get("debounce") is not None:
        raise ConfigurationError(
            f"{where}: unique keeps the first of several calls and debounce the last; take one"
        )
    if options.get("ttl") is not None and not options.get("unique"):
        raise ConfigurationError(
            f"{where}: ttl says how long a unique task blocks others; set unique"
        )
