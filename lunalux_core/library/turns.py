"""What a turn reads of a tree of messages and writes into it, all within the turn's transaction.

See docs/spec/design.md: One chat turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lunalux_core.database import Connection
from lunalux_core.library.cells import object_in, plain_text
from lunalux_core.library.conversations import (
    Conversation,
    Message,
    children,
    load_path,
    select_message,
    set_conversation,
)
from lunalux_core.library.undo import read_row

PAGE = 200
"""Messages that are read at once on the way up."""


@dataclass(frozen=True, slots=True)
class History:
    """What was said above a turn.

    `messages` are the nearest ones, oldest first; of those further up there are only the `events`, oldest
    first, that they left, `event_ids` the messages these came with, and `above` the ids of all. `counts` has
    how many messages of each role there are on the whole way.
    """

    messages: tuple[Message, ...]
    events: tuple[str, ...]
    counts: Counter[str]
    event_ids: tuple[str, ...] = ()
    above: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PendingReply:
    """A reply that is marked as being written, with the words of it that are stored."""

    id: str
    content: str


def load_history(connection: Connection, above: Message | None, most: int) -> History:
    """What stands above a turn: `above` and what it hangs on.

    Args:
        most: about how many characters of messages to read whole; the page that exceeds it is still given.
    """
    pages: list[list[Message]] = []
    start, size = above.id if above else "", 0
    # By pages, since how long messages are shows only when they are read.
    while start and size < most:
        page = load_path(connection, start, PAGE)
        pages.append(page)
        size += sum(len(message.content) for message in page)
        # The oldest message of a page hangs on the next one to read.
        start = page[0].parent_id
    messages = tuple(message for page in reversed(pages) for message in page)
    counts = Counter[str](message.role for message in messages)
    # All was read whole: nothing is left of which only the events are wanted.
    if not start:
        return History(messages, (), counts)
    # Further up only what a prompt can still use: events, and how many messages of each role there are.
    rows = connection.execute(
        """
        WITH RECURSIVE path (id, parent_id, role, event) AS (
          SELECT id, parent_id, role, event FROM messages WHERE id = ?
          UNION ALL
          SELECT m.id, m.parent_id, m.role, m.event FROM path JOIN messages m ON m.id = path.parent_id
        ) SELECT role, event, id FROM path
        """,
        (start,),
    ).fetchall()
    counts.update(row[0] for row in rows)
    told = [(row[1], row[2]) for row in reversed(rows) if row[1]]
    return History(
        messages,
        tuple(event for event, _ in told),
        counts,
        tuple(identity for _, identity in told),
        tuple(row[2] for row in reversed(rows)),
    )


def branch_state(connection: Connection, above: Message | None) -> Mapping[str, Any]:
    """What the branch carries: the state of the nearest message, `above` or higher, that has one; else {}.

    Its `variables`, where it has any, are an object of texts.
    """
    if above is None:
        return {}
    # The walk ends at the first message with a state, so it costs no more than the way to it.
    row = connection.execute(
        """
        WITH RECURSIVE path (state, parent_id, step) AS (
          SELECT state, parent_id, 0 FROM messages WHERE id = ?
          UNION ALL
          SELECT m.state, m.parent_id, step + 1 FROM path JOIN messages m ON m.id = path.parent_id
          WHERE path.state = '{}'
        ) SELECT state FROM path ORDER BY step DESC LIMIT 1
        """,
        (above.id,),
    ).fetchone()
    state = dict(object_in(row[0])) if row else {}
    # A file that another program wrote may hold anything here.
    if not isinstance(state.get("variables", {}), dict):
        del state["variables"]
    elif "variables" in state:
        state["variables"] = {name: plain_text(value) for name, value in state["variables"].items()}
    return state


def kept_beside(connection: Connection, conversation_id: str) -> frozenset[str]:
    """Which of `memories`, `trackers` and `documents` there are for a conversation: a turn reads and loads
    nothing of the others.

    Documents belong to more than a conversation, so any in the library count.
    """
    row = connection.execute(
        """
        SELECT EXISTS (SELECT 1 FROM memories WHERE conversation_id = :conversation) AS memories,
          EXISTS (SELECT 1 FROM trackers WHERE conversation_id = :conversation) AS trackers,
          EXISTS (SELECT 1 FROM documents) AS documents
        """,
        {"conversation": conversation_id},
    ).fetchone()
    return frozenset(name for name in row.keys() if row[name])  # noqa: SIM118 - a row is no mapping


def uses_profiles(connection: Connection) -> bool:
    """Whether any profile is in use anywhere."""
    return connection.execute("SELECT 1 FROM profile_uses LIMIT 1").fetchone() is not None


def uses_quick_replies(connection: Connection) -> bool:
    """Whether any set of quick replies is in force anywhere."""
    return connection.execute("SELECT 1 FROM quick_reply_uses LIMIT 1").fetchone() is not None


def pending_replies(connection: Connection) -> list[PendingReply]:
    """Replies that are marked as being written, by a program that lives or one that was killed."""
    rows = connection.execute("SELECT id, content FROM messages WHERE status = 'pending'")
    return [PendingReply(row["id"], plain_text(row["content"])) for row in rows]


def remove_leaf(connection: Connection, message: Message) -> bool:
    """Remove a message without children, leaving no trace for undo; False where it has some."""
    if children(connection, message.conversation_id, message.id):
        return False
    connection.execute("DELETE FROM messages WHERE id = ?", (message.id,))
    # Otherwise the parent would lead the way down to a message that is gone.
    connection.execute(
        "UPDATE messages SET selected_child = '' WHERE id = ? AND selected_child = ?",
        (message.parent_id, message.id),
    )
    return True


def show_again(connection: Connection, before: Conversation) -> None:
    """Give a conversation the draft and the head it had, as far as nobody wrote another draft since and the
    head is still there.
    """
    connection.execute(
        # Only into an empty draft: the person may have typed since.
        "UPDATE conversations SET draft = ? WHERE id = ? AND draft = ''",
        (before.draft, before.id),
    )
    if read_row(connection, before.head_id):
        select_message(connection, before.head_id)
    else:
        set_conversation(connection, before.id, head_id="")
