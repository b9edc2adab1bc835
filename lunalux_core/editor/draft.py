"""A character being written: its document, picture and history.

The document is a value; every edit makes a new one that shares all it did not touch, so a step of the
history costs what was typed. A field that is brought back to what it was at the
beginning is written back as it was there, down to its odd type or its absence.

See docs/spec/formats.md: Tolerant reading, Card versions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lunalux_core.cards.card import Card
from lunalux_core.cards.document_edits import REMOVED, Path, apply_edits
from lunalux_core.cards.envelope import MIRROR_ALIASES, data_of
from lunalux_core.editor.card_fields import Field
from lunalux_core.text import clean

STEPS_KEPT = 300
PAUSE_SECONDS = 1.2
"""Typing in one place goes into one step of the history until it pauses this long."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a card: its picture, or the archive it came in.

    `ext` begins with a dot; `file` is its name in the library's folder of pictures, "" where it is not there
    yet.
    """

    data: bytes = field(repr=False)
    ext: str
    file: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All of a draft at one moment. `origin` is the document the editing began with."""

    document: Mapping[str, Any]
    origin: Mapping[str, Any]
    picture: Attachment | None = None
    archive: Attachment | None = None

    @property
    def files(self) -> tuple[Attachment | str | None, ...]:
        """The files that belong to it: the name of one in the library, else the file itself."""
        return tuple(
            attachment.file or attachment if attachment is not None else None
            for attachment in (self.picture, self.archive)
        )


EMPTY = Snapshot(_BLANK := Card.new("").document, _BLANK)


@dataclass(frozen=True, slots=True)
class _Step:
    snapshot: Snapshot
    place: str
    at: float


class Draft:
    """A character being written, with undo and redo of everything.

    Args:
        base: what the library has (for a new character: an empty one), to tell what is unsaved.
        character_id: the character of the library that is edited, "" for a new one.
        slot: tells the drafts of new characters apart.
        content_hash: its content when the editing began, to see whether somebody else changed it since.
        clock: seconds, for telling pauses.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        base: Snapshot,
        *,
        character_id: str = "",
        slot: str = "",
        content_hash: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.base = base
        self.character_id = character_id
        self.slot = slot
        self.content_hash = content_hash
        self._clock = clock
        self._steps = [_Step(snapshot, "", 0.0)]
        self._at = 0

    @classmethod
    def new(cls, name: str = "", **fields: Any) -> Draft:
        """An empty character, except for the fields of `data` that are given."""
        document = Card.new(name, **fields).document
        return cls(Snapshot(document, document), EMPTY)

    # -- what it is --------------------------------------------------------------------------------

    @property
    def key(self) -> str:
        """What it is kept under: the character, else the slot."""
        return self.character_id or self.slot

    @property
    def snapshot(self) -> Snapshot:
        return self._steps[self._at].snapshot

    @property
    def document(self) -> Mapping[str, Any]:
        return self.snapshot.document

    @property
    def card(self) -> Card:
        """A tolerant reading of the document; its `text` is not filled."""
        return Card(self.document, "")

    @property
    def changed(self) -> bool:
        """Whether there is anything that the library does not have."""
        now, base = self.snapshot, self.base
        return now.files != base.files or now.document != base.document

    @property
    def blank(self) -> bool:
        """Whether it is a new character in which nothing was written yet."""
        return not self.character_id and not self.can_undo and self.document == Card.new("").document

    # -- history -----------------------------------------------------------------------------------

    @property
    def can_undo(self) -> bool:
        return self._at > 0

    @property
    def can_redo(self) -> bool:
        return self._at < len(self._steps) - 1

    def undo(self) -> str | None:
        """Go one step back; the place that changed, None when there is none."""
        if not self.can_undo:
            return None
        self._at -= 1
        return self._steps[self._at + 1].place

    def redo(self) -> str | None:
        """Go one step forward again; the place that changed, None when there is none."""
        if not self.can_redo:
            return None
        self._at += 1
        return self._steps[self._at].place

    def become(self, snapshot: Snapshot, place: str = "", *, joined: bool = False) -> None:
        """Another state as the next step.

        Args:
            place: what changed, for showing it after an undo.
            joined: whether it may go into the last step, if that changed the same place just now.
        """
        now = self._clock()
        last = self._steps[self._at]
        step = _Step(snapshot, place, now)
        going_on = last.place == place and now - last.at < PAUSE_SECONDS
        # Step 0 is what the editing began with, and after an undo the steps ahead must not be kept.
        if joined and going_on and self._at and not self.can_redo:
            self._steps[self._at] = step
            return
        self._steps[self._at + 1 :] = [step]
        del self._steps[: max(len(self._steps) - STEPS_KEPT, 0)]
        self._at = len(self._steps) - 1

    def settled(self, saved: Snapshot, character_id: str, content_hash: str) -> None:
        """`saved` is in the library now: from here on it is what nothing is unsaved against.

        The history stays; what was typed while it was being saved stays unsaved.
        """
        self.character_id, self.content_hash, self.base = character_id, content_hash, saved
        before = self.snapshot
        self._steps = [replace(step, snapshot=_settled(step.snapshot, before, saved)) for step in self._steps]

    # -- edits -------------------------------------------------------------------------------------

    def edit(self, edits: Mapping[Path, Any], place: str, *, joined: bool = False) -> None:
        """New values at some paths, everything else untouched (see `cards.document_edits.apply_edits`)."""
        document = self.document
        # Each edit on the outcome of the one before: two of them may lead into the same container.
        for path, value in edits.items():
            document = apply_edits(_grounded(document, path), {path: value})
        if document != self.document:
            self.become(replace(self.snapshot, document=document), place, joined=joined)

    def write(self, card_field: Field, text: str) -> None:
        """What was typed or pasted into a field of the form; what could act on a terminal is left out.

        Raises:
            ValueError: a number that is none; nothing is changed.
        """
        text = clean(text)
        origin = self.snapshot.origin
        # As it was at the beginning, down to an odd type: a text brought back must not count as a change. Two
        # values may be shown alike, a missing list and an empty one for instance.
        if data_of(origin) is not None and text == card_field.shown(origin):
            restored = restore(self.document, origin, card_field.path)
            if restored != self.document:
                self.become(replace(self.snapshot, document=restored), card_field.id, joined=True)
            return
        if text == card_field.shown(self.document):
            return
        # JSON has no empty number, so the field goes away.
        if card_field.kind == "number" and not text.strip():
            value: Any = REMOVED
        else:
            value = card_field.value(text)
        self.edit({card_field.path: value}, card_field.id, joined=True)

    def attach(self, picture: Attachment | None) -> None:
        """Another picture, or none."""
        self.become(replace(self.snapshot, picture=picture), "picture")


def _settled(step: Snapshot, before: Snapshot, saved: Snapshot) -> Snapshot:
    """A step of the history after saving: measured against what was saved, its files known by name."""
    # A picture that was exchanged since is not the one in the library, and keeps its own file.
    picture = saved.picture if step.picture is before.picture else step.picture
    archive = saved.archive if step.archive is before.archive else step.archive
    return Snapshot(step.document, saved.document, picture, archive)


def _grounded(document: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """The document with a value that stands at top level only moved where `path` leads."""
    data = data_of(document)
    if data is None or len(path) < 3 or path[1] in data or path[1] not in document:
        return document
    return {**document, "data": {**data, str(path[1]): document[str(path[1])]}}


def restore(document: Mapping[str, Any], origin: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The document with what `origin` has at `path`, its copy at top level included; containers that were
    made for it and hold nothing else go away again.
    """
    restored: dict[str, Any] = _restored(document, origin, path)
    names = tuple(str(key) for key in path[1:])
    # V2 cards repeat fields at top level for V1 programs, some under another name.
    copy = MIRROR_ALIASES.get(names, names[0] if len(names) == 1 else "")
    if copy in origin and copy != "data":
        restored[copy] = origin[copy]
    return restored


def _restored(node: Any, origin: Any, path: Path) -> Any:
    key, rest = str(path[0]), path[1:]
    fields = dict(node) if isinstance(node, dict) else {}
    before = origin if isinstance(origin, dict) else {}
    if not rest:
        if key in before:
            fields[key] = before[key]
        else:
            fields.pop(key, None)
        return fields
    inner = _restored(fields.get(key), before.get(key), rest)
    if not inner and not isinstance(before.get(key), dict):
        if key in before:
            fields[key] = before[key]
        else:
            fields.pop(key, None)
    else:
        fields[key] = inner
    return fields
