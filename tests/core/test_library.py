"""The library on a real SQLite file: trees, pages, search, undo, two programs at once."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lunalux_core.config.paths import Paths
from lunalux_core.database import Connection
from lunalux_core.errors import InvalidInput, NotFound, StorageError
from lunalux_core.library import Library
from lunalux_core.library.characters import NewCharacter, insert_character
from lunalux_core.library.conversations import (
    Message,
    MessageRole,
    MessageStatus,
    append_message,
    create_conversation,
    insert_message,
    load_conversation,
    load_message,
    load_path,
    load_tree,
    new_message,
    select_message,
    update_message,
)
from lunalux_core.library.message_edits import (
    delete_branch,
    delete_one,
    edit_as_branch,
    edit_message,
    set_hidden,
    truncate_after,
)
from lunalux_core.library.undo import keep_change, read_row, redo, undo


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
    whole = await library.database.read(lambda c: load_tree(c, conversation))
    assert whole == [await library.conversations.message(message.id) for message in whole]
    assert {message.id for message in whole} == on_path.keys()


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


def test_programs_that_open_a_new_library_at_once_all_can(paths: Paths) -> None:
    for number in range(8):
        root = paths.data / str(number)
        own = Paths(root / "config", root / "data", root / "cache")
        programs = [Library(own) for _ in range(4)]
        try:
            for program in programs:
                program.database.write_now(lambda c: c.execute("SELECT count(*) FROM characters"))
        finally:
            for program in programs:
                program.close()


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


async def test_a_copy_of_the_library_is_the_owners_alone(library: Library, tmp_path: Path) -> None:
    await _talk(library, "a secret")
    await library.database.backup(tmp_path / "copies" / "library.db")
    assert (tmp_path / "copies" / "library.db").stat().st_mode & 0o777 == 0o600


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


async def _say(library: Library, conversation_id: str, text: str) -> str:
    """Say something at the end of the path on screen; the new message's id."""
    head = (await library.conversations.page(conversation_id))[-1]
    said = new_message(conversation_id, head, "user", "x", text)
    await library.database.write(lambda c: append_message(c, said))
    return said.id


@pytest.mark.parametrize("kind", ["edit", "delete", "delete one", "hide", "truncate", "branch"])
async def test_undo_keeps_on_screen_what_was_said_after_the_change(library: Library, kind: str) -> None:
    conversation, messages = await _talk(library, *"abcdefg")
    change = {
        "edit": lambda c: edit_message(c, messages[3].id, "D"),
        "delete": lambda c: delete_branch(c, messages[5].id),
        "delete one": lambda c: delete_one(c, messages[3].id),
        "hide": lambda c: set_hidden(c, messages[3].id, True),
        "truncate": lambda c: truncate_after(c, messages[3].id),
        "branch": lambda c: edit_as_branch(c, messages[6].id, "G"),
    }[kind]
    await library.database.write(change)
    shown = await _texts(library, conversation)
    said = [await _say(library, conversation, text) for text in ("later one", "later two")]
    undone = await library.database.write(lambda c: undo(c, conversation))
    assert undone is not None and undone.shown == (kind in ("edit", "delete one", "hide"))
    page = await library.conversations.page(conversation)
    assert [one.id for one in page[-2:]] == said
    assert [message.depth for message in page] == list(range(len(page)))
    if undone.shown:
        assert [message.content for message in page] == [*"abcdefg", "later one", "later two"]
        assert not any(message.hidden for message in page)
    else:
        assert [message.content for message in page] == [*shown, "later one", "later two"]
    words = {node.preview for node in await library.conversations.tree(conversation)}
    assert words >= {*"abcdefg", "later one", "later two"}
    assert await library.database.write(lambda c: redo(c, conversation))
    assert (await _texts(library, conversation)) == [*shown, "later one", "later two"]


async def test_what_was_deleted_comes_back_though_its_number_was_given_again(library: Library) -> None:
    conversation, messages = await _talk(library, *"abc")
    await library.database.write(lambda c: delete_branch(c, messages[2].id))
    await _say(library, conversation, "new")
    assert await library.database.write(lambda c: undo(c, conversation))
    assert {n.preview for n in await library.conversations.tree(conversation)} == {"a", "b", "c", "new"}
    assert await _texts(library, conversation) == ["a", "b", "new"]


async def test_deleting_one_message_of_a_long_chat_records_that_message_alone(library: Library) -> None:
    conversation, messages = await _talk(library, *(f"{n} {'long words ' * 40}" for n in range(300)))
    for number in (10, 20, 30):
        await library.database.write(lambda c, n=number: delete_one(c, messages[n].id))  # type: ignore[misc]
    size = await library.database.read(
        lambda c: c.execute("SELECT sum(length(before) + length(after)) FROM changes").fetchone()[0]
    )
    assert size < 20_000
    for _ in range(3):
        assert await library.database.write(lambda c: undo(c, conversation))
    page = await library.conversations.page(conversation, limit=1000)
    assert [message.id for message in page] == [message.id for message in messages]
    assert [message.depth for message in page] == list(range(300))


async def test_a_change_kept_by_an_earlier_version_and_one_that_cannot_be_read(library: Library) -> None:
    """Earlier versions kept whole rows on both sides."""
    conversation, messages = await _talk(library, *"abc")

    def keep(connection: Connection) -> None:
        row = dict(connection.execute("SELECT * FROM messages WHERE id = ?", (messages[1].id,)).fetchone())
        head = messages[2].id
        sides = [{"head": head, "rows": {row["id"]: {**row, "content": text}}} for text in ("b", "B")]
        connection.execute("UPDATE messages SET content = 'B' WHERE id = ?", (row["id"],))
        for before, after in ((json.dumps(sides[0]), json.dumps(sides[1])), ("{}", "nonsense"), ("", "[1]")):
            connection.execute(
                "INSERT INTO changes (conversation_id, kind, before, after, created_at) VALUES (?,?,?,?,1)",
                (conversation, "edit", before, after),
            )

    await library.database.write(keep)
    await _say(library, conversation, "new")
    assert await library.database.write(lambda c: undo(c, conversation))
    assert await _texts(library, conversation) == ["a", "b", "c", "new"]
    assert await library.database.write(lambda c: undo(c, conversation)) is None


class Talk(RuleBasedStateMachine):
    """A conversation that two programs, a person and a model work on in any order.

    Whatever happens: words that nobody deleted are in the tree, what was said last stays on screen when
    something is taken back, and the tree is sound.
    """

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        root = Path(self._folder.name)
        paths = Paths(root / "config", root / "data", root / "cache")
        self._programs = [Library(paths), Library(paths)]
        first = self._programs[0].database
        first.write_now(lambda c: insert_character(c, NewCharacter("c1", "Mira", "{}", "h1")))
        self._id = first.write_now(lambda c: create_conversation(c, "c1")).id
        self._count = 0
        self._deleted: set[str] = set()
        """Words that an edit or a deletion took away at least once; undo may or may not have brought them."""
        self._said: set[str] = set()
        self._append("assistant", 0)

    def teardown(self) -> None:
        for program in self._programs:
            program.close()
        self._folder.cleanup()

    def _run(self, change: Callable[[Connection], Any], program: int = 0) -> Any:
        return self._programs[program].database.write_now(change)

    def _path(self) -> list[Message]:
        return self._run(lambda c: load_path(c, load_conversation(c, self._id).head_id, 1000))

    def _words(self) -> str:
        self._count += 1
        return f"words {self._count}."

    def _append(self, role: MessageRole, program: int, status: MessageStatus = "done") -> Message:
        words = self._words()
        self._said.add(words)

        def change(connection: Connection) -> Message:
            head = load_conversation(connection, self._id).head_id
            parent = load_message(connection, head) if head else None
            message = new_message(self._id, parent, role, "x", words, status=status)
            append_message(connection, message)
            return message

        said: Message = self._run(change, program)
        assert self._path()[-1].id == said.id
        return said

    @rule(program=st.integers(0, 1), status=st.sampled_from(["done", "failed", "stopped"]))
    def say(self, program: int, status: MessageStatus) -> None:
        self._append("user", program)
        self._append("assistant", program, status)

    @precondition(lambda self: len(self._path()) > 1)
    @rule(breaks=st.booleans(), program=st.integers(0, 1))
    def continue_reply(self, breaks: bool, program: int) -> None:
        """What a continue does to the library, complete or broken."""
        reply = self._path()[-1]
        added = self._words()
        self._said.add(added)

        def change(connection: Connection) -> None:
            before = read_row(connection, reply.id)
            status = "failed" if breaks else "done"
            update_message(connection, reply.id, content=f"{reply.content} {added}", status=status)
            after = read_row(connection, reply.id)
            keep_change(connection, self._id, "continue", reply.id, {reply.id: before}, {reply.id: after})

        self._run(change, program)
        self._deleted.add(added)  # undo may take it back

    @precondition(lambda self: len(self._path()) > 1)
    @rule()
    def retry(self) -> None:
        """Another reply beside the last one."""
        old = self._path()[-1]
        words = self._words()
        self._said.add(words)

        def change(connection: Connection) -> None:
            parent = load_message(connection, old.parent_id)
            append_message(connection, new_message(self._id, parent, "assistant", "x", words))

        self._run(change)

    @precondition(lambda self: len(self._path()) > 1)
    @rule(
        kind=st.sampled_from(["edit", "branch", "delete", "delete one", "truncate", "hide"]),
        pick=st.integers(0, 99),
    )
    def work_on(self, kind: str, pick: int) -> None:
        path = self._path()
        target = path[pick % (len(path) - 1) + 1]
        words = self._words()
        gone = self._below(target.id) if kind == "delete" else {target.content}
        try:
            self._run(
                {
                    "edit": lambda c: edit_message(c, target.id, words),
                    "branch": lambda c: edit_as_branch(c, target.id, words),
                    "delete": lambda c: delete_branch(c, target.id),
                    "delete one": lambda c: delete_one(c, target.id),
                    "truncate": lambda c: truncate_after(c, target.id),
                    "hide": lambda c: set_hidden(c, target.id, True),
                }[kind]
            )
        except InvalidInput:
            return
        if kind in ("edit", "delete", "delete one"):
            self._deleted |= {part + "." for words in gone for part in _parts(words)}
        if kind in ("edit", "branch"):
            self._deleted.add(words)  # undo may take it back
            self._said.add(words)

    def _below(self, message_id: str) -> set[str]:
        rows = self._run(
            lambda c: c.execute(
                "WITH RECURSIVE b (id) AS (SELECT ? UNION ALL SELECT m.id FROM b JOIN messages m "
                "ON m.parent_id = b.id) SELECT content FROM messages WHERE id IN (SELECT id FROM b)",
                (message_id,),
            ).fetchall()
        )
        return {row[0] for row in rows}

    @rule(step=st.sampled_from([undo, redo]), program=st.integers(0, 1))
    def undo_or_redo(self, step: Callable[[Connection, str], object], program: int) -> None:
        self._run(lambda c: step(c, self._id), program)

    @rule(pick=st.integers(0, 99))
    def swipe(self, pick: int) -> None:
        ids = self._run(
            lambda c: [r[0] for r in c.execute("SELECT id FROM messages ORDER BY number").fetchall()]
        )
        self._run(lambda c: select_message(c, ids[pick % len(ids)]))

    @rule()
    def say_then_undo(self) -> None:
        """What was said last stays on screen, whatever is taken back."""
        said = self._append("user", 0)
        self._run(lambda c: undo(c, self._id))
        assert said.id in [message.id for message in self._path()]
        self._run(lambda c: redo(c, self._id))
        assert said.id in [message.id for message in self._path()]

    @invariant()
    def nothing_is_lost(self) -> None:
        rows = self._run(lambda c: c.execute("SELECT * FROM messages").fetchall())
        there = {part + "." for row in rows for part in _parts(row["content"])}
        assert self._said - self._deleted <= there

    @invariant()
    def the_tree_is_sound(self) -> None:
        rows = {row["id"]: row for row in self._run(lambda c: c.execute("SELECT * FROM messages").fetchall())}
        for row in rows.values():
            above = rows.get(row["parent_id"])
            assert row["parent_id"] == "" or above is not None
            assert row["depth"] == (above["depth"] + 1 if above else 0)
        path = self._path()
        assert path and path[0].parent_id == ""


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(".") if part.strip()]


TestTalk = Talk.TestCase
TestTalk.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


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
            assert [character.id for character in await library.characters.list(word)] == ["x"], word
    finally:
        library.close()
