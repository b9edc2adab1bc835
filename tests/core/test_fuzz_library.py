"""Every reader of stored conversations takes every input: it reads it, or says in one sentence why not.

Inputs are real ones, damaged at random from a fixed seed: bytes turned, cut and put in, JSON values exchanged
for odd ones. Whatever a reader gives out can be shown, written and read again.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lunalux_core.chat.conversation_files import store_chat
from lunalux_core.chat.journal import ReplyJournal, read_journal
from lunalux_core.chatlogs.chatlog import ChatLog, LogNode, write_jsonl, write_native
from lunalux_core.chatlogs.chatlog_reader import read_chat
from lunalux_core.config.paths import Paths
from lunalux_core.dialogue.authors_note import ChatNote
from lunalux_core.errors import LunaluxError
from lunalux_core.ids import LATEST_MS
from lunalux_core.library import Library
from lunalux_core.library.characters import NewCharacter, insert_character
from lunalux_core.library.conversations import (
    _conversation,
    _message,
    append_message,
    create_conversation,
    load_path,
    new_message,
)
from lunalux_core.library.message_edits import edit_message
from lunalux_core.library.undo import undo
from lunalux_tui.render.message import moment

INPUTS = 100_000
SEEDS = (1, 20261129)

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**400, 1e308, -0.5, float("nan"), float("inf"),
    "", "\0", "\ud800", "\udcff", "1e999", "2026-13-45T99:99:99Z", "²", "٣", "x" * 300, "\u2028",
    "\x1b]52;c;\x07",
    [], {}, [[]], [None], {"a": []}, {"message": {"message": 1}}, [1, "a"], {"": ""},
)  # fmt: skip
PIECES = (
    b"\0", b"\xff", b"\xed\xa0\x80", b"[" * 3000, b"{" * 50, b"NaN", b"1e999", b"-Infinity", b'"\\ud800"',
    b"\n", b"null", b"\xef\xbb\xbf", b"9" * 5000, b",", b'"', b"\\", b"}", b"]",
)  # fmt: skip


def damaged(chance: random.Random, data: bytes) -> bytes:
    """A real input with one to four things wrong."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0:
                data = data[:at]
            case 1:
                data = data[:at] + chance.choice(PIECES) + data[at:]
            case 2:
                data = data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
            case 3:
                data = data[:at] + data[at + chance.randrange(40) :]
            case _:
                data = data[:at] + data[max(at - chance.randrange(60), 0) :]
    return data


def exchanged(chance: random.Random, value: Any) -> Any:
    """A JSON value with some of its parts exchanged for odd ones, left out or doubled."""
    if chance.random() < 0.06:
        return chance.choice(ODD)
    if isinstance(value, dict):
        return {k: exchanged(chance, v) for k, v in value.items() if chance.random() > 0.04}
    if isinstance(value, list):
        return [
            exchanged(chance, one) for one in value for _ in range(chance.choices((0, 1, 2), (1, 30, 1))[0])
        ]
    return value


def inputs(
    chance: random.Random, documents: list[Any], text: Callable[[Any], str], count: int
) -> Iterator[bytes]:
    for number in range(count):
        document = chance.choice(documents)
        if number % 2:
            document = exchanged(chance, document)
        data = text(document).encode("utf-8", "surrogatepass")
        yield damaged(chance, data) if number % 4 < 2 else data


# -- chat files ----------------------------------------------------------------------------------------

NATIVE = [
    write_native(
        ChatLog(
            (
                LogNode(-1, "assistant", "Ada", "Hello.", sent_at=1_700_000_000_000, suggestions=("One",)),
                LogNode(0, "user", "Bo", "Hi.", line={"mes": "Hi.", "extra": {"reasoning": "x"}}),
                LogNode(1, "assistant", "Ada", "So.", thinking="Hm.", event="rain", raw="So."),
                LogNode(1, "assistant", "Ada", "Or so.", hidden=True, model="m"),
            ),
            3,
            user_name="Bo",
            character_name="Ada",
            header={
                "chat_metadata": {"variables": {"gold": 7}, "note_prompt": "Short.", "timedWorldInfo": {}}
            },
            group={"name": "Two", "members": [{"name": "Ada", "muted": False}]},
        )
    )
]
LINES = [
    [
        {
            "user_name": "Bo",
            "character_name": "Ada",
            "chat_metadata": {"note_prompt": "Short.", "variables": {"a": 1}},
        },
        {
            "name": "Ada",
            "is_user": False,
            "is_system": False,
            "send_date": "2024-02-03 @04h 05m 06s 7ms",
            "mes": "Hi.",
            "swipes": ["Hi.", "Ho."],
            "swipe_id": 0,
            "swipe_info": [
                {"send_date": 1700000000000, "extra": {"reasoning": "r", "model": "m"}},
                {"extra": {}},
            ],
        },
        {
            "name": "Bo",
            "is_user": True,
            "send_date": "June 1, 2023 1:02pm",
            "mes": "Hello.",
            "extra": {"type": "narrator"},
        },
        {"name": "Ada", "is_user": False, "mes": {"message": "Well."}, "extra": {"display_text": "W"}},
    ]
]


def as_json(document: Any) -> str:
    return json.dumps(document)


def as_lines(document: Any) -> str:
    return (
        "\n".join(json.dumps(line) for line in document) if isinstance(document, list) else as_json(document)
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("documents", "text"), [(NATIVE, as_json), (LINES, as_lines)], ids=["native", "jsonl"]
)
def test_chat_files(documents: list[Any], text: Callable[[Any], str], seed: int, paths: Paths) -> None:
    library = Library(paths)
    write = library.database.write_now
    write(lambda c: insert_character(c, NewCharacter("c1", "Ada", "{}", "h1")))
    read = 0
    try:
        for number, data in enumerate(inputs(random.Random(seed), documents, text, INPUTS // len(SEEDS))):
            try:
                log = read_chat(data, "chat.jsonl")
            except LunaluxError as error:
                assert error.message, data
                continue
            read += 1
            _usable(log, data)
            if number % 50 == 0:
                try:
                    write(lambda c, log=log: store_chat(c, log, "c1", "Ada", "t", "You"))
                except LunaluxError as error:
                    raise AssertionError(data) from error
    finally:
        library.close()
    assert read > INPUTS // 20


def _usable(log: ChatLog, data: bytes) -> None:
    for place, node in enumerate(log.nodes):
        assert -1 <= node.parent < place and node.role in ("system", "user", "assistant"), data
        assert isinstance(node.sent_at, int) and 0 <= node.sent_at < LATEST_MS, data
        assert all(isinstance(one, str) for one in (node.name, node.text, node.thinking, node.model)), data
        moment(node.sent_at)
    assert -1 <= log.head < len(log.nodes)
    again = read_chat(json.dumps(write_native(log)).encode(), "again.json")
    assert [node.text for node in again.nodes] == [node.text for node in log.nodes], data
    write_jsonl(log)


# -- the library's own cells ---------------------------------------------------------------------------

ROW: dict[str, Any] = {
    "number": 1,
    "id": "m1",
    "conversation_id": "c1",
    "parent_id": "",
    "depth": 0,
    "role": "assistant",
    "name": "Ada",
    "content": "Hello.",
    "raw": "Hello.",
    "thinking": "",
    "suggestions": '["One", "Two"]',
    "event": "",
    "status": "done",
    "model": "m",
    "usage": '{"prompt_tokens": 5, "completion_tokens": 7, "estimated": true}',
    "billing": '{"method": "star", "cost": 5}',
    "state": '{"variables": {"gold": "7"}, "timed": {"sticky": {}}}',
    "extra": '{"line": {"mes": "Hello."}}',
    "hidden": 0,
    "selected_child": "",
    "created_at": 1,
    "speaker": "",
}
PLACE: dict[str, Any] = {
    "id": "c1",
    "character_id": "a",
    "group_id": None,
    "title": "t",
    "head_id": "m1",
    "persona_id": None,
    "preset_id": None,
    "mode": "",
    "note": '{"prompt": "Short.", "depth": 4}',
    "metadata": '{"chat_metadata": {}}',
    "draft": "",
    "created_at": 1,
    "updated_at": 1,
    "length": 1,
    "pinned": 0,
    "reply_start": "{}",
    "waiting": 0,
}
FIXED = {"id", "conversation_id", "parent_id", "head_id", "selected_child", "character_id", "group_id"}


def odd_row(chance: random.Random, row: dict[str, Any]) -> dict[str, Any]:
    """A row as SQLite may give it: any cell may hold any of its five kinds of values."""
    result = dict(row)
    for column in chance.sample(sorted(row.keys() - FIXED), chance.randint(1, 5)):
        value = result[column]
        match chance.randrange(4):
            case 0:
                value = chance.choice(
                    (None, -1, 2**63 - 1, -(2**63), 1e300, float("inf"), "", b"", b"\xff\0", "x", 7)
                )
            case 1 if isinstance(value, str):
                value = damaged(chance, value.encode()).decode("utf-8", "replace")
            case 2 if isinstance(value, str) and value.startswith(("[", "{")):
                value = json.dumps(exchanged(chance, json.loads(value)))
            case _ if isinstance(value, str):
                value = damaged(chance, value.encode())
        result[column] = value
    return result


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_rows_of_messages_and_conversations(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(INPUTS // len(SEEDS)):
        row = odd_row(chance, ROW)
        message = _message(row, ["m1"])  # type: ignore[arg-type]
        assert isinstance(message.extra, dict) and isinstance(message.state, dict), row
        assert all(
            isinstance(suggestion, str)
            for suggestion in (message.content, message.name, *message.suggestions)
        ), row
        assert isinstance(message.request, str) and 0 <= message.created_at < LATEST_MS, row
        moment(message.created_at)
        place = _conversation(odd_row(chance, PLACE))  # type: ignore[arg-type]
        ChatNote.read(place.note)
        moment(place.updated_at)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_kept_changes(seed: int, paths: Paths) -> None:
    """Whatever stands in a kept change, undo answers, and the path on screen is there."""
    library = Library(paths)
    chance = random.Random(seed)

    def one(connection: Any) -> None:
        connection.execute("DELETE FROM conversations")
        place = create_conversation(connection, "c1")
        above = None
        for text in "abc":
            message = new_message(place.id, above, "user", "x", text)
            append_message(connection, message)
            above = message
        assert above is not None
        edit_message(connection, above.id, "C")
        row = connection.execute("SELECT before, after FROM changes").fetchone()
        sides = [json.dumps(exchanged(chance, json.loads(side))) for side in row]
        if chance.random() < 0.3:
            sides[0] = damaged(chance, sides[0].encode()).decode("utf-8", "replace")
        connection.execute("UPDATE changes SET before = ?, after = ?", sides)
        undo(connection, place.id)
        head = connection.execute("SELECT head_id FROM conversations").fetchone()[0]
        assert [m.content for m in load_path(connection, head, 10)][:2] == ["a", "b"], sides

    try:
        library.database.write_now(lambda c: insert_character(c, NewCharacter("c1", "Ada", "{}", "h1")))
        for _ in range(INPUTS // 20 // len(SEEDS)):
            library.database.write_now(lambda c: [one(c) for _ in range(20)])
    finally:
        library.close()


# -- journals ------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_journals(seed: int, tmp_path: Path) -> None:
    library = tmp_path / "library.db"
    tail = ReplyJournal(library, "reply", "What was there. ")
    assert tail.claim()
    for text, thinking in (("It ", ""), ("rains", "hm"), (" on\n", ""), ("月光", "\u2028"), ('"end"', "")):
        tail.add(text, thinking)
    tail.release()
    file = tmp_path / "streaming" / "reply.jsonl"
    whole = file.read_bytes()
    text = 'What was there. It rains on\n月光"end"'
    kept = read_journal(library, "reply")
    assert kept is not None and kept.text == text and not kept.damaged
    chance = random.Random(seed)
    cut = 0
    for number in range(INPUTS // len(SEEDS)):
        data = whole[: chance.randrange(len(whole) + 1)] if number % 3 == 0 else damaged(chance, whole)
        file.write_bytes(data)
        kept = read_journal(library, "reply")
        assert kept is not None, data
        kept.text.encode(), kept.thinking.encode()
        if number % 3 == 0:
            assert text.startswith(kept.text) and not kept.damaged, data
        cut += kept.damaged
    assert cut > 1000
