"""What is no card: books, presets, scripts, groups, chats and settings, once all cards are stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lunalux_core.cards.file_kind import FileKind, recognise
from lunalux_core.database import data_version
from lunalux_core.errors import LunaluxError
from lunalux_core.importing.card_import import CardReader, PreparedFile
from lunalux_core.importing.chat_owners import ChatOwners, owner, shown, stamp_of
from lunalux_core.importing.import_results import (
    ImportKind,
    ImportOutcome,
    ImportResult,
    OnDuplicate,
    failed,
    not_understood,
)
from lunalux_core.importing.shelf_documents import (
    Known,
    ShelfDocument,
    known_items,
    put,
    read_document,
    shelf_documents,
)
from lunalux_core.importing.sources import ImportSource, place, read_source, unreadable
from lunalux_core.library.characters import load_character
from lunalux_core.library.groups import load_group
from lunalux_core.library.imported_chats import conversation_that_shows, imported_before, remember_import
from lunalux_core.library.personas import load_persona
from lunalux_core.library.shelf import ShelfKind
from lunalux_core.library.templates import put_template
from lunalux_core.regex.risu_scripts import is_risu
from lunalux_core.templates.template_files import TemplateDocument, template_documents
from lunalux_core.text import clean_line

if TYPE_CHECKING:
    from lunalux_core.chatlogs.chatlog import ChatLog
    from lunalux_core.database import Connection
    from lunalux_core.library import Library

_ORDER = (
    FileKind.WORLDBOOK,
    FileKind.PRESET,
    FileKind.TEXT_PRESET,
    FileKind.REGEX,
    FileKind.NARRATIUM,
    FileKind.BYAF,
    FileKind.GROUP,
    FileKind.CHAT,
    FileKind.SETTINGS,
)
"""Later kinds refer to earlier ones."""

_TOLD: Mapping[FileKind, ImportKind] = {
    FileKind.WORLDBOOK: "worldbook",
    FileKind.PRESET: "preset",
    FileKind.TEXT_PRESET: "template",
    FileKind.REGEX: "regex",
    FileKind.GROUP: "group",
    FileKind.CHAT: "chat",
}
OFF = {
    "worldbook": "It is switched off; a card that names it uses it all the same. "
    "`lunalux worldbook enable` turns it on for every chat.",
    "preset": "It is stored, not in use; `lunalux preset enable` puts it in use.",
    "template": "It is stored; `lunalux model add --mode text --template NAME` uses it.",
}
"""What is said of a document that an import does not switch on by itself."""


class DocumentImport:
    """The second half of an import.

    Args:
        reader: stores the cards that come inside other files.
        owners: the cards of this import.
    """

    def __init__(
        self,
        library: Library,
        reader: CardReader,
        owners: ChatOwners,
        on_duplicate: OnDuplicate,
        dry_run: bool,
    ) -> None:
        self.library = library
        self.reader = reader
        self.owners = owners
        self.copy = on_duplicate == "copy"
        self.replace = on_duplicate == "replace"
        self.dry_run = dry_run
        self._shelves: dict[ShelfKind, Known] = {}
        self._seen = -1

    def take(self, others: Sequence[PreparedFile]) -> Iterator[ImportResult]:
        """One result a file, or several where a file holds much."""
        for kind in _ORDER:
            for prepared in others:
                if prepared.other is kind and prepared.source is not None:
                    yield from self._file(kind, prepared.source)

    def _file(self, kind: FileKind, source: ImportSource) -> Iterator[ImportResult]:
        try:
            yield from self._results(kind, source, read_source(source))
        except LunaluxError as error:
            yield failed(source, error, _TOLD.get(kind, "settings"))
        except OSError as error:
            yield failed(source, unreadable(source, error), _TOLD.get(kind, "settings"))
        except Exception as error:  # one file that nobody thought of is no reason to stop the others
            yield failed(source, not_understood(source, error), _TOLD.get(kind, "settings"))

    def _results(self, kind: FileKind, source: ImportSource, data: bytes) -> Iterator[ImportResult]:
        path = place(source)
        # A .jsonl was taken for a chat by its ending, and may hold scripts.
        if kind is FileKind.CHAT and recognise(data, path.name) is FileKind.REGEX:
            kind = FileKind.REGEX
        match kind:
            case FileKind.WORLDBOOK | FileKind.PRESET | FileKind.REGEX:
                document, mended = read_document(data, path.name)
                shelf: ShelfKind = _TOLD[kind]  # type: ignore[assignment]
                documents = shelf_documents(shelf, document, path.stem)
                if path.parent.name == "worlds":  # SillyTavern knows a book by its file's name
                    documents = [
                        ShelfDocument(path.stem, document.document, document.notes) for document in documents
                    ]
                yield self.shelve(str(source), shelf, documents, mended)
                if kind is FileKind.WORLDBOOK and isinstance(document, dict) and is_risu(document):
                    scripts = shelf_documents("regex", document, path.stem)  # a module has both
                    yield self.shelve(f"{source}#regex", "regex", scripts)
            case FileKind.TEXT_PRESET:
                document, mended = read_document(data, path.name)
                yield self.templates(str(source), template_documents(document, path.stem), mended)
            case FileKind.CHAT:
                yield from self._chats(source, data)
            case FileKind.GROUP:
                from lunalux_core.importing.group_definitions import take_group

                yield take_group(self, source, data)
            case FileKind.BYAF:
                from lunalux_core.importing.byaf import take_byaf

                yield from take_byaf(self, source, data)
            case FileKind.NARRATIUM:
                from lunalux_core.importing.narratium import take_library

                yield from take_library(self, source, data)
            case _:
                from lunalux_core.importing.sillytavern import take_settings

                yield from take_settings(self, source, data)

    def _chats(self, source: ImportSource, data: bytes) -> Iterator[ImportResult]:
        """The chats of one file; one that finds no character does not keep the others away."""
        from lunalux_core.chat.conversation_files import titles_of
        from lunalux_core.chatlogs.chatlog_reader import read_chats

        path = place(source)
        logs = read_chats(data, path.name)
        for number, (log, title) in enumerate(zip(logs, titles_of(logs, path.stem), strict=True), 1):
            label = f"{source}#{number}" if len(logs) > 1 else str(source)
            try:
                yield self.chat(label, replace(log, title=title), source)
            except LunaluxError as error:
                yield failed(label, error, "chat")

    def write(self, change: Callable[[Connection], ImportResult]) -> ImportResult:
        """One transaction; a dry run leaves nothing of it."""
        database = self.library.database
        return database.try_now(change) if self.dry_run else database.write_now(change)

    def shelve(
        self, label: str, kind: ShelfKind, documents: Sequence[ShelfDocument], mended: tuple[str, ...] = ()
    ) -> ImportResult:
        """The documents of one file onto their shelf. Scripts keep the switch of their file; nothing else is
        switched on by itself."""

        def change(connection: Connection) -> ImportResult:
            shelved = self._on_shelf(connection, kind)
            stored = [
                put(
                    connection,
                    kind,
                    document.name,
                    document.document,
                    # A script that is off in its file stays off; books and
                    # presets would change every chat at once.
                    enabled=kind == "regex",
                    copy=self.copy,
                    shelved=shelved,
                )
                for document in documents
            ]
            new = sum(item.is_new for item in stored)
            notes = [*mended, *(note for document in documents for note in document.notes)]
            if new and kind in OFF:
                notes.append(OFF[kind])
            if 0 < new < len(stored):
                notes.append(f"{len(stored) - new} of {len(stored)} were there already.")
            name = stored[0].item.name + (f" (+{len(stored) - 1})" if len(stored) > 1 else "")
            status: ImportOutcome = "imported" if new else "replaced" if self.replace else "duplicate"
            identity = stored[0].item.id
            return ImportResult(
                label, status, identity, name, warnings=tuple(notes) if new else (), kind=kind
            )

        return self.write(change)

    def _on_shelf(self, connection: Connection, kind: ShelfKind) -> Known:
        """What is on a shelf, read again when another program wrote: it may import the same files."""
        seen = data_version(connection)
        if seen != self._seen:
            self._shelves.clear()
            self._seen = seen
        if kind not in self._shelves:
            self._shelves[kind] = known_items(connection, kind)
        return self._shelves[kind]

    def templates(
        self, label: str, templates: Sequence[TemplateDocument], mended: tuple[str, ...] = ()
    ) -> ImportResult:
        """The templates of one file, which may be a master file with several."""

        def change(connection: Connection) -> ImportResult:
            stored = [put_template(connection, template, copy=self.copy) for template in templates]
            new = sum(is_new for _, is_new in stored)
            notes = [*mended, *(note for template in templates for note in template.notes), OFF["template"]]
            first = stored[0][0]
            name = (first.bundle or first.name) + (f" (+{len(stored) - 1})" if len(stored) > 1 else "")
            status: ImportOutcome = "imported" if new else "replaced" if self.replace else "duplicate"
            return ImportResult(
                label, status, first.id, name, warnings=tuple(notes) if new else (), kind="template"
            )

        return self.write(change)

    def chat(self, label: str, log: ChatLog, source: ImportSource, character_id: str = "") -> ImportResult:
        """A chat to its character; one that was imported before is left as it has become since."""
        from lunalux_core.chat.conversation_files import store_chat, store_group_chat
        from lunalux_core.chat.group_chat_files import group_for, is_group_chat, missing_warnings

        path = place(source)

        def change(connection: Connection) -> ImportResult:
            group = self.owners.groups.get(path.stem)
            notes = log.notes
            if group is None and not character_id and is_group_chat(log):
                group = ""
                if not self.dry_run:
                    stored_group, missing = group_for(connection, log, path.stem)
                    group, notes = stored_group.id, (*notes, *missing_warnings(stored_group, missing))
            character = "" if group is not None else character_id or owner(connection, log, path, self.owners)
            title = clean_line(log.title or path.stem, 120)
            stamp = stamp_of(log, group or character)
            there = imported_before(connection, stamp)
            if not there and (group or character):
                # A chat that was exported and comes back has another stamp, as other programs add fields.
                there = conversation_that_shows(connection, shown(log), character, group or "")
            if not self.copy and there:
                return ImportResult(label, "duplicate", there, title, kind="chat")
            if self.dry_run:  # its character may not be stored either
                return ImportResult(label, "imported", name=title, warnings=log.notes, kind="chat")
            persona = load_persona(connection, None)
            user = persona.name if persona else "You"
            if group:
                shown_in = load_group(connection, group)
                identity = store_group_chat(connection, log, shown_in, title, user, _file_of(source))
            else:
                name = load_character(connection, character).name
                identity = store_chat(connection, log, character, name, title, user, _file_of(source))
            remember_import(connection, stamp, identity)
            return ImportResult(label, "imported", identity, title, warnings=notes, kind="chat")

        return self.write(change)


def _file_of(source: ImportSource) -> Path | None:
    """The file on disk, None for one inside of an archive."""
    return source if isinstance(source, Path) else None
