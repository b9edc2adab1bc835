"""SillyTavern's groups: who is in them, and which chats are theirs."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from lunalux_core.cards.coerce import as_object, as_text
from lunalux_core.errors import NotFound
from lunalux_core.importing.files import Source
from lunalux_core.importing.results import ImportResult
from lunalux_core.importing.shelf import read_document
from lunalux_core.text import clean_line

if TYPE_CHECKING:
    from lunalux_core.importing.rest import Rest


def take_group(rest: Rest, source: Source, data: bytes) -> ImportResult:
    """Remember whose chats follow: they go to the first member that is in the library.

    Raises:
        NotFound: GROUP_WITHOUT_MEMBERS.
    """
    group = as_object(read_document(data)[0])
    name = clean_line(as_text(group.get("name")), 200) or "?"
    stems = [PurePosixPath(as_text(member)).stem for member in group["members"]]
    found = [identity for stem in stems if (identity := rest.known.by_stem.get(stem))]
    if not found:
        raise NotFound(
            "GROUP_WITHOUT_MEMBERS",
            f"No member of the group {name!r} is here.",
            "Import the characters of the group together with it.",
            name=name,
        )
    for chat in group["chats"]:
        rest.known.members[as_text(chat)] = found[0]
    notes = [f"{len(stems) - len(found)} of its members are not here."] if len(found) < len(stems) else []
    return ImportResult(str(source), "imported", found[0], name, warnings=tuple(notes), kind="group")
