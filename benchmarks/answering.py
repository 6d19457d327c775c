# SPDX-License-Identifier: MIT
"""A small HTTP server: ``python -m benchmarks.answering PORT_FILE DELAY``.

It answers every request after ``DELAY`` seconds, and writes the port it listens on to a file.
"""

from __future__ import annotations

import asyncio
import os
import sys

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


async def main(port_file: str, delay: float) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(delay)
            writer.write(ANSWER)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # The caller has gone: no business of ours.
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    # In one step: whoever sees the file sees all of it.
    with open(f"{port_file}.new", "w", encoding="utf-8") as file:
        file.write(str(port))
    os.replace(f"{port_file}.new", port_file)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
