"""Personas: who the person plays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lunalux_core.database import Connection, Database, Row
from lunalux_core.ids import now_ms, short_id
from lunalux_core.library.name_lookup import find_named, missing


@dataclass(frozen=True, slots=True)
class Persona:
    """A name and a description of the person's own part. `chosen` marks the one for new conversations.

    `worldbook` names a book of the library that is used wherever this part is played.
    """

    id: str
    name: str
    description: str
    chosen: bool
    worldbook: str = ""


class Personas:
    """The person's personas."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self) -> Sequence[Persona]:
        return await self._database.read(
            lambda c: [_persona(r) for r in c.execute("SELECT * FROM personas ORDER BY created_at")]
        )

    async def chosen(self) -> Persona | None:
        """The persona of new conversations, if one was made."""
        return await self._database.read(lambda c: load_persona(c, None))

    async def save(self, name: str, description: str = "", persona_id: str | None = None) -> Persona:
        """Make a persona, or change one. The first one made is the chosen one."""
        return await self._database.write(lambda c: store_persona(c, name, description, persona_id))

    async def bind(self, persona_id: str, worldbook: str) -> None:
        """Use a worldbook wherever this part is played; "" lets go of it."""
        await self._database.write(lambda c: bind_worldbook(c, persona_id, worldbook))

    async def find(self, name: str) -> Persona:
        """By id or name, else by a unique beginning or word of a name, any case.

        Raises:
            NotFound: PERSONA_NOT_FOUND, with the nearest names.
        """
        return pick(await self.list(), name)

    async def choose(self, persona_id: str) -> None:
        """Use this persona for new conversations."""
        await self._database.write(
            lambda c: c.execute("UPDATE personas SET chosen = (id = ?)", (persona_id,))
        )

    async def delete(self, persona_id: str) -> None:
        """Conversations that used it fall back to the chosen one."""

        def change(connection: Connection) -> None:
            # The id has no foreign key, so the conversations are changed by hand.
            connection.execute("DELETE FROM personas WHERE id = ?", (persona_id,))
            connection.execute(
                "UPDATE conversations SET persona_id = NULL WHERE persona_id = ?", (persona_id,)
            )

        await self._database.write(change)


def pick(personas: Sequence[Persona], name: str) -> Persona:
    """See `Personas.find`; of equal names the one chosen, else the newest."""
    newest_first = reversed(personas)
    persona = find_named(sorted(newest_first, key=lambda persona: not persona.chosen), name, alike=True)
    if persona is None:
        raise missing(
            "PERSONA_NOT_FOUND",
            f"There is no persona {name!r}.",
            "`lunalux persona list` shows them all.",
            name,
            [persona.name for persona in personas],
        )
    return persona


def store_persona(
    connection: Connection, name: str, description: str = "", persona_id: str | None = None
) -> Persona:
    """`Personas.save` within a transaction."""
    identity = persona_id or short_id()
    # Without a chosen one, new chats would have no persona though there is one.
    first = connection.execute("SELECT count(*) FROM personas").fetchone()[0] == 0
    connection.execute(
        "INSERT INTO personas (id, name, description, chosen, created_at) VALUES (?,?,?,?,?) "
        "ON CONFLICT (id) DO UPDATE SET name = excluded.name, description = excluded.description",
        (identity, name, description, int(first), now_ms()),
    )
    row = connection.execute("SELECT * FROM personas WHERE id = ?", (identity,)).fetchone()
    return _persona(row)


def bind_worldbook(connection: Connection, persona_id: str, worldbook: str) -> None:
    """`Personas.bind` within a transaction."""
    connection.execute("UPDATE personas SET worldbook = ? WHERE id = ?", (worldbook, persona_id))


def same_persona(connection: Connection, name: str, description: str) -> str:
    """Id of the persona of just this name and description, "" if there is none."""
    row = connection.execute(
        "SELECT id FROM personas WHERE name = ? AND description = ?", (name, description)
    ).fetchone()
    return row[0] if row else ""


def load_persona(connection: Connection, persona_id: str | None) -> Persona | None:
    """The named persona, or the chosen one where that is gone or none was named."""
    row = connection.execute(
        "SELECT * FROM personas WHERE id = ?1 OR chosen ORDER BY id = ?1 DESC LIMIT 1", (persona_id,)
    ).fetchone()
    return _persona(row) if row else None


def _persona(row: Row) -> Persona:
    return Persona(row["id"], row["name"], row["description"], bool(row["chosen"]), row["worldbook"])
