# SPDX-License-Identifier: MIT
"""What is on disk. Every table holds the rows of all queue names that share the file."""

from __future__ import annotations

import sqlite3

from huey_green import clock

#: Raised when the tables change in a way that an older version cannot work with.
FORMAT = 3

# What later formats added, in a new file and in one that is brought up to it.

_MESSAGE_INDEXES = (
    """
    CREATE INDEX green_message_ready ON green_message (queue, priority DESC, id)
    WHERE consumer IS NULL AND limited IS NULL
    """,
    """
    CREATE INDEX green_message_limited ON green_message (queue, limited, parked_at)
    WHERE limited IS NOT NULL
    """,
)
_REVOCATION_INDEX = """
    CREATE INDEX green_value_revocation ON green_value (queue, expires_at) WHERE revocation = 1
    """
_EFFECT_TABLES = (
    """
    CREATE TABLE green_chord (
        queue TEXT NOT NULL,
        chord TEXT NOT NULL,
        noted INTEGER NOT NULL,  -- how many rows green_member has of it: not to be counted anew
        noted_at REAL NOT NULL DEFAULT 0,  -- the last of them
        PRIMARY KEY (queue, chord)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE green_member (
        queue TEXT NOT NULL,
        chord TEXT NOT NULL,
        position INTEGER NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (queue, chord, position)
    )
    """,
    """
    CREATE TABLE green_claim (
        queue TEXT NOT NULL,
        key TEXT NOT NULL,
        owner TEXT NOT NULL,
        expires_at REAL,
        planned INTEGER,  -- the id on the schedule of what was postponed under it
        PRIMARY KEY (queue, key)
    )
    """,
    """
    CREATE INDEX green_claim_expiring ON green_claim (queue, expires_at)
    WHERE expires_at IS NOT NULL
    """,
    """
    CREATE TABLE green_hit (
        queue TEXT NOT NULL,
        key TEXT NOT NULL,
        at REAL NOT NULL,
        ends_at REAL NOT NULL
    )
    """,
    """
    CREATE INDEX green_hit_key ON green_hit (queue, key, at)
    """,
    """
    CREATE INDEX green_hit_end ON green_hit (queue, ends_at)
    """,
    """
    CREATE TABLE green_cancel (
        queue TEXT NOT NULL,
        task TEXT NOT NULL,
        at REAL NOT NULL,
        PRIMARY KEY (queue, task)
    ) WITHOUT ROWID
    """,
    # A row that is replaced gets a new id: by that others see what has changed.
    """
    CREATE TABLE green_progress (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        queue TEXT NOT NULL,
        task TEXT NOT NULL,
        data BLOB NOT NULL,
        told_at REAL NOT NULL DEFAULT 0,
        UNIQUE (queue, task)
    )
    """,
)
_DEAD_INDEX = """
    CREATE INDEX green_dead_died ON green_dead (queue, died_at)
    """

TABLES = (
    """
    CREATE TABLE green_format (version INTEGER NOT NULL)
    """,
    f"""
    INSERT INTO green_format (version) VALUES ({FORMAT})
    """,
    # AUTOINCREMENT: an id is never used twice, so that a stale receipt fits no later message,
    # and the order of ids is the order of arrival even after deletions.
    """
    CREATE TABLE green_message (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        queue TEXT NOT NULL,
        priority REAL NOT NULL,
        consumer TEXT,                     -- who holds it; NULL: ready
        lease INTEGER NOT NULL DEFAULT 0,  -- how often it was leased; with id, the receipt
        begun INTEGER NOT NULL DEFAULT 0,  -- this lease counts as an attempt if its holder dies
        history TEXT NOT NULL DEFAULT '[]',
        limited TEXT,                      -- held: the key of its permit; else it is parked
        parked_at REAL,                    -- ...under this key since then; NULL with a permit
        body BLOB NOT NULL
    )
    """,
    *_MESSAGE_INDEXES,
    """
    CREATE INDEX green_message_held ON green_message (queue, consumer)
    WHERE consumer IS NOT NULL
    """,
    # A lease belongs to the consumer, so that a heartbeat writes one row.
    """
    CREATE TABLE green_consumer (
        queue TEXT NOT NULL,
        consumer TEXT NOT NULL,
        lease_ends_at REAL NOT NULL,
        PRIMARY KEY (queue, consumer)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE green_schedule (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        queue TEXT NOT NULL,
        at REAL NOT NULL,
        body BLOB NOT NULL
    )
    """,
    """
    CREATE INDEX green_schedule_due ON green_schedule (queue, at, id)
    """,
    """
    CREATE TABLE green_value (
        queue TEXT NOT NULL,
        key TEXT NOT NULL,
        expires_at REAL,
        revocation INTEGER NOT NULL DEFAULT 0,
        value BLOB NOT NULL,
        PRIMARY KEY (queue, key)
    )
    """,
    """
    CREATE INDEX green_value_expiring ON green_value (queue, expires_at)
    WHERE expires_at IS NOT NULL
    """,
    _REVOCATION_INDEX,
    """
    CREATE TABLE green_counter (
        queue TEXT NOT NULL,
        key TEXT NOT NULL,
        value INTEGER NOT NULL,
        PRIMARY KEY (queue, key)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE green_once (
        queue TEXT NOT NULL,
        key TEXT NOT NULL,
        expires_at REAL NOT NULL,
        PRIMARY KEY (queue, key)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE green_dead (
        queue TEXT NOT NULL,
        id TEXT NOT NULL,
        died_at REAL NOT NULL,
        letter BLOB NOT NULL,
        PRIMARY KEY (queue, id)
    )
    """,
    _DEAD_INDEX,
    *_EFFECT_TABLES,
)

#: The tables that hold a queue's rows: what ``flush_all`` empties.
QUEUE_TABLES = (
    "green_message",
    "green_consumer",
    "green_schedule",
    "green_value",
    "green_counter",
    "green_once",
    "green_dead",
    "green_chord",
    "green_member",
    "green_claim",
    "green_hit",
    "green_cancel",
    "green_progress",
)


def upgrade(db: sqlite3.Connection) -> None:
    """Bring a file of an earlier format up to the present one, in one transaction."""
    [version] = db.execute("SELECT version FROM green_format").fetchone()
    if version == 1:
        for column in ("limited TEXT", "parked_at REAL"):
            db.execute(f"ALTER TABLE green_message ADD COLUMN {column}")
        for index in ("green_message_ready", "green_value_revocation"):
            db.execute(f"DROP INDEX {index}")
        for statement in (*_MESSAGE_INDEXES, _REVOCATION_INDEX, *_EFFECT_TABLES):
            db.execute(statement)
    elif version == 2:
        for table, column in (("green_chord", "noted_at"), ("green_progress", "told_at")):
            db.execute(f"ALTER TABLE {table} ADD COLUMN {column} REAL NOT NULL DEFAULT 0")
            # Of what is there already nobody knows since when: it counts as news of now.
            db.execute(f"UPDATE {table} SET {column} = ?", (clock.wall(),))
    else:
        return  # Another process was faster.
    db.execute(_DEAD_INDEX)
    db.execute("UPDATE green_format SET version = ?", (FORMAT,))
