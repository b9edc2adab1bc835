"""Groups: several characters in one conversation, as SillyTavern knows them.

A group has a name, members in an order, and its rules: who speaks next, and whose cards are in the prompt.
Its conversations belong to it and not to a character, so they outlive the characters: a member that is
deleted from the library leaves the group, its words stay under its name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lunalux_core.database import Connection, Database, Row
from lunalux_core.errors import InvalidInput, Names, NotFound
from lunalux_core.ids import now_ms, short_id
from lunalux_core.library.cells import plain_text, whole_number
from lunalux_core.library.name_lookup import find_named, missing
from lunalux_core.text import clean, clean_line

TurnOrder = Literal["natural", "list", "manual", "pooled", "director"]
TURN_ORDERS: tuple[TurnOrder, ...] = ("natural", "list", "manual", "pooled", "director")
"""At the places of SillyTavern's `activation_strategy`, which has no director."""
DIRECTED = TURN_ORDERS.index("director")
CardMode = Literal["swap", "append", "append_muted"]
CARD_MODES: tuple[CardMode, ...] = ("swap", "append", "append_muted")
"""At the places of SillyTavern's `generation_mode`."""

JOINS = ("join_prefix", "join_suffix")
NAME_LENGTH = 200
LONGEST_DELAY = 3600
"""Seconds that a group may wait before it goes on by itself."""
JOIN_LENGTH = 2000
"""Characters of what stands before and after each member's field."""


@dataclass(frozen=True, slots=True)
class Member:
    """One character of a group. A muted one is never chosen to speak, but can be asked to."""

    character_id: str
    name: str
    muted: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """A group with its members in order. Times in milliseconds since 1970.

    `order` says who answers: `natural` those who are named or feel like it, `list` everyone in turn,
    `manual` nobody unasked, `pooled` one of those who have not spoken since the person. `cards` says what
    the prompt holds: `swap` the speaker's card, `append` those of all members but the muted ones,
    `append_muted` those of the muted ones too. `join_prefix` and `join_suffix` stand before and after each
    member's field there; macros in them mean that member, `<FIELDNAME>` the field. `self_responses`:
    whether the one who spoke last may be the next. `director` has a model name the next speaker. With
    `auto_mode` the app lets the next one speak `auto_delay` seconds after each reply.
    """

    id: str
    name: str
    order: TurnOrder
    cards: CardMode
    self_responses: bool
    members: tuple[Member, ...]
    created_at: int
    used_at: int
    join_prefix: str = ""
    join_suffix: str = ""
    auto_mode: bool = False
    auto_delay: int = 5

    def member(self, character_id: str) -> Member | None:
        return next((member for member in self.members if member.character_id == character_id), None)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(member.name for member in self.members)

    @property
    def muted(self) -> tuple[str, ...]:
        return tuple(member.name for member in self.members if member.muted)

    def find(self, name_or_id: str) -> Member:
        """A member by id or by name, any case; the start of a name will do where it is one member's.

        Raises:
            NotFound: MEMBER_NOT_FOUND.
        """
        key = name_or_id.strip().casefold()
        names = [
            member
            for member in self.members
            if member.name.casefold() == key or member.character_id == name_or_id
        ]
        # The start of a name counts only where it is one member's; the whole name goes before.
        starts = [member for member in self.members if member.name.casefold().startswith(key)]
        members = names or (starts if len(starts) == 1 else [])
        if not members:
            raise NotFound(
                "MEMBER_NOT_FOUND",
                f"{name_or_id!r} is not a member of {self.name}.",
                f"Its members are: {', '.join(self.names) or '-'}.",
                name=name_or_id,
                group=self.name,
                members=Names(self.names) or "-",
            )
        return members[0]


class Groups:
    """The shelf of groups."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, search: str = "") -> Sequence[Group]:
        """The one used last first; those whose name or members hold every word of `search`, any case."""

        def query(connection: Connection) -> list[Group]:
            rows = connection.execute(
                "SELECT * FROM character_groups ORDER BY max(used_at, created_at) DESC, name_key"
            ).fetchall()
            return [_group(connection, row) for row in rows]

        # Compared here and not by SQLite, which knows no case but that of ASCII letters.
        words = search.casefold().split()
        groups = await self._database.read(query)
        return [
            group
            for group in groups
            if all(word in " ".join((group.name, *group.names)).casefold() for word in words)
        ]

    async def get(self, group_id: str) -> Group:
        """Raises NotFound (GROUP_NOT_FOUND)."""
        return await self._database.read(lambda c: load_group(c, group_id))

    async def find(self, name_or_id: str, *, whole: bool = False) -> Group:
        """By id, or by name in any case (of several, the one used last); else, unless the `whole` is asked
        for, by a unique beginning or word of a name.

        Raises:
            NotFound: GROUP_NOT_FOUND, with the nearest names.
        """
        key = name_or_id.strip()
        groups = await self.list()
        for group in groups:
            if group.id == key or group.name.casefold() == key.casefold():
                return group
        if not whole and (close := find_named(groups, key)) is not None:
            return close
        raise _missing(name_or_id, [group.name for group in groups])

    async def create(self, name: str, character_ids: Iterable[str]) -> Group:
        """A new group of at least two characters; an empty name becomes the members' names.

        Raises:
            InvalidInput: GROUP_TOO_SMALL. NotFound: CHARACTER_NOT_FOUND.
        """
        members = list(dict.fromkeys(character_ids))
        if len(members) < 2:
            raise InvalidInput(
                "GROUP_TOO_SMALL",
                "A group needs at least two different characters.",
                "Choose one more.",
            )
        return await self._database.write(
            lambda c: insert_group(c, name, [(member_id, False) for member_id in members])
        )

    async def set(self, group_id: str, **values: Any) -> None:
        """Set `name`, `order`, `cards`, `self_responses`, `join_prefix`, `join_suffix`, `auto_mode` or
        `auto_delay`."""
        columns = {
            "name": "name",
            "order": "turn_order",
            "cards": "cards",
            "self_responses": "self_responses",
            "join_prefix": "join_prefix",
            "join_suffix": "join_suffix",
            "auto_mode": "auto_mode",
            "auto_delay": "auto_delay",
        }
        assert values.keys() <= columns.keys(), values.keys() - columns.keys()
        stored = {
            columns[key]: int(value) if isinstance(value, bool) else value for key, value in values.items()
        }
        if "name" in values:
            name = clean_line(values["name"], NAME_LENGTH)
            stored |= {"name": name, "name_key": name.casefold()}
        if "auto_delay" in values:
            stored["auto_delay"] = min(max(int(values["auto_delay"]), 0), LONGEST_DELAY)
        stored |= {key: clean(values[key])[:JOIN_LENGTH] for key in JOINS if key in values}

        def change(connection: Connection) -> None:
            assignments = ", ".join(f"{column} = ?" for column in stored)
            connection.execute(
                f"UPDATE character_groups SET {assignments} WHERE id = ?", [*stored.values(), group_id]
            )

        await self._database.write(change)

    async def set_members(self, group_id: str, members: Sequence[tuple[str, bool]]) -> Group:
        """Give a group these members (id, muted) in this order: adds, removes, mutes and reorders.

        Raises:
            InvalidInput: GROUP_EMPTY.
        """
        if not members:
            raise InvalidInput(
                "GROUP_EMPTY", "A group needs somebody who can speak.", "Add a character to it first."
            )

        def change(connection: Connection) -> Group:
            load_group(connection, group_id)
            store_members(connection, group_id, members)
            return load_group(connection, group_id)

        return await self._database.write(change)

    async def touch(self, group_id: str) -> None:
        """Mark as used now, for the order of the list."""
        await self._database.write(lambda c: touch_group(c, group_id, now_ms()))

    async def delete(self, group_id: str) -> None:
        """Remove a group with its conversations; its characters stay. Raises NotFound."""

        def change(connection: Connection) -> None:
            load_group(connection, group_id)
            connection.execute("DELETE FROM character_groups WHERE id = ?", (group_id,))

        await self._database.write(change)


def load_group(connection: Connection, group_id: str) -> Group:
    """One group within a transaction. Raises NotFound (GROUP_NOT_FOUND)."""
    row = connection.execute("SELECT * FROM character_groups WHERE id = ?", (group_id,)).fetchone()
    if row is None:
        raise _missing(group_id)
    return _group(connection, row)


def group_of(connection: Connection, members: Collection[str], name: str = "") -> Group | None:
    """The group that has exactly these members (ids), in any order; of several the one used last.

    Args:
        name: only a group of that name, any case; "" for any.
    """
    rows = connection.execute(
        "SELECT g.id, m.character_id FROM character_groups g JOIN group_members m ON m.group_id = g.id "
        "WHERE ?1 IN ('', g.name_key) ORDER BY g.used_at DESC",
        (name.casefold(),),
    )
    members_of: dict[str, set[str]] = {}
    for group_id, member in rows:
        members_of.setdefault(group_id, set()).add(member)
    there = next((group_id for group_id, those in members_of.items() if those == set(members)), None)
    return None if there is None else load_group(connection, there)


def first_language(connection: Connection, group_id: str) -> str:
    """The language of a group's first member; "" where nobody knows it, or there are no members."""
    row = connection.execute(
        "SELECT c.language FROM group_members m JOIN characters c ON c.id = m.character_id "
        "WHERE m.group_id = ? ORDER BY m.position LIMIT 1",
        (group_id,),
    ).fetchone()
    return row[0] if row else ""


def touch_group(connection: Connection, group_id: str, at: int) -> None:
    """Mark a group as used at a moment (milliseconds since 1970), for the order of the list."""
    connection.execute("UPDATE character_groups SET used_at = ? WHERE id = ?", (at, group_id))


def insert_group(
    connection: Connection,
    name: str,
    members: Sequence[tuple[str, bool]],
    *,
    order: TurnOrder = "natural",
    cards: CardMode = "swap",
    self_responses: bool = False,
    join_prefix: str = "",
    join_suffix: str = "",
    auto_delay: int = 5,
) -> Group:
    """A new group with members (id, muted), which may be none: an import keeps what it finds."""
    identity, now = short_id(), now_ms()
    # A group without a name is called after its members, who are known only once they are stored.
    connection.execute(
        "INSERT INTO character_groups (id, name, name_key, turn_order, cards, self_responses, join_prefix, "
        "join_suffix, auto_delay, created_at, used_at) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
        (
            identity,
            "",
            "",
            order,
            cards,
            int(self_responses),
            clean(join_prefix)[:JOIN_LENGTH],
            clean(join_suffix)[:JOIN_LENGTH],
            min(max(auto_delay, 0), LONGEST_DELAY),
            now,
            now,
        ),
    )
    store_members(connection, identity, members)
    called = clean_line(name, NAME_LENGTH) or ", ".join(load_group(connection, identity).names)[:NAME_LENGTH]
    connection.execute(
        "UPDATE character_groups SET name = ?, name_key = ? WHERE id = ?",
        (called, called.casefold(), identity),
    )
    return load_group(connection, identity)


def store_members(connection: Connection, group_id: str, members: Sequence[tuple[str, bool]]) -> None:
    """Replace the members. Raises NotFound (CHARACTER_NOT_FOUND)."""
    from lunalux_core.library.characters import load_character

    connection.execute("DELETE FROM group_members WHERE group_id = ?", (group_id,))
    # A dict, since a character stands once: the table would refuse a second row.
    for position, (character_id, muted) in enumerate(dict(members).items()):
        load_character(connection, character_id)
        connection.execute(
            "INSERT INTO group_members (group_id, character_id, position, muted) VALUES (?,?,?,?)",
            (group_id, character_id, position, int(muted)),
        )


def _group(connection: Connection, row: Row) -> Group:
    members = connection.execute(
        "SELECT m.character_id, c.name, m.muted FROM group_members m "
        "JOIN characters c ON c.id = m.character_id WHERE m.group_id = ? ORDER BY m.position",
        (row["id"],),
    )
    return Group(
        id=row["id"],
        name=row["name"],
        order=row["turn_order"],
        cards=row["cards"],
        self_responses=bool(row["self_responses"]),
        members=tuple(
            Member(member["character_id"], member["name"], bool(member["muted"])) for member in members
        ),
        created_at=row["created_at"],
        used_at=row["used_at"],
        join_prefix=plain_text(row["join_prefix"]),
        join_suffix=plain_text(row["join_suffix"]),
        auto_mode=bool(row["auto_mode"]),
        auto_delay=whole_number(row["auto_delay"]),
    )


def _missing(name: str, names: Iterable[str] = ()) -> NotFound:
    return missing(
        "GROUP_NOT_FOUND",
        f"There is no group {name!r}.",
        "`lunalux group list` shows them all.",
        name,
        names,
    )
