"""Documents on the command line: added, listed, found, refused, deleted."""

from __future__ import annotations

from pathlib import Path

from cli_program import Program


def test_documents_are_added_found_and_deleted(program: Program, tmp_path: Path) -> None:
    (tmp_path / "rules.md").write_text("# Magic\n\nA spell needs salt and a true name.", "utf-8")
    (tmp_path / "lore.txt").write_bytes("月落港每逢初七举行灯会。".encode("gb18030"))
    # The first command of all on this library: our own characters are there when one is named.
    (row,) = program("bank", "add", "rules.md", "--character", "marigold", "--json").json
    assert set(row) == {
        *(
            "id",
            "name",
            "kind",
            "scope",
            "conversation_id",
            "character_id",
            "bytes",
            "passages",
            "tokens",
            "created_at",
        ),
    }
    assert (row["name"], row["kind"], row["scope"], row["passages"]) == ("rules.md", "md", "character", 1)
    program("bank", "add", "lore.txt")
    again = program("bank", "add", "lore.txt", "--json", code=1)
    assert again.error["code"] == "DOCUMENT_EXISTS"
    (tmp_path / "bad.pdf").write_bytes(b"no pdf")
    (tmp_path / "more.txt").write_text("More.", "utf-8")
    done = program("bank", "add", "bad.pdf", "more.txt", "--json", code=7, LUNALUX_LANG="zh")
    assert [one["name"] for one in done.json] == ["more.txt"] and "bad.pdf 已损坏" in done.err
    assert [one["name"] for one in program("bank", "list", "--json").json] == [
        "rules.md",
        "lore.txt",
        "more.txt",
    ]
    (hit,) = program("bank", "search", "灯会是哪天", "--json").json
    assert (hit["name"], hit["place"]) == ("lore.txt", 0) and "灯会" in hit["words"]
    shown = program("chat", "Marigold Finch", "-m", "What does a spell need?", "--show-prompt").out
    assert "salt and a true name" in shown
    assert program("bank", "delete", "lore", "--json", code=2).error["code"] == "USAGE"
    assert program("bank", "delete", "lor", "--yes", "--json").json["deleted"] is True
    near = program("bank", "delete", "rulez.md", "--yes", "--json", code=5)
    assert near.error["code"] == "DOCUMENT_NOT_FOUND" and "rules.md" in near.error["hint"]
    both = program("bank", "add", "more.txt", "--character", "x", "--conversation", "y", "--json", code=2)
    assert both.error["code"] == "USAGE"


def test_a_chat_of_a_group_draws_on_what_its_members_have(program: Program, tmp_path: Path) -> None:
    (tmp_path / "rules.md").write_text("A spell needs salt and a true name.", "utf-8")
    names = [row["name"] for row in program("character", "list", "--json").json[:2]]
    program("bank", "add", "rules.md", "--character", names[1])
    chat = program("conversation", "group", "The watch", *names, "--json").json["id"]
    assert [row["name"] for row in program("bank", "list", "--conversation", chat, "--json").json] == [
        "rules.md"
    ]
    (hit,) = program("bank", "search", "salt for a spell", "--conversation", chat, "--json").json
    assert hit["name"] == "rules.md"
    asked = ("chat", "The watch", "-m", "What does a spell need?", "--show-prompt", "--speaker")
    assert "true name" in program(*asked, names[1]).out
    assert (
        program("bank", "delete", "rules", "--conversation", chat, "--yes", "--json").json["deleted"] is True
    )
