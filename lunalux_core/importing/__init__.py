"""Import anything: files, folders and archives in, one result a file out.

The content of a file decides what it is (`cards.file_kind`). Cards are read and their pictures copied by a
few threads, and rows are stored in batches; everything else follows when all cards are there, since books,
scripts and chats refer to characters. A result is only told once it is on disk. A bad file is a result like
any other and never stops the batch.
"""

from __future__ import annotations

from lunalux_core.importing.batch import import_files
from lunalux_core.importing.card_import import add_starters, guess_language, import_data, new_character
from lunalux_core.importing.import_results import ImportKind, ImportOutcome, ImportResult, OnDuplicate
from lunalux_core.importing.sources import ENDINGS, ImportSource, expand, gather

__all__ = [
    "ENDINGS",
    "ImportKind",
    "ImportOutcome",
    "ImportResult",
    "ImportSource",
    "OnDuplicate",
    "add_starters",
    "expand",
    "gather",
    "guess_language",
    "import_data",
    "import_files",
    "new_character",
]
