"""A library in order from the command line: tags of one's own, personas, author's notes, pins and marks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cli_program import Program


def test_tags_of_ones_own_stand_beside_the_cards(program: Program, make_card: Callable[..., Path]) -> None:
    for name, tags in (("Ada", ["fantasy"]), ("Bao", ["Fantasy", "sea"]), ("Cleo", [])):
        program("import", str(make_card(name, tags=tags)))
    rows = {row["name"]: row for row in program("character", "list", "--json").json}
    done = program("tag", "add", "To read", "Ada", rows["Cleo"]["id"], "--json").json
    assert done["name"] == "To read" and done["changed"] == [rows["Ada"]["id"], rows["Cleo"]["id"]]
    assert program("tag", "add", "to READ", "ada", "--json").json["changed"] == []

    def named(*options: str) -> set[str]:
        found = program("character", "list", "--sort", "name", *options, "--json").json
        return {row["name"] for row in found} & {"Ada", "Bao", "Cleo"}

    assert named("--tag", "to read") == {"Ada", "Cleo"}
    assert named("--tag", "FANTASY") == {"Ada", "Bao"}
    assert named("--tag", "fantasy", "--tag", "to") == {"Ada"}
    assert named("--tag", "fantasy", "--without", "To Read") == {"Bao"}
    assert named("--without", "nowhere") == {"Ada", "Bao", "Cleo"}
    assert program("character", "list", "--tag", "nowhere", "--json", code=5).error["code"] == "TAG_NOT_FOUND"
    shown = program("character", "show", "Ada", "--json").json
    assert shown["own_tags"] == ["To read"] and shown["tags"] == ["fantasy"]
    assert shown["card"]["data"]["tags"] == ["fantasy"], "the card is not touched"

    assert program("tag", "rename", "to", "Later", "--json").json["name"] == "Later"
    folder = program("tag", "folder", "later", "closed", "--json").json
    assert folder["folder"] == "closed" and program("tag", "list", "--json").json == [folder]
    assert program("tag", "remove", "later", "Ada", "Bao", "--json").json["changed"] == [rows["Ada"]["id"]]
    assert named("--tag", "later") == {"Cleo"}
    program("tag", "add", "other", "Ada")
    assert program("tag", "rename", "other", "LATER", "--json", code=1).error["code"] == "TAG_EXISTS"
    assert program("tag", "add", "  ", "Ada", "--json", code=2).error["code"] == "USAGE"
    assert program("tag", "delete", "later", code=2).out == ""
    assert program("tag", "delete", "later", "--yes", "--json").json["deleted"] is True
    assert [row["name"] for row in program("tag", "list", "--json").json] == ["other"]


def test_groups_have_tags_as_characters_do(program: Program, make_card: Callable[..., Path]) -> None:
    for name in ("Ada", "Bao", "Cleo"):
        program("import", str(make_card(name)))
    watch = program("group", "create", "The night watch", "Ada", "Bao", "--json").json
    crew = program("group", "create", "Crew", "Bao", "Cleo", "--json").json
    assert watch["own_tags"] == []
    done = program("tag", "add", "later", "Ada", "--group", "night", "--group", crew["id"], "--json").json
    assert len(done["changed"]) == 1 and done["changed_groups"] == [watch["id"], crew["id"]]
    assert (done["characters"], done["groups"]) == (1, 2)
    assert program("tag", "add", "later", "--group", "night", "--json").json["changed_groups"] == []
    told = program("tag", "add", "sea", "--group", "night", "--group", "Crew").err
    assert "2 groups are now tagged sea." in told
    gone = program("tag", "remove", "later", "--group", "crew", "Bao", "--json").json
    assert gone["changed"] == [] and gone["changed_groups"] == [crew["id"]] and gone["groups"] == 1

    def named(*options: str) -> set[str]:
        return {row["name"] for row in program("group", "list", *options, "--json").json}

    assert named("--tag", "later") == {"The night watch"} and named("--without", "later") == {"Crew"}
    assert named("--tag", "sea", "--tag", "later") == {"The night watch"}
    assert program("group", "show", "night", "--json").json["own_tags"] == ["later", "sea"]
    assert program("group", "list", "--tag", "nowhere", "--json", code=5).error["code"] == "TAG_NOT_FOUND"
    missing = program("tag", "add", "new", "Ada", "--group", "nobody", "--json", code=5)
    assert missing.error["code"] == "GROUP_NOT_FOUND"
    assert "new" not in {row["name"] for row in program("tag", "list", "--json").json}, "nothing is half done"
    assert program("tag", "add", "later", "--json", code=2).error["code"] == "USAGE"
    assert "群组" in program("tag", "remove", "later", "--group", "night", LUNALUX_LANG="zh").err
    program("tag", "delete", "sea", "--yes")
    assert program("group", "show", "crew", "--json").json["own_tags"] == []


def test_a_tag_for_somebody_who_is_not_there_tags_nobody(program: Program) -> None:
    name = program("character", "list", "--json").json[0]["name"]
    assert (
        program("tag", "add", "new", name, "nobody", "--json", code=5).error["code"] == "CHARACTER_NOT_FOUND"
    )
    assert program("tag", "list", "--json").json == []
    near = program("tag", "delete", "new", "--yes", "--json", code=5, LUNALUX_LANG="zh").error
    assert near["code"] == "TAG_NOT_FOUND" and "标签" in near["message"]


def test_personas_are_made_changed_and_played(program: Program, tmp_path: Path) -> None:
    made = program("persona", "add", "Robin Hood", "--description", "An archer.", "--json").json
    assert made == {
        "id": made["id"],
        "name": "Robin Hood",
        "description": "An archer.",
        "chosen": True,
        "worldbook": None,
    }
    program("persona", "add", "Marian", "--description", "-", stdin="Quick\nand kind.\n")
    assert program("persona", "show", "mar", "--json").json["description"] == "Quick\nand kind."
    book = tmp_path / "Sherwood.json"
    book.write_text('{"entries": {"0": {"uid": 0, "key": ["oak"], "content": "Old."}}}', encoding="utf-8")
    program("worldbook", "import", str(book))
    edited = program("persona", "edit", "hood", "--name", "Robin", "--worldbook", "Sherwood", "--json").json
    assert edited["name"] == "Robin" and edited["worldbook"] == "Sherwood"
    assert edited["description"] == "An archer.", "what is not named stays"
    assert program("persona", "edit", "Robin", "--worldbook", "", "--json").json["worldbook"] is None

    said = program("chat", program("character", "list", "--json").json[0]["name"], "-m", "Hi", "--json").json
    place = said["conversation_id"]
    assert program("persona", "use", "Marian", "--conversation", place, "--json").json["chosen"] is False
    shown = program(
        "chat", said["character_id"], "-m", "I am {{user}}", "--conversation", place, "--show-prompt"
    )
    assert "I am Marian" in shown.out
    assert program("persona", "use", "Marian", "--json").json["chosen"] is True
    assert [row["chosen"] for row in program("persona", "list", "--json").json] == [False, True]
    assert program("persona", "delete", "Robin", code=2).out == ""
    assert program("persona", "delete", "Robin", "--yes", "--json").json["deleted"] is True
    missing = program("persona", "show", "Marion", "--json", code=5).error
    assert missing["code"] == "PERSONA_NOT_FOUND" and "Marian" in missing["hint"]
    assert program("persona", "add", " ", "--json", code=2).error["code"] == "USAGE"


def test_the_authors_note_is_set_and_sent(program: Program) -> None:
    name = program("character", "list", "--json").json[0]["name"]
    said = program("chat", name, "-m", "Hi", "--json").json
    place = said["conversation_id"]
    assert program("note", "show", place, "--json").json == {
        "conversation_id": place,
        "text": "",
        "position": "in_chat",
        "depth": 4,
        "role": "system",
        "interval": 1,
        "scan": False,
    }
    program("note", "set", place, "--text", "Rain on slate.", "--depth", "0", "--role", "user")
    note = program("note", "set", place, "--scan", "--json").json
    assert (note["text"], note["depth"], note["role"], note["scan"]) == ("Rain on slate.", 0, "user", True)
    prompt = program("chat", name, "-m", "And?", "--conversation", place, "--show-prompt").out
    assert "Rain on slate." in prompt
    program("note", "set", place, "--interval", "0")
    assert (
        "Rain on slate." not in program("chat", name, "-m", "?", "--conversation", place, "--show-prompt").out
    )
    assert program("note", "set", place, "--depth", "-1", "--json", code=2).error["code"] == "USAGE"
    assert program("note", "set", place, "--role", "narrator", "--json", code=2).error["code"] == "USAGE"
    assert program("note", "show", "nowhere", "--json", code=5).error["code"] == "CONVERSATION_NOT_FOUND"


def test_places_are_marked_and_conversations_pinned(program: Program, tmp_path: Path) -> None:
    name = program("character", "list", "--json").json[0]["name"]
    first = program("chat", name, "-m", "Hi", "--json").json["conversation_id"]
    second = program("chat", name, "--new", "-m", "Again", "--json").json["conversation_id"]
    assert [row["id"] for row in program("conversation", "list", "--json").json] == [second, first]
    assert program("conversation", "pin", first, "--json").json["pinned"] is True
    rows = program("conversation", "list", "--json").json
    assert [(row["id"], row["pinned"]) for row in rows] == [(first, True), (second, False)]
    last = program("chat", name, "-m", "On", "--json").json
    assert last["conversation_id"] == second, "a pin says nothing about which was used last"
    program("conversation", "pin", first, "--off")
    assert [row["id"] for row in program("conversation", "list", "--json").json] == [second, first]

    messages = program("conversation", "show", first, "--json").json["messages"]
    (row,) = program("conversation", "mark", first, messages[1]["id"], "--name", "the  storm", "--json").json
    assert (row["id"], row["name"], row["shown"]) == (messages[1]["id"], "the storm", True)
    program("conversation", "mark", first, "--name", "now")
    assert [row["name"] for row in program("conversation", "mark", first, "--json").json] == [
        "the storm",
        "now",
    ]
    shown = program("conversation", "show", first, "--json").json["messages"]
    assert [one["mark"] for one in shown] == [None, "the storm", "now"]

    program("conversation", "export", first, "story.jsonl")
    lines = (tmp_path / "story.jsonl").read_text(encoding="utf-8").splitlines()
    assert '"bookmark_link": "the storm"' in lines[2]
    program("conversation", "mark", first, messages[1]["id"], "--off")
    program("conversation", "export", first, "story.json")
    for file, marks in (("story.jsonl", ["the storm", "now"]), ("story.json", ["now"])):
        done = program("conversation", "import", file, "--character", name, "--json").json
        again = done["conversation_id"] if "conversation_id" in done else done["id"]
        assert [row["name"] for row in program("conversation", "mark", again, "--json").json] == marks
    gone = program("conversation", "mark", first, "nothing", "--name", "x", "--json", code=5)
    assert gone.error["code"] == "MESSAGE_NOT_FOUND"


def test_a_card_comes_from_an_address(program: Program, make_card: Callable[..., Path]) -> None:
    import threading
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    card = make_card("Ada")
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(card.parent))
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}/Ada.png"
    try:
        refused, summary = program("import", url, "--json", code=7).lines
        assert refused["path"] == url and refused["error"]["code"] == "ADDRESS_PRIVATE"
        assert "--allow-private" in program("import", url, code=7).err
        assert summary["summary"]["failed"] == 1
        done, _ = program("import", "-", "--allow-private", "--json", stdin=f"{url}\n").lines
        assert (done["path"], done["status"], done["name"]) == (url, "imported", "Ada")
        page = url.rpartition("/")[0] + "/"
        told = program("import", page, "--allow-private", code=7, LUNALUX_LANG="zh")
        assert "网页" in told.err and len(told.err.strip().splitlines()) == 2
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_times_are_told_in_utc(program: Program) -> None:
    from datetime import UTC, datetime

    name = program("character", "list", "--json").json[0]["name"]
    said = program("chat", name, "-m", "Hi", "--json").json
    rows = program("character", "list", "--json").json
    times = [row["created_at"] for row in rows] + [row["used_at"] for row in rows if row["used_at"]]
    (chat,) = program("conversation", "list", "--json").json
    assert chat["name"] and chat["id"] == said["conversation_id"]
    times += [chat["created_at"], chat["updated_at"]]
    times += [
        one["created_at"] for one in program("conversation", "show", chat["id"], "--json").json["messages"]
    ]
    for text in times:
        assert (
            text.endswith("Z")
            and abs((datetime.now(UTC) - datetime.fromisoformat(text)).total_seconds()) < 600
        )


def test_a_conversation_is_named_by_the_beginning_that_a_table_shows(
    program: Program, tmp_path: Path
) -> None:
    name = program("character", "list", "--json").json[0]["name"]
    said = program("chat", name, "-m", "Hi", "--json").json
    place, begun = said["conversation_id"], said["conversation_id"][:8].upper()
    program("persona", "add", "Robin")
    book = tmp_path / "Rain.json"
    book.write_text('{"entries": {"0": {"uid": 0, "key": ["oak"], "content": "Old."}}}', encoding="utf-8")
    program("worldbook", "import", str(book))
    assert program("conversation", "show", begun, "--json").json["id"] == place
    assert program("conversation", "pin", begun, "--json").json["id"] == place
    marked = program("conversation", "mark", begun, said["message_id"][:8], "--name", "Rain", "--json").json
    assert [row["id"] for row in marked] == [said["message_id"]]
    assert program("conversation", "mark", begun, "zzzz", "--name", "x", "--json", code=5).error["code"] == (
        "MESSAGE_NOT_FOUND"
    )
    exported = program("conversation", "export", begun, str(tmp_path / "chat.md"), "--json").json
    assert exported["id"] == place and "Hi" in (tmp_path / "chat.md").read_text(encoding="utf-8")
    assert program("note", "set", begun, "--text", "Wet.", "--json").json["conversation_id"] == place
    used = program("persona", "use", "Robin", "--conversation", begun, "--json").json
    assert used["conversation_id"] == place
    program("worldbook", "bind", "Rain", "--conversation", begun)
    again = program("chat", name, "-m", "And?", "--conversation", begun, "--json").json
    assert again["conversation_id"] == place
    assert program("conversation", "delete", "3fa8c21b", "--yes", "--json", code=5).error["code"] == (
        "CONVERSATION_NOT_FOUND"
    )
    gone = program("conversation", "delete", begun, "--yes", "--json").json
    assert (gone["id"], gone["deleted"]) == (place, True)
