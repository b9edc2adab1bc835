"""The local library: what a person owns, in one SQLite file and a folder of pictures."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from lunalux_core.config.paths import Paths
from lunalux_core.database import Database
from lunalux_core.library.characters import Characters
from lunalux_core.library.conversations import Conversations
from lunalux_core.library.migrations import migrate

if TYPE_CHECKING:
    from lunalux_core.library.bank_documents import Documents
    from lunalux_core.library.drafts import Drafts
    from lunalux_core.library.groups import Groups
    from lunalux_core.library.lab import LabRuns
    from lunalux_core.library.memories import Memories
    from lunalux_core.library.message_pictures import Pictures
    from lunalux_core.library.network_cache import Cache
    from lunalux_core.library.personas import Personas
    from lunalux_core.library.profiles import Profiles
    from lunalux_core.library.program_state import State
    from lunalux_core.library.quick_replies import QuickReplies
    from lunalux_core.library.shelf import Shelf
    from lunalux_core.library.tags import Tags
    from lunalux_core.library.templates import Templates
    from lunalux_core.library.trackers import Trackers
    from lunalux_core.library.trash import Trash
    from lunalux_core.library.turn_records import Records


class Library:
    """All repositories over one database. Opening starts at once on the database thread and does not block.

    Shelves that few commands need are loaded when they are asked for.

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

    @cached_property
    def groups(self) -> Groups:
        from lunalux_core.library.groups import Groups

        return Groups(self.database)

    @cached_property
    def records(self) -> Records:
        from lunalux_core.library.turn_records import Records

        return Records(self.database)

    @cached_property
    def memories(self) -> Memories:
        from lunalux_core.library.memories import Memories

        return Memories(self.database)

    @cached_property
    def trackers(self) -> Trackers:
        from lunalux_core.library.trackers import Trackers

        return Trackers(self.database)

    @cached_property
    def documents(self) -> Documents:
        from lunalux_core.library.bank_documents import Documents

        return Documents(self.database)

    @cached_property
    def pictures(self) -> Pictures:
        from lunalux_core.library.message_pictures import Pictures

        return Pictures(self.database)

    @cached_property
    def personas(self) -> Personas:
        from lunalux_core.library.personas import Personas

        return Personas(self.database)

    @cached_property
    def worldbooks(self) -> Shelf:
        from lunalux_core.library.shelf import Shelf

        return Shelf(self.database, "worldbook")

    @cached_property
    def presets(self) -> Shelf:
        from lunalux_core.library.shelf import Shelf

        return Shelf(self.database, "preset")

    @cached_property
    def scripts(self) -> Shelf:
        from lunalux_core.library.shelf import Shelf

        return Shelf(self.database, "regex")

    @cached_property
    def drafts(self) -> Drafts:
        from lunalux_core.library.drafts import Drafts

        return Drafts(self.database)

    @cached_property
    def templates(self) -> Templates:
        from lunalux_core.library.templates import Templates

        return Templates(self.database)

    @cached_property
    def lab(self) -> LabRuns:
        from lunalux_core.library.lab import LabRuns

        return LabRuns(self.database)

    @cached_property
    def profiles(self) -> Profiles:
        from lunalux_core.library.profiles import Profiles

        return Profiles(self.database)

    @cached_property
    def quick_replies(self) -> QuickReplies:
        from lunalux_core.library.quick_replies import QuickReplies

        return QuickReplies(self.database)

    @cached_property
    def cache(self) -> Cache:
        from lunalux_core.library.network_cache import Cache

        return Cache(self.database)

    @cached_property
    def state(self) -> State:
        from lunalux_core.library.program_state import State

        return State(self.database)

    @cached_property
    def tags(self) -> Tags:
        from lunalux_core.library.tags import Tags

        return Tags(self.database)

    @cached_property
    def trash(self) -> Trash:
        from lunalux_core.library.trash import Trash

        return Trash(self.database, self.characters.pictures)

    def close(self) -> None:
        self.database.close()


def _enter(paths: Paths) -> Callable[[], None]:
    from lunalux_core.library.restore_steps import enter

    return enter(paths)
