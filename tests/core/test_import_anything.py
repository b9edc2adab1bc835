"""Everything people bring from elsewhere, recognised by content and put where it belongs."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lunalux_core.cards.card import Card
from lunalux_core.cards.export import export_card
from lunalux_core.cards.placeholder_picture import placeholder_png
from lunalux_core.cards.png import make_chunk
from lunalux_core.config.paths import Paths
from lunalux_core.errors import InvalidInput
from lunalux_core.exporting import export_library
from lunalux_core.importing import ImportResult, add_starters, gather, import_data, import_files
from lunalux_core.importing.shelf_documents import read_document
from lunalux_core.library import Library
from lunalux_core.library.backup import back_up
from lunalux_core.starter import cards as starters

BOOK = {"entries": {"0": {"uid": 0, "key": ["lake"], "content": "The lake is deep."}}}
SCRIPT = {"scriptName": "Stars", "findRegex": "/\\*/g", "replaceString": "", "placement": [2]}
PRESET = {
    "temperature": 0.9,
    "reverse_proxy": "https://proxy.example",
    "prompts": [{"identifier": "main", "role": "system", "content": "Write."}],
    "prompt_order": [{"character_id": 100001, "order": [{"identifier": "main", "enabled": True}]}],
}
HEADER = {"user_name": "unused", "character_name": "unused", "chat_metadata": {"variables": {"gold": 7}}}


@pytest.fixture
def library(paths: Paths) -> Iterator[Library]:
    library = Library(paths)
    yield library
    library.close()


def lines(*documents: dict[str, Any]) -> str:
    return "\n".join(json.dumps(one) for one in documents)


def said(name: str, text: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "is_user": name == "Bo", "is_system": False, "mes": text, **more}


def write(path: Path, content: bytes | str | Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(content, bytes):
        content = (content if isinstance(content, str) else json.dumps(content)).encode()
    path.write_bytes(content)
    return path


def card(name: str, **fields: Any) -> bytes:
    return export_card(Card.new(name, **{"first_mes": f"I am {name}.", **fields}), "png")


@pytest.fixture
def tavern(tmp_path: Path) -> Path:
    """A data folder as SillyTavern keeps it, with what is of no use here beside what is."""
    root = tmp_path / "data" / "default-user"
    write(root / "characters" / "Ada.png", card("Ada", extensions={"world": "Lake"}))
    write(root / "characters" / "Ada1.png", card("Ada", description="Another one."))
    write(root / "characters" / "Ada" / "joy.png", b"no card")
    chat = [HEADER, said("Ada", "I am Ada.", swipes=["I am Ada.", "Hm."], swipe_id=0), said("Bo", "Hello.")]
    write(root / "chats" / "Ada1" / "Ada - 2024-05-01@12h00m00s.jsonl", lines(*chat))
    write(root / "worlds" / "Lake.json", BOOK)
    write(root / "OpenAI Settings" / "Mine.json", PRESET)
    group: dict[str, Any] = {"name": "Two", "members": ["Ada.png", "Ada1.png", "Eve.png"], "chats": ["77"]}
    group |= {"activation_strategy": 1, "generation_mode": 1, "disabled_members": ["Ada1.png"]}
    write(root / "groups" / "1.json", group)
    write(root / "group chats" / "77.jsonl", lines({"chat_metadata": {}}, said("Ada", "Together.")))
    write(root / "instruct" / "Alpaca.json", {"input_sequence": "### Instruction:"})
    write(root / "context" / "Plain.json", {"name": "Plain", "story_string": "{{system}}"})
    write(root / "sysprompt" / "Actor.json", {"name": "Actor", "content": "Act."})
    thinking = {"name": "Think", "prefix": "<think>", "suffix": "</think>", "separator": ""}
    write(root / "reasoning" / "Think.json", thinking)
    write(root / "TextGen Settings" / "Warm.json", {"temp": 1.2, "top_k": 40, "rep_pen": 1.1})
    write(root / "backgrounds" / "sea.png", b"no card")
    write(root / "secrets.json", {"api_key_openai": "sk-nothing"})
    write(
        root / "settings.json",
        {
            "power_user": {
                "personas": {"bo.png": "Bo"},
                "persona_descriptions": {"bo.png": {"description": "A sailor.", "lorebook": "Lake"}},
            },
            "world_info_settings": {
                "world_info": {
                    "globalSelect": ["Lake"],
                    "charLore": [{"name": "Ada1", "extraBooks": ["Lake"]}],
                },
                "world_info_depth": 4,
                "world_info_character_strategy": 0,
            },
            "extension_settings": {"regex": [SCRIPT], "character_allowed_regex": ["Ada1.png"]},
            "oai_settings": {"preset_settings_openai": "Mine"},
        },
    )
    return root


def brought(library: Library, paths: Paths, *arguments: Path, **options: Any) -> list[ImportResult]:
    return list(import_files(library, paths, gather(map(str, arguments)), **options))


def by_kind(results: list[ImportResult]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in results:
        found.setdefault(one.kind, []).append(one.status)
    return found


async def test_a_sillytavern_folder_works_as_it_did(library: Library, paths: Paths, tavern: Path) -> None:
    left: set[str] = set()
    results = list(import_files(library, paths, gather([str(tavern.parents[1])], left=left)))
    assert by_kind(results) == {
        "card": ["imported", "imported"],
        "worldbook": ["imported"],
        "preset": ["imported"],
        "template": ["imported"] * 5,
        "group": ["imported"],
        "chat": ["imported", "imported"],
        "regex": ["imported"],
        "persona": ["imported"],
        "settings": ["imported"],
    }
    assert sorted((one.kind, one.name) for one in await library.templates.list()) == [
        ("context", "Plain"),
        ("instruct", "Alpaca"),
        ("reasoning", "Think"),
        ("sampler", "Warm"),
        ("sysprompt", "Actor"),
    ]
    assert left == {"backgrounds", "secrets.json", "pictures of expressions"}
    ids = {Path(one.path).stem: one.id for one in results if one.kind == "card"}

    (chat,) = await library.conversations.list(ids["Ada1"])
    page = await library.conversations.page(chat.id)
    assert [(m.content, m.swipes) for m in page] == [("I am Ada.", 2), ("Hello.", 1)]
    assert page[-1].state == {"variables": {"gold": "7"}}
    (group,) = await library.groups.list()
    assert (group.name, group.order, group.cards) == ("Two", "list", "append")
    assert [(m.character_id, m.muted) for m in group.members] == [(ids["Ada"], False), (ids["Ada1"], True)]
    (together,) = await library.conversations.list(group_id=group.id)
    (message,) = await library.conversations.page(together.id)
    assert (message.name, message.content) == ("Ada", "Together.") and message.speaker in ids.values()

    (book,) = await library.worldbooks.list()
    (preset,) = await library.presets.list()
    (script,) = await library.scripts.list()
    assert (book.name, book.enabled) == ("Lake", True)
    assert (preset.name, preset.enabled) == ("Mine", True)
    assert "reverse_proxy" not in preset.document
    assert script.document == SCRIPT | script.document
    assert (await library.characters.get(ids["Ada1"])).scripts_allowed is True
    assert (await library.characters.get(ids["Ada"])).scripts_allowed is None
    assert await library.characters.worldbooks(ids["Ada1"]) == ("Lake",)
    (persona,) = await library.personas.list()
    assert (persona.name, persona.description, persona.worldbook) == ("Bo", "A sailor.", "Lake")
    told = " ".join(note for one in results for note in one.warnings)
    assert "reverse_proxy" in told
    assert "lunalux settings set worldbook.depth 4" in told
    assert "lunalux settings set worldbook.strategy evenly" in told
    assert "sk-nothing" not in library.database.path.read_bytes().decode("latin-1")


def test_nothing_is_brought_twice(library: Library, paths: Paths, tavern: Path) -> None:
    first = brought(library, paths, tavern)
    again = brought(library, paths, tavern)
    same = {(one.kind, one.id) for one in first if one.id}
    assert {one.status for one in again} == {"duplicate"}
    assert {(one.kind, one.id) for one in again if one.id} == same
    copies = brought(library, paths, tavern, on_duplicate="copy")
    assert {one.status for one in copies if one.kind in ("card", "worldbook", "chat")} == {"imported"}


async def test_a_dry_run_tells_the_same_and_stores_nothing(
    library: Library, paths: Paths, tavern: Path
) -> None:
    dry = by_kind(brought(library, paths, tavern, dry_run=True))
    assert await library.characters.count() == 0
    assert not await library.worldbooks.list() and not await library.personas.list()
    assert {kind: len(found) for kind, found in dry.items()} == {
        kind: len(found) for kind, found in by_kind(brought(library, paths, tavern)).items()
    }


def test_a_zip_of_it_is_the_same(library: Library, paths: Paths, tavern: Path, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "all"), "zip", tavern.parent)
    unpacked = by_kind(brought(library, paths, Path(archive)))
    other = Library(Paths.find({"LUNALUX_HOME": str(tmp_path / "other")}))
    try:
        assert unpacked == by_kind(
            brought(other, Paths.find({"LUNALUX_HOME": str(tmp_path / "other")}), tavern)
        )
    finally:
        other.close()


async def test_chats_find_their_character_or_say_that_they_do_not(
    library: Library, paths: Paths, tmp_path: Path
) -> None:
    write(tmp_path / "in" / "x.png", card("Ada"))
    named = write(tmp_path / "in" / "a.jsonl", lines({"chat_metadata": {}}, said("ada", "By her name.")))
    brought(library, paths, tmp_path / "in")
    lost = write(tmp_path / "lost" / "b.jsonl", lines({"chat_metadata": {}}, said("Zoe", "Nobody's.")))
    (result,) = brought(library, paths, lost)
    assert result.error is not None and result.error.code == "CHAT_WITHOUT_CHARACTER"
    assert "Zoe" in result.error.message
    (chat,) = await library.conversations.list()
    assert chat.title == named.stem


async def test_a_deleted_chat_may_come_back(library: Library, paths: Paths, tavern: Path) -> None:
    chat = next(one for one in brought(library, paths, tavern) if one.kind == "chat")
    await library.conversations.delete(chat.id)
    again = [one for one in brought(library, paths, tavern) if one.path == chat.path]
    assert [one.status for one in again] == ["imported"]


async def test_lorebooks_of_other_programs(library: Library, paths: Paths, tmp_path: Path) -> None:
    novel = {"lorebookVersion": 5, "entries": [{"text": "deep", "keys": ["lake"], "displayName": "Lake"}]}
    text = b"naidata\x00" + base64.b64encode(json.dumps(novel).encode())
    picture = export_card(Card.new("x"), "png")
    head = picture[: picture.index(b"tEXt") - 4]
    write(tmp_path / "in" / "novel.png", head + make_chunk(b"tEXt", text) + make_chunk(b"IEND", b""))
    write(tmp_path / "in" / "novel.lorebook.json", novel)
    write(tmp_path / "in" / "risu.json", {"type": "risu", "data": [{"key": "a, b", "content": "c"}]})
    write(tmp_path / "in" / "agnai.json", {"kind": "memory", "entries": [{"keywords": ["k"], "entry": "e"}]})
    v3 = {"spec": "lorebook_v3", "data": {"name": "V3", "entries": [{"keys": ["k"], "content": "c"}]}}
    write(tmp_path / "in" / "v3.json", v3)
    results = brought(library, paths, tmp_path / "in")
    assert sorted(one.status for one in results) == ["duplicate", *["imported"] * 4]
    assert {one.kind for one in results} == {"worldbook"}
    books = await library.worldbooks.list()
    keys = sorted(entry["key"] for book in books for entry in book.document["entries"].values())
    assert keys == [["a", "b"], ["k"], ["k"], ["lake"]]
    assert not any(book.enabled for book in books)


async def test_scripts_of_risuai(library: Library, paths: Paths, tmp_path: Path) -> None:
    scripts = [
        {"comment": "quotes", "in": "“(.*?)”", "out": '"$1"', "type": "editdisplay"},
        {"comment": "loud", "in": "a", "out": "b", "type": "editoutput", "ableFlag": True, "flag": "gis"},
        {"comment": "there only", "in": "a", "out": "b", "type": "edittrans"},
    ]
    (result,) = brought(library, paths, write(tmp_path / "r.json", {"type": "regex", "data": scripts}))
    assert (result.kind, result.status) == ("regex", "imported")
    assert "1 of the scripts" in result.warnings[0]
    found = [item.document for item in await library.scripts.list()]
    assert [(one["findRegex"], one["placement"], one["markdownOnly"]) for one in found] == [
        ("/“(.*?)”/g", [1, 2], True),
        ("/a/gis", [2], False),
    ]


async def test_everything_of_a_narratium(library: Library, paths: Paths, tmp_path: Path) -> None:
    inside = {"name": "Ada", "description": "d", "first_mes": "Hi", "extensions": {"regex_scripts": [SCRIPT]}}
    own = {**SCRIPT, "scriptKey": "script_0", "findRegex": "b", "scriptName": "Bare"}
    tree = {
        "id": "char_1",
        "character_id": "char_1",
        "current_nodeId": "n2",
        "nodes": [
            {"nodeId": "root", "parentNodeId": "root", "userInput": "", "assistantResponse": ""},
            {"nodeId": "n1", "parentNodeId": "root", "userInput": "", "assistantResponse": "Hi"},
            {"nodeId": "n2", "parentNodeId": "n1", "userInput": "Hello", "assistantResponse": "Well."},
        ],
    }
    image = base64.b64encode(card("picture")).decode()
    whole = {
        "characters_record": [
            {"id": "char_1", "data": {"spec": "chara_card_v2", "data": inside}, "imagePath": "p1"}
        ],
        "character_images": [{"key": "p1", "data": f"data:image/png;base64,{image}"}],
        "character_dialogues": [tree],
        "regex_scripts": [{"char_1": {"script_0": {**SCRIPT, "scriptKey": "script_9"}, "script_1": own}}],
        "world_book": [{"char_1": {"entry_0": {"keys": ["x"], "content": "only in the editor"}}}],
        "preset_data": [{"id": "p", "name": "Frame", "prompts": [{"identifier": "main", "name": "m"}]}],
    }
    results = brought(library, paths, write(tmp_path / "export.json", whole))
    assert by_kind(results) == {
        "card": ["imported"],
        "regex": ["imported"],
        "worldbook": ["imported"],
        "preset": ["imported"],
        "chat": ["imported"],
    }
    character = await library.characters.get(results[0].id)
    assert character.name == "Ada" and character.scripts_allowed is True
    assert character.summary.picture.endswith(".png")
    (chat,) = await library.conversations.list(character.id)
    assert [m.content for m in await library.conversations.page(chat.id)] == ["Hi", "Hello", "Well."]
    (script,) = await library.scripts.list()
    assert script.document["findRegex"] == "/b/g"


async def test_everything_that_people_really_have(library: Library, paths: Paths, shared: Path) -> None:
    results = brought(library, paths, shared / "cards")
    assert {one.status for one in results} == {"imported"}
    assert {kind: len(found) for kind, found in by_kind(results).items()} == {
        "card": 8,
        "worldbook": 1,
        "preset": 1,
        "regex": 1,
    }
    assert {one.status for one in brought(library, paths, shared / "cards")} == {"duplicate"}


def bomb(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.json", b"[" + b" " * (64 << 20) + b"]")
        archive.writestr("good.json", json.dumps(BOOK))
        archive.writestr("../../escaped.json", json.dumps(SCRIPT))
    return path


def test_archives_neither_explode_nor_escape(library: Library, paths: Paths, tmp_path: Path) -> None:
    results = brought(library, paths, bomb(tmp_path / "x.zip"))
    assert {Path(one.path.rpartition("!")[2]).name: one.status for one in results} == {
        "zeros.json": "failed",
        "good.json": "imported",
        "escaped.json": "imported",
    }
    assert [one.error.code for one in results if one.error is not None] == ["ARCHIVE_TOO_LARGE"]
    assert not list(tmp_path.rglob("escaped.json"))
    (cut,) = brought(library, paths, write(tmp_path / "cut.zip", (tmp_path / "x.zip").read_bytes()[:500]))
    assert cut.error is not None and cut.error.code == "ARCHIVE_DAMAGED"


def test_hostile_files_never_stop_the_rest(library: Library, paths: Paths, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write(folder / "good.png", card("Ada"))
    write(folder / "deep.json", "[" * 100_000)
    write(folder / "deep2.json", '{"entries":' * 3000 + "1" + "}" * 3000)
    write(folder / "nan.json", '{"entries": {"0": {"order": NaN}}}')
    write(folder / "half.json", json.dumps(BOOK)[:-5])
    write(folder / "list.json", [1, 2, 3])
    write(folder / "null.json", "null")
    write(folder / "empty.jsonl", "")
    write(folder / "cut.jsonl", lines({"chat_metadata": {}}, said("Ada", "whole")) + '\n{"name": "Ada", "mes')
    write(folder / "lone.json", '{"entries": {"0": {"key": ["\\ud83d"], "content": "\\udc00 x"}}}')
    write(
        folder / "types.json", {"entries": {"0": {"key": 5, "content": ["x"], "order": {}, "extensions": 3}}}
    )
    write(folder / "big.json", {"entries": {"0": {"key": ["k"], "content": "x" * 400_000}}})
    results = {Path(one.path).name: one for one in brought(library, paths, folder)}
    good = {name for name, one in results.items() if one.status == "imported"}
    assert good == {"good.png", "cut.jsonl", "lone.json", "types.json", "big.json"}
    assert results["cut.jsonl"].warnings == ("Line 3 is not a message and was left out.",)
    assert all(
        one.error and one.error.code and one.error.message for n, one in results.items() if n not in good
    )


def test_the_report_says_what_behaves_otherwise(library: Library, paths: Paths, tmp_path: Path) -> None:
    book = {"scan_depth": 5, "entries": [{"keys": ["a"], "content": "b", "extensions": {}}]}
    extensions = {
        "regex_scripts": [SCRIPT],
        "tavern_helper": {"scripts": [1]},
        "risuai": {"triggerscript": [1]},
    }
    full = card("Ada", character_book=book, extensions=extensions, first_mes="<% if (x) %>")
    linked = card("Bea", extensions={"world": "Lake"})
    write(tmp_path / "in" / "a.png", full)
    write(tmp_path / "in" / "b.png", linked)
    told = {one.name: "\n".join(one.warnings) for one in brought(library, paths, tmp_path / "in")}
    for part in ("taken as enabled", "scan_depth", "1 regex scripts", "Tavern Helper", "RisuAI", "EJS"):
        assert part in told["Ada"], part
    assert "'Lake'" in told["Bea"]


@pytest.mark.parametrize("target", ["json", "png", "charx"])
async def test_real_cards_come_back_from_the_library_as_they_were(
    library: Library, paths: Paths, shared: Path, tmp_path: Path, target: str
) -> None:
    from lunalux_core.cards.card_reader import read_card
    from lunalux_core.exporting.target import card_file

    files = {
        one.id: Path(one.path) for one in brought(library, paths, shared / "cards") if one.kind == "card"
    }
    for identity, original in files.items():
        character = await library.characters.get(identity)
        before = read_card(original.read_bytes(), original.name).card
        written = card_file(library, character, target)
        after = read_card(written, f"x.{target}").card
        if target == "json":
            assert after.document == before.document, original.name
        assert after.card_hash == before.card_hash, original.name
        again = brought(
            library, paths, write(tmp_path / f"{identity}.{target}", written), on_duplicate="copy"
        )
        assert [one.name for one in again] == [character.name]


def test_what_another_program_imports_meanwhile_comes_in_once(
    library: Library, paths: Paths, tmp_path: Path
) -> None:
    folder = tmp_path / "both"
    write(folder / "ada.png", card("Ada"))
    other_book = {"entries": {"0": {"uid": 0, "key": ["hill"], "content": "The hill is high."}}}
    for name, content in (
        ("1.json", BOOK),
        ("2.json", other_book),
        ("3.json", SCRIPT),
        ("4.json", PRESET),
        ("Ada - one.jsonl", lines(HEADER, said("Ada", "Hello."))),
    ):
        write(folder / name, content)
    files = sorted(folder.iterdir())
    first = import_files(library, paths, gather(files), jobs=1)
    there = [next(first), next(first)]
    assert [one.kind for one in there] == ["card", "worldbook"]
    program = Library(paths)
    try:
        list(import_files(program, paths, gather(files), jobs=1))
    finally:
        program.close()
    assert {one.status for one in first} == {"duplicate"}
    counts = library.database.write_now(
        lambda c: {
            row[0]: row[1]
            for row in c.execute(
                "SELECT kind, count(*) FROM shelf GROUP BY kind UNION ALL "
                "SELECT 'chats', count(*) FROM conversations"
            )
        }
    )
    assert counts == {"worldbook": 2, "regex": 1, "preset": 1, "chats": 1}


def names(results: list[ImportResult]) -> dict[str, str]:
    return {Path(one.path.rpartition("!")[2]).name: one.status for one in results}


def test_what_systems_put_beside_the_files_is_no_file(library: Library, paths: Paths, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write(folder / "Ada.png", card("Ada"))
    for ghost in ("._Ada.png", ".hidden.json", ".git/config.json", "__MACOSX/Ada.png", "__MACOSX/._Ada.png"):
        write(folder / ghost, b"\x00\x05\x16\x07")
    assert names(brought(library, paths, folder)) == {"Ada.png": "imported"}
    archive = shutil.make_archive(str(tmp_path / "all"), "zip", folder)
    assert names(brought(library, paths, Path(archive))) == {"Ada.png": "duplicate"}


def test_lorebooks_are_seen_in_folders_and_archives(library: Library, paths: Paths, tmp_path: Path) -> None:
    book = {"lorebookVersion": 5, "entries": [{"text": "BELL", "keys": ["bell"], "enabled": True}]}
    write(tmp_path / "in" / "n.lorebook", book)
    assert names(brought(library, paths, tmp_path / "in")) == {"n.lorebook": "imported"}
    archive = shutil.make_archive(str(tmp_path / "all"), "zip", tmp_path / "in")
    assert names(brought(library, paths, Path(archive))) == {"n.lorebook": "duplicate"}


async def test_a_backup_is_named_and_its_parts_are_not_taken_for_cards(
    library: Library, paths: Paths, tmp_path: Path
) -> None:
    await back_up(library, paths, tmp_path / "all.zip")
    (result,) = brought(library, paths, tmp_path / "all.zip")
    assert result.error is not None and result.error.code == "ARCHIVE_IS_BACKUP"
    assert "restore" in result.error.hint and not await library.characters.list()


def test_what_is_not_looked_into_is_named(library: Library, paths: Paths, tmp_path: Path) -> None:
    inner = Path(
        shutil.make_archive(str(tmp_path / "cards"), "zip", write(tmp_path / "c" / "A.png", card("A")).parent)
    )
    write(tmp_path / "in" / "inner" / "cards.zip", inner.read_bytes())
    outer = Path(shutil.make_archive(str(tmp_path / "outer"), "zip", tmp_path / "in"))
    (result,) = brought(library, paths, outer)
    assert result.error is not None and result.error.code == "ARCHIVE_IN_ARCHIVE"
    (picture,) = brought(library, paths, write(tmp_path / "w" / "Ada.webp", b"RIFF\0\0\0\0WEBPVP8 ").parent)
    assert picture.error is not None and picture.error.code == "CARD_NO_METADATA"


@pytest.mark.parametrize("packed", [False, True])
async def test_an_unpacked_charx_is_one_character_with_its_picture(
    library: Library, paths: Paths, tmp_path: Path, packed: bool
) -> None:
    icon = {"type": "icon", "name": "main", "ext": "png", "uri": "embeded://assets/icon/main.png"}
    ada = Card.new("Ada", first_mes="Hi", assets=[icon])
    write(tmp_path / "in" / "Ada" / "card.json", dict(ada.document))
    write(tmp_path / "in" / "Ada" / "assets" / "icon" / "main.png", placeholder_png())
    write(tmp_path / "in" / "Ada" / "assets" / "other" / "x.png", placeholder_png())
    source = tmp_path / "in"
    if packed:
        source = Path(shutil.make_archive(str(tmp_path / "all"), "zip", source))
    assert names(brought(library, paths, source)) == {"card.json": "imported"}
    (found,) = await library.characters.list()
    assert found.picture and (paths.pictures / found.picture).read_bytes() == placeholder_png()


async def test_a_picture_beside_a_text_file_is_its_portrait(
    library: Library, paths: Paths, tmp_path: Path
) -> None:
    picture = placeholder_png()
    write(tmp_path / "in" / "Ada.yaml", "name: Ada\ncontext: Clocks.\ngreeting: Hello.\n")
    write(tmp_path / "in" / "Ada.png", picture)
    write(tmp_path / "in" / "alone.png", picture)
    results = brought(library, paths, tmp_path / "in")
    assert names(results) == {"Ada.yaml": "imported", "alone.png": "failed"}
    (one,) = await library.characters.list()
    assert one.picture and (paths.pictures / one.picture).read_bytes() == picture


@pytest.mark.parametrize(
    "path", ["a**b.png", "x" * 300 + ".png", "~nobody-here/x", "a\x00b", "[", "", "no*such"]
)
def test_odd_paths_are_files_that_are_not_there(path: str, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    found = list(gather([path]))
    codes = [one.error.code for one in found if isinstance(one, ImportResult) and one.error is not None]
    assert codes == ([] if path == "" else ["FILE_NOT_FOUND"])


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() == 0, reason="nothing is closed to root")
def test_a_folder_that_cannot_be_looked_into_is_named(library: Library, paths: Paths, tmp_path: Path) -> None:
    write(tmp_path / "in" / "Ada.png", card("Ada"))
    write(tmp_path / "in" / "closed" / "Bea.png", card("Bea"))
    (tmp_path / "in" / "closed").chmod(0)
    try:
        results = brought(library, paths, tmp_path / "in")
    finally:
        (tmp_path / "in" / "closed").chmod(0o700)
    assert names(results) == {"Ada.png": "imported", "closed": "failed"}


def test_a_folder_that_the_system_refuses_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the test above, also where the tests run as root: the folder is gone while it is read."""
    write(tmp_path / "in" / "sub" / "Ada.png", card("Ada"))
    looked = os.scandir

    def scandir(path: Any) -> Any:
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied", str(path))
        return looked(path)

    monkeypatch.setattr(os, "scandir", scandir)
    (closed,) = list(gather([str(tmp_path / "in")]))
    assert isinstance(closed, ImportResult) and closed.error is not None
    assert closed.error.code == "FILE_UNREADABLE" and closed.path.endswith("sub")


async def test_two_imports_at_once_store_everything_once(paths: Paths, tmp_path: Path) -> None:
    for number in range(120):
        write(tmp_path / "in" / f"{number}.png", card(f"Card {number}"))
        write(
            tmp_path / "in" / f"book {number}.json",
            {"entries": {"0": {"key": [str(number)], "content": "c"}}},
        )
        write(tmp_path / "in" / f"script {number}.json", {**SCRIPT, "findRegex": f"/{number}/"})
    home = str(paths.data.parent)
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "lunalux_tui", "import", str(tmp_path / "in"), "--json"],
            env={
                **os.environ,
                "LUNALUX_HOME": home,
                "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
            },
            stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]
    told = [json.loads(line) for child in children for line in child.communicate()[0].splitlines()]
    statuses = [one["status"] for one in told if "status" in one]
    assert (statuses.count("imported"), statuses.count("duplicate")) == (360, 360)
    library = Library(Paths.find({"LUNALUX_HOME": home}))
    try:
        assert await library.characters.count() == 120
        assert len(await library.worldbooks.list()) == len(await library.scripts.list()) == 120
        kept = [one.picture for one in await library.characters.list()]
        assert sorted(path.name for path in paths.pictures.iterdir()) == sorted(kept)
    finally:
        library.close()


def test_several_chats_of_one_file_are_several_results(
    library: Library, paths: Paths, tmp_path: Path
) -> None:
    write(tmp_path / "in" / "Ada.png", card("Ada"))
    message = {"role": "char", "data": "Hello"}
    chat = {
        "type": "risuAllChats",
        "ver": 2,
        "data": [{"message": [message], "name": "One"}, {"message": []}],
    }
    chat["data"].append({"message": [message, message], "name": "Two"})  # type: ignore[attr-defined]
    write(tmp_path / "in" / "Ada" / "all.json", chat)
    results = [one for one in brought(library, paths, tmp_path / "in") if one.kind == "chat"]
    assert [(one.status, one.name) for one in results] == [("imported", "One"), ("imported", "Two")]
    again = [one for one in brought(library, paths, tmp_path / "in") if one.kind == "chat"]
    assert {one.status for one in again} == {"duplicate"} and [one.id for one in again] == [
        one.id for one in results
    ]
    lost = write(tmp_path / "x.json", {"internal": [["a", "b"]], "visible": [["a", "b"]]})
    (result,) = brought(library, paths, lost)
    assert result.error is not None and result.error.code == "CHAT_WITHOUT_CHARACTER"


async def test_a_replaced_character_keeps_its_files_under_its_id(
    library: Library, paths: Paths, tmp_path: Path
) -> None:
    png = write(tmp_path / "Ada.png", card("Ada"))
    (first,) = brought(library, paths, png)
    text = write(tmp_path / "Ada.json", Card.new("Ada", first_mes="I am Ada.").text)
    for again in (png, text):
        (result,) = brought(library, paths, again, on_duplicate="replace")
        assert (result.status, result.id) == ("replaced", first.id)
        (kept,) = [path.name for path in paths.pictures.iterdir()]
        assert kept.startswith(f"{first.id}.") and kept.endswith(".png")
        assert (await library.characters.get(first.id)).summary.picture == kept
    await library.characters.delete(first.id)
    assert not list(paths.pictures.iterdir())


TAGS: dict[str, Any] = {
    "tags": [
        {"id": "t1", "name": "Sea", "folder_type": "CLOSED", "color": "#123", "sort_order": 2},
        {"id": "t2", "name": "sea ", "folder_type": "NONE"},
        {"id": "t3", "name": "Best", "folder_type": "OPEN", "is_hidden_on_character_card": True},
        {"id": "t4", "name": " "},
        "no tag",
    ],
    "tag_map": {"Ada1.png": ["t1", "t3", "t9"], "1": ["t3"], "Eve.png": ["t1"], "Ada.png": [], "x": "t1"},
}


async def test_tags_of_sillytavern_come_along_and_go_back(
    library: Library, paths: Paths, tavern: Path, tmp_path: Path
) -> None:
    settings = json.loads((tavern / "settings.json").read_text(encoding="utf-8"))
    write(tavern / "settings.json", {**settings, **TAGS})
    group = json.loads((tavern / "groups" / "1.json").read_text(encoding="utf-8"))
    write(tavern / "groups" / "1.json", {**group, "id": "1"})
    results = brought(library, paths, tavern)
    (told,) = [one for one in results if one.kind == "tags"]
    assert told.status == "imported" and "2 tags on 2 characters and groups." in told.warnings
    assert "2 characters or groups with tags are not here." in told.warnings
    tags = {tag.name: tag for tag in await library.tags.list()}
    assert {name: (tag.folder, tag.hidden) for name, tag in tags.items()} == {
        "Sea": ("closed", False),
        "Best": ("open", True),
    }
    by_stem = {Path(one.path).stem: one.id for one in results if one.kind == "card"}
    assert {tag.name for tag in (await library.tags.of())[by_stem["Ada1"]]} == {"Sea", "Best"}
    (of_group,) = (await library.tags.of_groups()).values()
    assert [tag.name for tag in of_group] == ["Best"]
    assert [one.status for one in brought(library, paths, tavern) if one.kind == "tags"] == ["duplicate"]

    await export_library(library, tmp_path / "out", "sillytavern")
    written = json.loads((tmp_path / "out" / "tags.json").read_text(encoding="utf-8"))
    sea = next(one for one in written["tags"] if one["name"] == "Sea")
    assert sea["color"] == "#123" and sea["folder_type"] == "CLOSED" and sea["sort_order"] == 2
    new = Library(Paths.find({"LUNALUX_HOME": str(tmp_path / "new")}))
    try:
        new_paths = Paths.find({"LUNALUX_HOME": str(tmp_path / "new")})
        brought(new, new_paths, tmp_path / "out")
        assert {tag.name: tag.characters for tag in await new.tags.list()} == {"Sea": 1, "Best": 1}
        assert len(await new.tags.of_groups()) == 1
    finally:
        new.close()


@pytest.mark.parametrize("odd", [None, 5, "x", [], {}, [[]], {"a": 1}, True, [None, {"name": {}}]])
@pytest.mark.parametrize("place", ["tags", "tag_map", "name", "folder_type", "sort_order", "mapped"])
async def test_tags_of_any_type_harm_nothing(
    library: Library, paths: Paths, tavern: Path, place: str, odd: object
) -> None:
    document = json.loads(json.dumps(TAGS))
    if place == "mapped":
        document["tag_map"]["Ada.png"] = odd
    elif place in document:
        document[place] = odd
    else:
        document["tags"][0][place] = odd
    settings = json.loads((tavern / "settings.json").read_text(encoding="utf-8"))
    write(tavern / "settings.json", {**settings, **document})
    results = brought(library, paths, tavern)
    assert not [one for one in results if one.status == "failed"]
    assert [one.name for one in results if one.kind == "persona"] == ["Bo"]
    for tag in await library.tags.list():
        assert tag.name.strip()


async def test_an_import_takes_away_the_pictures_of_one_that_was_killed_a_day_ago(
    library: Library, paths: Paths, tmp_path: Path
) -> None:
    card = write(tmp_path / "Ada.png", export_card(Card.new("Ada", first_mes="Hi."), "png"))
    (ada,) = [one.id for one in import_files(library, paths, gather([card]))]
    orphan, fresh, draft, other = (
        write(paths.pictures / name, b"x")
        for name in (f"{'a' * 12}.png", f"{'b' * 12}.charx", "draft-1.png", "notes.txt")
    )
    for path in (orphan, draft, other, paths.pictures / f"{ada}.png"):
        os.utime(path, (0, 0))
    list(import_files(library, paths, gather([card]), dry_run=True))
    assert orphan.exists()
    list(import_files(library, paths, gather([card])))
    assert not orphan.exists()
    assert all(path.exists() for path in (fresh, draft, other, paths.pictures / f"{ada}.png"))


async def test_connection_profiles_come_with_the_settings(
    library: Library, paths: Paths, tavern: Path
) -> None:
    settings = json.loads((tavern / "settings.json").read_text(encoding="utf-8"))
    profiles = [
        {
            "id": "1",
            "name": "At sea",
            "mode": "cc",
            "model": "gpt-x",
            "preset": "Calm",
            "api-url": "http://10.0.0.1/v1",
            "secret-id": "s3cret",
            "proxy": "http://proxy.invalid",
            "stop-strings": '["###"]',
        },
        {"id": "2", "name": "none"},
        {"id": "3", "name": " "},
        "odd",
    ]
    extensions = {**settings.get("extension_settings", {}), "connectionManager": {"profiles": profiles}}
    write(tavern / "settings.json", {**settings, "extension_settings": extensions})
    told = [one for one in brought(library, paths, tavern) if one.kind == "profile"]
    assert [(one.status, one.name) for one in told] == [("imported", "At sea"), ("failed", "")]
    (saved,) = await library.profiles.list()
    assert (saved.model, saved.preset, saved.stop) == ("gpt-x", "Calm", ("###",))
    assert not await library.profiles.uses()
    kept = json.dumps(saved.as_document())
    assert not any(secret in kept for secret in ("s3cret", "10.0.0.1", "proxy.invalid"))
    assert "the key" in told[0].warnings[0]
    again = [one for one in brought(library, paths, tavern) if one.kind == "profile"]
    assert again[0].status == "duplicate" and len(await library.profiles.list()) == 1


async def test_starters_that_a_cut_off_start_left_out_come_with_the_next(
    library: Library, paths: Paths
) -> None:
    await add_starters(library, paths)
    first, *others = await library.characters.list()
    await library.trash.delete([other.id for other in others])  # as if they had never come
    await add_starters(library, paths)
    assert len(await library.characters.list()) == len(starters()) and await library.characters.get(first.id)


async def test_a_library_with_characters_of_its_own_gets_no_starters(library: Library, paths: Paths) -> None:
    await import_data(library, paths, starters()[0].read_bytes(), "own.png")
    await add_starters(library, paths)
    assert await library.characters.count() == 1


OOBABOOGA = {
    "old template": 'user: "### In"\nbot: "### Out"\nturn_template: "<|user|>"\ncontext: "Below."\n',
    "new template": "instruction_template: |-\n  {{ message['content'] }}\n",
    "samplers": "temperature: 0.7\ntop_p: 0.9\nrepetition_penalty: 1.15\n",
}


@pytest.mark.parametrize("text", OOBABOOGA.values(), ids=OOBABOOGA)
async def test_yaml_of_oobabooga_that_is_no_character_is_named(
    library: Library, paths: Paths, tmp_path: Path, text: str
) -> None:
    write(tmp_path / "x.yaml", text.encode())
    (result,) = brought(library, paths, tmp_path / "x.yaml")
    assert result.error is not None and "oobabooga" in result.error.message
    with pytest.raises(InvalidInput) as refused:
        read_document(text.encode(), "x.yaml")
    assert (refused.value.code, refused.value.params["kind"]) == ("YAML_NOT_READ", "oobabooga")


def test_a_character_in_yaml_is_not_called_broken_json() -> None:
    with pytest.raises(InvalidInput) as refused:
        read_document(b"name: Ada\ngreeting: Hello.\ncontext: |\n  temperature: 30 degrees\n", "ada.yaml")
    assert refused.value.code == "YAML_NOT_READ" and "`lunalux import`" in refused.value.hint
    for broken in (b'{"name": 1,}', b"{name: 1}", b"nothing at all"):
        with pytest.raises(InvalidInput) as refused:
            read_document(broken, "x.json")
        assert refused.value.code == "JSON_INVALID"


async def test_a_persona_described_by_a_text_alone(library: Library, paths: Paths, tmp_path: Path) -> None:
    described = {"a.png": "Tall.", "b.png": {"description": "Short."}, "c.png": None, "d.png": 7}
    named = {"a.png": "A", "b.png": "B", "c.png": "C", "d.png": "D"}
    write(tmp_path / "p.json", {"personas": named, "persona_descriptions": described})
    brought(library, paths, tmp_path / "p.json")
    found = {persona.name: persona.description for persona in await library.personas.list()}
    assert found == {"A": "Tall.", "B": "Short.", "C": "", "D": "7"}


async def test_scripts_alone_where_a_card_carries_them(
    library: Library, paths: Paths, tmp_path: Path
) -> None:
    write(tmp_path / "s.json", {"extensions": {"regex_scripts": [SCRIPT]}})
    (result,) = brought(library, paths, tmp_path / "s.json")
    assert (result.kind, result.status) == ("regex", "imported")
    assert len(await library.scripts.list()) == 1
