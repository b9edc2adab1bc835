"""Chat files of several tools, real and hand-written, through the library and back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunalux_core.chat.conversation_files import export_conversation, import_conversation
from lunalux_core.chatlogs.chatlog import ChatLog, LogNode, read_native, write_jsonl, write_native
from lunalux_core.chatlogs.chatlog_dates import parse_date, st_date
from lunalux_core.chatlogs.chatlog_reader import read_chat, read_chats
from lunalux_core.config.paths import Paths
from lunalux_core.errors import InvalidInput
from lunalux_core.library import Library
from lunalux_core.library.characters import NewCharacter
from lunalux_core.library.conversations import update_message


@pytest.fixture
async def library(paths: Paths) -> AsyncIterator[Library]:
    library = Library(paths)
    await library.characters.add(NewCharacter("c1", "Alice", "{}", "h"))
    yield library
    library.close()


def shown(log: ChatLog) -> list[tuple[str, str, str]]:
    return [(log.nodes[i].role, log.nodes[i].name, log.nodes[i].text) for i in log.path()]


def test_our_own_file_of_ten_thousand_messages_comes_back() -> None:
    nodes = tuple(LogNode(n - 1, "user" if n % 2 else "assistant", "A", f"Line {n}") for n in range(10_000))
    text = json.dumps(write_native(ChatLog(nodes, len(nodes) - 1)), indent=1)
    assert text.count("\n") > 100_000
    assert read_chat(text.encode()).nodes == nodes


def test_every_chat_of_the_vectors_is_read(vectors: Path) -> None:
    expected = {
        "old-header": ["Hello Bob", "hi", "yo"],
        "new-header": ["Hello Bob", "hi", "b"],
        "branch": ["Hello Bob", "hi"],
        "no-header": ["Hello Bob", "hi"],
        "bom": ["Hello Bob", "hi"],
        "bad-line": ["Hello Bob", "after"],
        "trailing-newline": ["Hello Bob"],
        "swipe-id-out-of-range": ["x"],
        "swipes-empty": ["x"],
        "agnai": ["hi", "yo"],
        "risu": ["Hello", "hi"],
        "cai": ["hi", "yo"],
    }
    for name, texts in expected.items():
        (path,) = (vectors / "chats").glob(f"{name}.*")
        log = read_chat(path.read_bytes(), path.name)
        assert [text for _, _, text in shown(log)] == texts, name
        assert all(log.nodes[i].role in {"user", "assistant"} for i in log.path())
    with pytest.raises(InvalidInput) as told:
        read_chat((vectors / "chats/wrong-header.jsonl").read_bytes(), "wrong-header.jsonl")
    assert told.value.code == "CHAT_UNKNOWN_FORMAT"


def test_what_sillytavern_wrote_is_written_back_the_same(vectors: Path) -> None:
    for name in ("old-header", "new-header", "branch"):
        path = vectors / "chats" / f"{name}.jsonl"
        before = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        after = [json.loads(line) for line in write_jsonl(read_chat(path.read_bytes())).splitlines()]
        assert [line.get("mes") for line in after] == [line.get("mes") for line in before]
        assert [line.get("swipes") for line in after] == [line.get("swipes") for line in before]
        assert [line.get("swipe_id") for line in after] == [line.get("swipe_id") for line in before]
        assert [line.get("send_date") for line in after] == [line.get("send_date") for line in before]
        assert [line.get("extra") for line in after] == [line.get("extra") for line in before]
        assert after[0]["chat_metadata"] == before[0]["chat_metadata"]


def test_problems_of_lines_are_told(vectors: Path) -> None:
    chats = vectors / "chats"
    assert "Line 3" in read_chat((chats / "bad-line.jsonl").read_bytes()).notes[0]
    assert "swipe" in read_chat((chats / "swipe-id-out-of-range.jsonl").read_bytes()).notes[0]


def test_a_hidden_line_stays_its_speakers() -> None:
    """To hide a message does not make it the program's own, so that it comes back as what it was."""
    lines: list[dict[str, Any]] = [
        {"chat_metadata": {}, "user_name": "Bob", "character_name": "Ada"},
        {"name": "Ada", "is_user": False, "is_system": True, "mes": "hidden"},
        {"name": "Bob", "is_user": "true", "is_system": True, "mes": "mine"},
        {"name": "Note", "is_user": False, "is_system": True, "mes": "told", "extra": {"type": "comment"}},
    ]
    log = read_chat("\n".join(map(json.dumps, lines)).encode())
    assert [(node.role, node.hidden) for node in log.nodes] == [
        ("assistant", True), ("user", True), ("system", True),
    ]  # fmt: skip


def test_a_narrators_line_is_one_for_sillytavern_too() -> None:
    log = ChatLog(title="t", nodes=[LogNode(-1, "system", "Narrator", "Rain falls.")], head=0)
    line = json.loads(write_jsonl(log).splitlines()[1])
    assert line["extra"]["type"] == "narrator" and not line["is_user"] and not line["is_system"]
    assert shown(read_chat(write_jsonl(log).encode())) == [("system", "Narrator", "Rain falls.")]


def lines(*documents: dict[str, Any]) -> bytes:
    return "\n".join(map(json.dumps, documents)).encode()


HEAD: dict[str, Any] = {"user_name": "Bob", "character_name": "Ada", "chat_metadata": {}}
HELLO: dict[str, Any] = {"name": "Ada", "is_user": False, "mes": "Hello"}
HI: dict[str, Any] = {"name": "Bob", "is_user": True, "mes": "Hi"}


def test_two_chats_in_one_file_are_two() -> None:
    second = {**HEAD, "chat_metadata": {"note_prompt": "dusk"}}
    one, two = read_chats(lines(HEAD, HELLO, HI, second, {**HELLO, "mes": "Again"}, HI))
    assert [text for _, _, text in shown(one)] == ["Hello", "Hi"] and one.header == HEAD
    assert [text for _, _, text in shown(two)] == ["Again", "Hi"] and two.header == second
    assert not one.notes and not two.notes
    (only,) = read_chats(lines(HEAD, second, HELLO))
    assert only.header == second and only.notes == ("1 of the chats in this file has no messages.",)


def test_a_head_need_not_name_the_person() -> None:
    for head in ({"character_name": "Ada", "create_date": "2024-05-01@12h30m15s"}, {"name": "Ada"}):
        log = read_chat(lines(head, HELLO, HI))
        assert [text for _, _, text in shown(log)] == ["Hello", "Hi"] and log.header == head
        assert (log.user_name, log.character_name, log.notes) == ("Bob", "Ada", ())
        with pytest.raises(InvalidInput, match="not a chat"):
            read_chat(lines(head, {"key": "value"}))


@pytest.mark.parametrize(
    ("line", "text", "texts"),
    [
        ({"mes": None, "swipes": ["A", "B"], "swipe_id": 0}, "A", ["A", "B"]),
        ({"mes": None, "swipes": ["A", "B"], "swipe_id": 1}, "B", ["A", "B"]),
        ({"swipes": ["A", "B"], "swipe_id": 0}, "A", ["A", "B"]),
        ({"swipes": ["A", "B"]}, "B", ["A", "B"]),
        ({"mes": "A", "swipes": ["A", "B"], "swipe_id": None}, "A", ["A", "B"]),
        ({"mes": "C", "swipes": ["A", "B"]}, "C", ["A", "B", "C"]),
        ({"mes": None}, "", [""]),
    ],
)
def test_the_text_of_a_swipe_is_a_messages_text(line: dict[str, Any], text: str, texts: list[str]) -> None:
    log = read_chat(lines(HEAD, {"name": "Ada", "is_user": False, **line}, HI))
    assert [said for _, _, said in shown(log)] == [text, "Hi"] and not log.notes
    assert [node.text for node in log.nodes if node.parent == -1] == texts


def test_a_chat_is_decoded_as_other_text_is() -> None:
    told = {**HELLO, "mes": "Café 早"}
    text = "\n".join(json.dumps(one, ensure_ascii=False) for one in (HEAD, told, HI))
    for data in (text.encode(), text.encode("utf-8-sig"), text.encode("utf-16")):
        log = read_chat(data)
        assert shown(log)[0][2] == "Café 早" and not log.notes
    log = read_chat(lines(HEAD, HELLO).replace(b"Hello", "Café".encode("latin-1")))
    assert shown(log)[0][2] == "Caf\ufffd" and log.notes[0].startswith("The text is not UTF-8")
    assert len(read_chat(lines(HEAD, {**HELLO, "mes": "x" * 17 * 2**20})).nodes[0].text) == 17 * 2**20


async def test_variables_of_every_type_come_back_as_they_were(library: Library) -> None:
    before = {"a": 1, "b": {"c": 2}, "d": ["x", 1.5], "e": True, "f": "7", "g": None, "h": "w"}
    data = lines({**HEAD, "chat_metadata": {"variables": before}}, HELLO)
    done = await import_conversation(library, "c1", data, "x.jsonl")

    async def written() -> Any:
        text = await export_conversation(library, done.conversation_id, "jsonl")
        return json.loads(text.splitlines()[0])["chat_metadata"]["variables"]

    assert await written() == before
    (message,) = await library.conversations.page(done.conversation_id)
    variables = message.state["variables"]
    assert variables == {
        "a": "1", "b": '{"c":2}', "d": '["x",1.5]', "e": "true", "f": "7", "g": "", "h": "w",
    }  # fmt: skip
    state = {"variables": {**variables, "a": "2", "i": "new"}}
    await library.database.write(lambda connection: update_message(connection, message.id, state=state))
    assert await written() == {**before, "a": "2", "i": "new"}


async def test_swipes_and_reasoning_survive_the_library(library: Library, vectors: Path) -> None:
    data = (vectors / "chats/new-header.jsonl").read_bytes()
    result = await import_conversation(library, "c1", data, "new-header.jsonl")
    page = await library.conversations.page(result.conversation_id)
    assert [(m.content, m.swipe, m.swipes) for m in page] == [("Hello Bob", 0, 3), ("hi", 0, 1), ("b", 1, 3)]
    assert page[2].thinking == "thinking…" and page[2].model == "m2"
    text = await export_conversation(library, result.conversation_id, "jsonl")
    assert json.loads(text.splitlines()[3])["swipe_info"][0]["extra"]["reasoning"] == "r1"
    assert await export_conversation(library, result.conversation_id, "txt") == (
        "Alice: Hello Bob\n\nBob: hi\n\nAlice: b\n\n"
    )
    assert "**Bob**" in await export_conversation(library, result.conversation_id, "md")


async def test_narratium_turns_become_two_messages(library: Library) -> None:
    turns = [
        ("root", "", "", ""),
        ("a", "root", "", "Welcome"),
        ("b", "a", "hi", "first"),
        ("c", "a", "hi", "second"),
    ]
    document = {
        "id": "x",
        "current_nodeId": "b",
        "nodes": [
            {
                "nodeId": identity,
                "parentNodeId": above,
                "userInput": said,
                "assistantResponse": answer,
                "parsedContent": {"nextPrompts": ["Go"], "compressedContent": "a —> b"},
            }
            for identity, above, said, answer in turns
        ],
    }
    result = await import_conversation(library, "c1", json.dumps(document).encode(), "tree.json")
    page = await library.conversations.page(result.conversation_id)
    assert [m.content for m in page] == ["Welcome", "hi", "first"]
    assert page[2].suggestions == ("Go",) and page[2].event == "a —> b"
    assert len(await library.conversations.tree(result.conversation_id)) == 5


async def test_escape_sequences_of_a_chat_never_reach_the_library(library: Library) -> None:
    line = json.dumps({"name": "A\x1b[31m", "is_user": False, "mes": "hi\x1b]0;owned\x07 there"})
    result = await import_conversation(library, "c1", line.encode(), "evil.jsonl")
    (message,) = await library.conversations.page(result.conversation_id)
    assert message.content == "hi there" and "\x1b" not in message.name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-01T12:00:00.000Z", 1714564800000),
        (1714564800000, 1714564800000),
        ("1714564800000", 1714564800000),
        ("not a date", 0),
        ("2024-13-45 @99h 1m 1s", 0),
        (None, 0),
        (True, 0),
    ],
)
def test_dates(text: Any, expected: int) -> None:
    assert parse_date(text) == expected


def test_local_dates_keep_their_order() -> None:
    spellings = ["June 1, 2023 3:04pm", "2023-6-1 @15h 04m 05s 006ms", "2023-06-01T15:04:06"]
    moments = [parse_date(spelling) for spelling in spellings]
    assert moments == sorted(moments) and all(moments)
    assert parse_date(st_date(moments[1])) == moments[1]


_words = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=30)


@st.composite
def trees(draw: st.DrawFn) -> ChatLog:
    nodes: list[LogNode] = []
    for place in range(draw(st.integers(1, 12))):
        parent = draw(st.integers(-1, place - 1))
        role = draw(st.sampled_from(["user", "assistant", "system"]))
        nodes.append(LogNode(parent, role, draw(_words), draw(_words), thinking=draw(_words), sent_at=place))
    return ChatLog(tuple(nodes), draw(st.integers(-1, len(nodes) - 1)), title=draw(_words))


@given(trees())
def test_our_own_json_loses_nothing(log: ChatLog) -> None:
    assert read_native(json.loads(json.dumps(write_native(log)))) == log


@given(st.binary(max_size=300))
def test_any_bytes_are_a_chat_or_a_clear_refusal(data: bytes) -> None:
    try:
        read_chat(data, "x")
    except InvalidInput as error:
        assert error.code.startswith("CHAT_")
