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
from lunalux_core.library.groups import CARD_MODES, DIRECTED, TURN_ORDERS, group_of, insert_group
from lunalux_core.text import clean_line

if TYPE_CHECKING:
    from lunalux_core.database import Connection
    from lunalux_core.importing.import_store import ImportStore


def take_group(storing: ImportStore, source: ImportSource, data: bytes) -> ImportResult:
    """Store a group of characters that are here, and remember whose chats follow.

    Raises:
        NotFound: GROUP_WITHOUT_MEMBERS.
    """
    document = as_object(read_document(data)[0])
    name = clean_line(as_text(document.get("name")), 200)
    stems = _stems(document.get("members"))
    muted = set(_stems(document.get("disabled_members")))
    members = {
        identity: stem in muted
        for stem in stems
        if (identity := storing.owners.by_stem.get(stem)) is not None
    }
    if not members:
        raise NotFound(
            "GROUP_WITHOUT_MEMBERS",
            f"No member of the group {name or '?'!r} is here.",
            "Import the characters of the group together with it.",
            name=name or "?",
        )
    notes = [f"{len(stems) - len(members)} of its members are not here."] if len(members) < len(stems) else []

    def change(connection: Connection) -> ImportResult:
        there = None if storing.copy else group_of(connection, members, name)
        identity = there.id if there else _store(connection, document, name, members)
        status = "duplicate" if there else "imported"
        return ImportResult(
            str(source),
            status,  # type: ignore[arg-type]
            identity,
            name,
            warnings=() if there else tuple(notes),
            kind="group",
        )

    if storing.dry_run:  # its members may not be stored either
        result = ImportResult(str(source), "imported", name=name, warnings=tuple(notes), kind="group")
    else:
        result = storing.write(change)
    # Its chats and tags name it by this id and follow later in the import.
    storing.owners.group_files[as_text(document.get("id")) or place(source).stem] = result.id
    for chat in as_texts(document.get("chats")):
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


def _stems(value: object) -> list[str]:
    """Characters as SillyTavern names them: by the file of their card."""
    return list(dict.fromkeys(PurePosixPath(avatar).stem for avatar in as_texts(value)))
