"""Archives of Backyard: their characters, and every scenario as a conversation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lunalux_core.chatlogs.byaf import scenario_log
from lunalux_core.documents.coerce import as_text
from lunalux_core.errors import LunaluxError
from lunalux_core.importing.card_import import store
from lunalux_core.importing.import_results import ImportResult, failed
from lunalux_core.importing.sources import ImportSource, place
from lunalux_core.text import clean_line

if TYPE_CHECKING:
    from lunalux_core.importing.import_store import ImportStore


def take_byaf(storing: ImportStore, source: ImportSource, data: bytes) -> Iterator[ImportResult]:
    """One result for each character, then one for each scenario with words in it."""
    from lunalux_core.cards.byaf import first_message, ours, read_byaf
    from lunalux_core.cards.card_reader import LoadedCard

    archive = read_byaf(data)
    several = len(archive.characters) > 1
    ids: list[str] = []
    for number, character in enumerate(archive.characters, 1):
        told = f"{source}#{number}" if several else str(source)
        loaded = LoadedCard(
            character.card,
            character.picture,
            character.picture_ext,
            "byaf",
            archive.warnings if number == 1 else (),
            filename=place(source).name,
        )
        try:
            prepared = storing.reader.card(source, loaded, b"")
            if prepared.new is not None and not storing.dry_run:
                store(storing.library, [prepared])
        except LunaluxError as error:
            yield failed(told, error)
            continue
        result = prepared.result
        # Also of one that was there already: its scenarios may be new.
        ids.append(result.id)
        yield ImportResult(told, result.status, result.id, result.name, result.spec, warnings=result.warnings)
    name = archive.characters[0].card.name
    for number, scenario in enumerate(archive.scenarios, 1):
        title = clean_line(as_text(scenario.get("title")), 120) or f"{place(source).stem} {number}"
        told = f"{source}#scenario{number}"
        # The card has the first scenario as its own; the others are told in their conversation.
        narrative = ours(as_text(scenario.get("narrative"))) if number > 1 else ""
        if narrative.strip() == archive.characters[0].card.scenario.strip():
            narrative = ""
        try:
            log = scenario_log(scenario, title, name, first_message(scenario), ours, narrative)
            if log is not None and ids:
                yield storing.chat(told, log, source, ids[0])
        except LunaluxError as error:
            yield failed(told, error, "chat")
