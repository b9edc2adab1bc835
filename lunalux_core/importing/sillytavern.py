"""SillyTavern's settings.json: scripts, personas, tags, and what was switched on.

Nothing of it is executed or obeyed blindly: endpoints, keys and samplers stay where they are, and settings of
the worldbook engine are told, not changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from lunalux_core.documents.coerce import as_object, as_text, as_texts
from lunalux_core.errors import LunaluxError
from lunalux_core.importing.import_results import ImportOutcome, ImportResult, failed
from lunalux_core.importing.shelf_documents import read_document, shelf_documents
from lunalux_core.importing.sillytavern_tags import take_tags
from lunalux_core.importing.sources import ImportSource
from lunalux_core.library.characters import allow_own_scripts, tie_worldbooks
from lunalux_core.library.personas import bind_worldbook, same_persona, store_persona
from lunalux_core.library.shelf import load_shelf, switch_item
from lunalux_core.text import clean, clean_line

if TYPE_CHECKING:
    from lunalux_core.database import Connection
    from lunalux_core.importing.import_store import ImportStore

_ENGINE = {
    "world_info_depth": ("worldbook.depth", 2),
    "world_info_budget": ("worldbook.budget", 25),
    "world_info_budget_cap": ("worldbook.budget_cap", 0),
    "world_info_min_activations": ("worldbook.min_activations", 0),
    "world_info_min_activations_depth_max": ("worldbook.min_activations_depth_max", 0),
    "world_info_include_names": ("worldbook.include_names", True),
    "world_info_recursive": ("worldbook.recursive", True),
    "world_info_case_sensitive": ("worldbook.case_sensitive", False),
    "world_info_use_group_scoring": ("worldbook.group_scoring", False),
    "world_info_overflow_alert": ("worldbook.overflow_alert", False),
}
"""Settings of the engine there, their names here, and the factory value of both."""

_STRATEGIES = {0: "evenly", 1: "character", 2: "global"}


def take_settings(storing: ImportStore, source: ImportSource, data: bytes) -> Iterator[ImportResult]:
    """Results for scripts, personas and tags, then one for the file itself."""
    document = as_object(read_document(data)[0])
    extensions = as_object(document.get("extension_settings"))
    scripts = [
        script
        for script in _list(extensions.get("regex"))
        if isinstance(script, dict) and "findRegex" in script
    ]
    if scripts:
        yield storing.shelve(str(source), "regex", shelf_documents("regex", scripts, "script"))
    yield from _personas(storing, source, document)
    yield from take_tags(storing, source, document)
    yield from _profiles(storing, source, document)
    if "extension_settings" in document:
        yield storing.write(lambda connection: _switched(connection, storing, source, document))


def _personas(
    storing: ImportStore, source: ImportSource, document: Mapping[str, Any]
) -> Iterator[ImportResult]:
    # The personas' own backup has at top level what settings.json has under power_user.
    holder = document if "personas" in document else as_object(document.get("power_user"))
    described = as_object(holder.get("persona_descriptions"))
    for avatar, called in as_object(holder.get("personas")).items():
        name = clean_line(as_text(called), 200)
        about = described.get(avatar)
        if not isinstance(about, dict):  # tools write the description alone
            about = {"description": about}
        text = clean(as_text(about.get("description")))
        if name:
            book = clean_line(as_text(about.get("lorebook")), 200)
            yield storing.write(lambda c, n=name, t=text, b=book: _persona(c, source, n, t, b))  # type: ignore[misc]


def _profiles(
    storing: ImportStore, source: ImportSource, document: Mapping[str, Any]
) -> Iterator[ImportResult]:
    """Connection profiles: the names of what they use; none is put in use."""
    if not as_object(as_object(document.get("extension_settings")).get("connectionManager")).get("profiles"):
        return
    from lunalux_core.importing.connection_profiles import ReadProfile, connection_profiles
    from lunalux_core.library.profiles import add_profile

    def store(connection: Connection, entry: ReadProfile) -> ImportResult:
        saved, is_new = add_profile(connection, entry.profile)
        status: ImportOutcome = "imported" if is_new else "duplicate"
        notes = entry.notes if is_new else ()
        return ImportResult(str(source), status, saved.id, saved.name, warnings=notes, kind="profile")

    for entry in connection_profiles(document):
        try:
            yield storing.write(lambda connection, entry=entry: store(connection, entry))  # type: ignore[misc]
        except LunaluxError as error:  # a name that none may have
            yield failed(source, error, "profile")


def _persona(
    connection: Connection, source: ImportSource, name: str, description: str, worldbook: str
) -> ImportResult:
    there = same_persona(connection, name, description)
    identity = there or store_persona(connection, name, description).id
    if worldbook:
        bind_worldbook(connection, identity, worldbook)
    return ImportResult(str(source), "duplicate" if there else "imported", identity, name, kind="persona")


def _switched(
    connection: Connection, storing: ImportStore, source: ImportSource, document: Mapping[str, Any]
) -> ImportResult:
    """Switch on what was on there: global books, scripts of allowed characters, and the preset in use."""
    notes = []
    chosen = as_object(document.get("world_info_settings"))
    selected = {name.casefold() for name in as_texts(as_object(chosen.get("world_info")).get("globalSelect"))}
    books = [book for book in load_shelf(connection, "worldbook") if book.name.casefold() in selected]
    # Whether anything is new shows in the count of changed rows: most of these statements change nothing.
    changed = connection.total_changes
    for book in books:
        if not book.enabled:
            switch_item(connection, "worldbook", book.id, True)
    if books:
        notes.append(f"Worldbooks switched on: {', '.join(book.name for book in books)}.")
    allowed = _list(as_object(document.get("extension_settings")).get("character_allowed_regex"))
    stems = [PurePosixPath(as_text(avatar)).stem for avatar in allowed]
    ids = [identity for stem in stems if (identity := storing.owners.by_stem.get(stem))]
    allow_own_scripts(connection, ids, only_unanswered=True)
    if ids:
        notes.append(f"Characters whose own scripts may run: {len(ids)}.")
    in_use = as_object(document.get("oai_settings")).get("preset_settings_openai")
    notes += _preset(connection, as_text(in_use))
    notes += _engine(chosen)
    for lore in _list(as_object(chosen.get("world_info")).get("charLore")):
        identity = storing.owners.by_stem.get(as_text(as_object(lore).get("name")))
        names = [clean_line(name) for name in as_texts(as_object(lore).get("extraBooks"))]
        if identity and names:
            tie_worldbooks(connection, identity, names)
            notes.append(f"{as_text(lore.get('name'))} has further worldbooks: {', '.join(names)}.")
    status: ImportOutcome = "imported" if connection.total_changes > changed else "duplicate"
    return ImportResult(str(source), status, name="SillyTavern", warnings=tuple(notes), kind="settings")


def _preset(connection: Connection, name: str) -> list[str]:
    """Put the preset of that name in use, unless another imported one is."""
    shelf = load_shelf(connection, "preset")
    chosen = next((item for item in shelf if item.name.casefold() == name.casefold()), None)
    # A preset that the person has put in use here is not taken away by an import.
    if chosen is None or any(item.enabled for item in shelf):
        return []
    switch_item(connection, "preset", chosen.id, True)
    return [f"The preset {chosen.name} is in use."]


def _engine(chosen: Mapping[str, Any]) -> list[str]:
    """What the worldbook engine did otherwise there, and how to have it so."""
    differing = []
    for key, (ours, factory) in _ENGINE.items():
        value = chosen.get(key, factory)
        if isinstance(value, bool | int) and value != factory:
            differing.append(f"lunalux settings set {ours} {str(value).lower()}")
    strategy = _STRATEGIES.get(chosen.get("world_info_character_strategy", 1), "character")
    if strategy != "character":
        differing.append(f"lunalux settings set worldbook.strategy {strategy}")
    return [f"To search worldbooks as there: {setting}" for setting in differing]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
