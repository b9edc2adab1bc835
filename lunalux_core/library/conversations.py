"""Conversations: trees of messages, read by page.

A message knows its parent and remembers which child was chosen last; a conversation knows its head,
the leaf of the path on screen. Swipes are siblings. Nothing here reads a whole conversation unless
asked to: a page is walked upwards from the head, so ten thousand messages cost as much as sixty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from lunalux_core.database import Connection, Database, Row
from lunalux_core.errors import NotFound
from lunalux_core.ids import LATEST_MS, now_ms, short_id, uuid4
from lunalux_core.library.cells import (
    json_cell,
    moment_in,
    numbers_in,
    object_in,
    plain_text,
    texts_in,
    whole_number,
)
from lunalux_core.library.parts import in_parts

if TYPE_CHECKING:
    from lunalux_core.documents.picture_refs import PictureRef
    from lunalux_core.library.spending import Spending

MessageRole = Literal["system", "user", "assistant"]
MessageStatus = Literal["pending", "done", "stopped", "failed"]
_ROLES: Mapping[object, MessageRole] = {role: role for role in get_args(MessageRole)}
_STATUSES = get_args(MessageStatus)

PAGE = 60
MARK = "mark"
SCENE = "scene"
"""In `Message.extra`: the name that the person gave this place of the story."""
PICTURES = "pictures"
"""In `Message.extra`: what is said of the message's pictures (`documents.picture_refs`)."""
REQUEST = "request"
"""In `Message.extra` of a reply that tries again what failed: the id of the reply that failed first."""
BY_SOMEBODY = "by_somebody"
"""In `Message.extra` of a line that the person wrote for somebody."""
LONGEST = 1_000_000
"""Messages that a path may have; a damaged tree that runs in a circle ends there."""

# Rows are joined by `number`, which is SQLite's own key of a row: the id would be a second look-up.
ABOVE = """
WITH RECURSIVE path (number, id, parent_id, step) AS (
  SELECT number, id, parent_id, 0 FROM messages WHERE id = :start
  UNION ALL
  SELECT m.number, m.id, m.parent_id, step + 1 FROM path JOIN messages m ON m.id = path.parent_id
  WHERE step + 1 < :limit
)
"""
"""As `path`: the message `:start` and at most `:limit` - 1 above it, the lowest first by `step`."""

_ENDS = """
SELECT c.id, c.character_id, c.group_id, c.title, c.updated_at, coalesce(k.name, g.name, '') AS owner,
       coalesce(h.name, '') AS speaker, coalesce(h.role, 'assistant') AS role,
       substr(coalesce(h.content, ''), 1, 240) AS words
FROM conversations c LEFT JOIN messages h ON h.id = c.head_id
LEFT JOIN characters k ON k.id = c.character_id
LEFT JOIN character_groups g ON g.id = c.group_id
WHERE """
_WAITING = "EXISTS (SELECT 1 FROM draft_pictures d WHERE d.conversation_id = c.id) AS waiting"
_NEWEST = " ORDER BY c.updated_at DESC LIMIT ?"


@dataclass(frozen=True, slots=True)
class Conversation:
    """One stored tree. Times in milliseconds since 1970; `head_id` is "" while it is empty.

    It belongs to a character, or to a group: the other id is "".
    `note` is the author's note ({prompt, depth, role, interval}); `metadata` what an imported chat file
    carried in its header; `reply_start` ({value, show}) what its replies begin with; `has_pictures` whether
    pictures wait beside its draft.
    """

    id: str
    character_id: str
    title: str
    head_id: str
    persona_id: str | None
    preset_id: str | None
    mode: str
    note: Mapping[str, Any]
    metadata: Mapping[str, Any]
    draft: str
    created_at: int
    updated_at: int
    length: int = 0
    group_id: str = ""
    reply_start: Mapping[str, Any] = field(default_factory=dict)
    pinned: bool = False
    has_pictures: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One element of a tree.

    `content` is what is shown and sent, `raw` the model's own words before the output contract and the
    regex scripts. `status` is pending while a reply streams; a pending message found at start was cut.
    `swipe` counts from 0 among `swipes` siblings. `state` holds what the turn left behind (variables,
    timed worldbook effects), so that branches cannot disturb each other. `speaker` is the id of the
    character who speaks in a group, "" elsewhere; the name stays with the message when that character goes.
    """

    id: str
    conversation_id: str
    parent_id: str
    depth: int
    role: MessageRole
    name: str
    content: str
    raw: str = ""
    thinking: str = ""
    suggestions: tuple[str, ...] = ()
    event: str = ""
    status: MessageStatus = "done"
    model: str = ""
    usage: Mapping[str, int] | None = None
    billing: Mapping[str, Any] | None = None
    state: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    hidden: bool = False
    selected_child: str = ""
    created_at: int = 0
    swipe: int = 0
    swipes: int = 1
    speaker: str = ""

    @property
    def request(self) -> str:
        """The id of the first reply that asked for the same; a request is paid once under it."""
        first = self.extra.get(REQUEST)
        return first if isinstance(first, str) and first else self.id

    @property
    def ends_scene(self) -> bool:
        """Whether the person said that a scene ends with it."""
        return self.extra.get(SCENE) is True

    @property
    def mark(self) -> str:
        """The name of this place, "" where it has none."""
        return mark_in(self.extra)

    @property
    def is_reply(self) -> bool:
        """Whether it answers a message, by a model or a person in its place; a greeting does not."""
        return self.role == "assistant" and bool(self.parent_id)

    @property
    def by_somebody(self) -> bool:
        """Whether the person wrote the line for somebody, so that the model must be told whose it is."""
        return self.extra.get(BY_SOMEBODY) is True

    @property
    def pictures(self) -> tuple[PictureRef, ...]:
        """The pictures that go with it."""
        if PICTURES not in self.extra:
            return ()
        from lunalux_core.documents.picture_refs import refs_in

        return refs_in(self.extra)

    @property
    def finish(self) -> str | None:
        """Why the reply ended (`llm.model.Finish`); None where nobody said."""
        finish = self.extra.get("finish")
        return finish if isinstance(finish, str) else None


@dataclass(frozen=True, slots=True)
class TreeNode:
    """A message as the tree dialog needs it: where it hangs and how it begins."""

    id: str
    parent_id: str
    depth: int
    role: MessageRole
    name: str
    preview: str
    on_path: bool
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """One search result; `excerpt` is the text around the first match.

    In a group, `character_id` is "" and `character_name` is the group's name.
    """

    message_id: str
    conversation_id: str
    character_id: str
    character_name: str
    title: str
    excerpt: str
    created_at: int


@dataclass(frozen=True, slots=True)
class LastWords:
    """What was said last in a conversation, and with whom: a character or a group, the other id is "".

    `name` is the character's or the group's, `speaker` who said it; `updated_at` in milliseconds.
    """

    id: str
    character_id: str
    group_id: str
    title: str
    name: str
    speaker: str
    role: MessageRole
    words: str
    updated_at: int

    @property
    def owner_id(self) -> str:
        """Id of the character or the group."""
        return self.character_id or self.group_id


class Conversations:
    """The shelf of conversations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self,
        character_id: str | None = None,
        limit: int = -1,
        *,
        group_id: str | None = None,
        pinned_first: bool = False,
    ) -> Sequence[Conversation]:
        """Newest use first; of one character (alone), of one group, or of all."""

        def query(connection: Connection) -> list[Conversation]:
            rows = connection.execute(
                # `?4 AND c.pinned` is the same for all rows where pins do not count.
                f"SELECT c.*, coalesce(h.depth + 1, 0) AS length, {_WAITING} FROM conversations c "
                "LEFT JOIN messages h ON h.id = c.head_id WHERE (?1 IS NULL OR c.character_id = ?1) "
                "AND (?3 IS NULL OR c.group_id = ?3) ORDER BY ?4 AND c.pinned DESC, c.updated_at DESC "
                "LIMIT ?2",
                (character_id, limit, group_id, pinned_first),
            )
            return [_conversation(row) for row in rows]

        return await self._database.read(query)

    async def last_words(self, words: str = "", *, limit: int = -1) -> Sequence[LastWords]:
        """The last message of each, the newest first; of those whose title or owner holds all `words`."""

        def query(connection: Connection) -> list[LastWords]:
            where: list[str] = ["1"]
            values: list[str] = []
            if wanted := words.casefold().split():
                # SQLite's own lower() knows ASCII only.
                connection.create_function("folded", 1, str.casefold, deterministic=True)
                where += ["instr(folded(c.title || ' ' || coalesce(k.name, g.name, '')), ?) > 0"] * len(
                    wanted
                )
                values += wanted
            rows = connection.execute(_ENDS + " AND ".join(where) + _NEWEST, (*values, limit))
            return [_last_words(row) for row in rows]

        return await self._database.read(query)

    async def last_words_of(self, conversation_id: str) -> LastWords | None:
        """The last message of one conversation; None when it is gone."""

        def query(connection: Connection) -> LastWords | None:
            row = connection.execute(_ENDS + "c.id = ?", (conversation_id,)).fetchone()
            return _last_words(row) if row is not None else None

        return await self._database.read(query)

    async def last_words_of_owners(self, *, limit: int = -1) -> Mapping[str, LastWords]:
        """What was said last with each character and each group that was talked with, by their ids."""

        def query(connection: Connection) -> dict[str, LastWords]:
            rows = connection.execute(
                _ENDS + "h.depth > 0 GROUP BY coalesce(nullif(c.group_id, ''), c.character_id) "
                # SQLite: beside max(), the other columns of a group are those of the row that has the
                # maximum.
                "HAVING c.updated_at = max(c.updated_at)" + _NEWEST,
                (limit,),
            )
            return {conversation.owner_id: conversation for conversation in map(_last_words, rows)}

        return await self._database.read(query)

    async def get(self, conversation_id: str) -> Conversation:
        """Raises NotFound (CONVERSATION_NOT_FOUND)."""
        return await self._database.read(lambda c: load_conversation(c, conversation_id))

    async def named(self, name: str) -> Conversation:
        """By id, or by a beginning of one that no other conversation has; any case.

        Raises:
            NotFound: CONVERSATION_NOT_FOUND.
        """
        return await self._database.read(lambda c: load_conversation(c, _whole_id(c, name)))

    async def latest(
        self, character_id: str | None = None, *, group_id: str | None = None
    ) -> Conversation | None:
        """The conversation used last, of one character, of one group or of all."""
        conversations = await self.list(character_id, 1, group_id=group_id)
        return conversations[0] if conversations else None

    async def create(self, character_id: str, title: str = "") -> Conversation:
        """A new, empty conversation."""
        return await self._database.write(lambda c: create_conversation(c, character_id, title))

    async def delete(self, conversation_id: str) -> None:
        def change(connection: Connection) -> None:
            load_conversation(connection, conversation_id)
            connection.execute("DELETE FROM conversations WHERE id = ?", (conversation_id,))

        await self._database.write(change)

    async def rename(self, conversation_id: str, title: str) -> None:
        await self.set(conversation_id, title=title)

    async def set(self, conversation_id: str, **values: Any) -> None:
        """Set columns: title, draft, mode, persona_id, preset_id, note, metadata, pinned, reply_start."""
        allowed = {
            "title",
            "draft",
            "mode",
            "persona_id",
            "preset_id",
            "note",
            "metadata",
            "pinned",
            "reply_start",
        }
        assert values.keys() <= allowed, values.keys() - allowed
        await self._database.write(lambda c: set_conversation(c, conversation_id, **values))

    async def page(
        self, conversation_id: str, *, before: str | None = None, limit: int = PAGE
    ) -> Sequence[Message]:
        """The newest `limit` messages of the path on screen, oldest first; or those above `before`."""

        def query(connection: Connection) -> list[Message]:
            if before is None:
                start = load_conversation(connection, conversation_id).head_id
            else:
                start = load_message(connection, before).parent_id
            return load_path(connection, start, limit)

        return await self._database.read(query)

    async def path(self, message_id: str, limit: int = LONGEST) -> Sequence[Message]:
        """A message and what stands above it, oldest first."""
        return await self._database.read(lambda c: load_path(c, message_id, limit))

    async def path_ids(self, conversation_id: str) -> Sequence[tuple[str, bool]]:
        """Ids of the messages of the path on screen, oldest first, and which of them are hidden."""

        def query(connection: Connection) -> list[tuple[str, bool]]:
            start = load_conversation(connection, conversation_id).head_id
            rows = connection.execute(
                ABOVE + "SELECT m.id, m.hidden FROM path JOIN messages m USING (number) ORDER BY step DESC",
                {"start": start, "limit": LONGEST},
            )
            return [(row["id"], bool(row["hidden"])) for row in rows]

        return await self._database.read(query)

    async def spending(self, conversation_id: str) -> Spending:
        """What the replies of a conversation took."""
        from lunalux_core.library.spending import load_spending

        return await self._database.read(lambda c: load_spending(c, conversation_id))

    async def message(self, message_id: str) -> Message:
        """Raises NotFound (MESSAGE_NOT_FOUND)."""
        return await self._database.read(lambda c: load_message(c, message_id))

    async def siblings(self, message_id: str) -> Sequence[str]:
        """Ids of a message and its swipes, in the order they were made."""

        def query(connection: Connection) -> list[str]:
            message = load_message(connection, message_id)
            return children(connection, message.conversation_id, message.parent_id)

        return await self._database.read(query)

    async def tree(self, conversation_id: str) -> Sequence[TreeNode]:
        """Every message of the conversation, parents before children."""

        def query(connection: Connection) -> list[TreeNode]:
            head = load_conversation(connection, conversation_id).head_id
            path = {
                row[0]
                for row in connection.execute(
                    ABOVE + "SELECT id FROM path", {"start": head, "limit": LONGEST}
                )
            }
            rows = connection.execute(
                # `extra` can be long: only one that may hold a mark is handed over.
                "SELECT id, parent_id, depth, role, name, substr(content, 1, 160) AS preview, "
                "iif(instr(extra, '\"mark\"'), extra, '') AS extra FROM messages "
                "WHERE conversation_id = ? ORDER BY depth, number",
                (conversation_id,),
            )
            return [
                TreeNode(
                    row["id"],
                    row["parent_id"],
                    whole_number(row["depth"]),
                    role_in(row["role"]),
                    plain_text(row["name"]),
                    " ".join(plain_text(row["preview"]).split()),
                    row["id"] in path,
                    mark_in(object_in(row["extra"])) if row["extra"] else "",
                )
                for row in rows
            ]

        return await self._database.read(query)

    async def select(self, message_id: str) -> str:
        """Put a message on the path on screen; below it the children chosen last. Returns the new head."""
        return await self._database.write(lambda c: select_message(c, message_id))

    async def search(
        self,
        text: str,
        *,
        character_id: str | None = None,
        conversation_id: str | None = None,
        group_id: str | None = None,
        limit: int = 100,
    ) -> Sequence[Hit]:
        """Messages that contain `text`, any case, newest first; Chinese words of any length too."""
        from lunalux_core.library.search import search_messages

        return await self._database.read(
            lambda c: search_messages(c, text, character_id, conversation_id, limit, group_id)
        )


def create_conversation(
    connection: Connection, character_id: str, title: str = "", *, group_id: str = ""
) -> Conversation:
    """A new, empty conversation with a character, or (`character_id` is "") of a group."""
    identity = short_id()
    connection.execute(
        "INSERT INTO conversations (id, character_id, group_id, title, created_at, updated_at) "
        "VALUES (?,?,?,?,?,?)",
        (identity, character_id or None, group_id or None, title, now_ms(), _newest(connection)),
    )
    return load_conversation(connection, identity)


def _newest(connection: Connection) -> int:
    """The time of a use, later than all others even where a clock that ran ahead stored one."""
    row = connection.execute(
        # A time without a date is damage; after it every later use would be one, too.
        "SELECT max(updated_at) FROM conversations WHERE updated_at < ?",
        (LATEST_MS,),
    ).fetchone()
    return max(now_ms(), whole_number(row[0]) + 1)


def load_conversation(connection: Connection, conversation_id: str) -> Conversation:
    """Raises NotFound (CONVERSATION_NOT_FOUND)."""
    row = connection.execute(
        f"SELECT c.*, coalesce(h.depth + 1, 0) AS length, {_WAITING} FROM conversations c "
        "LEFT JOIN messages h ON h.id = c.head_id WHERE c.id = ?",
        (conversation_id,),
    ).fetchone()
    if row is None:
        raise NotFound(
            "CONVERSATION_NOT_FOUND",
            f"There is no conversation {conversation_id!r}.",
            "`lunalux conversation list` shows them all.",
            id=conversation_id,
        )
    return _conversation(row)


def _whole_id(connection: Connection, name: str) -> str:
    """The id that begins so, where it is the only one; the name itself where none or several do."""
    begun = name.strip().lower()
    rows = connection.execute(
        # Two are enough to know that the beginning is not unique.
        "SELECT id FROM conversations WHERE substr(id, 1, ?) = ? LIMIT 2",
        (len(begun), begun),
    ).fetchall()
    return str(rows[0][0]) if begun and len(rows) == 1 else name


def set_conversation(connection: Connection, conversation_id: str, **values: Any) -> None:
    """Set columns of one conversation; mappings are stored as JSON. Nothing happens where it is gone."""
    stored = [json_cell(value) if isinstance(value, Mapping) else value for value in values.values()]
    # Names of columns come from our own code, never from data.
    assignments = ", ".join(f"{column} = ?" for column in values)
    connection.execute(f"UPDATE conversations SET {assignments} WHERE id = ?", [*stored, conversation_id])


def load_message(connection: Connection, message_id: str) -> Message:
    """Raises NotFound (MESSAGE_NOT_FOUND)."""
    messages = _with_swipes(
        connection, connection.execute("SELECT * FROM messages WHERE id = ?", (message_id,)).fetchall()
    )
    if not messages:
        raise NotFound("MESSAGE_NOT_FOUND", "That message is gone.", "", id=message_id)
    return messages[0]


def load_path(connection: Connection, start: str, limit: int) -> list[Message]:
    """The message `start` and at most `limit` - 1 above it, oldest first."""
    rows = connection.execute(
        ABOVE + "SELECT m.* FROM path JOIN messages m USING (number) ORDER BY step DESC",
        {"start": start, "limit": limit},
    ).fetchall()
    return _with_swipes(connection, rows)


def load_tree(connection: Connection, conversation_id: str) -> list[Message]:
    """All messages of a conversation: parents before what hangs on them, swipes as they were made."""
    rows = connection.execute(
        "SELECT * FROM messages WHERE conversation_id = ? ORDER BY depth, number", (conversation_id,)
    ).fetchall()
    swipes: dict[str, list[str]] = {}
    # By the order in which they were made, as swipes are counted; the rows come by depth.
    for row in sorted(rows, key=lambda row: int(row["number"])):
        swipes.setdefault(row["parent_id"], []).append(row["id"])
    return [_message(row, swipes[row["parent_id"]]) for row in rows]


def children(connection: Connection, conversation_id: str, parent_id: str) -> list[str]:
    """Ids of what hangs on a message ("": at the top), in the order it was made."""
    return [
        row[0]
        for row in connection.execute(
            "SELECT id FROM messages WHERE conversation_id = ? AND parent_id = ? ORDER BY number",
            (conversation_id, parent_id),
        )
    ]


def spoken_since_the_person(connection: Connection, message: Message) -> tuple[str, ...]:
    """Ids of the characters who have spoken up to a message since the person did, the latest first.

    Hidden messages do not count.
    """
    rows = connection.execute(
        # The person's message ends the walk; it is the last row of the path and falls out by its role.
        "WITH RECURSIVE path (id, parent_id, role, speaker, hidden, step) AS ("
        "SELECT id, parent_id, role, speaker, hidden, 0 FROM messages WHERE id = ? UNION ALL "
        "SELECT m.id, m.parent_id, m.role, m.speaker, m.hidden, step + 1 FROM path "
        "JOIN messages m ON m.id = path.parent_id WHERE path.role != 'user') "
        "SELECT speaker FROM path WHERE role = 'assistant' AND NOT hidden AND speaker != '' ORDER BY step",
        (message.id,),
    )
    return tuple(row[0] for row in rows)


def insert_message(connection: Connection, message: Message) -> None:
    """Store a message as it is; the caller chooses it with `select_message` if it is to be shown."""
    connection.execute(
        "INSERT INTO messages (id, conversation_id, parent_id, depth, role, name, content, raw, thinking, "
        "suggestions, event, status, model, usage, billing, state, extra, hidden, selected_child, "
        "created_at, speaker) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            message.id,
            message.conversation_id,
            message.parent_id,
            message.depth,
            message.role,
            message.name,
            message.content,
            message.raw,
            message.thinking,
            json_cell(message.suggestions),
            message.event,
            message.status,
            message.model,
            None if message.usage is None else json_cell(message.usage),
            None if message.billing is None else json_cell(message.billing),
            json_cell(message.state),
            json_cell(message.extra),
            int(message.hidden),
            message.selected_child,
            message.created_at or now_ms(),
            message.speaker,
        ),
    )


def update_message(connection: Connection, message_id: str, **values: Any) -> None:
    """Set columns of one message; mappings and tuples are stored as JSON."""
    stored = [
        json_cell(value) if isinstance(value, (tuple, list, Mapping)) else value for value in values.values()
    ]
    assignments = ", ".join(f"{column} = ?" for column in values)
    connection.execute(f"UPDATE messages SET {assignments} WHERE id = ?", [*stored, message_id])


def select_message(connection: Connection, message_id: str) -> str:
    """Make `message_id` part of the path on screen and return the new head."""
    message = load_message(connection, message_id)
    connection.execute(
        ABOVE
        # Every message above remembers this branch, so that coming back to one of them leads here again.
        + "UPDATE messages SET selected_child = (SELECT p.id FROM path p WHERE p.parent_id = messages.id) "
        "WHERE id IN (SELECT parent_id FROM path)",
        {"start": message_id, "limit": LONGEST},
    )
    # Then down along the children chosen last: where the person left this branch.
    head = connection.execute(
        """
        WITH RECURSIVE down (id, child, step) AS (
          SELECT id, selected_child, 0 FROM messages WHERE id = ?
          UNION ALL
          SELECT m.id, m.selected_child, step + 1 FROM down JOIN messages m ON m.id = down.child
          WHERE step < ?
        ) SELECT id FROM down ORDER BY step DESC LIMIT 1
        """,
        (message_id, LONGEST),
    ).fetchone()[0]
    connection.execute(
        "UPDATE conversations SET head_id = ?, updated_at = ? WHERE id = ?",
        (head, _newest(connection), message.conversation_id),
    )
    return str(head)


def append_message(connection: Connection, message: Message) -> None:
    """Store a message under its parent and make it the head; costs the same at any depth."""
    insert_message(connection, message)
    connection.execute("UPDATE messages SET selected_child = ? WHERE id = ?", (message.id, message.parent_id))
    connection.execute(
        "UPDATE conversations SET head_id = ?, updated_at = ? WHERE id = ?",
        (message.id, _newest(connection), message.conversation_id),
    )


def new_message(
    conversation_id: str, parent: Message | None, role: MessageRole, name: str, content: str, **rest: Any
) -> Message:
    """A message under `parent` (None: at the top), with an id of its own."""
    return Message(
        id=rest.pop("id", "") or uuid4(),
        conversation_id=conversation_id,
        parent_id=parent.id if parent else "",
        depth=parent.depth + 1 if parent else 0,
        role=role,
        name=name,
        content=content,
        created_at=rest.pop("created_at", 0) or now_ms(),
        **rest,
    )


def _with_swipes(connection: Connection, rows: Sequence[Row]) -> list[Message]:
    order: dict[str, list[str]] = {}
    if rows:
        parents = list({row["parent_id"] for row in rows})
        # Swipes are the children of one parent, so all of a page are found by the parents.
        for marks, some in in_parts(parents):
            for row in connection.execute(
                f"SELECT parent_id, id FROM messages WHERE conversation_id = ? AND parent_id IN ({marks}) "
                "ORDER BY number",
                [rows[0]["conversation_id"], *some],
            ):
                order.setdefault(row[0], []).append(row[1])
    return [_message(row, order[row["parent_id"]]) for row in rows]


def mark_in(extra: Mapping[str, Any]) -> str:
    """The mark in the `extra` of a message."""
    mark = extra.get(MARK)
    return mark if isinstance(mark, str) else ""


def role_in(cell: object) -> MessageRole:
    """A role; "system" where it is unknown."""
    return _ROLES.get(cell, "system")


def _message(row: Row, siblings: Sequence[str]) -> Message:
    return Message(
        id=row["id"],
        conversation_id=row["conversation_id"],
        parent_id=row["parent_id"],
        depth=whole_number(row["depth"]),
        role=role_in(row["role"]),
        name=plain_text(row["name"]),
        content=plain_text(row["content"]),
        raw=plain_text(row["raw"]),
        thinking=plain_text(row["thinking"]),
        suggestions=texts_in(row["suggestions"]),
        event=plain_text(row["event"]),
        # A word that another version wrote must not make the message look as if it were still being written.
        status=row["status"] if row["status"] in _STATUSES else "done",
        model=plain_text(row["model"]),
        usage=None if row["usage"] is None else numbers_in(row["usage"]),
        billing=None if row["billing"] is None else object_in(row["billing"]),
        state=object_in(row["state"]),
        extra=object_in(row["extra"], keep=True),
        hidden=bool(row["hidden"]),
        selected_child=row["selected_child"],
        created_at=moment_in(row["created_at"]),
        swipe=siblings.index(row["id"]),
        swipes=len(siblings),
        speaker=plain_text(row["speaker"]),
    )


def _conversation(row: Row) -> Conversation:
    return Conversation(
        id=row["id"],
        character_id=row["character_id"] or "",
        title=plain_text(row["title"]),
        head_id=row["head_id"],
        persona_id=row["persona_id"],
        preset_id=row["preset_id"],
        mode=plain_text(row["mode"]),
        note=object_in(row["note"]),
        metadata=object_in(row["metadata"]),
        draft=plain_text(row["draft"]),
        created_at=moment_in(row["created_at"]),
        updated_at=moment_in(row["updated_at"]),
        length=whole_number(row["length"]),
        group_id=row["group_id"] or "",
        reply_start=object_in(row["reply_start"]),
        pinned=bool(row["pinned"]),
        has_pictures=bool(row["waiting"]),
    )


def _last_words(row: Row) -> LastWords:
    role = row["role"]
    return LastWords(
        id=row["id"],
        character_id=row["character_id"] or "",
        group_id=row["group_id"] or "",
        title=plain_text(row["title"]),
        name=plain_text(row["owner"]),
        speaker=plain_text(row["speaker"]),
        role=role if role in _ROLES else "assistant",
        words=plain_text(row["words"]),
        updated_at=moment_in(row["updated_at"]),
    )
