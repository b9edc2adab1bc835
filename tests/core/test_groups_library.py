"""Groups in the library: members, their order, what deleting leaves, and libraries of earlier schemas."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator

import pytest
from muting import mute

from lunalux_core.config.paths import Paths
from lunalux_core.errors import InvalidInput, NotFound
from lunalux_core.library import Library
from lunalux_core.library.characters import NewCharacter
from lunalux_core.library.conversations import append_message, create_conversation, new_message
from lunalux_core.library.groups import Group, group_of, insert_group, touch_group
from lunalux_core.library.migrations import FIRST, STEPS


@pytest.fixture
async def library(paths: Paths) -> AsyncIterator[Library]:
    library = Library(paths)
    for name in ("Mira", "Bao", "Cleo"):
        await library.characters.add(NewCharacter(name.lower(), name, json.dumps({"name": name}), name))
    yield library
    library.close()


async def test_a_group_keeps_its_members_in_order(library: Library) -> None:
    group = await library.groups.create("The table", ["cleo", "mira", "cleo"])
    assert group.names == ("Cleo", "Mira") and group.order == "natural" and group.cards == "swap"
    changed = await library.groups.set_members(group.id, [("bao", True), ("mira", False)])
    assert changed.names == ("Bao", "Mira") and changed.muted == ("Bao",)
    await mute(library, group.id, "bao", False)
    await library.groups.set(group.id, name="Round", order="list", cards="append", self_responses=True)
    again = await library.groups.get(group.id)
    assert again == Group(
        group.id,
        "Round",
        "list",
        "append",
        True,
        tuple(type(one)(one.character_id, one.name, False) for one in changed.members),
        group.created_at,
        group.used_at,
    )
    assert [one.id for one in await library.groups.list("ROU mira")] == [group.id]
    assert not await library.groups.list("cleo")
    assert (await library.groups.find("round")).id == group.id
    assert (await library.groups.create("", ["mira", "bao"])).name == "Mira, Bao"


async def test_a_group_is_known_by_its_members(library: Library) -> None:
    groups = library.groups
    first = await groups.create("Table", ["cleo", "mira"])
    later = await groups.create("Round", ["mira", "cleo"])
    await groups.create("All", ["mira", "cleo", "bao"])
    now = max(first.used_at, later.used_at)

    async def known(*members: str, name: str = "") -> str:
        found = await library.database.read(lambda c: group_of(c, members, name))
        return found.name if found else ""

    for group, at in ((first, now + 1), (later, now + 2)):
        await library.database.write(lambda c, g=group, t=at: touch_group(c, g.id, t))  # type: ignore[misc]
    assert await known("mira", "cleo") == "Round"
    assert await known("cleo", "mira", name="TABLE") == "Table"
    assert await known("cleo", "mira", name="All") == await known("mira") == await known("bao", "cleo") == ""


async def test_too_few_and_unknown_members_are_refused(library: Library) -> None:
    with pytest.raises(InvalidInput, match="at least two"):
        await library.groups.create("Alone", ["mira", "mira"])
    with pytest.raises(NotFound, match="no character 'nobody'"):
        await library.groups.create("Ghosts", ["mira", "nobody"])
    assert not await library.groups.list()
    group = await library.groups.create("Two", ["mira", "bao"])
    with pytest.raises(InvalidInput, match="somebody"):
        await library.groups.set_members(group.id, [])
    with pytest.raises(NotFound, match="'nobody'"):
        await library.groups.set_members(group.id, [("cleo", False), ("nobody", False)])
    assert (await library.groups.get(group.id)).names == ("Mira", "Bao")


async def test_a_member_is_found_by_name_id_or_start(library: Library) -> None:
    group = await library.groups.create("Three", ["mira", "bao", "cleo"])
    assert group.find("MIRA").character_id == group.find("mi").character_id == group.find("mira").character_id
    with pytest.raises(NotFound) as caught:
        group.find("Dora")
    assert caught.value.hint == "Its members are: Mira, Bao, Cleo."


async def test_a_deleted_character_leaves_its_words(library: Library) -> None:
    group = await library.groups.create("Two", ["mira", "bao"])

    def talk(connection: sqlite3.Connection) -> str:
        place = create_conversation(connection, "", "Night", group_id=group.id)
        first = new_message(place.id, None, "assistant", "Mira", "The lamp is lit.", speaker="mira")
        append_message(connection, first)
        append_message(
            connection, new_message(place.id, first, "assistant", "Bao", "So it is.", speaker="bao")
        )
        return place.id

    place = await library.database.write(talk)
    await library.characters.delete("mira")
    said = await library.conversations.page(place)
    assert [(one.name, one.content, one.speaker) for one in said] == [
        ("Mira", "The lamp is lit.", "mira"),
        ("Bao", "So it is.", "bao"),
    ]
    assert (await library.groups.get(group.id)).names == ("Bao",)
    (found,) = await library.conversations.list(group_id=group.id)
    assert (found.character_id, found.group_id, found.title) == ("", group.id, "Night")
    (hit,) = await library.conversations.search("lamp")
    assert (hit.character_id, hit.character_name) == ("", "Two")
    await library.groups.delete(group.id)
    assert not await library.conversations.list() and len(await library.characters.list()) == 2


@pytest.mark.parametrize("version", range(1, len(STEPS)))
async def test_a_library_of_an_earlier_schema_keeps_every_message(paths: Paths, version: int) -> None:
    paths.library.parent.mkdir(parents=True, exist_ok=True)
    old = sqlite3.connect(paths.library)
    old.row_factory = sqlite3.Row
    old.execute("PRAGMA foreign_keys = ON")
    for step in (FIRST, *STEPS[1:version]):
        if isinstance(step, str):
            old.executescript(step)
        else:
            step(old)
    old.execute(
        "INSERT INTO characters (id, name, name_key, spec, document, content_hash, created_at, updated_at) "
        "VALUES ('c', 'Mira', 'mira', 'v2', '{\"name\": \"Mira\"}', 'h', 1, 1)"
    )
    old.execute(
        "INSERT INTO conversations (id, character_id, title, head_id, note, draft, created_at, updated_at) "
        "VALUES ('p', 'c', 'Night', 'm2', '{\"prompt\": \"rain\"}', 'half a', 5, 6)"
    )
    for number in (1, 2):
        old.execute(
            "INSERT INTO messages (id, conversation_id, parent_id, depth, role, name, content, created_at) "
            "VALUES (?, 'p', ?, ?, 'assistant', 'Mira', ?, 1)",
            (f"m{number}", "m1" if number == 2 else "", number - 1, f"lantern {number}"),
        )
    old.execute(
        "INSERT INTO changes (conversation_id, kind, before, after, created_at) "
        "VALUES ('p', 'edit', ?, ?, 1)",
        ('{"head": "m2", "rows": {}}', '{"head": "m2", "rows": {}}'),
    )
    old.execute(f"PRAGMA user_version = {version}")
    old.commit()
    old.close()

    library = Library(paths)
    try:
        place = await library.conversations.get("p")
        assert (place.title, place.note, place.draft, place.updated_at) == (
            "Night",
            {"prompt": "rain"},
            "half a",
            6,
        )
        assert (place.character_id, place.group_id) == ("c", "")
        said = await library.conversations.page("p")
        assert [(one.content, one.speaker) for one in said] == [("lantern 1", ""), ("lantern 2", "")]
        assert len(await library.conversations.search("lantern")) == 2

        def check(connection: sqlite3.Connection) -> tuple[int, list[object], int]:
            insert_group(connection, "New", [("c", False)])
            return (
                connection.execute("PRAGMA foreign_keys").fetchone()[0],
                connection.execute("PRAGMA foreign_key_check").fetchall(),
                connection.execute("SELECT count(*) FROM changes").fetchone()[0],
            )

        assert await library.database.write(check) == (1, [], 1)
        assert (paths.backups / f"library-v{version}.db").exists()
        await library.characters.delete("c")
        assert not await library.conversations.list()
    finally:
        library.close()
