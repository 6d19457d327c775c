# SPDX-License-Identifier: MIT
"""From an import path to the Huey it names, with an error for each way in which that fails."""

from __future__ import annotations

import difflib
import os
import re
import sys
import traceback
from importlib import import_module
from types import ModuleType

from huey_green.huey import Huey


class CannotLoad(Exception):
    """The import path does not lead to a Huey; the message says why and what to do."""


def load_huey(path: str) -> Huey:
    """Return the Huey at ``package.module.attribute`` or ``package.module:attribute``.

    The current directory is importable. Raises ``CannotLoad``.
    """
    found, module_name, _ = load_object(path)
    if not isinstance(found, Huey):
        raise CannotLoad(_not_a_huey(path, sys.modules[module_name], found))
    return found


def load_object(path: str) -> tuple[object, str, str]:
    """Return what is at an import path, with the names of its module and of it there.

    Raises ``CannotLoad``.
    """
    sys.path[:0] = [directory for directory in [_here()] if directory not in sys.path]
    module_name, separator, attribute = path.rpartition(":" if ":" in path else ".")
    if not separator or not module_name or not attribute:
        raise CannotLoad(
            f"{path!r} is not an import path: write module.attribute, as app.huey for "
            f"`huey` in app.py"
        )
    module = _import(module_name)
    return _attribute(module, module_name, attribute), module_name, attribute


def _here() -> str:
    try:
        return os.getcwd()
    except OSError as error:
        raise CannotLoad(
            f"the current directory cannot be read ({error.strerror}): start in one that exists"
        ) from None


def _import(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        # Only if it is the path itself that is missing, and not something that it imports.
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise CannotLoad(
                f"there is no module {error.name!r}, looked for in {os.getcwd()} and on the "
                f"Python path: run huey_green in the directory that holds it, or set PYTHONPATH"
            ) from None
        raise CannotLoad(_user_error(name)) from None
    except Exception:
        raise CannotLoad(_user_error(name)) from None
    except SystemExit as error:
        raise CannotLoad(
            f"importing {name} ended the process (SystemExit {error.code!r}): is its main "
            f'guarded by if __name__ == "__main__"?'
        ) from None


def _user_error(name: str) -> str:
    kind, error, trace = sys.exc_info()
    own = os.path.join(os.path.dirname(__file__), "")
    # The frames of the import itself, ours and Python's, say nothing about the mistake.
    frames = [
        frame
        for frame in traceback.extract_tb(trace)
        if not frame.filename.startswith(("<frozen", own))
        and os.sep + "importlib" + os.sep not in frame.filename
    ]
    lines = ["Traceback (most recent call last):\n"] if frames else []
    lines += traceback.format_list(frames)
    lines += traceback.format_exception_only(kind, error)
    text = _without_secrets("".join(lines).rstrip())
    return f"importing {name} failed with an error of its own:\n\n{text}"


def _without_secrets(text: str) -> str:
    """Return text that may show the application's source, without what it has of passwords."""
    # All of a URL: where it is misspelt a part of the password may stand for the host.
    text = re.sub(r"(?<=://)[^\s'\"]*@[^\s'\"]*", "...", text)
    return re.sub(r"(\b(?:password|secret)\w*\s*=\s*)(['\"]).*?\2", r"\1\2...\2", text)


def _attribute(module: ModuleType, module_name: str, name: str) -> object:
    found: object = module
    for part in name.split("."):
        if not hasattr(found, part):
            names = [one for one, value in vars(module).items() if isinstance(value, Huey)]
            near = names or difflib.get_close_matches(part, dir(module), n=3)
            hint = f"; there is {' and '.join(near)}" if near else ""
            raise CannotLoad(
                f"module {module_name} ({module.__file__}) has no attribute {part!r}{hint}"
            )
        found = getattr(found, part)
    return found


def _not_a_huey(path: str, module: ModuleType, found: object) -> str:
    if isinstance(found, ModuleType):
        inside = [one for one, value in vars(found).items() if isinstance(value, Huey)]
        hint = f"{path}.{inside[0]}" if inside else f"{path}.huey"
        return f"{path} is a module, not a Huey: write {hint}"
    kind = type(found)
    if isinstance(found, type) and any(
        one.__name__ == "BaseConfiguration" for one in found.__mro__
    ):
        return f"{path} is a configuration of huey 0.3: run python -m huey_green.compat {path}"
    if kind.__module__.partition(".")[0] == "huey":
        return f"{path} is a Huey of the package huey: import it from huey_green instead of huey"
    inside = [one for one, value in vars(module).items() if isinstance(value, Huey)]
    hint = f"; {module.__name__}.{inside[0]} is one" if inside else ""
    return f"{path} is a {kind.__name__}, not a Huey{hint}"
