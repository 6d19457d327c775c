# SPDX-License-Identifier: MIT
"""A real Redis that speaks TLS, on a machine whose redis-server can."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

from certificates import Authority

from huey_green.storage.redis import RedisStorage
from huey_green.testing.redis import PrivateRedis


def server_with_tls() -> tuple[str | None, str]:
    """Return a redis-server that speaks TLS, or None and why there is none."""
    if shutil.which("openssl") is None:
        return None, "there is no openssl on PATH to make certificates with"
    paths = dict.fromkeys(os.environ.get("PATH", os.defpath).split(os.pathsep))
    servers = [found for path in paths if (found := shutil.which("redis-server", path=path))]
    for server in servers:
        # It has nothing to listen to, so it ends by itself; one without TLS complains.
        tried = subprocess.run(
            [server, "--port", "0", "--tls-port", "0"], capture_output=True, check=False
        )
        if b"Bad directive" not in tried.stdout + tried.stderr:
            return server, ""
    return None, f"no redis-server speaks TLS, tried: {', '.join(servers) or 'none is on PATH'}"


class TLSServer:
    """Listens at ``port`` with TLS, and at ``plain.port`` without, to be set up by a test."""

    def __init__(self, server: str, folder: Path) -> None:
        self.authority = Authority(folder / "ours", "ours")
        self.other = Authority(folder / "others", "others")
        certificate, key = self.authority.sign("server")
        files = {
            "tls-cert-file": certificate,
            "tls-key-file": key,
            "tls-ca-cert-file": self.authority.certificate,
            "tls-auth-clients": "no",
        }
        with socket.socket() as chosen:
            chosen.bind(("127.0.0.1", 0))
            self.port: int = chosen.getsockname()[1]
        arguments = [part for name, value in files.items() for part in (f"--{name}", value)]
        arguments += ["--tls-port", str(self.port)]
        self.plain = PrivateRedis(server=server, arguments=arguments)

    @property
    def url(self) -> str:
        return f"rediss://localhost:{self.port}/0"

    @property
    def trusting(self) -> dict[str, Any]:
        """What makes a client trust this server."""
        return {"ssl_ca_certs": self.authority.certificate}

    def set(self, **settings: str) -> None:
        """Change settings of the server while it runs."""
        storage = RedisStorage(url=self.plain.url)
        pairs = [
            part for name, value in settings.items() for part in (name.replace("_", "-"), value)
        ]
        storage.link.execute("CONFIG", "SET", *pairs)
        storage.close()
