"""The SQL of the SQLite adapter: a table of documents for each TableSpec, an expression index for each Index.

An index row exists where both attributes do, as in a sparse index of DynamoDB; ties are ordered by the
item's key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from lunalux_core.backend.storage.encoding import decode
from lunalux_core.backend.storage.table import Index, Invalid, Page, TableSpec

_ATTRIBUTE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Select:
    """A query ready to run. `attributes` are those the page's items are reduced to, None for all."""

    sql: str
    values: tuple[str | int, ...]
    limit: int
    keys: tuple[str, ...]
    attributes: frozenset[str] | None

    def page(self, rows: Iterable[tuple[str]]) -> Page:
        """The rows as items; one row more than the limit was asked for, to know whether others follow."""
        decoded = [decode(doc) for (doc,) in rows]
        items = decoded[: self.limit]
        if self.attributes is not None:
            items = [{k: v for k, v in item.items() if k in self.attributes} for item in items]
        more = len(decoded) > self.limit
        return Page(tuple(items), {name: items[-1][name] for name in self.keys} if more else None)


class Layout:
    """Statements for the declared tables; `get`, `delete` and `upsert` by table name."""

    def __init__(self, specs: Mapping[str, TableSpec]) -> None:
        self._specs = specs
        self._indexes = {(s.name, index.name): index for s in specs.values() for index in s.indexes}
        names = {name: _quoted(name) for name in specs}
        self.get = {t: f"SELECT doc FROM {name} WHERE pk = ? AND sk = ?" for t, name in names.items()}
        self.delete = {t: f"DELETE FROM {name} WHERE pk = ? AND sk = ?" for t, name in names.items()}
        self.upsert = {
            t: f"INSERT INTO {name} (pk, sk, doc) VALUES (?, ?, ?) "
            "ON CONFLICT (pk, sk) DO UPDATE SET doc = excluded.doc"
            for t, name in names.items()
        }

    def ddl(self) -> Iterator[str]:
        """Statements that make what is missing, in order."""
        yield "CREATE TABLE IF NOT EXISTS _tokens (token TEXT PRIMARY KEY, content TEXT, at INTEGER)"
        yield "CREATE INDEX IF NOT EXISTS _tokens_at ON _tokens (at)"
        for spec in self._specs.values():
            table = _quoted(spec.name)
            yield (
                f"CREATE TABLE IF NOT EXISTS {table} "
                "(id INTEGER PRIMARY KEY, pk TEXT NOT NULL, sk TEXT NOT NULL, doc TEXT NOT NULL, "
                "UNIQUE (pk, sk))"
            )
            for index in spec.indexes:
                name = _quoted(f"{spec.name}/{index.name}")
                pk, sk = _attribute(index.pk_attr), _attribute(index.sk_attr)
                yield (
                    f"CREATE INDEX IF NOT EXISTS {name} ON {table} ({pk}, {sk}, pk, sk) "
                    f"WHERE {pk} IS NOT NULL AND {sk} IS NOT NULL"
                )
            if spec.ttl:
                ends = _attribute(spec.ttl)
                name = _quoted(f"{spec.name}/ttl")
                yield f"CREATE INDEX IF NOT EXISTS {name} ON {table} ({ends}) WHERE {ends} IS NOT NULL"

    def scan(self, table: str) -> str:
        # By the number of the row, which no change of an item moves.
        return f"SELECT id, doc FROM {_quoted(table)} WHERE id > ? ORDER BY id LIMIT ?"

    def count(self, table: str) -> str:
        return f"SELECT count(*) FROM {_quoted(table)}"

    def purges(self) -> Iterator[str]:
        for spec in self._specs.values():
            if spec.ttl:
                ends = _attribute(spec.ttl)
                yield f"DELETE FROM {_quoted(spec.name)} WHERE {ends} IS NOT NULL AND {ends} <= ?"

    def select(
        self,
        table: str,
        index: str | None,
        pk: str,
        prefix: str,
        after: Mapping[str, str] | None,
        limit: int,
        descending: bool,
    ) -> Select:
        """The statement for one page of a query.

        Raises:
            Invalid: no such index, or `after` does not belong to this partition.
        """
        chosen = None if index is None else self._index(table, index)
        keys = ("PK", "SK") if chosen is None else ("PK", "SK", chosen.pk_attr, chosen.sk_attr)
        order = ("sk",) if chosen is None else (_attribute(chosen.sk_attr), "pk", "sk")
        hash_key = "pk" if chosen is None else _attribute(chosen.pk_attr)
        where, values = [f"{hash_key} = ?"], [pk]
        if chosen is not None:
            where.append(f"{order[0]} IS NOT NULL")
        if prefix:
            where.append(f"{order[0]} >= ? AND {order[0]} < ?")
            # The last character that there is: all that begins with the prefix comes before it.
            values += [prefix, prefix + "\U0010ffff"]
        if after is not None:
            last = _position(after, keys, chosen, pk)
            holes = ", ".join("?" * len(last))
            where.append(f"{order[0]} {'<=' if descending else '>='} ?")  # lets the index seek
            values.append(last[0])
            where.append(f"({', '.join(order)}) {'<' if descending else '>'} ({holes})")
            values += last
        way = " DESC" if descending else ""
        sql = (
            f"SELECT {_document(chosen)} FROM {_quoted(table)} WHERE {' AND '.join(where)} "
            f"ORDER BY {', '.join(column + way for column in order)} LIMIT ?"
        )
        return Select(sql, (*values, limit + 1), limit, keys, _projection(chosen))

    def _index(self, table: str, name: str) -> Index:
        try:
            return self._indexes[table, name]
        except KeyError:
            raise Invalid(f"{table} has no index {name}") from None


def _document(index: Index | None) -> str:
    """What to read: for an index of keys only the index itself, and never the documents."""
    if index is None or index.include != ():
        return "doc"
    pk, sk = (_attribute(name) for name in (index.pk_attr, index.sk_attr))
    names = [json.dumps(name).replace('"', "'") for name in (index.pk_attr, index.sk_attr)]
    return f"json_object('PK', pk, 'SK', sk, {names[0]}, {pk}, {names[1]}, {sk})"


def _projection(index: Index | None) -> frozenset[str] | None:
    if index is None or index.include is None:
        return None
    return frozenset({"PK", "SK", index.pk_attr, index.sk_attr, *index.include})


def _position(after: Mapping[str, str], keys: tuple[str, ...], index: Index | None, pk: str) -> list[str]:
    """Where to go on, in the order of the query; only a key that this very query could have given."""
    if set(after) != set(keys) or not all(isinstance(part, str) for part in after.values()):
        raise Invalid("the place to go on from is not a key of this query")
    if after["PK" if index is None else index.pk_attr] != pk:
        raise Invalid("the place to go on from is in another partition")
    return [after["SK"]] if index is None else [after[index.sk_attr], after["PK"], after["SK"]]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _attribute(name: str) -> str:
    """The SQL expression of a top-level attribute; names come from our own declarations."""
    if not _ATTRIBUTE.fullmatch(name):
        raise ValueError(f"{name!r} cannot be indexed")
    return f"json_extract(doc, '$.{name}')"
