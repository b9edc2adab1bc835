"""Chats into the library: each to its character, none twice."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING

from lunalux_core.documents.json_text import canonical_json
from lunalux_core.errors import NotFound
from lunalux_core.text import clean, clean_line

if TYPE_CHECKING:
    from lunalux_core.chatlogs.chatlog import ChatLog
    from lunalux_core.database import Connection

STAMP = "imported_chat:"
"""Start of the keys under which the library remembers which chats were imported."""


@dataclass(slots=True)
class Whereabouts:
    """What an import has learnt about where chats belong.

    Args:
        by_stem: ids of characters by the name of the card's file without its ending; SillyTavern names the
            folder of a character's chats like that.
        by_name: ids of the same characters by their name, any case.
        groups: ids of groups by the names of their chats' files.
    """

    by_stem: dict[str, str] = field(default_factory=dict)
    by_name: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)

    def add(self, stem: str, name: str, identity: str) -> None:
        self.by_stem[stem] = identity
        self.by_name[name.casefold()] = identity


def owner(connection: Connection, log: ChatLog, path: PurePath, known: Whereabouts) -> str:
    """The character a chat belongs to: by its folder, the names inside, its file's name.

    A file that names nobody, in a folder that is none's, belongs to nobody that can be told.

    Raises:
        NotFound: CHAT_WITHOUT_CHARACTER.
    """
    folder = path.parent.name
    if folder in known.by_stem:
        return known.by_stem[folder]
    title, dash, _ = path.stem.partition(" - ")
    for name in (log.character_name, folder, title if dash else ""):
        key = clean_line(name, 200).casefold()
        if key and (found := known.by_name.get(key) or _by_name(connection, key)):
            return found
    name = clean_line(log.character_name or folder, 100)
    if not name:
        raise NotFound(
            "CHAT_WITHOUT_CHARACTER",
            f"The chat {path.name} does not say whose it is.",
            "Use `lunalux conversation import` with --character.",
            path=path.name,
            kind="nameless",
        )
    raise NotFound(
        "CHAT_WITHOUT_CHARACTER",
        f"There is no character {name!r} for the chat {path.name}.",
        "Import the character too, or use `lunalux conversation import` with --character.",
        name=name,
        path=path.name,
    )


def _by_name(connection: Connection, key: str) -> str:
    row = connection.execute(
        "SELECT id FROM characters WHERE name_key = ? ORDER BY created_at DESC LIMIT 1", (key,)
    ).fetchone()
    return row[0] if row else ""


def stamp_of(log: ChatLog, character_id: str) -> str:
    """The key of this content with this character."""
    said = [[node.parent, node.role, node.name, node.text, node.thinking] for node in log.nodes]
    text = canonical_json([character_id, log.head, said])
    return STAMP + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def imported_before(connection: Connection, stamp: str) -> str:
    """The conversation that came of this content, "" if there is none or it was deleted."""
    row = connection.execute(
        "SELECT c.id FROM state s JOIN conversations c ON c.id = json_extract(s.value, '$') WHERE s.key = ?",
        (stamp,),
    ).fetchone()
    return row[0] if row else ""


def same_conversation(connection: Connection, log: ChatLog, character_id: str, group_id: str) -> str:
    """The conversation of this character or group that shows the same words, "" if there is none: a chat that
    went to another program and comes back as it was.
    """
    from lunalux_core.library.conversations import load_path

    said = [(log.nodes[at].role, clean(log.nodes[at].text)) for at in log.path()]
    if not said:
        return ""
    rows = connection.execute(
        "SELECT c.id, c.head_id FROM conversations c JOIN messages m ON m.id = c.head_id "
        "WHERE c.character_id IS ? AND c.group_id IS ? AND m.content = ?",
        (None if group_id else character_id, group_id or None, said[-1][1]),
    ).fetchall()
    for identity, head in rows:
        path = load_path(connection, head, len(said) + 1)
        if [(one.role, one.content) for one in path] == said:
            return str(identity)
    return ""


def remember(connection: Connection, stamp: str, conversation_id: str) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO state (key, value) VALUES (?, ?)", (stamp, json.dumps(conversation_id))
    )
