"""Memories on the command line: written by hand, found, corrected, forgotten, carried in and out."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cli_program import Program, environment, on_a_terminal

FIELDS = {
    "id",
    "name",
    "kind",
    "title",
    "text",
    "keywords",
    "from",
    "to",
    "speaker",
    "tokens",
    "pinned",
    "status",
    "sources",
    "made_by",
    "created_at",
}


@pytest.fixture
def chat(program: Program) -> str:
    """A conversation of five messages: a greeting, and two turns."""
    program("chat", "Marigold Finch", "-m", "The harbour lies still.")
    program("chat", "Marigold Finch", "-m", "Is the lamp lit?")
    (row,) = program("conversation", "list", "--json").json
    identity: str = row["id"]
    return identity


def messages(program: Program, chat: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = program("conversation", "show", chat, "--json").json["messages"]
    return found


def test_a_memory_is_written_found_corrected_and_forgotten(program: Program, chat: str) -> None:
    path = messages(program, chat)
    made = program(
        *("memory", "add", chat[:5], "--kind", "summary", "--title", "Harbour", "--text", "They met."),
        *("--from", "0", "--to", path[2]["id"][:12], "--keyword", "harbour", "--keyword", "港口", "--json"),
    ).json
    assert set(made) == FIELDS
    assert (made["from"], made["to"]) == (path[0]["id"], path[2]["id"])
    assert (made["status"], made["made_by"], made["sources"]) == ("fresh", "person", [])
    fact = program("memory", "add", chat, "--text", "Marigold fears the sea.", "--pin").out.strip()
    rows = program("memory", "list", chat, "--json").json
    assert [row["id"] for row in rows] == [fact, made["id"]]
    assert program("memory", "show", chat, "harb", "--json").json == made
    assert program("memory", "show", chat, made["id"][:6].upper(), "--json").json == made
    near = program("memory", "show", chat, "harbuor", "--json", code=5)
    assert near.error["code"] == "MEMORY_NOT_FOUND" and "Harbour" in near.error["hint"]
    edited = program("memory", "edit", chat, "Harbour", "--text", "They met at noon.", "--json").json
    assert (edited["status"], edited["keywords"]) == ("edited", ["harbour", "港口"])
    assert program("memory", "pin", chat, "Harbour", "--json").json["pinned"] is True
    assert program("memory", "pin", chat, "Harbour", "--off", "--json").json["pinned"] is False
    (hit,) = program("memory", "search", chat, "他又去了港口", "--json").json
    assert hit["id"] == made["id"]
    assert program("memory", "delete", chat, "Harbour", "--json", code=2).error["code"] == "USAGE"
    assert program("memory", "delete", chat, "Harbour", "--yes", "--json").json["deleted"] is True
    assert [row["id"] for row in program("memory", "list", chat, "--json").json] == [fact]


def test_a_marked_message_brings_its_words_and_bad_ranges_are_refused(program: Program, chat: str) -> None:
    path = messages(program, chat)
    marked = program("memory", "add", chat, "--kind", "marked", "--from", "1", "--json").json
    assert (marked["text"], marked["speaker"]) == ("The harbour lies still.", path[1]["name"])
    refused = program("memory", "add", chat, "--text", " ", "--json", code=2)
    assert refused.error["code"] == "MEMORY_EMPTY"
    missing = program("memory", "add", chat, "--text", "x", "--from", "99", "--json", code=5)
    assert missing.error["code"] == "MESSAGE_NOT_FOUND"


def test_memories_go_out_as_a_worldbook_and_come_back_whole(
    program: Program, chat: str, tmp_path: Path
) -> None:
    program(
        *("memory", "add", chat, "--kind", "summary", "--title", "Harbour", "--text", "They met."),
        *("--from", "1", "--to", "3", "--keyword", "harbour"),
    )
    program("memory", "add", chat, "--text", "Marigold fears the sea.", "--pin")
    before = program("memory", "list", chat, "--json").json
    program("memory", "export", chat, "memories.json")
    entries = json.loads((tmp_path / "memories.json").read_text("utf-8"))["entries"]
    (summary,) = (entry for entry in entries.values() if entry["comment"] == "Harbour")
    assert (summary["stmemorybooks"], summary["STMB_start"], summary["STMB_end"]) == (True, 1, 3)
    assert (summary["key"], summary["content"]) == (["harbour"], "They met.")
    assert program("memory", "import", chat, "memories.json", "--json").json == []
    for item in before:
        program("memory", "delete", chat, item["id"], "--yes")
    program("memory", "import", chat, "memories.json")
    after = program("memory", "list", chat, "--json").json
    assert [{**item, "id": ""} for item in after] == [{**item, "id": ""} for item in before]
    program("memory", "export", chat, "memories.md")
    assert program("memory", "import", chat, "memories.md", "--json").json == []
    assert (
        program("memory", "export", chat, "memories.txt", "--json", code=2).error["code"] == "MEMORY_FORMAT"
    )


def test_a_file_of_a_windows_editor_brings_its_first_memory_too(
    program: Program, chat: str, tmp_path: Path
) -> None:
    text = "\ufeff## Red water\r\n\r\n*fact*\r\n\r\nThe tide is red.\r\n\r\n## Snow\r\n\r\nAsh fell.\r\n"
    (tmp_path / "m.md").write_bytes(text.encode())
    rows = program("memory", "import", chat, "m.md", "--json").json
    assert [(row["title"], row["text"]) for row in rows] == [
        ("Red water", "The tide is red."),
        ("Snow", "Ash fell."),
    ]
    (tmp_path / "plain.md").write_text("Words without a heading.", "utf-8")
    nothing = program("memory", "import", chat, "plain.md", "--json")
    assert nothing.json == [] and "plain.md" in nothing.err and "##" in nothing.err
    for name in ("gone", "gone.md", "gone.json"):
        gone = program("memory", "import", chat, name, "--json", code=5)
        assert gone.error["code"] == "FILE_NOT_FOUND"


@pytest.mark.parametrize("name", ["memories.json", "memories.md"])
def test_two_who_know_the_same_keep_a_journal_each(program: Program, chat: str, name: str) -> None:
    for speaker in ("Alba", "Bryn"):
        words = ("--kind", "journal", "--text", "She knows.", "--speaker", speaker)
        program("memory", "add", chat, *words)
    program("memory", "export", chat, name)
    program("chat", "Marigold Finch", "--new", "-m", "Elsewhere.")
    other = program("conversation", "list", "--json").json[0]["id"]
    assert other != chat
    assert {row["speaker"] for row in program("memory", "import", other, name, "--json").json} == {
        "Alba",
        "Bryn",
    }
    assert program("memory", "import", other, name, "--json").json == []


def test_markdown_brings_every_memory_back_as_it_was(program: Program, chat: str) -> None:
    texts = {
        "They met.\n## Not a heading\n\\## nor this": (
            "A title, long " + "and longer " * 8,
            ("sea, deep", "a · b"),
        ),
        "The lamp was lit.": ("The lamp", ()),
        "*fact · pinned*": ("", ("lamp",)),
        "A first line that is so long that a name made of it has to be cut off somewhere behind it": ("", ()),
    }
    for text, (title, words) in texts.items():
        keywords = [part for word in words for part in ("--keyword", word)]
        program(
            "memory", "add", chat, "--text", text, "--title", title, *keywords, "--from", "1", "--to", "2"
        )
    program("memory", "add", chat, "--kind", "journal", "--text", "She knows.", "--pin")
    before = program("memory", "list", chat, "--json").json
    assert before[0]["speaker"] == "Marigold Finch", "the only one there is"
    program("memory", "export", chat, "memories.md")
    for row in before:
        program("memory", "delete", chat, row["id"], "--yes")
    program("memory", "import", chat, "memories.md")
    after = program("memory", "list", chat, "--json").json
    differs = ("id", "created_at")
    assert [{**row, **dict.fromkeys(differs)} for row in after] == [
        {**row, **dict.fromkeys(differs), "title": row["title"].strip(), "made_by": "person"}
        for row in before
    ]


def test_a_journal_in_a_group_names_its_member(program: Program) -> None:
    group = program("conversation", "group", "Pair", "Marigold Finch", "Captain Sol Varga").out.strip()
    journal = ("memory", "add", group, "--kind", "journal", "--text", "The door is open.")
    refused = program(*journal, "--json", code=1)
    assert refused.error["code"] == "JOURNAL_SPEAKER" and "Captain Sol Varga" in refused.error["hint"]
    assert program(*journal, "--speaker", "nobody", "--json", code=5).error["code"] == "MEMBER_NOT_FOUND"
    assert program(*journal, "--speaker", "capt", "--json").json["speaker"] == "Captain Sol Varga"


def test_a_memory_is_stale_where_its_messages_changed_and_holds_where_they_are(
    program: Program, chat: str
) -> None:
    for title, first, last in (("First", "1", "2"), ("Second", "3", "4")):
        program(
            *("memory", "add", chat, "--kind", "summary", "--title", title, "--text", "s"),
            *("--from", first, "--to", last),
        )

    def states() -> dict[str, str]:
        return {row["title"]: row["status"] for row in program("memory", "list", chat, "--json").json}

    program("chat", "Marigold Finch", "--regenerate")
    assert states() == {"First": "fresh", "Second": "stale"}, "another swipe is shown"
    assert [row["title"] for row in program("memory", "list", chat, "--here", "--json").json] == ["First"]
    search = program("memory", "search", chat, "second", "--json").json
    assert [row["status"] for row in search] == ["stale"], "found all the same"


def test_a_scene_ends_where_it_is_said(program: Program, chat: str) -> None:
    path = messages(program, chat)
    assert program("memory", "scene", chat, "1", "--json").json == {"id": path[1]["id"], "ends_scene": True}
    assert program("memory", "scene", chat, "--off", "--json").json["id"] == path[-1]["id"]
    assert program("memory", "scene", chat, "99", "--json", code=5).error["code"] == "MESSAGE_NOT_FOUND"
    assert program("memory", "scene", "nope", "--json", code=5).error["code"] == "CONVERSATION_NOT_FOUND"


def test_a_book_of_memory_books_finds_its_messages(program: Program, chat: str, tmp_path: Path) -> None:
    path = messages(program, chat)
    book = {
        "entries": {
            "0": {
                "uid": 0,
                "key": ["lamp"],
                "comment": "[01] Lamp",
                "content": "The lamp was lit.",
                "constant": False,
                "stmemorybooks": True,
                "STMB_start": 0,
                "STMB_end": 2,
            },
            "1": {"uid": 1, "key": [], "comment": "Far", "content": "x", "STMB_start": 90, "STMB_end": 99},
            "2": {"uid": 2, "key": [], "comment": "Off", "content": "y", "disable": True},
        }
    }
    (tmp_path / "book.json").write_text(json.dumps(book), encoding="utf-8")
    result = program("memory", "import", chat, "book.json", "--json")
    lamp, far = result.json
    assert (lamp["title"], lamp["kind"], lamp["keywords"]) == ("[01] Lamp", "summary", ["lamp"])
    assert (lamp["from"], lamp["to"]) == (path[0]["id"], path[2]["id"])
    assert far["from"] is None and "not here" in result.err and "switched off" in result.err


def test_the_practice_model_writes_nothing_and_says_so(program: Program, chat: str) -> None:
    refused = program("memory", "write", chat, "--all", "--json", code=1)
    assert refused.error["code"] == "MEMORY_NO_WRITER" and "--model" in refused.error["hint"]


class Writer(BaseHTTPRequestHandler):
    """A model server that writes down the first words of every message; model "bad" writes rubbish."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        told = re.findall(r"(?m)^\[(\d+)\] [^:\n]+: ([^.\n]*)", body["messages"][-1]["content"])
        if told and body["model"] == "slow":
            self.server.stopped.wait(60)  # type: ignore[attr-defined]
        summary = " ".join(f"{words.strip('*')}. [{number}]" for number, words in told)
        text = json.dumps({"title": "The lamp", "summary": summary, "keywords": ["lamp"]})
        if body["model"] == "bad":
            text = "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor"
        if not told:
            text = f"The wind turns, and Marigold says nothing of night {len(body['messages'])}."
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps({"choices": [choice]}).encode())

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def writer() -> Iterator[dict[str, str]]:
    """The variables that lead to a writer."""
    running = ThreadingHTTPServer(("127.0.0.1", 0), Writer)
    running.stopped = threading.Event()  # type: ignore[attr-defined]
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield {"OPENAI_BASE_URL": f"http://127.0.0.1:{running.server_port}/v1", "OPENAI_API_KEY": "sk-test"}
    running.stopped.set()  # type: ignore[attr-defined]
    running.shutdown()
    running.server_close()


def test_what_is_not_covered_is_written_on_request(
    program: Program, chat: str, writer: dict[str, str]
) -> None:
    for number in range(3):
        program("chat", "Marigold Finch", "-m", f"The lamp burns low in night {number} at the harbour.")
    path = [one["id"] for one in messages(program, chat)]
    nothing = program("memory", "write", chat, "--model", "openai:m", "--json", **writer)
    assert nothing.json == [], "what is protected stays"
    refused = program("memory", "write", chat, "--all", "--model", "openai:bad", "--json", code=7, **writer)
    (row,) = refused.json
    assert (row["status"], row["text"]) == ("failed", "") and row["reason"].startswith("invented")
    rows = program("memory", "write", chat, "--all", "--model", "openai:m", "--json", **writer).json
    (row,) = [one for one in rows if one["kind"] == "summary"]
    assert set(row) == FIELDS and row["made_by"] == "openai:m" and row["status"] == "fresh"
    assert (row["from"], row["to"]) == (path[0], path[-5])
    assert row["sources"][0]["messages"][0] in path
    assert [one["status"] for one in program("memory", "list", chat, "--json").json] == ["fresh"]
    sent = program("chat", "Marigold Finch", "-m", "And now?", "--show-prompt").out
    assert "The lamp\n" in sent and sent.count("Is the lamp lit?") == 1, "told by the memory alone"


def long_chat(program: Program, writer: dict[str, str], model: str = "m") -> str:
    """A chat with a model on this machine that has just become long enough for a memory; its id."""
    address = ("--base-url", writer["OPENAI_BASE_URL"], "--model", model)
    program("model", "add", "Own", "--provider", "openai", *address)
    program("settings", "set", "chat.model", "Own")
    for night in range(9):
        words = " ".join(
            f"In night {night} lantern {n} of the harbour burns low and the tide rises." for n in range(26)
        )
        program("chat", "Marigold Finch", "-m", f"Night {night}. {words}", "--json")
    (row,) = program("conversation", "list", "--json").json
    identity: str = row["id"]
    return identity


def test_with_a_model_of_ones_own_a_long_chat_is_remembered_without_any_setting(
    program: Program, writer: dict[str, str], home: Path, tmp_path: Path
) -> None:
    chat = long_chat(program, writer)
    assert program("memory", "list", chat, "--json").json == [], "a reader of a pipe does not wait for it"
    shown = on_a_terminal(home, tmp_path, "chat", "Marigold Finch", "-m", "And then?").decode()
    assert "The wind turns" in shown
    rows = program("memory", "list", chat, "--json").json
    first = rows[0]
    assert (first["kind"], first["status"], first["made_by"]) == ("summary", "fresh", "Own")
    before = len(messages(program, chat))
    told = program("chat", "Marigold Finch", "-m", "Which lantern was it?", "--show-prompt").out
    assert first["text"].split("[")[0][:40] in told and told.count("lantern 25 of") < 9
    assert len(messages(program, chat)) == before


def test_a_script_asks_for_it_and_a_terminal_may_refuse(
    program: Program, writer: dict[str, str], home: Path, tmp_path: Path
) -> None:
    chat = long_chat(program, writer)
    on_a_terminal(home, tmp_path, "chat", "Marigold Finch", "-m", "And then?", "--no-remember")
    assert program("memory", "list", chat, "--json").json == []
    reply = program("chat", "Marigold Finch", "-m", "And now?", "--json", "--remember").json
    assert reply["content"].startswith("The wind turns")
    assert program("memory", "list", chat, "--json").json


def test_a_writer_that_hangs_keeps_no_reply_and_what_is_due_stays_due(
    program: Program, writer: dict[str, str], home: Path, tmp_path: Path
) -> None:
    chat = long_chat(program, writer, "slow")
    process = subprocess.Popen(
        [sys.executable, "-m", "lunalux_tui", "chat", "Marigold Finch", "-m", "And?", "--json", "--remember"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=environment(home),
    )
    assert process.stdout is not None
    assert b"The wind turns" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert program("memory", "list", chat, "--json").json == []
    rows = program("memory", "write", chat, "--model", "openai:m", "--json", **writer).json
    assert [row["status"] for row in rows if row["kind"] == "summary"]


def test_a_model_that_costs_is_asked_about_once(
    program: Program, writer: dict[str, str], home: Path, tmp_path: Path
) -> None:
    chat = long_chat(program, writer)
    program(
        "model",
        "add",
        "Paid",
        "--provider",
        "openai",
        "--base-url",
        "https://paid.invalid/v1",
        "--model",
        "m",
    )
    program("settings", "set", "memory.model", "Paid")
    turn = ("chat", "Marigold Finch", "-m", "And then?")
    assert b"memory.write always" in on_a_terminal(home, tmp_path, *turn)
    assert b"memory.write" not in on_a_terminal(home, tmp_path, *turn)
    assert program("memory", "list", chat, "--json").json == []
