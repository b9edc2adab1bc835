"""Where drafts lie between starts, and their way out: into the library, into a file.

There is one draft for every character that is being changed, and as many for new characters as were begun.
A draft is a row of the library's state; its picture lies among the library's pictures under a name made of
its content and is written before the row, so a program that is killed at any moment leaves a whole draft.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lunalux_core.cards.card import Card
from lunalux_core.documents.json_text import dump_json, parse_object
from lunalux_core.editor.draft import Attachment, Draft, Snapshot
from lunalux_core.editor.draft_checks import require_name
from lunalux_core.editor.draft_files import snapshot_name, write_file
from lunalux_core.errors import NotFound
from lunalux_core.ids import now_ms, short_id

if TYPE_CHECKING:
    from lunalux_core.library import Library

INDEX = "studio"
"""Key of the state: which drafts there are, and which one was open last."""
ROW = "studio:"
"""Start of the keys of drafts; the character's id follows, for new ones nothing or their slot."""
SLOT = "+"
"""Start of the slots of new characters, except for the first, which is ""."""
KEPT = "draft-"
"""Start of the names of files that only drafts need."""


@dataclass(frozen=True, slots=True)
class DraftSummary:
    """A draft that waits. `key` is a character's id or a slot; `at` is in milliseconds since 1970."""

    key: str
    name: str
    at: int

    @property
    def is_new(self) -> bool:
        """Whether it is of a character that the library never had."""
        return is_slot(self.key)


class DraftStore:
    """The drafts of one library."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._pictures = library.characters.pictures

    # -- drafts ------------------------------------------------------------------------------------

    async def drafts(self) -> list[DraftSummary]:
        """The drafts with something unsaved in them, the newest first."""
        index: Mapping[str, Any] = (await self._index())["drafts"]
        drafts = [DraftSummary(key, entry["name"], entry["at"]) for key, entry in index.items()]
        return sorted(drafts, key=lambda draft: -draft.at)

    async def current(self) -> str:
        """The key of the draft that was open last."""
        return str((await self._index())["current"])

    async def free_slot(self) -> str:
        """Where a new character can be begun without touching another draft."""
        return f"{SLOT}{short_id()}" if "" in (await self._index())["drafts"] else ""

    async def open(self, key: str = "") -> Draft:
        """A draft as it was left, or a fresh one of what the library has.

        Args:
            key: a character's id, or a slot.

        Raises:
            NotFound: the character is gone, and nothing of it was unsaved.
        """
        row = await self._library.state.get(ROW + key)
        character_id = "" if is_slot(key) else key
        try:
            draft = await self._of_library(character_id) if character_id else Draft.new()
        except NotFound:
            if not isinstance(row, dict):
                raise
            draft = Draft.new()  # the character is gone, what was written about it is not
        if isinstance(row, dict):
            restored = await asyncio.to_thread(self._restored, row)
            file_hash = str(row.get("hash", ""))
            # Against what the library has now: it may have been saved from elsewhere since.
            draft = Draft(restored, draft.base, character_id=character_id, content_hash=file_hash)
        draft.slot = "" if character_id else key
        await self._set_index(current=key)
        return draft

    async def keep(self, draft: Draft) -> None:
        """Store a draft as it is now; one without anything unsaved is forgotten."""
        if not draft.changed:
            await self.forget(draft.key)
            return
        snapshot = draft.snapshot
        row = await asyncio.to_thread(self._row, draft, snapshot)
        # The row before the list of drafts: killed in between, the draft is whole and only not listed.
        await self._library.state.set(ROW + draft.key, row)
        about = {"name": snapshot_name(snapshot), "at": now_ms()}
        await self._set_index(current=draft.key, note=(draft.key, about))

    async def forget(self, key: str) -> None:
        """Let go of a draft; the character in the library stays as it is."""
        index = await self._index()
        if key not in index["drafts"]:
            return
        await self._library.state.set(ROW + key, None)
        await self._set_index(current=index["current"], note=(key, None))
        await self._sweep()

    # -- into the library --------------------------------------------------------------------------

    async def changed_elsewhere(self, draft: Draft) -> bool:
        """Whether the character was changed by somebody else since its editing began."""
        try:
            stored = await self._library.characters.get(draft.character_id)
        except NotFound:
            return False
        return bool(draft.content_hash) and stored.content_hash != draft.content_hash

    async def save(self, draft: Draft, *, language: str = "") -> str:
        """Put a draft into the library, as a new character or over the one it is of; the character's id.

        Raises:
            InvalidInput: CHARACTER_NAMELESS. StorageError: it cannot be stored; the draft is untouched.
        """
        require_name(draft)
        from lunalux_core.cards.card_reader import LoadedCard
        from lunalux_core.importing import new_character

        snapshot, key, was = draft.snapshot, draft.key, draft.character_id
        there = await self._summary(was) if was else None
        identity = was if there is not None else short_id()
        text = await asyncio.to_thread(dump_json, snapshot.document)
        # The files lie there before the row names them: a kill in between
        # leaves no character without its picture.
        picture = await asyncio.to_thread(self._place, snapshot.picture, identity)
        archive = await asyncio.to_thread(self._place, snapshot.archive, identity, f"{identity}.charx")
        loaded = LoadedCard(
            Card(snapshot.document, text),
            picture.data if picture else None,
            picture.ext if picture else "",
            "json",
        )
        new = replace(
            new_character(identity, loaded, there.language if there is not None else language),
            picture=picture.file if picture else "",
        )
        if there is not None:
            await self._library.characters.replace(identity, new)
        else:
            await self._library.characters.add(new)
        draft.settled(replace(snapshot, picture=picture, archive=archive), identity, new.content_hash)
        if key != identity:
            await self.forget(key)
        # What was typed while it was being saved is a draft of the character from here on.
        await self.keep(draft)
        await self._set_index(current=identity)
        # Only after the row: until then the former files are still the character's.
        await asyncio.to_thread(
            self._tidy, identity, {attachment.file for attachment in (picture, archive) if attachment}
        )
        return identity

    async def _summary(self, character_id: str) -> Any:
        try:
            return (await self._library.characters.get(character_id)).summary
        except NotFound:
            return None

    def _place(self, attachment: Attachment | None, identity: str, name: str = "") -> Attachment | None:
        """The file under a character's name; one that lies there already is left alone.

        Pictures are called by their content, so that a name never means another picture than it did.
        """
        if attachment is None or (attachment.file.startswith(f"{identity}.") and self._lies(attachment)):
            return attachment
        digest = hashlib.sha256(attachment.data).hexdigest()[:12]
        name = name or f"{identity}.{digest}{attachment.ext}"
        write_file(self._pictures / name, attachment.data)
        return replace(attachment, file=name)

    def _lies(self, attachment: Attachment) -> bool:
        """Whether a file of the library is still what it was."""
        path = self._pictures / attachment.file
        try:
            return path.stat().st_size == len(attachment.data) and path.read_bytes() == attachment.data
        except OSError:
            return False

    def _tidy(self, identity: str, used: set[str]) -> None:
        """Delete files of a character that it does not use any more."""
        for file in self._pictures.glob(f"{identity}.*"):
            if file.name not in used:
                file.unlink(missing_ok=True)

    # -- inside ------------------------------------------------------------------------------------

    async def _index(self) -> dict[str, Any]:
        index = await self._library.state.get(INDEX)
        return {"current": "", "drafts": {}} | (index if isinstance(index, dict) else {})

    async def _set_index(
        self, *, current: str, note: tuple[str, Mapping[str, Any] | None] | None = None
    ) -> None:
        index = await self._index()
        drafts = dict(index["drafts"])
        if note is not None:
            drafts.pop(note[0], None)
            if note[1] is not None:
                drafts[note[0]] = note[1]
        after = {"current": current, "drafts": drafts}
        if after != index:
            await self._library.state.set(INDEX, after)

    async def _of_library(self, character_id: str) -> Draft:
        stored = await self._library.characters.get(character_id)

        def read() -> Snapshot:
            document = parse_object(stored.document)
            name = stored.summary.picture
            picture = self._attachment(name)
            archive = self._attachment(f"{character_id}.charx")
            return Snapshot(document, document, picture, archive)

        snapshot = await asyncio.to_thread(read)
        return Draft(snapshot, snapshot, character_id=character_id, content_hash=stored.content_hash)

    def _attachment(self, name: str) -> Attachment | None:
        """A file of the library, None where it is not there."""
        # A row of a damaged library must not lead out of the folder.
        if not name or Path(name).name != name:
            return None
        try:
            return Attachment((self._pictures / name).read_bytes(), Path(name).suffix, name)
        except OSError:
            return None

    def _row(self, draft: Draft, snapshot: Snapshot) -> dict[str, Any]:
        same = snapshot.origin is snapshot.document
        return {
            "document": dump_json(snapshot.document),
            "origin": "" if same else dump_json(snapshot.origin),
            "picture": self._kept(snapshot.picture),
            "archive": self._kept(snapshot.archive),
            "hash": draft.content_hash,
        }

    def _kept(self, attachment: Attachment | None) -> dict[str, str]:
        """Where a draft's file is, after it was put there."""
        if attachment is None:
            return {}
        if attachment.file and self._lies(attachment):
            return {"file": attachment.file, "own": ""}
        # Named by its content: the same picture is written once, however often the draft is kept.
        name = f"{KEPT}{hashlib.sha256(attachment.data).hexdigest()[:24]}{attachment.ext}"
        if not (self._pictures / name).exists():
            write_file(self._pictures / name, attachment.data)
        return {"file": name, "own": "draft"}

    def _restored(self, row: Mapping[str, Any]) -> Snapshot:
        document = parse_object(row["document"])
        origin = parse_object(row["origin"]) if row.get("origin") else document
        files = []
        for name in ("picture", "archive"):
            attachment = self._attachment(row[name].get("file", ""))
            # The draft's own copy is no file of the character: it gets a name of its own when it is saved.
            if attachment is not None and row[name].get("own"):
                attachment = replace(attachment, file="")
            files.append(attachment)
        return Snapshot(document, origin, *files)

    async def _sweep(self) -> None:
        """Delete kept files that no draft needs any more."""
        used: set[str] = set()
        for draft in await self.drafts():
            row = await self._library.state.get(ROW + draft.key)
            used |= {row[name].get("file", "") for name in ("picture", "archive")} if row else set()

        def work() -> None:
            for file in self._pictures.glob(f"{KEPT}*"):
                if file.name not in used:
                    file.unlink(missing_ok=True)

        await asyncio.to_thread(work)


def is_slot(key: str) -> bool:
    """Whether a key is that of a new character."""
    return not key or key.startswith(SLOT)
