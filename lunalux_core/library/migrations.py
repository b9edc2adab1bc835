"""The schema of the library, as an append-only list of steps.

Step n brings `user_version` from n to n+1. Steps are never edited once released; a library of any
released version is copied to `backups/` before the first missing step runs.

See docs/spec/design.md: Data safety.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from lunalux_core.database import Connection, statements
from lunalux_core.errors import StorageError
from lunalux_core.sqlite_thread import copy_database

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

PERSONA_BOOKS = """
ALTER TABLE personas ADD COLUMN worldbook TEXT NOT NULL DEFAULT '';
"""

# SQLite cannot take NOT NULL from a column, so conversations move into a new table.
GROUPS = """
CREATE TABLE character_groups (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  name_key TEXT NOT NULL,
  turn_order TEXT NOT NULL DEFAULT 'natural',
  cards TEXT NOT NULL DEFAULT 'swap',
  self_responses INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  used_at INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE group_members (
  group_id TEXT NOT NULL REFERENCES character_groups ON DELETE CASCADE,
  character_id TEXT NOT NULL REFERENCES characters ON DELETE CASCADE,
  position INTEGER NOT NULL,
  muted INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (group_id, character_id)
) WITHOUT ROWID;
CREATE INDEX group_members_by_character ON group_members (character_id);

CREATE TABLE conversations_new (
  id TEXT PRIMARY KEY,
  character_id TEXT REFERENCES characters ON DELETE CASCADE,
  group_id TEXT REFERENCES character_groups ON DELETE CASCADE,
  title TEXT NOT NULL DEFAULT '',
  head_id TEXT NOT NULL DEFAULT '',
  persona_id TEXT,
  preset_id TEXT,
  mode TEXT NOT NULL DEFAULT '',
  note TEXT NOT NULL DEFAULT '{}',
  metadata TEXT NOT NULL DEFAULT '{}',
  draft TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  CHECK ((character_id IS NULL) <> (group_id IS NULL))
);
INSERT INTO conversations_new (
  id, character_id, title, head_id, persona_id, preset_id, mode, note, metadata, draft, created_at, updated_at
) SELECT
  id, character_id, title, head_id, persona_id, preset_id, mode, note, metadata, draft, created_at, updated_at
FROM conversations;
DROP TABLE conversations;
ALTER TABLE conversations_new RENAME TO conversations;
CREATE INDEX conversations_by_character ON conversations (character_id, updated_at DESC);
CREATE INDEX conversations_by_group ON conversations (group_id, updated_at DESC) WHERE group_id IS NOT NULL;

ALTER TABLE messages ADD COLUMN speaker TEXT NOT NULL DEFAULT '';
"""

CHARACTER_BOOKS = """
ALTER TABLE characters ADD COLUMN worldbooks TEXT NOT NULL DEFAULT '[]';
"""

TURN_RECORDS = """
CREATE TABLE turn_records (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  conversation_id TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
  message_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  record BLOB NOT NULL
);
CREATE INDEX turn_records_by_conversation ON turn_records (conversation_id, number);
CREATE INDEX turn_records_by_message ON turn_records (message_id);
"""

TEMPLATES = """
CREATE TABLE templates (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  name_key TEXT NOT NULL,
  bundle TEXT NOT NULL DEFAULT '',
  document TEXT NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE INDEX templates_by_name ON templates (kind, name_key);
"""

QUICK_REPLIES = """
CREATE TABLE quick_reply_sets (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  document TEXT NOT NULL,
  created_at INTEGER NOT NULL
);
"""

# Whether a memory is stale is asked again only after its sources changed, which the triggers note here: so
# nothing that stores, edits or deletes messages has to know of memories.
MEMORIES = """
CREATE TABLE memories (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  conversation_id TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
  kind TEXT NOT NULL,
  title TEXT NOT NULL DEFAULT '',
  text TEXT NOT NULL DEFAULT '',
  keywords TEXT NOT NULL DEFAULT '[]',
  first_id TEXT NOT NULL DEFAULT '',
  last_id TEXT NOT NULL DEFAULT '',
  speaker TEXT NOT NULL DEFAULT '',
  tokens INTEGER NOT NULL DEFAULT 0,
  pinned INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL DEFAULT 'fresh',
  reason TEXT NOT NULL DEFAULT '',
  sources TEXT NOT NULL DEFAULT '[]',
  parts TEXT NOT NULL DEFAULT '[]',
  made_by TEXT NOT NULL DEFAULT '',
  instruction TEXT NOT NULL DEFAULT '',
  extra TEXT NOT NULL DEFAULT '{}',
  sound INTEGER NOT NULL DEFAULT 1,
  checked INTEGER NOT NULL DEFAULT 1,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE INDEX memories_by_conversation ON memories (conversation_id, number);
CREATE TABLE memory_coverage (
  memory INTEGER NOT NULL REFERENCES memories ON DELETE CASCADE,
  place INTEGER NOT NULL,
  message_id TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  PRIMARY KEY (memory, place)
) WITHOUT ROWID;
CREATE INDEX memory_coverage_by_message ON memory_coverage (message_id);
CREATE TABLE memory_revision (number INTEGER NOT NULL);
INSERT INTO memory_revision VALUES (0);

CREATE TRIGGER memory_added AFTER INSERT ON memories BEGIN
  UPDATE memory_revision SET number = number + 1;
END;
CREATE TRIGGER memory_changed AFTER UPDATE ON memories BEGIN
  UPDATE memory_revision SET number = number + 1;
END;
CREATE TRIGGER memory_removed AFTER DELETE ON memories BEGIN
  UPDATE memory_revision SET number = number + 1;
END;
CREATE TRIGGER memory_source_changed AFTER UPDATE OF content, role, parent_id ON messages BEGIN
  UPDATE memories SET checked = 0
    WHERE number IN (SELECT memory FROM memory_coverage WHERE message_id = new.id);
END;
CREATE TRIGGER memory_source_removed AFTER DELETE ON messages BEGIN
  UPDATE memories SET checked = 0
    WHERE number IN (SELECT memory FROM memory_coverage WHERE message_id = old.id);
END;
CREATE TRIGGER memory_source_back AFTER INSERT ON messages BEGIN
  UPDATE memories SET checked = 0
    WHERE number IN (SELECT memory FROM memory_coverage WHERE message_id = new.id);
END;
"""

# AUTOINCREMENT, because an index in memory knows `character_words` by its count and its highest number: a
# number that came back would make a new row look like the old one.
ORDER = """
CREATE TABLE tags (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  name_key TEXT NOT NULL UNIQUE,
  folder TEXT NOT NULL DEFAULT 'none' CHECK (folder IN ('none', 'open', 'closed')),
  hidden INTEGER NOT NULL DEFAULT 0,
  position INTEGER NOT NULL DEFAULT 0,
  extra TEXT NOT NULL DEFAULT '{}',
  created_at INTEGER NOT NULL
);
CREATE TABLE character_tags (
  character_id TEXT NOT NULL REFERENCES characters ON DELETE CASCADE,
  tag_id TEXT NOT NULL REFERENCES tags ON DELETE CASCADE,
  PRIMARY KEY (character_id, tag_id)
) WITHOUT ROWID;
CREATE INDEX character_tags_by_tag ON character_tags (tag_id);
CREATE TABLE group_tags (
  group_id TEXT NOT NULL REFERENCES character_groups ON DELETE CASCADE,
  tag_id TEXT NOT NULL REFERENCES tags ON DELETE CASCADE,
  PRIMARY KEY (group_id, tag_id)
) WITHOUT ROWID;

CREATE TABLE card_tags (
  character_id TEXT NOT NULL REFERENCES characters ON DELETE CASCADE,
  name_key TEXT NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (character_id, name_key)
) WITHOUT ROWID;
CREATE INDEX card_tags_by_name ON card_tags (name_key);
CREATE TABLE character_words (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  character_id TEXT NOT NULL UNIQUE REFERENCES characters ON DELETE CASCADE,
  words TEXT NOT NULL,
  creator_key TEXT NOT NULL,
  size INTEGER NOT NULL
);
CREATE INDEX characters_listed ON characters (
  favourite DESC, used_at DESC, created_at DESC, name_key, id, binding_active
);

CREATE TABLE marks (
  message_id TEXT PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
  conversation_id TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE INDEX marks_by_conversation ON marks (conversation_id);
ALTER TABLE conversations ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversations ADD COLUMN seen_at INTEGER NOT NULL DEFAULT 0;
UPDATE conversations SET seen_at = updated_at;
ALTER TABLE character_groups ADD COLUMN join_prefix TEXT NOT NULL DEFAULT '';
ALTER TABLE character_groups ADD COLUMN join_suffix TEXT NOT NULL DEFAULT '';
"""
"""Tags of the person beside those of the cards, marks, pins, and what lists of thousands are read from.

`character_words` and `card_tags` repeat what `characters` holds, folded for comparing: a list narrowed at
every key must not read whole cards.
"""


def library_order(connection: Connection) -> None:
    """`ORDER`, with the words of the characters that are there."""
    from lunalux_core.library.character_words import store_all_words

    for statement in statements(ORDER):
        connection.execute(statement)
    store_all_words(connection)


REPLY_STARTS = """
ALTER TABLE conversations ADD COLUMN reply_start TEXT NOT NULL DEFAULT '{}';
"""

# No foreign key can do what these triggers do: what `target` is the id of depends on the scope.
PROFILES = """
CREATE TABLE profiles (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  name_key TEXT NOT NULL UNIQUE,
  document TEXT NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE TABLE profile_uses (
  scope TEXT NOT NULL CHECK (scope IN ('conversation', 'member', 'character', 'global', 'task')),
  target TEXT NOT NULL DEFAULT '',
  profile_id TEXT NOT NULL REFERENCES profiles ON DELETE CASCADE,
  PRIMARY KEY (scope, target)
) WITHOUT ROWID;
CREATE INDEX profile_uses_by_profile ON profile_uses (profile_id);
CREATE TRIGGER profile_chat_gone AFTER DELETE ON conversations BEGIN
  DELETE FROM profile_uses WHERE scope = 'conversation' AND target = old.id;
END;
CREATE TRIGGER profile_character_gone AFTER DELETE ON characters BEGIN
  DELETE FROM profile_uses WHERE (scope = 'character' AND target = old.id)
    OR (scope = 'member' AND target LIKE '%:' || old.id);
END;
CREATE TRIGGER profile_group_gone AFTER DELETE ON character_groups BEGIN
  DELETE FROM profile_uses WHERE scope = 'member' AND target LIKE old.id || ':%';
END;
"""

MARKS = "DROP TABLE marks;"
"""A mark stands in its message: so undo and a deleted branch take it along as they take the words."""

TRACKERS = """
CREATE TABLE trackers (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  conversation_id TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
  name TEXT NOT NULL,
  name_key TEXT NOT NULL,
  instruction TEXT NOT NULL,
  form TEXT NOT NULL DEFAULT 'text',
  shape TEXT NOT NULL DEFAULT '',
  run TEXT NOT NULL DEFAULT 'turns',
  every INTEGER NOT NULL DEFAULT 1,
  position TEXT NOT NULL DEFAULT 'in_chat',
  depth INTEGER NOT NULL DEFAULT 4,
  role TEXT NOT NULL DEFAULT 'system',
  enabled INTEGER NOT NULL DEFAULT 1,
  failed_at TEXT NOT NULL DEFAULT '',
  reason TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (conversation_id, name_key)
);
CREATE TABLE tracker_values (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  tracker_id TEXT NOT NULL REFERENCES trackers (id) ON DELETE CASCADE,
  message_id TEXT NOT NULL DEFAULT '',
  value TEXT NOT NULL,
  coverage TEXT NOT NULL DEFAULT '[]',
  made_by TEXT NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  UNIQUE (tracker_id, message_id)
);
"""

BANK = """
CREATE TABLE documents (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  hash TEXT NOT NULL,
  conversation_id TEXT REFERENCES conversations ON DELETE CASCADE,
  character_id TEXT REFERENCES characters ON DELETE CASCADE,
  size INTEGER NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE INDEX documents_by_conversation ON documents (conversation_id);
CREATE INDEX documents_by_character ON documents (character_id);
CREATE TABLE passages (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  document_id TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
  place INTEGER NOT NULL,
  text TEXT NOT NULL,
  words TEXT NOT NULL,
  tokens INTEGER NOT NULL
);
CREATE INDEX passages_by_document ON passages (document_id, place);
CREATE VIRTUAL TABLE passage_search USING fts5 (
  words, content = 'passages', content_rowid = 'number', tokenize = "unicode61 remove_diacritics 2"
);
CREATE TRIGGER passage_added AFTER INSERT ON passages BEGIN
  INSERT INTO passage_search (rowid, words) VALUES (new.number, new.words);
END;
CREATE TRIGGER passage_removed AFTER DELETE ON passages BEGIN
  INSERT INTO passage_search (passage_search, rowid, words) VALUES ('delete', old.number, old.words);
END;
"""

VECTORS = """
CREATE TABLE vectors (
  hash TEXT NOT NULL,
  model TEXT NOT NULL,
  length INTEGER NOT NULL,
  vector BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (hash, model)
) WITHOUT ROWID;
"""

STORY = """
ALTER TABLE quick_reply_sets ADD COLUMN automatic INTEGER;
CREATE TABLE quick_reply_uses (
  number INTEGER PRIMARY KEY,
  scope TEXT NOT NULL CHECK (scope IN ('global', 'chat', 'character')),
  target TEXT NOT NULL DEFAULT '',
  set_id TEXT NOT NULL REFERENCES quick_reply_sets (id) ON DELETE CASCADE,
  visible INTEGER NOT NULL DEFAULT 1,
  UNIQUE (scope, target, set_id)
);
CREATE TRIGGER quick_reply_chat_gone AFTER DELETE ON conversations BEGIN
  DELETE FROM quick_reply_uses WHERE scope = 'chat' AND target = old.id;
END;
CREATE TRIGGER quick_reply_character_gone AFTER DELETE ON characters BEGIN
  DELETE FROM quick_reply_uses WHERE scope = 'character' AND target = old.id;
END;
CREATE TRIGGER quick_reply_group_gone AFTER DELETE ON character_groups BEGIN
  DELETE FROM quick_reply_uses WHERE scope = 'character' AND target = old.id;
END;
ALTER TABLE character_groups ADD COLUMN auto_mode INTEGER NOT NULL DEFAULT 0;
ALTER TABLE character_groups ADD COLUMN auto_delay INTEGER NOT NULL DEFAULT 5;
"""
"""Where sets of quick replies are in force, whether they may run by themselves (`automatic`; NULL: nobody was
asked yet), and groups that go on by themselves."""

PICTURES = """
CREATE TABLE pictures (
  hash TEXT PRIMARY KEY,
  type TEXT NOT NULL,
  width INTEGER NOT NULL,
  height INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  data BLOB NOT NULL
);
CREATE TABLE message_pictures (
  message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
  hash TEXT NOT NULL,
  PRIMARY KEY (message_id, hash)
) WITHOUT ROWID;
CREATE INDEX message_pictures_by_hash ON message_pictures (hash);
CREATE TABLE draft_pictures (
  conversation_id TEXT NOT NULL REFERENCES conversations ON DELETE CASCADE,
  hash TEXT NOT NULL,
  place INTEGER NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (conversation_id, hash)
) WITHOUT ROWID;
CREATE INDEX draft_pictures_by_hash ON draft_pictures (hash);
CREATE TRIGGER message_pictures_added AFTER INSERT ON messages
WHEN instr(new.extra, '"pictures"') AND json_valid(new.extra) BEGIN
  INSERT OR IGNORE INTO message_pictures (message_id, hash)
  SELECT new.id, json_extract(value, '$.hash') FROM json_each(new.extra, '$.pictures')
  WHERE type = 'object' AND json_type(value, '$.hash') = 'text';
END;
CREATE TRIGGER message_pictures_changed AFTER UPDATE OF extra ON messages
WHEN (instr(old.extra, '"pictures"') OR instr(new.extra, '"pictures"')) AND json_valid(new.extra) BEGIN
  DELETE FROM message_pictures WHERE message_id = new.id;
  INSERT OR IGNORE INTO message_pictures (message_id, hash)
  SELECT new.id, json_extract(value, '$.hash') FROM json_each(new.extra, '$.pictures')
  WHERE type = 'object' AND json_type(value, '$.hash') = 'text';
END;
CREATE TRIGGER pictures_of_chat_gone AFTER DELETE ON conversations
WHEN EXISTS (SELECT 1 FROM pictures) BEGIN
  DELETE FROM pictures WHERE hash NOT IN (SELECT hash FROM message_pictures)
    AND hash NOT IN (SELECT hash FROM draft_pictures)
    AND NOT EXISTS (
      SELECT 1 FROM changes WHERE instr(before, pictures.hash) OR instr(after, pictures.hash)
    );
END;
"""

LAB = """
CREATE TABLE lab_runs (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  path TEXT NOT NULL,
  cells TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE TABLE lab_results (
  run_id TEXT NOT NULL REFERENCES lab_runs ON DELETE CASCADE,
  key TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  reply TEXT NOT NULL,
  record BLOB NOT NULL,
  checks TEXT NOT NULL,
  PRIMARY KEY (run_id, key)
);
"""

STEPS: tuple[str | Callable[[Connection], None], ...] = (
    FIRST,
    PERSONA_BOOKS,
    GROUPS,
    CHARACTER_BOOKS,
    TURN_RECORDS,
    TEMPLATES,
    QUICK_REPLIES,
    MEMORIES,
    library_order,
    REPLY_STARTS,
    PROFILES,
    MARKS,
    TRACKERS,
    BANK,
    VECTORS,
    STORY,
    PICTURES,
    LAB,
)


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
    # A file that was just made holds nothing that a copy could save.
    if version:
        copy = backups / f"library-v{version}.db"
        copy_database(connection, copy)
        if os.name == "posix":
            # It holds what the library holds, which nobody else may read.
            copy.chmod(0o600)
    # A step may replace a table; dropping the old one must not take along what refers to it.
    # Before the transaction begins, because within one this pragma does nothing.
    connection.execute("PRAGMA foreign_keys = OFF")
    try:
        _run(connection)
    finally:
        connection.execute("PRAGMA foreign_keys = ON")


def _run(connection: Connection) -> None:
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
    # Not by `executescript`, which would commit the steps before.
    for statement in statements(step):
        connection.execute(statement)
