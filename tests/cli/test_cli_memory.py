"""Memories on the command line: written by hand, found, corrected, forgotten, carried in and out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_program import Program

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
    refused = program("memory", "add", chat, "--text", " ", "--json", code=1)
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
        program("memory", "export", chat, "memories.txt", "--json", code=1).error["code"] == "MEMORY_FORMAT"
    )


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
