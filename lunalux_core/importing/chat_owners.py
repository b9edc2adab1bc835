"""Chats into the library: each to its character, none twice."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING

from lunalux_core.documents.json_text import canonical_json
from lunalux_core.errors import NotFound
from lunalux_core.library.characters import id_by_name
from lunalux_core.text import clean, clean_line

if TYPE_CHECKING:
    from lunalux_core.chatlogs.chatlog import ChatLog
    from lunalux_core.database import Connection


@dataclass(slots=True)
class ChatOwners:
    """What an import has learnt about where chats belong.

    Args:
        by_stem: ids of characters by the name of the card's file without its ending; SillyTavern names the
            folder of a character's chats like that.
        by_name: ids of the same characters by their name, any case.
        groups: ids of groups by the names of their chats' files.
        group_files: ids of groups by the ids that they had.
    """

    by_stem: dict[str, str] = field(default_factory=dict)
    by_name: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    group_files: dict[str, str] = field(default_factory=dict)

    def add(self, stem: str, name: str, identity: str) -> None:
        self.by_stem[stem] = identity
        self.by_name[name.casefold()] = identity


def owner(connection: Connection, log: ChatLog, path: PurePath, known_cards: ChatOwners) -> str:
    """The character a chat belongs to: by its folder, the names inside, its file's name.

    A file that names nobody, in a folder that is none's, belongs to nobody that can be told.

    Raises:
        NotFound: CHAT_WITHOUT_CHARACTER.
    """
    folder = path.parent.name
    if folder in known_cards.by_stem:
        return known_cards.by_stem[folder]
    # SillyTavern calls a chat's file "NAME - date".
    title, dash, _ = path.stem.partition(" - ")
    # The name inside goes first: a chat may lie in any folder.
    for name in (log.character_name, folder, title if dash else ""):
        key = clean_line(name, 200).casefold()
        if key and (character_id := known_cards.by_name.get(key) or id_by_name(connection, key, "added")):
            return character_id
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


def stamp_of(log: ChatLog, character_id: str) -> str:
    """A hash of this content with this character."""
    # Times and models are left out: the same chat, saved again elsewhere, may have others.
    nodes = [[node.parent, node.role, node.name, node.text, node.thinking] for node in log.nodes]
    text = canonical_json([character_id, log.head, nodes])
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def shown(log: ChatLog) -> list[tuple[str, str]]:
    """Role and words of what a chat shows, as the library would store them: a chat that went to another
    program and comes back as it was is known by them.
    """
    return [(log.nodes[at].role, clean(log.nodes[at].text)) for at in log.path()]
