# SPDX-License-Identifier: MIT
"""A venv for each peer, made once and kept in this user's cache directory."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.catalogue import Peer

#: Left in a venv that is complete, with what ``pip freeze`` said.
COMPLETE = "benchmark-versions.txt"

#: Seconds in which a venv has to be made.
PATIENCE = 900.0


class NoVenv(RuntimeError):
    """A peer could not be installed; the message ends with what pip said."""


def cache_directory() -> Path:
    """Return where the venvs are kept; deleting it is safe."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "huey_green-benchmarks"


def venv(peer: Peer) -> Path:
    """Return the ``bin`` directory of the peer's venv, making it if there is none.

    Another version of Python or of a requirement makes another venv.
    """
    wanted = "\n".join([sys.version, *peer.requirements])
    digest = hashlib.sha256(wanted.encode()).hexdigest()[:12]
    directory = cache_directory() / f"{peer.name}-{digest}"
    if not (directory / COMPLETE).exists():
        # What an interrupted attempt left is no good.
        shutil.rmtree(directory, ignore_errors=True)
        print(f"making a venv for {peer.name}: {', '.join(peer.requirements)}", flush=True)
        python = directory / "bin" / "python"
        _run([sys.executable, "-m", "venv", str(directory)], peer.name)
        pip = [str(python), "-m", "pip"]
        _run([*pip, "install", "--quiet", *peer.requirements], peer.name)
        (directory / COMPLETE).write_text(_run([*pip, "freeze"], peer.name), encoding="utf-8")
    return directory / "bin"


def versions(directory: Path) -> list[str]:
    """Return what is installed in a venv, as ``name==version``."""
    return (directory.parent / COMPLETE).read_text(encoding="utf-8").split()


def _run(command: list[str], name: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    except (subprocess.SubprocessError, OSError) as error:
        said = getattr(error, "stderr", None) or ""
        raise NoVenv(f"{name} could not be installed: {error}\n{str(said)[-2000:]}") from error
    return done.stdout
