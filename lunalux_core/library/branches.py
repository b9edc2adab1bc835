"""The branches of a conversation: which of its messages make a story that is read from top to end.

A branch ends where nothing follows, or at the end of what is on the screen. Versions of a message that nobody
went on from (swipes) make no branch of their own while another version is in one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from lunalux_core.database import Connection
from lunalux_core.library.cells import plain_text
from lunalux_core.library.conversations import LONGEST, role_in


@dataclass(frozen=True, slots=True)
class Said:
    """A stored message, as far as a file shows it. `chosen` is the child on which the story went on last."""

    id: str
    parent_id: str
    role: str
    name: str
    text: str
    pending: bool
    chosen: str


@dataclass(frozen=True, slots=True)
class Branch:
    """Messages from the first to the last; `shown` is the one on the screen."""

    messages: tuple[Said, ...]
    shown: bool

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(message.id for message in self.messages)

    @property
    def busy(self) -> bool:
        """Whether a reply is being written in it."""
        return any(message.pending for message in self.messages)


def load_said(connection: Connection, conversation_id: str) -> list[Said]:
    """All messages of a conversation, in the order in which they were made."""
    rows = connection.execute(
        "SELECT id, parent_id, role, name, content, status, selected_child FROM messages "
        "WHERE conversation_id = ? ORDER BY number",
        (conversation_id,),
    )
    return [
        Said(
            row["id"],
            row["parent_id"],
            role_in(row["role"]),
            plain_text(row["name"]),
            plain_text(row["content"]),
            row["status"] == "pending",
            row["selected_child"],
        )
        for row in rows
    ]


def branches_of(said: Sequence[Said], head_id: str, forks: Collection[str] = ()) -> list[Branch]:
    """The branches, the one on the screen first, the others as their ends were made.

    Args:
        forks: ids of messages that begin a branch in any case.
    """
    tree = _Tree(said)
    shown = tree.path(head_id)
    ends = tree.ends({*forks, *(message.id for message in shown)}, head_id)
    order = {message.id: place for place, message in enumerate(said)}
    paths = [tree.path(end) for end in sorted(ends, key=lambda end: (end != head_id, order[end]))]
    return [Branch(path, path[-1].id == head_id) for path in paths if path]


class _Tree:
    def __init__(self, said: Sequence[Said]) -> None:
        self._by_id = {message.id: message for message in said}
        self._below: dict[str, list[Said]] = {}
        for message in said:
            # What hangs on nothing that is there begins a story of its own.
            parent = message.parent_id if message.parent_id in self._by_id else ""
            self._below.setdefault(parent, []).append(message)

    def path(self, end: str) -> tuple[Said, ...]:
        path: list[Said] = []
        at = self._by_id.get(end)
        # Bounded, because the messages of a damaged library may run in a circle.
        while at is not None and len(path) < LONGEST:
            path.append(at)
            at = self._by_id.get(at.parent_id)
        return tuple(reversed(path))

    def ends(self, sure: set[str], head_id: str) -> list[str]:
        """Ids of the last messages of all branches. `sure` are messages that are in one."""
        ends = [head_id] if head_id in self._by_id else []
        waiting = [""]
        while waiting:
            parent = waiting.pop()
            for message in self._continued(parent, sure):
                if message.id in self._below:
                    waiting.append(message.id)
                elif message.id != head_id:
                    ends.append(message.id)
        return ends

    def _continued(self, parent: str, sure: set[str]) -> list[Said]:
        """The children with which a story goes on."""
        below = self._below.get(parent, [])
        strong = [message for message in below if message.id in self._below or message.id in sure]
        if strong or not below:
            return strong
        chosen = self._by_id[parent].chosen if parent else ""
        return [next((message for message in below if message.id == chosen), below[-1])]
