"""Archives of Backyard: characters, scenarios as conversations, the way back, and archives that mean harm."""

from __future__ import annotations

import json
import zipfile
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from lunalux_core.cards.byaf import ours, read_byaf, theirs
from lunalux_core.cards.card_reader import read_card
from lunalux_core.cards.placeholder_picture import placeholder_png
from lunalux_core.config.paths import Paths
from lunalux_core.documents import archives
from lunalux_core.errors import InvalidInput, LimitExceeded, LunaluxError
from lunalux_core.exporting.byaf import byaf_file
from lunalux_core.importing import ImportResult, gather, import_files
from lunalux_core.library import Library

CHARACTER: dict[str, Any] = {
    "schemaVersion": 1,
    "id": "c1",
    "name": "Ada",
    "displayName": "Ada of the Lighthouse",
    "isNSFW": True,
    "persona": "{character} keeps a light for {user}. {{kept}}",
    "createdAt": "2025-06-01T00:00:00.000Z",
    "updatedAt": "2025-06-01T00:00:00.000Z",
    "loreItems": [{"key": "light, lamp ,", "value": "It never goes out, {user}."}],
    "images": [{"path": "images/a.png", "label": ""}],
}


def said(text: str, at: int) -> dict[str, Any]:
    moment = f"2025-06-02T00:00:{at:02d}.000Z"
    return {"type": "human", "createdAt": moment, "updatedAt": moment, "text": text}


def answered(*outputs: tuple[str, int, int]) -> dict[str, Any]:
    return {
        "type": "ai",
        "outputs": [
            {
                "text": text,
                "createdAt": f"2025-06-02T00:00:{at:02d}.000Z",
                "updatedAt": f"2025-06-02T00:00:{at:02d}.000Z",
                "activeTimestamp": f"2025-06-02T00:01:{active:02d}.000Z",
            }
            for text, at, active in outputs
        ],
    }


def scenario(title: str, first: str, *messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "schemaVersion": 1,
        "title": title,
        "model": "some.model",
        "formattingInstructions": "Write as {character}.",
        "narrative": "A storm.",
        "temperature": 0.7,
        "topK": 12,
        "promptTemplate": "ChatML",
        "grammar": None,
        "exampleMessages": [{"characterID": "c1", "text": "#{user}: Hi.\n#{character}: Mind the step."}],
        "firstMessages": [{"characterID": "c1", "text": first}] if first else [],
        "messages": list(messages),
        **fields,
    }


SCENARIOS = [
    scenario(
        "Night",
        "Who is there, {user}?",
        said("Me.", 1),
        answered(("Come in.", 2, 9), ("Go away.", 3, 5)),
        said("Thank you, {character}.", 4),
    ),
    scenario("Morning", "You slept long.", narrative="Calm sea.", temperature=1.5),
    scenario("Silent", ""),
]


def archive(
    character: object = CHARACTER, scenarios: object = SCENARIOS, *, manifest: object = None, **files: bytes
) -> bytes:
    out = BytesIO()
    listed = list(scenarios) if isinstance(scenarios, list) else []
    names = [f"scenarios/{number}.json" for number in range(len(listed))]
    with zipfile.ZipFile(out, "w") as target:
        whole = {
            "schemaVersion": 1,
            "createdAt": "2025-06-01T00:00:00.000Z",
            "author": {"name": "Zoe", "backyardURL": "https://example.org"},
            "characters": ["characters/c1/character.json"],
            "scenarios": names,
        }
        target.writestr("manifest.json", json.dumps(whole if manifest is None else manifest))
        target.writestr("characters/c1/character.json", json.dumps(character))
        target.writestr("characters/c1/images/a.png", placeholder_png())
        for name, one in zip(names, listed, strict=True):
            target.writestr(name, json.dumps(one))
        for name, content in files.items():
            target.writestr(name, content)
    return out.getvalue()


@pytest.fixture
async def library(paths: Paths) -> AsyncIterator[Library]:
    library = Library(paths)
    yield library
    library.close()


def brought(
    library: Library, paths: Paths, tmp_path: Path, data: bytes, name: str = "a.byaf"
) -> list[ImportResult]:
    file = tmp_path / name
    file.write_bytes(data)
    return list(import_files(library, paths, gather([str(file)])))


def test_a_character_becomes_a_card() -> None:
    loaded = read_card(archive(), "a.byaf")
    card = loaded.card
    assert (card.name, card.creator, list(card.tags)) == ("Ada", "Zoe", ["NSFW"])
    assert card.description == "{{char}} keeps a light for {{user}}. {{kept}}"
    assert (card.scenario, card.system_prompt) == ("A storm.", "Write as {{char}}.")
    assert card.first_mes == "Who is there, {{user}}?" and list(card.alternate_greetings) == [
        "You slept long."
    ]
    assert card.mes_example == "<START>\n{{user}}: Hi.\n{{char}}: Mind the step."
    (entry,) = card.normalised()["data"]["character_book"]["entries"]
    assert entry["keys"] == ["light", "lamp"] and entry["content"] == "It never goes out, {{user}}."
    assert loaded.picture == placeholder_png() and loaded.picture_ext == ".png"
    kept = card.extensions["backyard"]
    assert kept["character"]["displayName"] == "Ada of the Lighthouse"
    assert kept["scenarios"][1]["temperature"] == 1.5 and "messages" not in kept["scenarios"][0]


@pytest.mark.parametrize("name", ["a.byaf", "a.zip"])
async def test_every_scenario_becomes_a_conversation(
    library: Library, paths: Paths, tmp_path: Path, name: str
) -> None:
    results = brought(library, paths, tmp_path, archive(), name)
    assert [(one.kind, one.status, one.name) for one in results] == [
        ("card", "imported", "Ada"),
        ("chat", "imported", "Night"),
        ("chat", "imported", "Morning"),
    ]
    chats = {one.title: one for one in await library.conversations.list(results[0].id)}
    page = await library.conversations.page(chats["Night"].id)
    assert [(one.role, one.content, one.swipes, one.swipe) for one in page] == [
        ("assistant", "Who is there, {{user}}?", 1, 0),
        ("user", "Me.", 1, 0),
        ("assistant", "Come in.", 2, 0),
        ("user", "Thank you, {{char}}.", 1, 0),
    ], "of two answers the one shown last is chosen"
    assert chats["Morning"].metadata["chat_metadata"]["scenario"] == "Calm sea."
    again = brought(library, paths, tmp_path, archive(), name)
    assert [one.status for one in again] == ["duplicate"] * 3
    assert (await library.characters.list())[0].picture.endswith(".png")


async def test_the_way_back_loses_nothing(library: Library, paths: Paths, tmp_path: Path) -> None:
    (first, *_) = brought(library, paths, tmp_path, archive())
    written = await byaf_file(library, await library.characters.get(first.id))
    with zipfile.ZipFile(BytesIO(written)) as target:
        manifest = json.loads(target.read("manifest.json"))
        character = json.loads(target.read(manifest["characters"][0]))
        scenarios = [json.loads(target.read(name)) for name in manifest["scenarios"]]
        picture = f"characters/c1/{character['images'][0]['path']}"
        assert target.read(picture) == (paths.pictures / f"{first.id}.png").read_bytes()
    assert manifest["author"] == {"name": "Zoe", "backyardURL": "https://example.org"}
    same = ("id", "name", "displayName", "isNSFW", "persona", "createdAt", "updatedAt")
    assert {key: character[key] for key in same} == {key: CHARACTER[key] for key in same}
    assert character["loreItems"] == [{"key": "light, lamp", "value": "It never goes out, {user}."}]
    assert [one["title"] for one in scenarios] == ["Night", "Morning", "Silent"]
    for before, after in zip(SCENARIOS, scenarios, strict=True):
        assert {key: after[key] for key in before if key != "messages"} == {
            key: before[key] for key in before if key != "messages"
        }
    night = scenarios[0]["messages"]
    assert [one["type"] for one in night] == ["human", "ai", "human"]
    assert [one["text"] for one in night[1]["outputs"]] == ["Come in.", "Go away."]
    new_paths = Paths.find({"LUNALUX_HOME": str(tmp_path / "new")})
    new = Library(new_paths)
    try:
        results = brought(new, new_paths, tmp_path, written)
        assert [(one.kind, one.status) for one in results] == [("card", "imported")] + [
            ("chat", "imported")
        ] * 2
        for old in await library.conversations.list():
            (twin,) = [one for one in await new.conversations.list() if one.title == old.title]
            assert [
                (m.role, m.content, m.swipes, m.swipe) for m in await new.conversations.page(twin.id)
            ] == [(m.role, m.content, m.swipes, m.swipe) for m in await library.conversations.page(old.id)]
    finally:
        new.close()


async def test_any_character_and_its_chats_go_there(library: Library, paths: Paths, tmp_path: Path) -> None:
    from lunalux_core.chat.conversation_files import import_conversation
    from lunalux_core.importing import add_starters

    await add_starters(library, paths)
    (somebody, *_) = await library.characters.list()
    lines = [{"chat_metadata": {}}, {"name": "x", "is_user": False, "mes": "Well?"}]
    lines.append({"name": "You", "is_user": True, "mes": "Yes, {{char}}."})
    text = "\n".join(json.dumps(line) for line in lines).encode()
    for title in ("one", "two"):
        await import_conversation(library, somebody.id, text, f"{title}.jsonl")
    written = await byaf_file(library, await library.characters.get(somebody.id))
    read = read_byaf(written)
    assert read.characters[0].card.name == somebody.name and not read.warnings
    said = [message["text"] for one in read.scenarios for message in one["messages"] if "text" in message]
    assert said == ["Yes, {character}."] * 2


def test_names_become_macros_and_back() -> None:
    assert ours("#{user}: a {Character} {{user}} {x}") == "{{user}}: a {{char}} {{user}} {x}"
    assert (
        theirs("{{User}}: hi {{ char }}\n{{char}}: ho", labels=True)
        == "#{user}: hi {character}\n#{character}: ho"
    )


ODD = [None, 5, -1.5, "x", [], {}, [[]], [None], {"a": 1}, True, "\ud800", [{"text": {}}], "9" * 400]


@pytest.mark.parametrize("odd", ODD, ids=lambda one: repr(one)[:12])
async def test_fields_of_any_type_harm_nothing(
    library: Library, paths: Paths, tmp_path: Path, odd: Any
) -> None:
    variants = [archive({**CHARACTER, key: odd}) for key in CHARACTER]
    variants += [archive(scenarios=[{**SCENARIOS[0], key: odd}]) for key in SCENARIOS[0]]
    variants += [
        archive(scenarios=[scenario("t", "a", {"type": "ai", "outputs": [odd, {"text": odd}]}, odd)])
    ]
    variants += [archive(odd), archive(scenarios=[odd]), archive(manifest=odd)]
    variants += [archive(manifest={"characters": odd, "scenarios": odd, "author": odd})]
    for number, data in enumerate(variants):
        try:
            read_card(data, "a.byaf")
        except LunaluxError as error:
            assert error.code == "CARD_NO_METADATA", (number, odd)
            continue
        if number % 7 == 0:
            for result in brought(library, paths, tmp_path, data):
                assert result.status in ("imported", "duplicate"), (number, odd, result)


@pytest.mark.parametrize("name", ["../x.json", "/etc/x", "a/../../x", "C:\\x", "characters/..\\..\\x"])
def test_paths_that_lead_out_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_byaf(archive(**{name: b"x"}))
    assert caught.value.code == "CHARX_UNSAFE"


def test_names_inside_lead_nowhere() -> None:
    outside = {**CHARACTER, "images": [{"path": "../../../../etc/passwd"}, {"path": "/etc/passwd"}]}
    assert read_byaf(archive(outside)).characters[0].picture is None
    wild = {"characters": ["../../x", "characters/c1/./character.json"], "scenarios": ["/etc/passwd"]}
    read = read_byaf(archive(manifest=wild))
    assert len(read.characters) == 1 and len(read.scenarios) == len(SCENARIOS)


def test_bombs_are_refused() -> None:
    out = BytesIO(archive())
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as target:
        target.writestr("characters/c1/big.json", b" " * (archives.CARD.ratio_from * 500))
    with pytest.raises(LimitExceeded) as caught:
        read_byaf(out.getvalue())
    assert caught.value.code == "CHARX_TOO_LARGE"
    deep = "[" * 100_000
    data = archive(**{"scenarios/9.json": deep.encode()}, manifest={"scenarios": ["scenarios/9.json"]})
    assert read_byaf(data).scenarios == () or read_byaf(data).warnings
