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
