"""The whole library in other programs' forms, and back."""

from __future__ import annotations

import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from muting import mute

from lunalux_core.cards.card import Card
from lunalux_core.cards.card_reader import read_card
from lunalux_core.cards.export import export_card
from lunalux_core.config.paths import Paths
from lunalux_core.exporting import export_library
from lunalux_core.exporting.target import Names, file_name
from lunalux_core.importing import gather, import_data, import_files
from lunalux_core.library import Library
from lunalux_core.library.conversations import append_message, create_conversation, new_message

BOOK = {"entries": {"0": {"uid": 0, "key": ["lake"], "content": "deep", "unknown": [1]}}, "name": "Lake"}
SCRIPT = {"scriptName": "Stars", "findRegex": "/\\*/g", "replaceString": "", "placement": [2], "own": True}
PRESET = {
    "prompts": [
        {"identifier": "main", "name": "Main", "role": "system", "content": "Write."},
        {"identifier": "jailbreak", "name": "PHI", "role": "system", "content": "Mind."},
    ],
    "prompt_order": [
        {
            "character_id": 100001,
            "order": [{"identifier": "jailbreak", "enabled": True}, {"identifier": "main", "enabled": False}],
        }
    ],
    "unknown": {"kept": True},
}


@pytest.fixture
async def library(paths: Paths) -> AsyncIterator[Library]:
    library = Library(paths)
    extensions = {"odd": {"x": 1}, "regex_scripts": [SCRIPT]}
    card = Card.new("Ada / ../Lovelace", description="d", first_mes="Hi.", extensions=extensions)
    result = await import_data(library, paths, export_card(card, "png"), "ada.png")
    await import_data(library, paths, json.dumps(card.export("v2")).replace("Hi.", "Ho.").encode(), "b.json")
    place = await library.conversations.create(result.id, "An evening")
    await library.characters.allow_scripts(result.id, True)

    def talk(connection: Any) -> None:
        greeting = new_message(place.id, None, "assistant", "Ada", "Hi.")
        append_message(connection, greeting)
        words = new_message(place.id, greeting, "user", "Bo", "Who are you?")
        append_message(connection, words)
        first = new_message(place.id, words, "assistant", "Ada", "Ada.", raw="<b>Ada.</b>", event="asked")
        append_message(connection, first)
        second = new_message(place.id, words, "assistant", "Ada", "Nobody.", thinking="hm")
        append_message(connection, second)
        connection.execute(
            "UPDATE messages SET state = ? WHERE id = ?", (json.dumps({"variables": {"hp": "3"}}), second.id)
        )

    await library.database.write(talk)
    await library.conversations.set(place.id, note={"prompt": "Be kind.", "depth": 2})
    await library.worldbooks.add("Lake", BOOK)
    await library.presets.add("Mine", PRESET)
    await library.scripts.add("Stars", SCRIPT)
    await library.personas.save("Bo", "A sailor.")
    yield library
    library.close()


async def moved(library: Library, path: Path, format: Any, tmp_path: Path) -> Library:
    await export_library(library, path, format)
    paths = Paths.find({"LUNALUX_HOME": str(tmp_path / "new")})
    new = Library(paths)
    results = list(import_files(new, paths, gather([str(path)])))
    assert not [result for result in results if result.error], results
    return new


@pytest.mark.parametrize("name", ["everything", "everything.zip"])
async def test_sillytavern_and_back(library: Library, tmp_path: Path, name: str) -> None:
    new = await moved(library, tmp_path / name, "sillytavern", tmp_path)
    try:
        before, after = await library.characters.list(order="added"), await new.characters.list(order="added")
        assert sorted(c.name for c in before) == sorted(c.name for c in after)
        ids = {(await library.characters.get(item.id)).content_hash for item in before}
        documents = [json.loads((await new.characters.get(item.id)).document) for item in after]
        assert len(ids) == len(documents) == 2
        assert all(document["data"]["extensions"]["odd"] == {"x": 1} for document in documents)
        (chat,) = await new.conversations.list()
        page = await new.conversations.page(chat.id)
        assert [(m.name, m.content, m.swipes) for m in page] == [
            ("Ada", "Hi.", 1),
            ("Bo", "Who are you?", 1),
            ("Ada", "Nobody.", 2),
        ]
        assert (page[-1].thinking, page[-1].state) == ("hm", {"variables": {"hp": "3"}})
        assert (chat.title, chat.note["prompt"], chat.note["depth"]) == ("An evening", "Be kind.", 2)
        assert [item.document for item in await new.worldbooks.list()] == [BOOK]
        assert [item.document for item in await new.presets.list()] == [PRESET]
        assert [one.document["own"] for one in await new.scripts.list()] == [True]
        assert [(persona.name, persona.description) for persona in await new.personas.list()] == [
            ("Bo", "A sailor.")
        ]
    finally:
        new.close()


async def test_the_folder_has_sillytavern_s_names(library: Library, tmp_path: Path) -> None:
    report = await export_library(library, tmp_path / "out.zip", "sillytavern")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        names = archive.namelist()
        card = next(name for name in names if name.startswith("characters/"))
        assert read_card(archive.read(card)).card.name == "Ada / ../Lovelace"
    assert not [name for name in names if ".." in name or name.startswith("/")]
    assert {name.partition("/")[0] for name in names} == {
        "characters",
        "chats",
        "worlds",
        "OpenAI Settings",
        "regex",
        "personas.json",
    }
    assert report.counts["characters"] == 2 and report.counts["conversations"] == 1
    assert not list(tmp_path.glob("*.new"))


async def test_narratium_and_back(library: Library, tmp_path: Path) -> None:
    new = await moved(library, tmp_path / "all.json", "narratium", tmp_path)
    stores = json.loads((tmp_path / "all.json").read_text("utf-8"))
    assert {len(stores["characters_record"]), len(stores["character_images"])} == {2, 1}
    (tree,) = stores["character_dialogues"]
    turns = {node["nodeId"]: node for node in tree["nodes"]}
    said = [(node["userInput"], node["assistantResponse"]) for node in tree["nodes"][1:]]
    assert said == [("", "Hi."), ("Who are you?", "Ada."), ("Who are you?", "Nobody.")]
    assert turns[tree["current_nodeId"]]["assistantResponse"] == "Nobody."
    try:
        assert await new.characters.count() == 2
        (chat,) = await new.conversations.list()
        page = await new.conversations.page(chat.id)
        assert [m.content for m in page] == ["Hi.", "Who are you?", "Nobody."]
        character = await new.characters.get(chat.character_id)
        assert character.scripts_allowed is True
        assert json.loads(character.document)["data"]["extensions"]["odd"] == {"x": 1}
        (preset,) = await new.presets.list()
        from lunalux_core.presets.document import read_preset

        read = read_preset(preset.document, "Mine").preset
        assert read.assembly == "narratium"
        assert {one.identifier: one.enabled for one in read.order} == {"jailbreak": True, "main": False}
    finally:
        new.close()


def test_names_are_taken_once_and_lead_nowhere() -> None:
    names = Names()
    assert [names.take(one) for one in ("Ada", "ada", "ADA")] == ["Ada", "ada1", "ADA2"]
    for hostile in ("../../etc/passwd", "..", "", "CON", "a\x00b\x1b[2J", "/", "\\\\server\\x", "x" * 500):
        name = file_name(hostile)
        assert (
            name and len(name) <= 91 and not set(name) & set('/\\:*?"<>|\x00\x1b') and name.strip(".") == name
        )
    for device in ("con", "AUX", "Com1", "lpt9"):
        assert file_name(device) == f"character {device}"
    for ordinary in ("Comrade Anna", "Compass", "Conan", "Lpt"):
        assert file_name(ordinary) == ordinary


async def test_groups_go_along(library: Library, tmp_path: Path) -> None:
    members = [character.id for character in await library.characters.list(order="added")]
    group = await library.groups.create("Both", members)
    await library.groups.set(group.id, order="manual", cards="append")
    await mute(library, group.id, members[1])

    def talk(connection: Any) -> None:
        place = create_conversation(connection, "", "Evening", group_id=group.id)
        words = new_message(place.id, None, "user", "Bo", "Hello, you two.")
        append_message(connection, words)
        append_message(connection, new_message(place.id, words, "assistant", group.members[0].name, "Hi."))

    await library.database.write(talk)
    new = await moved(library, tmp_path / "out.zip", "sillytavern", tmp_path)
    try:
        (found,) = await new.groups.list()
        assert (found.name, found.order, found.cards) == ("Both", "manual", "append")
        assert [member.muted for member in found.members] == [False, True]
        (chat,) = await new.conversations.list(group_id=found.id)
        assert [m.content for m in await new.conversations.page(chat.id)] == ["Hello, you two.", "Hi."]
    finally:
        new.close()
