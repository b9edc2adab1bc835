"""The author's note of a conversation: a text for every n-th message of the person.

Kept in `conversations.note`; in SillyTavern's chat files as `note_*` of `chat_metadata`, with its numbers.

See docs/spec/formats.md: SillyTavern assembly, Chat files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lunalux_core.dialogue.assembly.prompt_material import AuthorsNote, NotePosition
from lunalux_core.documents.coerce import as_flag, as_integer, as_text
from lunalux_core.llm.model import Role
from lunalux_core.text import clean

POSITIONS: tuple[NotePosition, ...] = ("after_main", "in_chat", "before_main")
"""By SillyTavern's numbers."""
ROLES: tuple[Role, ...] = ("system", "user", "assistant")
"""By SillyTavern's numbers."""
DEEPEST = 10_000
"""As deep as depths go in SillyTavern's fields; also the longest interval."""

_PREFIX = "note_"
_NAMES = ("prompt", "interval", "position", "depth", "role", "scan")
_IN_FILES = frozenset(_PREFIX + name for name in _NAMES)


@dataclass(frozen=True, slots=True)
class ChatNote:
    """A note as it is kept.

    Args:
        interval: goes out with every n-th message of the person; 0 is never.
        depth: messages below it; it and `role` matter for `in_chat`.
        scan: whether keys of worldbook entries are sought in it. SillyTavern has one switch for all chats,
            so files made there say nothing about it.
    """

    prompt: str = ""
    position: NotePosition = "in_chat"
    depth: int = 4
    role: Role = "system"
    interval: int = 1
    scan: bool = False

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> ChatNote:
        """Lenient; what is missing or makes no sense has SillyTavern's default."""
        position = as_integer(stored.get("position"), 1)
        role = as_integer(stored.get("role"), 0)
        return cls(
            clean(as_text(stored.get("prompt"))),
            POSITIONS[position] if 0 <= position < len(POSITIONS) else "in_chat",
            _within(as_integer(stored.get("depth"), 4)),
            ROLES[role] if 0 <= role < len(ROLES) else "system",
            _within(as_integer(stored.get("interval"), 1)),
            as_flag(stored.get("scan")),
        )

    @classmethod
    def of_file(cls, metadata: Mapping[str, Any]) -> ChatNote:
        """The note of a chat file's `chat_metadata`."""
        return cls.read({name: metadata.get(_PREFIX + name) for name in _NAMES})

    def as_json(self) -> dict[str, Any]:
        """For `conversations.note`; {} where nothing differs from having no note."""
        # A chat without a note stays as it was, so that files of other programs come back unchanged.
        if self == ChatNote():
            return {}
        return {
            "prompt": self.prompt,
            "interval": self.interval,
            "position": POSITIONS.index(self.position),
            "depth": self.depth,
            "role": ROLES.index(self.role),
            **({"scan": True} if self.scan else {}),
        }

    def for_file(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """A chat file's `chat_metadata` with this note in place of the one that is in it."""
        # Spelled as the file has it, down to defaults that are left out, unless something differs.
        if self == ChatNote.of_file(metadata):
            return dict(metadata)
        rest = {name: value for name, value in metadata.items() if name not in _IN_FILES}
        return rest | {_PREFIX + name: value for name, value in self.as_json().items()}

    def due(self, said: int) -> bool:
        """Whether it goes out when the person has said `said` messages, this turn's included."""
        return AuthorsNote.due(self.interval, said)

    def for_prompt(self) -> AuthorsNote:
        """What an assembly takes; also where the text is empty, for worldbook entries stand around it."""
        return AuthorsNote(self.prompt, self.position, self.depth, self.role)


def _within(number: int) -> int:
    return min(max(number, 0), DEEPEST)
