# SPDX-License-Identifier: MIT
"""What is on disk. Every table holds the rows of all queue names that share the file."""

#: Raised when the tables change in a way that an older version cannot work with.
FORMAT = 1

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
        body BLOB NOT NULL
    )
    """,
    """
    CREATE INDEX green_message_ready ON green_message (queue, priority DESC, id)
    WHERE consumer IS NULL
    """,
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
    """
    CREATE INDEX green_value_revocation ON green_value (queue) WHERE revocation = 1
    """,
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
)
