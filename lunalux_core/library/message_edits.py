"""What a person does to stored messages: edit, delete, hide, cut off, take back.

Every function runs within one transaction and records itself for undo.

See docs/spec/formats.md: Narratium's files.
"""

from __future__ import annotations

from collections.abc import Sequence

from lunalux_core.database import Connection
from lunalux_core.errors import InvalidInput
from lunalux_core.library.conversations import (
    MARK,
    PICTURES,
    SCENE,
    children,
    insert_message,
    load_conversation,
    load_message,
    new_message,
    select_message,
    update_message,
)
from lunalux_core.library.undo import Recorder, set_depths
from lunalux_core.text import clean_line

MARK_LENGTH = 120


def edit_message(connection: Connection, message_id: str, content: str) -> None:
    """Change the words of a message in place; the model is not asked again."""
    message = load_message(connection, message_id)
    # Made before the change: it reads the rows as they are now.
    record = Recorder(connection, message.conversation_id, "edit", [message_id])
    # A reply that was cut off is whole once the person has gone over it; one that streams goes on.
    status = "done" if message.status != "pending" else message.status
    update_message(connection, message_id, content=content, raw=content, status=status)
    record.done()


def edit_as_branch(connection: Connection, message_id: str, content: str, *, shown: bool = True) -> str:
    """Put other words beside a message, as a swipe of it, and show them, unless the message is to be `shown`
    as it is. Returns the new id."""
    message = load_message(connection, message_id)
    record = Recorder(connection, message.conversation_id, "branch", _above(message.parent_id))
    parent = load_message(connection, message.parent_id) if message.parent_id else None
    twin = new_message(
        message.conversation_id,
        parent,
        message.role,
        message.name,
        content,
        state=message.state,
        speaker=message.speaker,
        # The pictures belong to the words; what the program noted about the other version does not.
        extra={PICTURES: message.extra[PICTURES]} if PICTURES in message.extra else {},
    )
    insert_message(connection, twin)
    if shown:
        select_message(connection, twin.id)
    record.done(twin.id)
    return twin.id


def delete_branch(connection: Connection, message_id: str) -> str:
    """Delete a message and all that follows it. Shows its newest swipe, else its parent; returns the head."""
    message = load_message(connection, message_id)
    doomed = [
        row[0]
        for row in connection.execute(
            """
            WITH RECURSIVE below (id) AS (
              SELECT ?1 UNION ALL
              SELECT m.id FROM below JOIN messages m
                ON m.parent_id = below.id AND m.conversation_id = ?2
            ) SELECT id FROM below
            """,
            (message_id, message.conversation_id),
        )
    ]
    record = Recorder(connection, message.conversation_id, "delete", [*doomed, *_above(message.parent_id)])
    was_shown = _is_on_path(connection, message_id, message.conversation_id)
    connection.executemany("DELETE FROM messages WHERE id = ?", [(identity,) for identity in doomed])
    # A branch that nobody looks at may go without moving what is on the screen.
    if was_shown:
        remaining = children(connection, message.conversation_id, message.parent_id)
        if remaining:
            select_message(connection, remaining[-1])
        else:
            _cut(connection, message.conversation_id, message.parent_id)
    record.done()
    return load_conversation(connection, message.conversation_id).head_id


def delete_one(connection: Connection, message_id: str) -> str:
    """Delete a single message; what followed it hangs on its parent from now on. Returns the head."""
    message = load_message(connection, message_id)
    below = children(connection, message.conversation_id, message_id)
    if not below:
        return delete_branch(connection, message_id)
    if message.swipes > 1:
        raise InvalidInput(
            "MESSAGE_HAS_SWIPES",
            "This message has swipes, so what follows it cannot move up.",
            "Delete it together with what follows, or delete its other swipes first.",
        )
    # What hangs lower is not recorded: its depth follows from where it hangs.
    record = Recorder(
        connection, message.conversation_id, "delete", [message_id, *below, *_above(message.parent_id)]
    )
    connection.execute("DELETE FROM messages WHERE id = ?", (message_id,))
    connection.executemany(
        "UPDATE messages SET parent_id = ? WHERE id = ?", [(message.parent_id, i) for i in below]
    )
    connection.execute(
        "UPDATE messages SET selected_child = ? WHERE id = ?",
        (message.selected_child or below[-1], message.parent_id),
    )
    if load_conversation(connection, message.conversation_id).head_id == message_id:
        if message.parent_id:  # what followed was cut off and stays so
            _cut(connection, message.conversation_id, message.parent_id)
        else:
            select_message(connection, below[-1])
    for identity in below:
        set_depths(connection, message.conversation_id, identity)
    record.done()
    return load_conversation(connection, message.conversation_id).head_id


def cut_messages(connection: Connection, conversation_id: str, message_ids: Sequence[str]) -> None:
    """Take messages of the branch out of it, as one change: what followed them moves up.

    The other versions of a message go with it, but not one under which the story went on: that stays as a
    branch of its own.
    """
    messages = [load_message(connection, identity) for identity in message_ids]
    messages.sort(key=lambda message: message.depth)
    if not messages:
        return
    going = {message.id for message in messages}
    touched = {message.parent_id: message.depth - 1 for message in messages if message.parent_id}
    versions: dict[str, list[str]] = {}
    for message in messages:
        siblings = children(connection, conversation_id, message.parent_id)
        versions[message.id] = [
            sibling
            for sibling in siblings
            if sibling not in going and not children(connection, conversation_id, sibling)
        ]
        touched |= dict.fromkeys((message.id, *versions[message.id]), message.depth)
        touched |= dict.fromkeys(children(connection, conversation_id, message.id), message.depth + 1)
    # What stands above first: undo brings the rows back in this order, each under its parent.
    record = Recorder(
        connection, conversation_id, "delete", sorted(touched, key=lambda identity: touched[identity])
    )
    # From the end, so that what follows moves up with one that moves up itself.
    for message in reversed(messages):
        _cut_one(connection, message.id, versions[message.id])
    top = messages[0].parent_id
    for identity in [top] if top else children(connection, conversation_id, ""):
        set_depths(connection, conversation_id, identity)
    record.done()


def _cut_one(connection: Connection, message_id: str, versions: Sequence[str]) -> None:
    """Take one message and these versions of it away, and hang what followed on what stood before."""
    message = load_message(connection, message_id)
    place, parent = message.conversation_id, message.parent_id
    followed = children(connection, place, message_id)
    was_head = load_conversation(connection, place).head_id == message_id
    connection.executemany(
        "DELETE FROM messages WHERE id = ?", [(identity,) for identity in (message_id, *versions)]
    )
    connection.executemany("UPDATE messages SET parent_id = ? WHERE id = ?", [(parent, i) for i in followed])
    if was_head:
        # After it nothing was shown; a branch that was cut off there stays one.
        _cut(connection, place, parent)
    else:
        next_one = message.selected_child or (followed[-1] if followed else "")
        connection.execute("UPDATE messages SET selected_child = ? WHERE id = ?", (next_one, parent))


def truncate_after(connection: Connection, message_id: str) -> None:
    """Make a message the head. What followed stays in the tree as a branch."""
    message = load_message(connection, message_id)
    record = Recorder(connection, message.conversation_id, "truncate", [message_id])
    select_message(connection, message_id)
    _cut(connection, message.conversation_id, message_id)
    record.done()


def set_hidden(connection: Connection, message_id: str, hidden: bool) -> None:
    """Keep a message in the log but out of the prompt, or let it in again."""
    message = load_message(connection, message_id)
    record = Recorder(connection, message.conversation_id, "hide", [message_id])
    update_message(connection, message_id, hidden=int(hidden))
    record.done()


def set_mark(connection: Connection, message_id: str, name: str) -> None:
    """Give a place of the story a name; "" takes it away."""
    message = load_message(connection, message_id)
    extra = {key: value for key, value in message.extra.items() if key != MARK}
    if called := clean_line(name, MARK_LENGTH):
        extra[MARK] = called
    record = Recorder(connection, message.conversation_id, "mark", [message_id])
    update_message(connection, message_id, extra=extra)
    record.done()


def set_scene(connection: Connection, message_id: str, ends: bool) -> None:
    """Say that a scene ends with a message, or that it goes on."""
    message = load_message(connection, message_id)
    extra = {key: value for key, value in message.extra.items() if key != SCENE}
    if ends:
        extra[SCENE] = True
    record = Recorder(connection, message.conversation_id, "mark", [message_id])
    update_message(connection, message_id, extra=extra)
    record.done()


def _cut(connection: Connection, conversation_id: str, head: str) -> None:
    connection.execute("UPDATE messages SET selected_child = '' WHERE id = ?", (head,))
    connection.execute("UPDATE conversations SET head_id = ? WHERE id = ?", (head, conversation_id))


def _above(parent_id: str) -> list[str]:
    return [parent_id] if parent_id else []


def _is_on_path(connection: Connection, message_id: str, conversation_id: str) -> bool:
    return bool(
        connection.execute(
            """
            WITH RECURSIVE path (id, parent_id) AS (
              SELECT m.id, m.parent_id FROM messages m JOIN conversations c ON c.head_id = m.id WHERE c.id = ?
              UNION ALL
              SELECT m.id, m.parent_id FROM path JOIN messages m ON m.id = path.parent_id
            ) SELECT 1 FROM path WHERE id = ?
            """,
            (conversation_id, message_id),
        ).fetchone()
    )
