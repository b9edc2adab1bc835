"""What a pass of a mirror works with, and what it tells."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from lunalux_core.errors import InvalidInput, LunaluxError
from lunalux_core.mirror.folder import FRESH_NS, Folder, ListedFile, data_hash, is_fresh
from lunalux_core.mirror.sync_base import Base, MirrorKind, Record

if TYPE_CHECKING:
    from lunalux_core.dialogue.turn_input import TurnReader
    from lunalux_core.library import Library

MirrorAction = Literal[
    "written", "taken", "added", "restored", "conflict", "removed", "moved", "waiting", "skipped"
]
"""`written`: a file from the library; `taken`: what changed in a file, into the library; `added`: a file that
became something new there; `restored`: what was missing in the folder, written again; `conflict`: both had
changed; `removed`: a file of what the library deleted, moved into `.lunalux/trash`; `moved`: a file has
another name; `waiting`: a reply is being written there; `skipped`: a file that cannot be used."""


@dataclass(frozen=True, slots=True)
class MirrorEvent:
    """One thing that was done, or would be.

    Args:
        path: within the folder.
        id, name: of the thing in the library, "" where it has none.
        kept: where the other version is kept: another path, in a conflict and after a removal.
        missing: messages that a file of a story has not any more; they stay in the library.
    """

    action: MirrorAction
    kind: MirrorKind
    path: str
    id: str = ""
    name: str = ""
    kept: str = ""
    missing: int = 0
    error: LunaluxError | None = None


@dataclass(slots=True)
class Work:
    """One pass.

    Args:
        reader: knows the person's name; asked for only where a file has new messages.
        dry: only tell what would be done.
    """

    library: Library
    folder: Folder
    base: Base
    tell: Callable[[MirrorEvent], None]
    reader: Callable[[], TurnReader]
    dry: bool = False
    again: bool = field(default=False, init=False)
    """Whether something changed meanwhile, so that another pass is due."""

    def read(self, path: str) -> bytes | None:
        """The bytes of a file that is there; None where there is none. Raises as `Folder.read`."""
        if (trouble := self.folder.trouble(path)) is not None:
            raise trouble
        return self.folder.read(path) if path in self.folder.files else None

    def is_unchanged(self, record: Record) -> bool:
        """Whether a file is as both sides agreed on it; it is read only where its size and time do not tell.

        Raises:
            InvalidInput, LimitExceeded: it cannot be read.
        """
        if (trouble := self.folder.trouble(record.path)) is not None:
            raise trouble
        entry = self.folder.files[record.path]
        if (entry.size, entry.mtime_ns) == (record.size, record.mtime_ns) and not _was_fresh(record):
            return True
        if data_hash(self.folder.read(record.path)) != record.file:
            return False
        if not is_fresh(entry):
            self.agree(record, self.folder.files[record.path])
        return True

    def has_bytes_of(self, record: Record, path: str) -> bool:
        """Whether a file is what both sides agreed on for a record."""
        try:
            return path in self.folder.files and data_hash(self.folder.read(path)) == record.file
        except InvalidInput:  # told when its turn comes
            return False

    def write(self, path: str, data: bytes) -> ListedFile:
        """Write a file, or say what it would be. Raises ChangedMeanwhile, StorageError."""
        if (trouble := self.folder.trouble(path)) is not None:
            raise trouble
        return ListedFile(path, len(data), 0) if self.dry else self.folder.write(path, data)

    def agree(self, record: Record, entry: ListedFile | None = None) -> None:
        """Both sides are alike: store the record, with what the file looks like."""
        entry = entry or self.folder.files.get(record.path)
        size, mtime_ns = (entry.size, entry.mtime_ns) if entry else (-1, 0)
        self.base.put(replace(record, size=size, mtime_ns=mtime_ns, seen_ns=time.time_ns()))

    def remove(self, record: Record, name: str = "") -> None:
        """Move the file of what the library has not any more out of the way."""
        kept = self.folder.trash_path(record.path)
        if not self.dry:
            self.folder.move(record.path, kept)
        self.base.drop(record.path)
        self.folder.files.pop(record.path, None)
        told = kept.relative_to(self.folder.root).as_posix()
        self.tell(MirrorEvent("removed", record.kind, record.path, record.id, name, kept=told))

    def keep(self, path: str, data: bytes) -> str:
        """Keep a version of a file beside it, after a conflict; the path of the copy, no file of ours."""
        kept, is_there = self.folder.conflict_path(path, data)
        if not is_there:
            self.write(kept, data)
        self.folder.files.pop(kept, None)
        return kept

    def skip(self, kind: MirrorKind, path: str, error: LunaluxError) -> None:
        self.tell(MirrorEvent("skipped", kind, path, error=error))


def follow(work: Work, record: Record, path: str) -> None:
    """Let a record be of the file at another path, to which a person moved it."""
    # Without size and time: whether the file was changed, too, is found out by reading it.
    work.base.put(replace(record, path=path, size=-1), record.path)
    work.tell(MirrorEvent("moved", record.kind, path, record.id, kept=record.path))


def _was_fresh(record: Record) -> bool:
    return record.seen_ns - record.mtime_ns < FRESH_NS
