"""What is open on the chat screen: a conversation, and with whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lunalux_core.dialogue.turn import TurnOptions
    from lunalux_core.library.character_list import CharacterSummary
    from lunalux_core.library.conversations import Conversation
    from lunalux_core.library.groups import Group


@dataclass
class OpenChat:
    """The one place where it is remembered; the screen changes it, its parts and actions read it.

    Attributes:
        character: who is talked with, None in a group.
        group: the group, None with a single character.
        conversation: as it was last read from the library.
    """

    character: CharacterSummary | None = None
    group: Group | None = None
    conversation: Conversation | None = None

    @property
    def name(self) -> str:
        """Who is talked with: the character, or the group."""
        return self.character.name if self.character else self.group.name if self.group else ""

    @property
    def row_id(self) -> str:
        """Id of the row in the list that is open."""
        return self.character.id if self.character else self.group.id if self.group else ""

    @property
    def owner(self) -> Mapping[str, str]:
        """Whose conversation it is, as the library's functions are told."""
        return {"group_id": self.row_id} if self.group else {"character_id": self.row_id}

    def turn_options(self) -> TurnOptions:
        """What a turn is asked for here."""
        from lunalux_core.dialogue.turn import TurnOptions

        return TurnOptions(mode=self.conversation.mode if self.conversation else "")
