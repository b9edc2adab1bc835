"""The local library: what a person owns, in one SQLite file and a folder of pictures."""

from __future__ import annotations

from collections.abc import Callable

from lunalux_core.config.paths import Paths
from lunalux_core.database import Database
from lunalux_core.library.cache import Cache
from lunalux_core.library.characters import Characters
from lunalux_core.library.conversations import Conversations
from lunalux_core.library.drafts import Drafts
from lunalux_core.library.groups import Groups
from lunalux_core.library.memories import Memories
from lunalux_core.library.migrations import migrate
from lunalux_core.library.personas import Personas
from lunalux_core.library.quick_replies import QuickReplies
from lunalux_core.library.shelf import Shelf
from lunalux_core.library.state import State
from lunalux_core.library.tags import Tags
from lunalux_core.library.templates import Templates
from lunalux_core.library.turn_records import Records


class Library:
    """All shelves over one database. Opening starts at once on the database thread and does not block.

    Raises:
        StorageError: from the first call on any shelf, when the file cannot be opened.
    """

    def __init__(self, paths: Paths) -> None:
        self.database = Database(
            paths.library,
            lambda connection: migrate(connection, paths.backups),
            lambda: _enter(paths),
        )
        self.characters = Characters(self.database, paths.pictures)
        self.conversations = Conversations(self.database)
        self.groups = Groups(self.database)
        self.records = Records(self.database)
        self.memories = Memories(self.database)
        self.personas = Personas(self.database)
        self.worldbooks = Shelf(self.database, "worldbook")
        self.presets = Shelf(self.database, "preset")
        self.scripts = Shelf(self.database, "regex")
        self.drafts = Drafts(self.database)
        self.templates = Templates(self.database)
        self.quick_replies = QuickReplies(self.database)
        self.cache = Cache(self.database)
        self.state = State(self.database)
        self.tags = Tags(self.database)

    def close(self) -> None:
        self.database.close()


def _enter(paths: Paths) -> Callable[[], None]:
    from lunalux_core.library.restoring import enter

    return enter(paths)
