# SPDX-License-Identifier: MIT
"""``python -m huey_green.compat my_app.Configuration``: the command ``huey_green``, for what a
configuration of huey 0.3 says."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

USAGE = """\
usage: python -m huey_green.compat IMPORT.PATH [options]

Consume what a configuration of huey 0.3 names, a subclass of BaseConfiguration, with its settings.
Options are those of the command huey_green (huey_green --help), and count more than the settings.
"""


def main(argv: Sequence[str]) -> int:
    """Go on as the command ``huey_green``; return the exit status if that cannot be."""
    if not argv or any(one in ("-h", "--help") for one in argv):
        print(USAGE, end="")
        return 0 if argv else 2
    from huey_green.exceptions import ConfigurationError
    from huey_green.loading import CannotLoad
    from huey_green.options import parse

    paths = parse(argv).huey
    try:
        translated = arguments(argv, paths)
    except (CannotLoad, ConfigurationError) as error:
        print(f"huey_green.compat: {error}", file=sys.stderr)
        return 2
    sys.stdout.flush()
    # A new start, so that gevent patches before the application is imported.
    return os.execv(sys.executable, [sys.executable, *_flags(), "-m", "huey_green", *translated])


def arguments(argv: Sequence[str], paths: Sequence[str]) -> list[str]:
    """Return the command line of ``huey_green`` that does what is asked for."""
    from huey_green.compat.configuration import BaseConfiguration
    from huey_green.exceptions import ConfigurationError
    from huey_green.loading import load_object

    settings: list[str] = []
    names: dict[str, str] = {}
    for path in paths:
        found, module, attribute = load_object(path)
        if isinstance(found, type) and issubclass(found, BaseConfiguration):
            if names:
                raise ConfigurationError("a consumer has one configuration: name one of them")
            found.invoker()
            settings = found.arguments()
            names[path] = f"{module}:{attribute}.huey"
    return [*settings, *(names.get(one, one) for one in argv)]


def _flags() -> list[str]:
    """Return what Python itself was started with, as -W or -X."""
    given = sys.orig_argv[1:]
    return given[: given.index("-m")] if "-m" in given else []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
