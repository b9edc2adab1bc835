"""Tags of SillyTavern: those of its settings, and the file that its tag manager saves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from lunalux_core.documents.coerce import as_flag, as_integer, as_object, as_text, as_texts
from lunalux_core.documents.json_text import well_formed_value
from lunalux_core.importing.import_results import ImportResult
from lunalux_core.library.characters import has_character, id_by_name
from lunalux_core.library.tags import FOLDERS, LENGTH, Folder, Tag, put_tag, tag_characters, tag_group
from lunalux_core.text import clean_line

if TYPE_CHECKING:
    from lunalux_core.database import Connection
    from lunalux_core.importing.import_store import ImportStore
    from lunalux_core.importing.sources import ImportSource

MOST = 10_000
"""Tags that are taken from one file."""
_OWN = ("id", "name", "folder_type", "sort_order", "is_hidden_on_character_card")


def take_tags(
    storing: ImportStore, source: ImportSource, document: Mapping[str, Any]
) -> Iterator[ImportResult]:
    """One result for all tags of a file; none where it has no tags."""
    given = document.get("tags")
    items = [item for item in given if isinstance(item, dict)][:MOST] if isinstance(given, list) else []
    if any(clean_line(as_text(item.get("name")), LENGTH) for item in items):
        yield storing.write(lambda connection: _stored(connection, storing, source, document, items))


def _stored(
    connection: Connection,
    storing: ImportStore,
    source: ImportSource,
    document: Mapping[str, Any],
    items: list[dict[str, Any]],
) -> ImportResult:
    before = connection.total_changes
    tags: dict[str, Tag] = {}
    for item in items:
        if name := clean_line(as_text(item.get("name")), LENGTH):
            # The map of the file names tags by their ids there, not by ours.
            tags[as_text(item.get("id")) or name] = _tag(connection, name, item)
    tagged = missing = 0
    for key, names in as_object(document.get("tag_map")).items():
        those = [tags[name] for name in as_texts(names) if name in tags]
        if those and not _tagged(connection, storing, as_text(key), those):
            missing += 1
        elif those:
            tagged += 1
    notes = [f"{len({tag.id for tag in tags.values()})} tags on {tagged} characters and groups."]
    if missing:
        notes.append(f"{missing} characters or groups with tags are not here.")
    status = "imported" if connection.total_changes > before else "duplicate"
    return ImportResult(
        str(source),
        status,  # type: ignore[arg-type]
        name=", ".join(dict.fromkeys(tag.name for tag in tags.values()))[:200],
        warnings=tuple(notes),
        kind="tags",
    )


def _tag(connection: Connection, name: str, given: Mapping[str, Any]) -> Tag:
    kind = as_text(given.get("folder_type")).lower()
    folder: Folder = next((folder for folder in FOLDERS if folder == kind), "none")
    extra = {key: value for key, value in given.items() if key not in _OWN}
    return put_tag(
        connection,
        name,
        folder=folder,
        hidden=as_flag(given.get("is_hidden_on_character_card")),
        position=max(min(as_integer(given.get("sort_order"), 0), 1_000_000), 0),
        extra=well_formed_value(extra),
    )


def _tagged(connection: Connection, storing: ImportStore, key: str, tags: list[Tag]) -> bool:
    """Tag the character of a card's file, or the group of an id; False where it is not here."""
    # Characters are named by their card's file, groups by an id without an ending.
    stem = PurePosixPath(key).stem if key.lower().endswith(".png") else key
    group = storing.owners.group_files.get(key, "")
    character = storing.owners.by_stem.get(stem, "") or ("" if group else id_by_name(connection, stem))
    if group and not character:
        for tag in tags:
            tag_group(connection, tag, group)
        return True
    if not character or not has_character(connection, character):
        return False
    for tag in tags:
        tag_characters(connection, tag, [character])
    return True
