# SPDX-License-Identifier: MIT
"""The decoder under a coverage-guided fuzzer: ``python -m chaos.fuzz_atheris [libFuzzer options]``.

Optional: it needs ``pip install atheris``, which there is for Linux and some versions of Python;
all else here does without. With ``-max_total_time=60`` it runs for a minute. What it looks for:
bytes for which decoding raises anything but ``UnreadableMessage``, or gives a message that cannot
be written and read again.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-not-found, unused-ignore]

with atheris.instrument_imports(include=["huey_green"]):
    from huey_green import wire

from chaos.fuzz_app import SERIALIZERS
from chaos.fuzz_messages import Maker
from huey_green.exceptions import SerializationError, UnreadableMessage

#: What the first byte of an input chooses from. Signatures nobody guesses.
FORMATS = [SERIALIZERS[name]() for name in ("pickle", "json", "gzip", "zlib")]

#: Characters of a dead letter's reason.
LONGEST_REASON = 2000

#: Bytes of memory, see ``fuzz``.
MEMORY = 1536 * 1024 * 1024


def look_at(data: bytes) -> None:
    """Decode bytes that the fuzzer made."""
    if not data:
        return
    serializer = FORMATS[data[0] % len(FORMATS)]
    try:
        message = wire.decode_message(serializer, data[1:])
    except UnreadableMessage as error:
        if len(str(error)) > LONGEST_REASON:
            raise AssertionError("a reason is too long") from error
        return
    try:
        again = wire.decode_message(serializer, wire.encode_message(serializer, message))
    except SerializationError:
        return  # JSON reads NaN, among others, and does not write it.
    # Not the arguments: what is not equal to itself may be among them.
    assert again._replace(args=(), kwargs={}, on_complete=None, on_error=None, options=None) == (
        message._replace(args=(), kwargs={}, on_complete=None, on_error=None, options=None)
    )


def main() -> None:
    """Fuzz until something is found, or the options say that it is enough."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    with tempfile.TemporaryDirectory() as corpus:
        for number, serializer in enumerate(FORMATS):
            maker = Maker(f"atheris {number}", serializer)
            for count in range(100):
                body = maker.bad() if count % 2 else maker.good()
                Path(corpus, f"{number}-{count}").write_bytes(bytes([number]) + body[:50_000])
        options = ["-rss_limit_mb=0", "-malloc_limit_mb=0", "-max_len=50000", *sys.argv[1:]]
        atheris.Setup([sys.argv[0], *options, corpus], look_at)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
