# SPDX-License-Identifier: MIT
"""Certificates for tests, made by the command openssl: an authority, and what it has signed."""

from __future__ import annotations

import subprocess
from pathlib import Path

# From 3.13 on Python takes none without these.
_EXTENSIONS = """\
basicConstraints = critical, CA:{ca}
keyUsage = critical, {usage}
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {hosts}
"""


_HERE = "DNS:localhost, IP:127.0.0.1"


class Authority:
    """Signs certificates, which are in ``folder`` together with their keys."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.name = name
        self._certify(name, {"ca": "TRUE", "usage": "keyCertSign", "hosts": _HERE}, [])

    @property
    def certificate(self) -> str:
        """The file that names this authority to those who are to trust it."""
        return self._file(self.name, "crt")

    def sign(self, name: str, hosts: str = _HERE) -> tuple[str, str]:
        """Return the files of a certificate, for localhost unless told otherwise, and its key."""
        by = ["-CA", self.certificate, "-CAkey", self._file(self.name, "key"), "-CAcreateserial"]
        self._certify(name, {"ca": "FALSE", "usage": "digitalSignature", "hosts": hosts}, by)
        return self._file(name, "crt"), self._file(name, "key")

    def lock(self, key: str, password: str) -> str:
        """Return the file of the same key, which wants a password."""
        locked = f"{key}.locked"
        _openssl("ec", "-in", key, "-aes256", "-passout", f"pass:{password}", "-out", locked)
        return locked

    def _certify(self, name: str, is_for: dict[str, str], by: list[str]) -> None:
        key, request, extensions = (self._file(name, kind) for kind in ("key", "csr", "ext"))
        Path(extensions).write_text(_EXTENSIONS.format(**is_for))
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        _openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request)
        signed = by or ["-signkey", key]
        described = ["-days", "2", "-extfile", extensions, "-out", self._file(name, "crt")]
        _openssl("x509", "-req", "-in", request, *signed, *described)

    def _file(self, name: str, kind: str) -> str:
        return str(self.folder / f"{name}.{kind}")


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
