"""The library on a real SQLite file: trees, pages, search, undo, two programs at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lunalux_core.errors import InvalidInput, NotFound, StorageError
from lunalux_core.library import Library
from lunalux_core.library.changes import redo, undo
from lunalux_core.library.characters import NewCharacter
from lunalux_core.library.conversations import (
    Message,
    append_message,
    insert_message,
    new_message,
    select_message,
)
from lunalux_core.library.edits import delete_branch, delete_one, edit_as_branch, edit_message, truncate_after
from lunalux_core.paths import Paths


@pytest.fixture
async def library(paths: Paths) -> AsyncIterator[Library]:
    library = Library(paths)
    yield library
    library.close()


async def _talk(library: Library, *texts: str) -> tuple[str, list[Message]]:
    if not await library.characters.count():
        await library.characters.add(NewCharacter("c1", "Mira 米拉", "{}", "h1", tags=("Mystery",)))
    conversation = await library.conversations.create("c1")
    messages: list[Message] = []
    for number, text in enumerate(texts):
        role = "user" if number % 2 else "assistant"
        message = new_message(conversation.id, messages[-1] if messages else None, role, "x", text)  # type: ignore[arg-type]
        messages.append(message)
        await library.database.write(lambda c, m=message: append_message(c, m))  # type: ignore[misc]
    return conversation.id, messages


async def _texts(library: Library, conversation_id: str, **page: object) -> list[str]:
    return [m.content for m in await library.conversations.page(conversation_id, **page)]  # type: ignore[arg-type]


async def test_page_walks_up_from_the_head(library: Library) -> None:
    conversation, messages = await _talk(library, *"abcdefgh")
    assert await _texts(library, conversation, limit=3) == ["f", "g", "h"]
    assert await _texts(library, conversation, before=messages[5].id, limit=3) == ["c", "d", "e"]
    assert (await library.conversations.get(conversation)).length == 8


async def test_swipes_are_siblings_and_the_old_branch_comes_back(library: Library) -> None:
    conversation, messages = await _talk(library, "hello", "hi", "first", "more", "deep")
    twin = new_message(conversation, messages[1], "assistant", "x", "second")
    await library.database.write(lambda c: append_message(c, twin))
    assert await _texts(library, conversation) == ["hello", "hi", "second"]
    page = await library.conversations.page(conversation)
    assert (page[-1].swipe, page[-1].swipes) == (1, 2)
    head = await library.conversations.select(messages[2].id)
    assert head == messages[4].id
    assert await _texts(library, conversation) == ["hello", "hi", "first", "more", "deep"]
    on_path = {node.id: node.on_path for node in await library.conversations.tree(conversation)}
    assert on_path[messages[4].id] and not on_path[twin.id]


async def test_edit_delete_truncate_can_be_undone_and_redone(library: Library) -> None:
    conversation, messages = await _talk(library, *"abcde")
    database = library.database
    await database.write(lambda c: edit_message(c, messages[1].id, "B"))
    await database.write(lambda c: delete_branch(c, messages[3].id))
    assert await _texts(library, conversation) == ["a", "B", "c"]
    await database.write(lambda c: truncate_after(c, messages[0].id))
    assert await _texts(library, conversation) == ["a"]
    for expected in (["a", "B", "c"], ["a", "B", "c", "d", "e"], ["a", "b", "c", "d", "e"]):
        assert await database.write(lambda c: undo(c, conversation))
        assert await _texts(library, conversation) == expected
    assert await database.write(lambda c: undo(c, conversation)) is None
    for expected in (["a", "B", "c", "d", "e"], ["a", "B", "c"], ["a"]):
        assert await database.write(lambda c: redo(c, conversation))
        assert await _texts(library, conversation) == expected


async def test_deleting_one_message_keeps_what_followed(library: Library) -> None:
    conversation, messages = await _talk(library, *"abcd")
    await library.database.write(lambda c: delete_one(c, messages[1].id))
    assert await _texts(library, conversation) == ["a", "c", "d"]
    assert (await library.conversations.get(conversation)).length == 3
    await library.database.write(lambda c: undo(c, conversation))
    assert await _texts(library, conversation) == ["a", "b", "c", "d"]


async def test_deleting_the_shown_swipe_shows_its_sibling(library: Library) -> None:
    conversation, messages = await _talk(library, "a", "b", "c")
    other = await library.database.write(lambda c: edit_as_branch(c, messages[2].id, "C"))
    assert await _texts(library, conversation) == ["a", "b", "C"]
    await library.database.write(lambda c: delete_branch(c, other))
    assert await _texts(library, conversation) == ["a", "b", "c"]


async def test_search_finds_short_chinese_words_and_long_latin_ones(library: Library) -> None:
    conversation, _ = await _talk(library, "The lantern gutters", "月光照在海面上", "100% _done_")
    for query in ("LANTERN", "月光", "海面上", "%", "_done_", "lantern gut"):
        hits = await library.conversations.search(query)
        assert len(hits) == 1, query
        assert hits[0].conversation_id == conversation and hits[0].character_name == "Mira 米拉"
    assert not await library.conversations.search("lantern 月光")
    assert not await library.conversations.search("lantern", character_id="other")


async def test_search_follows_edits_and_deletes(library: Library) -> None:
    _, messages = await _talk(library, "greeting", "needle here")
    await library.database.write(lambda c: edit_message(c, messages[1].id, "thread here"))
    assert not await library.conversations.search("needle")
    await library.database.write(lambda c: delete_branch(c, messages[1].id))
    assert not await library.conversations.search("thread")


async def test_characters_are_found_by_name_id_or_part_of_it(library: Library) -> None:
    for identity, name in (("abcd01", "Ann"), ("abcd02", "ann"), ("ffff03", "贝尔")):
        await library.characters.add(NewCharacter(identity, name, "{}", identity))
    assert (await library.characters.find("贝尔")).id == "ffff03"
    assert (await library.characters.find("ffff")).name == "贝尔"
    assert (await library.characters.find("abcd02")).name == "ann"
    with pytest.raises(InvalidInput) as ambiguous:
        await library.characters.find("ANN")
    assert "abcd01" in ambiguous.value.hint
    with pytest.raises(NotFound):
        await library.characters.find("nobody")
    assert [c.name for c in await library.characters.list("贝")] == ["贝尔"]


async def test_two_programs_write_to_one_library(library: Library, paths: Paths) -> None:
    other = Library(paths)
    try:
        conversation, messages = await _talk(library, "a")
        reply = new_message(conversation, messages[0], "user", "x", "b")
        await other.database.write(lambda c: append_message(c, reply))
        assert await _texts(library, conversation) == ["a", "b"]
    finally:
        other.close()


async def test_deleting_a_character_takes_its_conversations_and_picture(
    library: Library, paths: Paths
) -> None:
    paths.pictures.mkdir(parents=True)
    (paths.pictures / "c1.png").write_bytes(b"x")
    await library.characters.add(NewCharacter("c1", "A", "{}", "h", picture="c1.png"))
    conversation, _ = await _talk(library, "hello")
    await library.characters.delete("c1")
    assert not (paths.pictures / "c1.png").exists()
    assert not await library.conversations.search("hello")
    with pytest.raises(NotFound):
        await library.conversations.get(conversation)


async def test_a_folder_that_cannot_be_written_is_told_plainly(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")
    library = Library(Paths(tmp_path / "config", tmp_path / "data", tmp_path / "cache"))
    with pytest.raises((StorageError, OSError)) as told:
        await library.characters.count()
    assert isinstance(told.value, StorageError)
    library.close()


async def test_a_file_that_is_no_library_is_told_plainly(paths: Paths) -> None:
    paths.data.mkdir(parents=True)
    paths.library.write_bytes(b"this is not a database, and long enough to be read as a header" * 20)
    library = Library(paths)
    with pytest.raises(StorageError) as told:
        await library.characters.count()
    assert told.value.code == "STORAGE_DAMAGED"
    library.close()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from("adtues"), st.integers(0, 30)), max_size=25))
async def test_any_sequence_of_edits_undoes_to_the_start(
    library: Library, steps: list[tuple[str, int]]
) -> None:
    conversation, _ = await _talk(library, *"abcdef")
    database = library.database
    start = [(n.id, n.parent_id, n.depth) for n in await library.conversations.tree(conversation)]
    shown = await _texts(library, conversation)
    count = 0
    for kind, pick in steps:
        page = await library.conversations.page(conversation)
        if not page:
            break
        target = page[pick % len(page)]
        match kind:
            case "a":
                await database.write(lambda c, t=target: edit_as_branch(c, t.id, "swipe"))  # type: ignore[misc]
            case "d":
                await database.write(lambda c, t=target: delete_branch(c, t.id))  # type: ignore[misc]
            case "t":
                await database.write(lambda c, t=target: truncate_after(c, t.id))  # type: ignore[misc]
            case "e":
                await database.write(lambda c, t=target: edit_message(c, t.id, "edited"))  # type: ignore[misc]
            case _:
                continue
        count += 1
        heads = await library.conversations.page(conversation)
        assert all(m.parent_id == above.id for above, m in pairwise(heads))
    for _ in range(count):
        assert await database.write(lambda c: undo(c, conversation))
    assert [(n.id, n.parent_id, n.depth) for n in await library.conversations.tree(conversation)] == start
    assert await _texts(library, conversation) == shown


async def test_ten_thousand_messages_cost_a_page_as_much_as_sixty(library: Library) -> None:
    conversation, _ = await _talk(library, "start")
    head = (await library.conversations.page(conversation))[0]

    def fill(connection: object) -> None:
        parent = head
        for number in range(10_000):
            message = new_message(conversation, parent, "user", "x", f"line {number}")
            insert_message(connection, message)  # type: ignore[arg-type]
            parent = message
        connection.execute(  # type: ignore[attr-defined]
            "UPDATE messages SET selected_child = coalesce((SELECT n.id FROM messages n "
            "WHERE n.conversation_id = messages.conversation_id AND n.parent_id = messages.id), '')"
        )
        select_message(connection, parent.id)  # type: ignore[arg-type]

    await library.database.write(fill)
    assert (await _texts(library, conversation))[-1] == "line 9999"
    assert (await library.conversations.get(conversation)).length == 10_001

    def steps(connection: object) -> int:
        """SQLite's own count of virtual machine steps, in hundreds, for one page."""
        ticks = 0

        def tick() -> int:
            nonlocal ticks
            ticks += 1
            return 0

        from lunalux_core.library.conversations import load_conversation, load_path

        connection.set_progress_handler(tick, 100)  # type: ignore[attr-defined]
        load_path(connection, load_conversation(connection, conversation).head_id, 60)  # type: ignore[arg-type]
        connection.set_progress_handler(None, 0)  # type: ignore[attr-defined]
        return ticks

    assert await library.database.read(steps) < 200


async def test_letters_of_any_alphabet_are_found_in_any_case(paths: Paths) -> None:
    library = Library(paths)
    try:
        new = NewCharacter("x", "Ada", "{}", "h", intro="Eine Übung", creator="ÉMILE", tags=("ΑΘΗΝΑ",))
        await library.characters.add(new)
        for word in ("Übung", "übung", "émile", "Αθηνα"):
            assert [one.id for one in await library.characters.list(word)] == ["x"], word
    finally:
        library.close()
