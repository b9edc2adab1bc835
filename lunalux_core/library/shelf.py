"""Worldbooks, presets and regex scripts: named documents that can be switched on and put in order.

The three are stored alike (a name, the file's own JSON, on or off, a place in the order); what they mean
is known to `worldbook/`, `presets/`, `regex/` and `dialogue/` only.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lunalux_core.database import Connection, Database, Row
from lunalux_core.ids import now_ms, short_id
from lunalux_core.library.cells import object_or_list, plain_text
from lunalux_core.library.name_lookup import NamedReference, find_named, missing

ShelfKind = Literal["worldbook", "preset", "regex"]


@dataclass(frozen=True, slots=True)
class ShelfItem:
    """One document of the shelf. For presets, `enabled` marks the one in use."""

    id: str
    kind: ShelfKind
    name: str
    document: Any
    enabled: bool
    position: int


@dataclass(frozen=True, slots=True)
class BookText:
    """A worldbook of the shelf with its document as the text that is stored. `key` is the folded name."""

    name: str
    key: str
    enabled: bool
    text: str


class Shelf:
    """All documents of one kind; one that cannot be read is passed over."""

    def __init__(self, database: Database, kind: ShelfKind) -> None:
        self._database = database
        self.kind = kind

    async def list(self, *, enabled_only: bool = False) -> Sequence[ShelfItem]:
        """In the person's order."""
        return await self._database.read(lambda c: load_shelf(c, self.kind, enabled_only))

    async def find(self, name_or_id: str, *, whole: bool = False) -> ShelfItem:
        """By id or by name (any case; the newest of equal names), else, unless the `whole` is asked for, by a
        unique beginning or word of a name.

        Raises:
            NotFound: WORLDBOOK_NOT_FOUND, PRESET_NOT_FOUND or REGEX_NOT_FOUND, with the nearest names.
        """

        def query(connection: Connection) -> ShelfItem:
            row = connection.execute(
                "SELECT * FROM shelf WHERE kind = ? AND (id = ? OR name_key = ?) "
                "ORDER BY id = ? DESC, created_at DESC LIMIT 1",
                (self.kind, name_or_id, name_or_id.casefold(), name_or_id),
            ).fetchone()
            if row is not None:
                return _item(row)
            rows = connection.execute("SELECT id, name FROM shelf WHERE kind = ?", (self.kind,))
            called = [NamedReference(row["id"], row["name"]) for row in rows]
            if not whole and (item := find_named(called, name_or_id)) is not None:
                return _item(connection.execute("SELECT * FROM shelf WHERE id = ?", (item.id,)).fetchone())
            raise missing(
                f"{self.kind.upper()}_NOT_FOUND",
                f"There is no {self.kind} {name_or_id!r} in the library.",
                f"`lunalux {self.kind} list` shows them all.",
                name_or_id,
                [item.name for item in called],
            )

        return await self._database.read(query)

    async def add(self, name: str, document: Any, *, enabled: bool = True) -> ShelfItem:
        """Put a document at the end of the order. A preset that is enabled replaces the one in use."""
        return await self._database.write(
            lambda c: insert_item(c, self.kind, name, document, enabled=enabled)
        )

    async def save(self, item_id: str, *, name: str | None = None, document: Any = None) -> None:
        """Rename a document, or give it new content."""
        values: dict[str, Any] = {}
        if name is not None:
            values |= {"name": name, "name_key": name.casefold()}
        if document is not None:
            values["document"] = json.dumps(document, ensure_ascii=False)
        await self._set(item_id, values)

    async def enable(self, item_id: str, enabled: bool = True) -> None:
        """Switch on or off. Of presets at most one is on."""

        await self._database.write(lambda c: switch_item(c, self.kind, item_id, enabled))

    async def reorder(self, ids: Sequence[str]) -> None:
        """Give the named documents the order of `ids`."""

        def change(connection: Connection) -> None:
            connection.executemany(
                "UPDATE shelf SET position = ? WHERE id = ?",
                [(place, identity) for place, identity in enumerate(ids)],
            )

        await self._database.write(change)

    async def delete(self, item_id: str) -> None:
        await self._database.write(lambda c: c.execute("DELETE FROM shelf WHERE id = ?", (item_id,)))

    async def _set(self, item_id: str, values: Mapping[str, Any]) -> None:
        if not values:
            return
        assignments = ", ".join(f"{column} = ?" for column in values)
        await self._database.write(
            lambda c: c.execute(f"UPDATE shelf SET {assignments} WHERE id = ?", [*values.values(), item_id])
        )


def exported(item: ShelfItem) -> Any:
    """The document for a file. The switch of a script is part of it there; here the shelf's counts."""
    if item.kind == "regex" and isinstance(item.document, dict):
        switch = not item.enabled
        if bool(item.document.get("disabled")) != switch:
            return {**item.document, "disabled": switch}
    return item.document


def insert_item(
    connection: Connection, kind: ShelfKind, name: str, document: Any, *, enabled: bool
) -> ShelfItem:
    """`Shelf.add` within a transaction."""
    identity = short_id()
    if kind == "preset" and enabled:
        connection.execute("UPDATE shelf SET enabled = 0 WHERE kind = 'preset'")
    position = connection.execute(
        "SELECT coalesce(max(position), -1) + 1 FROM shelf WHERE kind = ?", (kind,)
    ).fetchone()[0]
    text = json.dumps(document, ensure_ascii=False)
    connection.execute(
        "INSERT INTO shelf (id, kind, name, name_key, document, enabled, position, created_at) "
        "VALUES (?,?,?,?,?,?,?,?)",
        (identity, kind, name, name.casefold(), text, int(enabled), position, now_ms()),
    )
    return ShelfItem(identity, kind, name, document, enabled, position)


def switch_item(connection: Connection, kind: ShelfKind, item_id: str, enabled: bool) -> None:
    """`Shelf.enable` within a transaction."""
    if kind == "preset" and enabled:
        connection.execute("UPDATE shelf SET enabled = 0 WHERE kind = 'preset'")
    connection.execute("UPDATE shelf SET enabled = ? WHERE id = ?", (int(enabled), item_id))


def load_shelf(connection: Connection, kind: ShelfKind, enabled_only: bool = False) -> list[ShelfItem]:
    rows = connection.execute(
        "SELECT * FROM shelf WHERE kind = ? AND (enabled = 1 OR ?) ORDER BY position, created_at",
        (kind, not enabled_only),
    )
    # One document that cannot be read must not take the others with it.
    return [item for row in rows if (item := _item(row)).document is not None]


def first_item(connection: Connection, kind: ShelfKind, name: str = "") -> ShelfItem | None:
    """The first document with this id or name (in any case), in the person's order; without a name, the first
    that is switched on. No other document is read."""
    wanted = "(id = :name OR name_key = :key)" if name else "enabled = 1"
    rows = connection.execute(
        f"SELECT * FROM shelf WHERE kind = :kind AND {wanted} ORDER BY position, created_at",
        {"kind": kind, "name": name, "key": name.casefold()},
    )
    return next((item for row in rows if (item := _item(row)).document is not None), None)


def load_book_texts(connection: Connection, keys: Collection[str]) -> list[BookText]:
    """The worldbooks that are enabled or have one of these (folded) names, in the person's order.

    Their text is not read: whoever uses it keeps what it means for as long as it stays the same.
    """
    marks = ",".join("?" * len(keys))
    rows = connection.execute(
        "SELECT name, name_key, enabled, document FROM shelf WHERE kind = 'worldbook' "
        f"AND (enabled = 1 OR name_key IN ({marks})) ORDER BY position, created_at",
        list(keys),
    )
    return [BookText(row["name"], row["name_key"], bool(row["enabled"]), row["document"]) for row in rows]


def load_shelf_texts(
    connection: Connection, kind: ShelfKind, item_id: str | None = None
) -> list[tuple[str, str, str]]:
    """Id, name and stored text of the documents of a kind, in the person's order, or of one of them."""
    rows = connection.execute(
        "SELECT id, name, document FROM shelf WHERE kind = ?1 AND (?2 IS NULL OR id = ?2) "
        "ORDER BY position, created_at",
        (kind, item_id),
    )
    return [(row["id"], plain_text(row["name"]), plain_text(row["document"])) for row in rows]


def load_item(connection: Connection, item_id: str) -> ShelfItem | None:
    """A document by its id; None where there is none."""
    row = connection.execute("SELECT * FROM shelf WHERE id = ?", (item_id,)).fetchone()
    return None if row is None else _item(row)


def save_item(connection: Connection, item_id: str, name: str, document: Any) -> None:
    """Give a document another name and content, within a transaction."""
    connection.execute(
        "UPDATE shelf SET name = ?, name_key = ?, document = ? WHERE id = ?",
        (name, name.casefold(), json.dumps(document, ensure_ascii=False), item_id),
    )


def _item(row: Row) -> ShelfItem:
    return ShelfItem(
        row["id"],
        row["kind"],
        row["name"],
        object_or_list(row["document"]),
        bool(row["enabled"]),
        row["position"],
    )
