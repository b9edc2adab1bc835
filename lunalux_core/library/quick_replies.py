"""Sets of quick replies as the library keeps them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lunalux_core.database import Connection, Database, Row
from lunalux_core.ids import now_ms, short_id
from lunalux_core.library.name_lookup import find_named, missing

if TYPE_CHECKING:
    from lunalux_core.stscript.quick_reply_files import QuickReplySet


ReplyScope = Literal["global", "chat", "character"]


@dataclass(frozen=True, slots=True)
class ReplyUse:
    """Where a set is in force. `target` is the id of the chat, or of the character or group; "" everywhere.
    Only of a `visible` one buttons are shown."""

    scope: ReplyScope
    target: str
    set_id: str
    visible: bool = True


@dataclass(frozen=True, slots=True)
class StoredSet:
    """One set with its identity. `automatic`: whether the person lets its replies run by themselves, None
    where nobody was asked yet."""

    id: str
    content: QuickReplySet
    automatic: bool | None = None

    @property
    def name(self) -> str:
        return self.content.name


class QuickReplies:
    """All sets of the library."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self) -> Sequence[StoredSet]:
        """In the order in which they came."""
        return await self._database.read(_load)

    async def find(self, name: str) -> StoredSet:
        """By id or name, else by a unique beginning or word of a name, any case.

        Raises:
            NotFound: QUICK_REPLY_SET_NOT_FOUND, with the nearest names.
        """
        return pick(await self.list(), name)

    async def add(self, content: QuickReplySet) -> tuple[StoredSet, bool]:
        """Store a set; the one that is there with the same content, and False, if there is one."""
        return await self._database.write(lambda c: _put(c, content))

    async def uses(self) -> Sequence[ReplyUse]:
        """Every place where a set is in force, in the order in which they came."""

        def query(connection: Connection) -> list[ReplyUse]:
            rows = connection.execute("SELECT * FROM quick_reply_uses ORDER BY number")
            return [
                ReplyUse(row["scope"], row["target"], row["set_id"], bool(row["visible"])) for row in rows
            ]

        return await self._database.read(query)

    async def use(self, use: ReplyUse, *, on: bool = True) -> None:
        """Put a set in force somewhere, or take it out of force there."""

        def change(connection: Connection) -> None:
            values = (use.scope, use.target, use.set_id)
            if not on:
                connection.execute(
                    "DELETE FROM quick_reply_uses WHERE scope = ? AND target = ? AND set_id = ?", values
                )
                return
            # Not REPLACE, which would give the row a new number, and the sets are in the order of these.
            connection.execute(
                "INSERT INTO quick_reply_uses (scope, target, set_id, visible) VALUES (?,?,?,?) "
                "ON CONFLICT (scope, target, set_id) DO UPDATE SET visible = excluded.visible",
                (*values, int(use.visible)),
            )

        await self._database.write(change)

    async def allow(self, set_id: str, automatic: bool) -> None:
        """Let the replies of a set run by themselves, or not."""
        await self._database.write(
            lambda c: c.execute(
                "UPDATE quick_reply_sets SET automatic = ? WHERE id = ?", (int(automatic), set_id)
            )
        )

    async def change(
        self, set_id: str, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    ) -> StoredSet:
        """Let `change` make the new file of a set. Where a reply runs by itself now that did not before, or
        does something else, the person is asked anew. Raises NotFound (QUICK_REPLY_SET_NOT_FOUND)."""

        def work(connection: Connection) -> StoredSet:
            from lunalux_core.stscript.quick_reply_files import read_set

            before = pick(_load(connection), set_id)
            after = read_set(change(before.content.document), before.name)
            same = all(reply in before.content.automatic for reply in after.automatic)
            automatic = before.automatic if same else None
            text = json.dumps(after.document, ensure_ascii=False)
            connection.execute(
                "UPDATE quick_reply_sets SET document = ?, automatic = ? WHERE id = ?",
                (text, None if automatic is None else int(automatic), before.id),
            )
            return StoredSet(before.id, after, automatic)

        return await self._database.write(work)

    async def in_force(self, conversation_id: str, owner_id: str) -> Sequence[tuple[StoredSet, bool]]:
        """See `load_in_force`."""
        return await self._database.read(lambda c: load_in_force(c, conversation_id, owner_id))

    async def delete(self, set_id: str) -> None:
        await self._database.write(
            lambda c: c.execute("DELETE FROM quick_reply_sets WHERE id = ?", (set_id,))
        )


def load_in_force(
    connection: Connection, conversation_id: str, owner_id: str
) -> list[tuple[StoredSet, bool]]:
    """The sets that are in force in a chat, each once, and whether its buttons are shown: those of all chats,
    then of the character or group (`owner_id`), then of the chat."""
    # Of several places where a set is in force, the widest says where it stands; it is shown if one shows it.
    rows = connection.execute(
        "SELECT s.*, max(u.visible) AS shown, min(CASE u.scope WHEN 'global' THEN 0 WHEN 'character' THEN 1 "
        "ELSE 2 END) AS place, min(u.number) AS first FROM quick_reply_uses u "
        "JOIN quick_reply_sets s ON s.id = u.set_id WHERE u.scope = 'global' "
        "OR (u.scope = 'character' AND u.target = ?2) OR (u.scope = 'chat' AND u.target = ?1) "
        "GROUP BY s.id ORDER BY place, first",
        (conversation_id, owner_id),
    )
    return [(_stored(row), bool(row["shown"])) for row in rows]


def pick(stored: Sequence[StoredSet], name: str) -> StoredSet:
    """See `QuickReplies.find`; of equal names the newest."""
    stored_set = find_named(list(reversed(stored)), name, alike=True)
    if stored_set is None:
        raise missing(
            "QUICK_REPLY_SET_NOT_FOUND",
            f"There is no set of quick replies {name!r} in the library.",
            "`lunalux quickreply list` shows them all.",
            name,
            [stored_set.name for stored_set in stored],
        )
    return stored_set


def _load(connection: Connection) -> Sequence[StoredSet]:
    return [_stored(row) for row in connection.execute("SELECT * FROM quick_reply_sets ORDER BY number")]


def _put(connection: Connection, content: QuickReplySet) -> tuple[StoredSet, bool]:
    from lunalux_core.documents.json_text import canonical_json

    written = canonical_json(content.document)
    for stored_set in _load(connection):
        if canonical_json(stored_set.content.document) == written:
            return stored_set, False
    identity = short_id()
    connection.execute(
        "INSERT INTO quick_reply_sets (id, name, document, created_at) VALUES (?,?,?,?)",
        (identity, content.name, json.dumps(content.document, ensure_ascii=False), now_ms()),
    )
    return StoredSet(identity, content), True


def _stored(row: Row) -> StoredSet:
    from lunalux_core.stscript.quick_reply_files import read_set

    automatic = row["automatic"]
    return StoredSet(
        row["id"],
        read_set(json.loads(row["document"]), row["name"]),
        None if automatic is None else bool(automatic),
    )
