"""The schema of the library, as an append-only list of steps.

Step n brings `user_version` from n to n+1. Steps are never edited once released; a library of any
released version is copied to `backups/` before the first missing step runs (SPEC 3).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lunalux_core.database import Connection, copy_database, statements
from lunalux_core.errors import StorageError

FIRST = """
CREATE TABLE characters (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  name_key TEXT NOT NULL,
  language TEXT NOT NULL DEFAULT '',
  spec TEXT NOT NULL,
  creator TEXT NOT NULL DEFAULT '',
  intro TEXT NOT NULL DEFAULT '',
  tags TEXT NOT NULL DEFAULT '[]',
  document TEXT NOT NULL,
  content_hash TEXT NOT NULL,
  picture TEXT NOT NULL DEFAULT '',
  favourite INTEGER NOT NULL DEFAULT 0,
  binding_active INTEGER NOT NULL DEFAULT 0,
  market_id TEXT,
  scripts_allowed INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  used_at INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX characters_by_name ON characters (name_key);
CREATE INDEX characters_by_hash ON characters (content_hash);
CREATE INDEX characters_by_market ON characters (market_id) WHERE market_id IS NOT NULL;
CREATE INDEX characters_by_use ON characters (used_at DESC, created_at DESC);

CREATE TABLE conversations (
  id TEXT PRIMARY KEY,
  character_id TEXT NOT NULL REFERENCES characters ON DELETE CASCADE,
  title TEXT NOT NULL DEFAULT '',
  head_id TEXT NOT NULL DEFAULT '',
  persona_id TEXT,
  preset_id TEXT,
  mode TEXT NOT NULL DEFAULT '',
  note TEXT NOT NULL DEFAULT '{}',
  metadata TEXT NOT NULL DEFAULT '{}',
  draft TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE INDEX conversations_by_character ON conversations (character_id, updated_at DESC);

CREATE TABLE messages (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  conversation_id TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
  parent_id TEXT NOT NULL DEFAULT '',
  depth INTEGER NOT NULL,
  role TEXT NOT NULL,
  name TEXT NOT NULL,
  content TEXT NOT NULL,
  raw TEXT NOT NULL DEFAULT '',
  thinking TEXT NOT NULL DEFAULT '',
  suggestions TEXT NOT NULL DEFAULT '[]',
  event TEXT NOT NULL DEFAULT '',
  status TEXT NOT NULL DEFAULT 'done',
  model TEXT NOT NULL DEFAULT '',
  usage TEXT,
  billing TEXT,
  state TEXT NOT NULL DEFAULT '{}',
  extra TEXT NOT NULL DEFAULT '{}',
  hidden INTEGER NOT NULL DEFAULT 0,
  selected_child TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL
);
CREATE INDEX messages_by_parent ON messages (conversation_id, parent_id, number);
CREATE INDEX messages_unfinished ON messages (status) WHERE status = 'pending';

CREATE VIRTUAL TABLE message_search USING fts5 (
  content, content = 'messages', content_rowid = 'number', tokenize = 'trigram'
);
CREATE TRIGGER message_added AFTER INSERT ON messages BEGIN
  INSERT INTO message_search (rowid, content) VALUES (new.number, new.content);
END;
CREATE TRIGGER message_removed AFTER DELETE ON messages BEGIN
  INSERT INTO message_search (message_search, rowid, content) VALUES ('delete', old.number, old.content);
END;
CREATE TRIGGER message_changed AFTER UPDATE OF content ON messages BEGIN
  INSERT INTO message_search (message_search, rowid, content) VALUES ('delete', old.number, old.content);
  INSERT INTO message_search (rowid, content) VALUES (new.number, new.content);
END;

CREATE TABLE changes (
  number INTEGER PRIMARY KEY,
  conversation_id TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
  kind TEXT NOT NULL,
  before TEXT NOT NULL,
  after TEXT NOT NULL,
  undone INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL
);
CREATE INDEX changes_by_conversation ON changes (conversation_id, number);

CREATE TABLE personas (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  description TEXT NOT NULL DEFAULT '',
  chosen INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL
);

CREATE TABLE shelf (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('worldbook', 'preset', 'regex')),
  name TEXT NOT NULL,
  name_key TEXT NOT NULL,
  document TEXT NOT NULL,
  enabled INTEGER NOT NULL DEFAULT 1,
  position INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL
);
CREATE INDEX shelf_by_kind ON shelf (kind, position, created_at);

CREATE TABLE cache (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL,
  stored_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
);

CREATE TABLE state (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
);
"""

MARKET = """
CREATE TABLE market_lists (
  place TEXT NOT NULL,
  lang TEXT NOT NULL,
  sort TEXT NOT NULL,
  stored_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  next_key TEXT,
  PRIMARY KEY (place, lang, sort)
) WITHOUT ROWID;
CREATE TABLE market_cards (
  number INTEGER PRIMARY KEY,
  place TEXT NOT NULL,
  lang TEXT NOT NULL,
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  intro TEXT NOT NULL,
  tags TEXT NOT NULL,
  creator TEXT NOT NULL,
  thumbnail TEXT NOT NULL,
  likes INTEGER NOT NULL,
  downloads INTEGER NOT NULL,
  coins INTEGER NOT NULL,
  nsfw INTEGER NOT NULL,
  original INTEGER NOT NULL,
  words TEXT NOT NULL,
  grams TEXT NOT NULL,
  UNIQUE (place, lang, id)
);
CREATE TABLE market_ranks (
  place TEXT NOT NULL,
  lang TEXT NOT NULL,
  sort TEXT NOT NULL,
  position INTEGER NOT NULL,
  card INTEGER NOT NULL,
  PRIMARY KEY (place, lang, sort, position)
) WITHOUT ROWID;
CREATE INDEX market_ranks_by_card ON market_ranks (card);
CREATE VIRTUAL TABLE market_words USING fts5 (
  words, content = 'market_cards', content_rowid = 'number', tokenize = 'trigram', detail = 'full'
);
CREATE VIRTUAL TABLE market_grams USING fts5 (
  grams, content = 'market_cards', content_rowid = 'number', columnsize = 0
);
CREATE TRIGGER market_added AFTER INSERT ON market_cards BEGIN
  INSERT INTO market_words (rowid, words) VALUES (new.number, new.words);
  INSERT INTO market_grams (rowid, grams) VALUES (new.number, new.grams);
END;
CREATE TRIGGER market_removed AFTER DELETE ON market_cards BEGIN
  INSERT INTO market_words (market_words, rowid, words) VALUES ('delete', old.number, old.words);
  INSERT INTO market_grams (market_grams, rowid, grams) VALUES ('delete', old.number, old.grams);
END;
CREATE TRIGGER market_changed AFTER UPDATE OF words, grams ON market_cards WHEN old.words <> new.words BEGIN
  INSERT INTO market_words (market_words, rowid, words) VALUES ('delete', old.number, old.words);
  INSERT INTO market_grams (market_grams, rowid, grams) VALUES ('delete', old.number, old.grams);
  INSERT INTO market_words (rowid, words) VALUES (new.number, new.words);
  INSERT INTO market_grams (rowid, grams) VALUES (new.number, new.grams);
END;
"""

STEPS: tuple[str | Callable[[Connection], None], ...] = (FIRST, MARKET)


def migrate(connection: Connection, backups: Path) -> None:
    """Bring the library to the newest schema.

    Raises:
        StorageError: LIBRARY_TOO_NEW when a newer Lunalux wrote it.
    """
    version = _version(connection)
    if version == len(STEPS):
        return
    if version > len(STEPS):
        raise StorageError(
            "LIBRARY_TOO_NEW",
            "This library was written by a newer Lunalux.",
            "Update Lunalux, or choose another folder with LUNALUX_HOME.",
        )
    if version:
        copy_database(connection, backups / f"library-v{version}.db")
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another program may have migrated while this one waited for the lock.
        for step in STEPS[_version(connection) :]:
            _apply(connection, step)
        connection.execute(f"PRAGMA user_version = {len(STEPS)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version(connection: Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _apply(connection: Connection, step: str | Callable[[Connection], None]) -> None:
    if not isinstance(step, str):
        step(connection)
        return
    for statement in statements(step):
        connection.execute(statement)
