"""Characters that were deleted and may still come back: every row that went with them, and their files.

What is kept lives as long as the program; the rows are compressed in memory, the files lie in `trash/`. Which
tables follow a character is read from the schema, so that a table added later is not forgotten.
"""

from __future__ import annotations

import json
import shutil
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lunalux_core.database import Connection, Database
from lunalux_core.errors import NotFound
from lunalux_core.ids import short_id
from lunalux_core.library.parts import in_parts

KEPT_SECONDS = 24 * 3600
"""Seconds after which the files of a deletion are nobody's who could take it back."""
_ROOT = "characters"
_USES = ("profile_uses", "quick_reply_uses")
"""Tables whose `target` names a character or chat as text, which no reference of the schema tells."""


@dataclass(frozen=True, slots=True)
class Trashed:
    """What was deleted: names, the compressed rows by table, and the folder of the files."""

    names: tuple[str, ...]
    ids: tuple[str, ...]
    rows: bytes
    folder: Path


class Trash:
    """Deletes characters so that the deletion can be taken back."""

    def __init__(self, database: Database, pictures: Path) -> None:
        self._database = database
        self._pictures = pictures
        self._folder = pictures.parent / "trash"

    async def delete(self, character_ids: Sequence[str]) -> Trashed:
        """Delete characters with their conversations and pictures.

        Raises:
            NotFound: CHARACTER_NOT_FOUND, and nothing is deleted.
        """
        ids = tuple(dict.fromkeys(character_ids))
        # The rows first: where the database refuses, no file has moved.
        names, rows = await self._database.write(lambda c: _take(c, ids))
        folder = self._folder / short_id()
        for path in self._files(self._pictures, ids):
            folder.mkdir(parents=True, exist_ok=True)
            with suppress(OSError):
                shutil.move(path, folder / path.name)
        return Trashed(names, ids, rows, folder)

    async def restore(self, trashed: Trashed) -> None:
        """Bring back what `delete` took."""
        # The files first, so that no row comes back without its picture.
        if trashed.folder.is_dir():
            for path in trashed.folder.iterdir():
                with suppress(OSError):
                    shutil.move(path, self._pictures / path.name)
        await self._database.write(lambda c: _put_back(c, trashed.rows))
        self.forget(trashed)

    def forget(self, trashed: Trashed) -> None:
        """Let go of the files of a deletion that nobody takes back."""
        shutil.rmtree(trashed.folder, ignore_errors=True)

    def empty(self) -> None:
        """Remove the files that programs have left which ended a day ago, or more."""
        for folder in self._folder.glob("*"):
            with suppress(OSError):
                if time.time() - folder.stat().st_mtime > KEPT_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)

    @staticmethod
    def _files(folder: Path, ids: Sequence[str]) -> Iterator[Path]:
        for identity in ids:
            yield from folder.glob(f"{identity}.*")


def _take(connection: Connection, ids: Sequence[str]) -> tuple[tuple[str, ...], bytes]:
    there = {row["id"]: row["name"] for row in _rows(connection, _ROOT, "id", ids)}
    missing = next((identity for identity in ids if identity not in there), None)
    if missing is not None:
        raise NotFound(
            "CHARACTER_NOT_FOUND",
            f"There is no character {missing!r} in the library.",
            "`lunalux character list` shows them all.",
            name=missing,
        )
    doomed = _doomed(connection, ids)
    connection.executemany("DELETE FROM characters WHERE id = ?", [(identity,) for identity in ids])
    # Half a surrogate pair may stand in a stored text and has to come back as it was.
    written = json.dumps(doomed, ensure_ascii=False, default=_bytes).encode("utf-8", "surrogatepass")
    return tuple(there[identity] for identity in ids), zlib.compress(written, 1)


def _doomed(connection: Connection, ids: Sequence[str]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The rows that go with characters, each table after those that it refers to."""
    children = _references(connection)
    doomed: dict[str, dict[str, dict[str, Any]]] = {}
    order: list[str] = []
    waiting = [(_ROOT, "id", list(ids))]
    while waiting:
        table, column, values = waiting.pop(0)
        rows = doomed.setdefault(table, {})
        fresh = {
            # A row may be reached in two ways and is kept once.
            key: row
            for row in _rows(connection, table, column, values)
            if (key := json.dumps([str(value) for value in row.values()])) not in rows
        }
        rows |= fresh
        # Reached again: it moves after the table it was reached from, since rows are put back in this order.
        if table in order:
            order.remove(table)
        order.append(table)
        for child, child_column, parent_column in children.get(table, ()):
            keys = list({row[parent_column] for row in fresh.values()})
            if keys:
                waiting.append((child, child_column, keys))
    tables = [(table, list(doomed[table].values())) for table in order]
    return [
        *tables,
        *((table, _uses(connection, table, doomed)) for table in _USES),
        ("pictures", _shown(connection, doomed)),
    ]


def _uses(connection: Connection, table: str, doomed: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is in use with the characters and in their chats."""
    targets = {row["id"] for name in (_ROOT, "conversations") for row in doomed.get(name, {}).values()}
    rows = connection.execute(f"SELECT * FROM {table}").fetchall()
    return [dict(row) for row in rows if row["target"].rpartition(":")[2] in targets]


def _shown(connection: Connection, doomed: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Pictures of the messages and drafts: they go when nothing shows them any more."""
    hashes = {
        row["hash"]
        for table in ("message_pictures", "draft_pictures")
        for row in doomed.get(table, {}).values()
    }
    return _rows(connection, "pictures", "hash", list(hashes))


def _references(connection: Connection) -> dict[str, list[tuple[str, str, str]]]:
    """By table: the tables whose rows are deleted with its own, their column, and what it refers to."""
    names = [
        row[0]
        for row in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%REFERENCES%'"
        )
    ]
    children: dict[str, list[tuple[str, str, str]]] = {}
    for name in names:
        for reference in connection.execute(f"PRAGMA foreign_key_list({name})"):
            if reference["on_delete"] == "CASCADE":
                # A reference that names no column means the primary key.
                target = reference["to"] or _key(connection, reference["table"])
                children.setdefault(reference["table"], []).append((name, reference["from"], target))
    return children


def _key(connection: Connection, table: str) -> str:
    columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
    return next((str(row["name"]) for row in columns if row["pk"] == 1), "")


def _rows(connection: Connection, table: str, column: str, values: Sequence[Any]) -> list[dict[str, Any]]:
    copies: list[dict[str, Any]] = []
    for marks, some in in_parts(values):
        rows = connection.execute(f"SELECT * FROM {table} WHERE {column} IN ({marks})", some)
        copies += [dict(row) for row in rows]
    return copies


def _put_back(connection: Connection, packed: bytes) -> None:
    tables = json.loads(zlib.decompress(packed).decode("utf-8", "surrogatepass"), object_hook=_unpacked)
    for table, rows in tables:
        _insert(connection, table, sorted(rows, key=lambda row: row.get("number", 0)))


def _insert(connection: Connection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows as they were. Where a number was given to another row meanwhile, they get new ones in the
    same order: messages stand in the order of their numbers.
    """
    numbered = bool(rows) and "number" in rows[0] and _key(connection, table) == "number"
    if numbered:
        taken = connection.execute(
            f"SELECT count(*), (SELECT coalesce(max(number), 0) FROM {table}) FROM {table} WHERE number IN "
            "(SELECT value FROM json_each(?))",
            (json.dumps([row["number"] for row in rows]),),
        ).fetchone()
        if taken[0]:
            rows = [{**row, "number": taken[1] + place} for place, row in enumerate(rows, 1)]
    for row in rows:
        columns = ", ".join(row)
        marks = ",".join("?" * len(row))
        try:
            # Triggers have made some rows again by now, as those of messages for their pictures.
            connection.execute(
                f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})", list(row.values())
            )
        except connection.IntegrityError as error:
            # A tag, group or profile that was deleted since takes its row along, not the whole restore.
            if error.sqlite_errorname != "SQLITE_CONSTRAINT_FOREIGNKEY":
                raise


def _bytes(value: object) -> object:
    if isinstance(value, bytes):
        return {"\0bytes": value.hex()}
    raise TypeError(type(value).__name__)


def _unpacked(value: dict[str, Any]) -> Any:
    return bytes.fromhex(value["\0bytes"]) if value.keys() == {"\0bytes"} else value
