"""The storage port: items in tables, conditions, and transactions.

A closed set of operations with the meaning DynamoDB gives them, so that every rule of money is written
once and runs on DynamoDB and on SQLite alike. It offers what the repositories use and nothing more.

Items are mappings with `PK` and `SK` (non-empty texts) and values of these kinds: str, int (|n| < 2^63),
bool, None, list, dict, frozenset[str] (non-empty). Paths name attributes; a dot goes into a map
("Metadata.LikedCount"), whose parent must exist.

See docs/spec/backend.md: Storage port.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from lunalux_core.errors import StorageError

Item = Mapping[str, Any]
ITEM_BYTES = 400 * 1024
TRANSACTION_LIMIT = 100


class Key(NamedTuple):
    """Primary key of an item."""

    pk: str
    sk: str


@dataclass(frozen=True, slots=True)
class Exists:
    """The item is there; with a path: the attribute is there."""

    path: str = "PK"


@dataclass(frozen=True, slots=True)
class Absent:
    """The item is not there; with a path: the attribute is not there (nor the item)."""

    path: str = "PK"


@dataclass(frozen=True, slots=True)
class Eq:
    """The attribute equals the value, type included; a missing one does not."""

    path: str
    value: Any


@dataclass(frozen=True, slots=True)
class Ge:
    """The number is at least the value; a missing one is not."""

    path: str
    value: int


@dataclass(frozen=True, slots=True)
class Le:
    """The number is at most the value; a missing one is not."""

    path: str
    value: int


@dataclass(frozen=True, slots=True)
class NotInSet:
    """The set of texts does not contain the value; a missing set does not."""

    path: str
    value: str


class All:
    """Every one of the conditions."""

    __slots__ = ("conditions",)

    def __init__(self, *conditions: Condition) -> None:
        self.conditions = conditions


class AnyOf:
    """At least one of the conditions."""

    __slots__ = ("conditions",)

    def __init__(self, *conditions: Condition) -> None:
        self.conditions = conditions


Condition = Exists | Absent | Eq | Ge | Le | NotInSet | All | AnyOf
When = Condition | Sequence[Condition] | None
"""One condition, several that must all hold, or None for no condition."""


@dataclass(frozen=True, slots=True)
class Put:
    """Store a whole item in place of whatever is there."""

    table: str
    item: Item
    when: When = None


@dataclass(frozen=True, slots=True)
class Update:
    """Change attributes of an item, which comes into being where nothing forbids it.

    Args:
        set: new values by path. set_default: values for paths that have none yet.
        incr: whole numbers to add; a missing number counts as 0.
        add_to_set: texts to add to a set. remove: paths to take away.
    """

    table: str
    key: Key
    set: Mapping[str, Any] = field(default_factory=dict)
    set_default: Mapping[str, Any] = field(default_factory=dict)
    incr: Mapping[str, int] = field(default_factory=dict)
    add_to_set: Mapping[str, frozenset[str]] = field(default_factory=dict)
    remove: Sequence[str] = ()
    when: When = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Take an item away; none there is no error unless a condition says so."""

    table: str
    key: Key
    when: When = None


@dataclass(frozen=True, slots=True)
class Check:
    """A condition on an item that the transaction does not change."""

    table: str
    key: Key
    when: When


Operation = Put | Update | Delete | Check


@dataclass(frozen=True, slots=True)
class Page:
    """Items of a query. `after` is the key to go on from, None at the end; opaque to callers."""

    items: tuple[Item, ...]
    after: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Index:
    """A sparse global secondary index: items that have both attributes stand in it, by `sk_attr`.

    `include` names the attributes an index row carries beside the keys; None carries all of them.
    """

    name: str
    pk_attr: str
    sk_attr: str
    include: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table, declared once for `provision` and for SQLite. `ttl` names the attribute with epoch seconds."""

    name: str
    ttl: str | None = None
    indexes: tuple[Index, ...] = ()


class ConditionFailed(Exception):
    """A condition did not hold. `index` counts the operations of a transaction from 0; `old` is the item
    as it stands, where the store can say."""

    def __init__(self, index: int = 0, old: Item | None = None) -> None:
        super().__init__(f"condition of operation {index} failed")
        self.index = index
        self.old = old


class Invalid(Exception):
    """An operation that no state of the store could accept (missing parent map, wrong type, too large)."""


class Unavailable(StorageError):
    """The store does not answer, or is too busy. `maybe_applied`: the write may have happened all the
    same, which only reading can tell."""

    def __init__(self, message: str = "The storage does not answer.", *, maybe_applied: bool = False) -> None:
        super().__init__("STORE_UNAVAILABLE", message, "Try again in a moment.")
        self.maybe_applied = maybe_applied


class Store(Protocol):
    """Tables by name. Every method may raise Unavailable."""

    async def get(self, table: str, key: tuple[str, str], *, consistent: bool = True) -> Item | None:
        """One item, None if there is none."""
        ...

    async def get_many(self, table: str, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Item]:
        """Up to 100 items by key; missing ones are left out."""
        ...

    async def write(self, operation: Put | Update | Delete) -> Item | None:
        """One operation; returns the new item (Put, Update) or the old one (Delete).

        Raises:
            ConditionFailed, Invalid.
        """
        ...

    async def transact(self, operations: Sequence[Operation], token: str | None = None) -> None:
        """All operations or none; at most 100, each on another item. The same `token` within ten minutes
        is the same transaction, applied once.

        Raises:
            ConditionFailed: with the index of the first operation that failed. Invalid.
        """
        ...

    async def query(
        self,
        table: str,
        pk: str,
        *,
        index: str | None = None,
        prefix: str = "",
        after: Mapping[str, str] | None = None,
        limit: int = 100,
        descending: bool = False,
    ) -> Page:
        """Items of one partition in the order of their sort key; of an index, which may lag, where named."""
        ...

    def scan_all(self, table: str) -> AsyncIterator[Item]:
        """Every item of a table, for operators and for the price list only."""
        ...

    async def scan(self, table: str, *, after: Mapping[str, str] | None = None, limit: int = 100) -> Page:
        """A page of all items of a table, in an order of the store's own, for work that must be able to go on
        where it was stopped. A page may be smaller than `limit`, even empty, although more follows."""
        ...

    async def size(self, table: str) -> int | None:
        """About how many items a table has; None where it is missing or the store will not say."""
        ...

    async def aclose(self) -> None: ...


async def rows_of(
    store: Store, table: str, pk: str, *, index: str | None = None, prefix: str = ""
) -> AsyncIterator[Item]:
    """All items of a partition, the table's or an index's, in the order of their sort key. Each page is read
    whole before its items are given, so these may be changed meanwhile."""
    after: Mapping[str, str] | None = None
    while True:
        page = await store.query(table, pk, index=index, prefix=prefix, after=after)
        for item in page.items:
            yield item
        after = page.after
        if after is None:
            return
