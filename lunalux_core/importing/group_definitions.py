"""SillyTavern's groups: who is in them, how they speak, and which chats are theirs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from lunalux_core.documents.coerce import as_flag, as_integer, as_object, as_text, as_texts
from lunalux_core.errors import NotFound
from lunalux_core.importing.import_results import ImportResult
from lunalux_core.importing.shelf_documents import read_document
from lunalux_core.importing.sources import ImportSource, place
from lunalux_core.library.characters import id_by_name
from lunalux_core.library.groups import CARD_MODES, DIRECTED, TURN_ORDERS, group_of, insert_group
from lunalux_core.text import clean_line

if TYPE_CHECKING:
    from lunalux_core.database import Connection
    from lunalux_core.importing.chat_owners import ChatOwners
    from lunalux_core.importing.import_store import ImportStore


def take_group(storing: ImportStore, source: ImportSource, data: bytes) -> ImportResult:
    """Store a group of characters that are here, and remember whose chats follow.

    Raises:
        NotFound: GROUP_WITHOUT_MEMBERS.
    """
    document = as_object(read_document(data)[0])
    name = clean_line(as_text(document.get("name")), 200)
    listed = _listed(document.get("members"))
    muted = set(_listed(document.get("disabled_members")))

    def change(connection: Connection) -> ImportResult:
        found = {member: _member(connection, storing.owners, member) for member in listed}
        members = {identity: member in muted for member, identity in found.items() if identity}
        if not members:
            raise NotFound(
                "GROUP_WITHOUT_MEMBERS",
                f"No member of the group {name or '?'!r} is here.",
                "Import the characters of the group together with it.",
                name=name or "?",
            )
        missing = sum(not identity for identity in found.values())
        notes = (f"{missing} of its members are not here.",) if missing else ()
        if storing.dry_run:  # its members may not be stored either
            return ImportResult(str(source), "imported", name=name, warnings=notes, kind="group")
        there = None if storing.copy else group_of(connection, members, name)
        if there:
            return ImportResult(str(source), "duplicate", there.id, name, kind="group")
        identity = _store(connection, document, name, members)
        return ImportResult(str(source), "imported", identity, name, warnings=notes, kind="group")

    result = storing.write(change)
    # Its chats and tags name it by this id and follow later in the import.
    own = as_text(document.get("id")) or place(source).stem
    storing.owners.group_files[own] = result.id
    chats = document.get("chats")
    # Before a group had a list of chats, it had one, which is called like it.
    for chat in as_texts(chats if isinstance(chats, list) else own):
        storing.owners.groups[chat] = result.id
    return result


def _store(
    connection: Connection, document: Mapping[str, Any], name: str, members: Mapping[str, bool]
) -> str:
    order = as_integer(document.get("activation_strategy"), 0)
    cards = as_integer(document.get("generation_mode"), 0)
    return insert_group(
        connection,
        name,
        list(members.items()),
        # An order that SillyTavern does not have yet, or that we read wrongly, must not become a director.
        order=TURN_ORDERS[order] if 0 <= order < DIRECTED else "natural",
        cards=CARD_MODES[cards] if 0 <= cards < len(CARD_MODES) else "swap",
        self_responses=as_flag(document.get("allow_self_responses")),
        join_prefix=as_text(document.get("generation_mode_join_prefix")),
        join_suffix=as_text(document.get("generation_mode_join_suffix")),
        auto_delay=as_integer(document.get("auto_mode_delay"), 5),
    ).id


def _listed(value: object) -> list[str]:
    """Members as SillyTavern names them: by the file of their card, in old groups by the character's name."""
    return list(dict.fromkeys(as_texts(value)))


def _member(connection: Connection, known_cards: ChatOwners, member: str) -> str:
    """Id of a member among the cards of this import, else in the library; "" if nobody is called so."""
    names = (PurePosixPath(member).stem, member)  # a name may have a dot in it
    here = (known_cards.by_stem.get(name) or known_cards.by_name.get(name.casefold()) for name in names)
    there = (id_by_name(connection, clean_line(name, 200)) for name in names)
    return next((identity for identity in (*here, *there) if identity), "")
