"""Group chats in files: SillyTavern's lines and our own JSON, matched with the library by name."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from muting import mute

from lunalux_core.chat.conversation_files import export_conversation
from lunalux_core.chat.group_chat_files import import_group_chat, is_group_chat
from lunalux_core.chatlogs.chatlog_reader import read_chat
from lunalux_core.config.paths import Paths
from lunalux_core.errors import NotFound
from lunalux_core.importing import import_files
from lunalux_core.library import Library
from lunalux_core.library.characters import NewCharacter


@pytest.fixture
async def library(paths: Paths) -> AsyncIterator[Library]:
    library = Library(paths)
    for name in ("Mira", "Bao"):
        await library.characters.add(NewCharacter(name.lower(), name, json.dumps({"name": name}), name))
    yield library
    library.close()


def line(name: str, text: str, *, person: bool = False, **more: object) -> dict[str, object]:
    own = (
        {} if person else {"original_avatar": f"{name}1.png", "force_avatar": f"/thumbnail?file={name}1.png"}
    )
    return {
        "name": name,
        "is_user": person,
        "is_system": False,
        "send_date": "2026-05-01T10:00:00.000Z",
        "mes": text,
        "extra": {"gen_id": 7},
        **own,
        **more,
    }


LINES = [
    {"chat_metadata": {"integrity": "x"}, "user_name": "unused", "character_name": "unused"},
    line("Mira", "The lamp is lit."),
    line("Kit", "Who else is here?", person=True),
    line("Bao", "I am.", swipes=["We are.", "I am."], swipe_id=1),
    line("Dora", "And I."),
]


def jsonl(lines: Sequence[object]) -> bytes:
    return "\n".join(json.dumps(one) for one in lines).encode()


async def test_a_sillytavern_group_chat_is_matched_by_name_and_written_back(library: Library) -> None:
    done = await import_group_chat(library, jsonl(LINES), "2026-05-01@10h00m00s.jsonl")
    assert done.messages == 4
    assert [note for note in done.notes if "Dora" in note] == [
        "Dora is not a member of Mira, Bao: the words are kept, but nobody answers for Dora."
    ]
    place = await library.conversations.get(done.conversation_id)
    group = await library.groups.get(place.group_id)
    assert group.names == ("Mira", "Bao")
    page = await library.conversations.page(place.id)
    assert [(one.name, one.speaker, one.content, one.swipes) for one in page] == [
        ("Mira", "mira", "The lamp is lit.", 1),
        ("Kit", "", "Who else is here?", 1),
        ("Bao", "bao", "I am.", 2),
        ("Dora", "", "And I.", 1),
    ]
    written = [json.loads(one) for one in (await export_conversation(library, place.id, "jsonl")).split("\n")]
    assert written[0] == LINES[0]
    info = written[3].pop("swipe_info")
    assert len(info) == 2 and written[1:] == LINES[1:]
    markdown = await export_conversation(library, place.id, "md")
    assert "*Mira, Bao*" in markdown and "**Bao**\n\nI am." in markdown


async def test_the_same_members_are_the_same_group(library: Library) -> None:
    first = await import_group_chat(library, jsonl(LINES), "one.jsonl")
    second = await import_group_chat(library, jsonl(LINES[:4]), "two.jsonl")
    (group,) = await library.groups.list()
    found = await library.conversations.list(group_id=group.id)
    assert {one.id for one in found} == {first.conversation_id, second.conversation_id}
    other = await library.groups.create("Elsewhere", ["bao", "mira"])
    third = await import_group_chat(library, jsonl(LINES), "three.jsonl", group_id=other.id)
    assert (await library.conversations.get(third.conversation_id)).group_id == other.id


async def test_nobody_known_is_refused(library: Library) -> None:
    strangers = jsonl([LINES[0], line("Ann", "Hello."), line("Ben", "Hello.")])
    with pytest.raises(NotFound) as caught:
        await import_group_chat(library, strangers, "strangers.jsonl")
    assert caught.value.code == "GROUP_WITHOUT_MEMBERS"
    assert not await library.groups.list() and not await library.conversations.list()


async def test_our_own_file_brings_the_group_with_its_rules(library: Library, paths: Paths) -> None:
    group = await library.groups.create("The table", ["bao", "mira"])
    await library.groups.set(
        group.id, order="list", cards="append_muted", self_responses=True, join_suffix="~"
    )
    await mute(library, group.id, "bao")
    done = await import_group_chat(library, jsonl(LINES), "night.jsonl", group_id=group.id)
    text = await export_conversation(library, done.conversation_id, "json")
    await library.groups.delete(group.id)
    again = await import_group_chat(library, text.encode(), "night.json")
    place = await library.conversations.get(again.conversation_id)
    made = await library.groups.get(place.group_id)
    assert (made.name, made.order, made.cards) == ("The table", "list", "append_muted")
    assert (made.self_responses, made.join_prefix, made.join_suffix) == (True, "", "~")
    assert (made.names, made.muted) == (("Bao", "Mira"), ("Bao",))
    assert [one.speaker for one in await library.conversations.page(place.id)] == ["mira", "", "bao", ""]


def test_only_group_chats_are_taken_for_one() -> None:
    assert is_group_chat(read_chat(jsonl(LINES)))
    renamed = [LINES[0], {"name": "Mira", "mes": "a"}, {"name": "Mira II", "mes": "b"}]
    assert not is_group_chat(read_chat(jsonl(renamed)))
    assert not is_group_chat(read_chat(jsonl(LINES[:3])))


OLDER = [
    {"name": "Mira", "is_user": False, "mes": "a", "force_avatar": "characters/Mira.png?1", "is_group": True},
    {"name": "Bao", "is_user": False, "mes": "b", "force_avatar": "characters/Bao.png?1"},
    {"name": "Kit", "is_user": True, "mes": "c"},
]


def test_older_marks_of_a_group_count_too() -> None:
    assert is_group_chat(read_chat(jsonl(OLDER)))
    unmarked = [{key: value for key, value in one.items() if key != "is_group"} for one in OLDER]
    assert is_group_chat(read_chat(jsonl(unmarked)))
    # A character's own words have no picture beside them; a script's may have.
    assert not is_group_chat(read_chat(jsonl([{"name": "Dora", "is_user": False, "mes": "d"}, *unmarked])))
    same = [{**one, "force_avatar": "characters/Mira.png"} for one in unmarked[:2]]
    assert not is_group_chat(read_chat(jsonl(same)))


async def test_a_room_of_tavernai_is_a_group_chat(library: Library) -> None:
    room = {"user_name": "Kit", "character_names": ["Bao", "Mira"], "scenario": "A lake.", "notes": ""}
    words = [{"name": name, "is_user": name == "Kit", "mes": "x"} for name in ("Mira", "Kit")]
    done = await import_group_chat(library, jsonl([room, *words]), "room.jsonl")
    place = await library.conversations.get(done.conversation_id)
    assert (await library.groups.get(place.group_id)).names == ("Bao", "Mira")
    assert place.metadata == room
    assert done.notes == ("The room's own texts are kept with the chat and not used: scenario.",)


@pytest.mark.parametrize("together", [True, False])
async def test_a_group_finds_its_members_in_the_library(
    library: Library, paths: Paths, tmp_path: Path, together: bool
) -> None:
    """Its cards may have come with an earlier import. Old groups name characters, and their only chat is
    called like the group.
    """
    old = {"id": "168", "name": "Pair", "members": ["Mira", "Bao"], "activation_strategy": 1}
    new = {**old, "members": ["Mira.png", "bao.png", "Zoe.png"], "chats": ["168"]}
    for definition, missing in ((old, ()), (new, ("1 of its members are not here.",))):
        folder = tmp_path / ("new" if missing else "old")
        (folder / "group chats").mkdir(parents=True)
        files = [folder / "168.json", folder / "group chats" / "168.jsonl"]
        files[0].write_text(json.dumps({**definition, "name": folder.name}))
        files[1].write_bytes(jsonl(OLDER))
        (dry,) = import_files(library, paths, files[:1], dry_run=True)
        assert (dry.status, dry.warnings) == ("imported", missing)
        group, *chats = import_files(library, paths, files if together else files[:1])
        assert (group.kind, group.status, group.warnings) == ("group", "imported", missing)
        made = await library.groups.get(group.id)
        assert (made.names, made.order) == (("Mira", "Bao"), "list")
        for chat in chats:
            assert (await library.conversations.get(chat.id)).group_id == group.id
            page = await library.conversations.page(chat.id)
            assert [one.speaker for one in page] == ["mira", "bao", ""]


async def test_a_group_of_strangers_is_refused(library: Library, paths: Paths, tmp_path: Path) -> None:
    file = tmp_path / "g.json"
    file.write_text(json.dumps({"name": "Far", "members": ["Zoe.png"], "chats": []}))
    (refused,) = import_files(library, paths, [file])
    assert refused.error is not None and refused.error.code == "GROUP_WITHOUT_MEMBERS"


async def test_a_group_chat_alone_goes_to_a_group_in_a_batch_too(
    library: Library, paths: Paths, tmp_path: Path
) -> None:
    file = tmp_path / "night.jsonl"
    file.write_bytes(jsonl(LINES))
    (done,) = list(import_files(library, paths, [file], dry_run=True))
    assert done.status == "imported" and not await library.groups.list()
    (done,) = list(import_files(library, paths, [file]))
    assert done.status == "imported" and any("Dora" in warning for warning in done.warnings)
    assert done.id and (await library.conversations.get(done.id)).group_id
    (again,) = list(import_files(library, paths, [file]))
    assert again.status == "duplicate" and len(await library.groups.list()) == 1
