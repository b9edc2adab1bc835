"""What the readers of groups, settings and whole libraries need of an import."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from lunalux_core.chatlogs.chatlog import ChatLog
    from lunalux_core.database import Connection
    from lunalux_core.importing.card_import import CardReader
    from lunalux_core.importing.chat_owners import ChatOwners
    from lunalux_core.importing.import_results import ImportResult
    from lunalux_core.importing.shelf_documents import ShelfDocument
    from lunalux_core.importing.sources import ImportSource
    from lunalux_core.library import Library
    from lunalux_core.library.shelf import ShelfKind


class ImportStore(Protocol):
    """What the readers of single files need of the second half of an import."""

    library: Library
    reader: CardReader
    owners: ChatOwners
    copy: bool
    dry_run: bool

    def write(self, change: Callable[[Connection], ImportResult]) -> ImportResult:
        """One transaction; a dry run leaves nothing of it."""

    def shelve(
        self, label: str, kind: ShelfKind, documents: Sequence[ShelfDocument], mended: tuple[str, ...] = ()
    ) -> ImportResult:
        """The documents of one file onto their shelf."""

    def chat(self, label: str, log: ChatLog, source: ImportSource, character_id: str = "") -> ImportResult:
        """A chat to its character."""
