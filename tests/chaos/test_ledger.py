# SPDX-License-Identifier: MIT
"""The ledger is read while others write it, each record once."""

from __future__ import annotations

from pathlib import Path

from chaos.ledger import Ledger, Reader


def test_what_was_written_since_the_last_look_is_read_with_the_rest(tmp_path: Path) -> None:
    first, second = Ledger(tmp_path, "c1"), Ledger(tmp_path, "c2")
    reader = Reader(tmp_path)
    first.note("began", job="a")
    assert [record["job"] for record in reader.of("began")] == ["a"]
    second.note("ended", job="a")
    first.note("began", job="b")
    assert [record["job"] for record in reader.of("began")] == ["a", "b"]
    assert [(r["by"], r["what"]) for r in reader.all()] == [
        ("c1", "began"),
        ("c2", "ended"),
        ("c1", "began"),
    ]


def test_a_line_that_is_half_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "c1.1.jsonl"
    path.write_bytes(b'{"at": 1.0, "what": "began"}\n{"at": 2.0, "wh')
    reader = Reader(tmp_path)
    assert [record["at"] for record in reader.all()] == [1.0]
    with path.open("ab") as file:
        file.write(b'at": "ended"}\n')
    assert [record["at"] for record in reader.all()] == [1.0, 2.0]


def test_a_ledger_that_nobody_has_begun_is_empty(tmp_path: Path) -> None:
    assert Reader(tmp_path / "ledger").all() == []
