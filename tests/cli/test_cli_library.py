"""Characters, imports, conversations, shelves and backups through the program itself."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_program import Program, environment

from lunalux_core.cards.card_reader import read_card
from lunalux_core.cards.png import layout, make_chunk, write_texts

MakeCard = Callable[..., Path]


def test_import_reports_every_file_and_a_summary(
    program: Program, make_card: MakeCard, tmp_path: Path
) -> None:
    make_card("Ada", "cards/ada.png")
    make_card("Bea", "cards/deep/bea.json")
    make_card("Cleo", "cards/cleo.charx")
    make_card("Ada", "cards/ada again.png")
    (tmp_path / "cards" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    result = program("import", "cards", "nowhere.png", "--json", code=7)
    *results, last = result.lines
    assert set(last["summary"]) == {"imported", "duplicate", "replaced", "failed", "seconds"}
    assert {k: v for k, v in last["summary"].items() if k != "seconds"} == {
        "imported": 3,
        "duplicate": 1,
        "replaced": 0,
        "failed": 2,
    }
    assert all(set(result) == {"path", "status", "id", "name", "spec", "error"} for result in results)
    assert sorted(result["name"] for result in results if result["status"] == "imported") == [
        "Ada",
        "Bea",
        "Cleo",
    ]
    assert all(result["error"]["code"] for result in results if result["status"] == "failed")
    listed = program("character", "list", "--json").json
    assert sorted(row["name"] for row in listed) == ["Ada", "Bea", "Cleo"]
    assert all(row["marketBinding"] == {"active": False} for row in listed)


def test_import_from_a_list_on_stdin_replaces_and_copies(program: Program, make_card: MakeCard) -> None:
    card = make_card("Ada")
    first = program("import", "-", "--json", stdin=f"{card}\n").lines[0]
    again = program("import", str(card), "--on-duplicate", "replace", "--json").lines[0]
    assert (again["status"], again["id"]) == ("replaced", first["id"])
    program("import", str(card), "--on-duplicate", "copy")
    program("import", str(card), "--dry-run", "--on-duplicate", "copy")
    assert len(program("character", "list", "--json").json) == 2
    assert program("character", "show", "Ada", "--json", code=1).error["code"] == "CHARACTER_AMBIGUOUS"


def test_what_an_interrupted_import_reported_is_stored(
    program: Program, make_card: MakeCard, home: Path, tmp_path: Path
) -> None:
    for number in range(400):
        make_card(f"Card {number}", f"many/{number:03}.json", description="x" * 20_000)
    running = subprocess.Popen(
        [sys.executable, "-m", "lunalux_tui", "import", str(tmp_path / "many"), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(home),
    )
    assert running.stdout is not None
    told = [json.loads(running.stdout.readline())]
    running.send_signal(signal.SIGKILL)
    told += [json.loads(line) for line in running.stdout.read().splitlines() if line.endswith(b"}")]
    running.wait()
    stored = {row["id"] for row in program("character", "list", "--json").json}
    reported = {message["id"] for message in told if "id" in message}
    assert reported and reported <= stored


def test_show_gives_the_whole_normalised_card(program: Program, make_card: MakeCard) -> None:
    card = make_card("Ada", tags=["a", "b"], alternate_greetings=["Hm."], extensions={"odd": {"kept": 1}})
    program("import", str(card))
    shown = program("character", "show", "ada", "--json").json
    assert shown["spec"] == "v3"
    assert shown["marketBinding"] == {"active": False}
    data = shown["card"]["data"]
    assert data["name"] == "Ada" and data["tags"] == ["a", "b"] and data["alternate_greetings"] == ["Hm."]
    assert data["extensions"]["odd"] == {"kept": 1}
    assert data["character_book"] is None and data["system_prompt"] == ""
    assert program("character", "show", shown["id"][:6], "--json").json["id"] == shown["id"]


def test_export_keeps_the_picture_s_other_chunks(
    program: Program, make_card: MakeCard, tmp_path: Path
) -> None:
    card = make_card("Ada")
    data = card.read_bytes()
    end = layout(data).chunks[-1].start
    odd = make_chunk(b"prIv", b"kept") + make_chunk(b"tEXt", b"Title\0A title")
    card.write_bytes(write_texts(data[:end] + odd + data[end:], [], []))
    program("import", str(card))
    for name, spec in (("a.png", ""), ("b.json", "v2"), ("c.charx", ""), ("d.png", "v2")):
        program("character", "export", "Ada", name, *(["--spec", spec] if spec else []))
    exported = (tmp_path / "a.png").read_bytes()
    assert odd in exported and b"chara\0" in exported and b"ccv3\0" in exported
    assert b"ccv3\0" not in (tmp_path / "d.png").read_bytes()
    assert json.loads((tmp_path / "b.json").read_text("utf-8"))["spec"] == "chara_card_v2"
    assert "card.json" in zipfile.ZipFile(tmp_path / "c.charx").namelist()
    for name in ("a.png", "b.json", "c.charx"):
        assert read_card((tmp_path / name).read_bytes()).card.name == "Ada"
    assert program("character", "export", "Ada", "a.png", "--json", code=1).error["code"] == "FILE_EXISTS"
    assert program("character", "export", "Ada", "a.webp", "--json", code=2).error["code"]


def test_a_name_never_leads_out_of_the_export_folder(
    program: Program, make_card: MakeCard, tmp_path: Path
) -> None:
    card = make_card("../../etc/ho\nme", "bad.json")
    program("import", str(card))
    (tmp_path / "out").mkdir()
    (identity,) = [row["id"] for row in program("character", "list", "--json").json]
    path = Path(program("character", "export", identity, "out", "--json").json["path"])
    assert path.resolve().parent in {tmp_path / "out", Path("out").resolve()} or path.parent == Path("out")
    assert [path.suffix for path in (tmp_path / "out").iterdir()] == [".png"]


def test_delete_takes_the_conversations_along(program: Program, make_card: MakeCard) -> None:
    program("import", str(make_card("Ada")))
    program("chat", "Ada", "-m", "hello")
    assert len(program("conversation", "list", "--json").json) == 1
    assert program("character", "delete", "Ada", "--yes", "--json").json["deleted"] is True
    assert program("conversation", "list", "--json").json == []
    program("character", "show", "Ada", code=5)


def test_validate_reports_departures_and_unreadable_files(
    program: Program, make_card: MakeCard, tmp_path: Path
) -> None:
    good = make_card("Ada", "good.png")
    odd = tmp_path / "odd.json"
    odd.write_text(json.dumps({"spec": "chara_card_v2", "spec_version": "2.0", "data": {"name": 5}}))
    bad = tmp_path / "bad.json"
    bad.write_text("{")
    result = program("character", "validate", str(good), str(odd), str(bad), "--json", code=7)
    first, second, third = result.json
    assert first["valid"] and not [
        departure for departure in first["departures"] if departure["level"] == "error"
    ]
    assert not second["valid"] and {"data.name"} <= {departure["path"] for departure in second["departures"]}
    assert third["spec"] is None and third["departures"][0]["code"] == "CARD_BAD_JSON"
    assert program("character", "validate", str(good)).code == 0


def test_conversations_travel_in_every_format(program: Program, make_card: MakeCard, tmp_path: Path) -> None:
    program("import", str(make_card("Ada")))
    said = program("chat", "Ada", "-m", "hello there", "--json").json
    place = said["conversation_id"]
    shown = program("conversation", "show", place, "--json").json
    assert [m["role"] for m in shown["messages"]] == ["assistant", "user", "assistant"]
    assert shown["messages"][-1]["id"] == said["message_id"]
    for ending in ("jsonl", "md", "txt", "json"):
        program("conversation", "export", place, f"chat.{ending}")
        assert "hello there" in (tmp_path / f"chat.{ending}").read_text("utf-8")
    for ending in ("jsonl", "json"):
        new = program("conversation", "import", f"chat.{ending}", "--character", "Ada", "--json").json
        back = program("conversation", "show", new["id"], "--json").json
        assert [m["content"] for m in back["messages"]] == [m["content"] for m in shown["messages"]]
    program("conversation", "delete", place, "--yes")
    program("conversation", "show", place, "--json", code=5)


BOOK = {
    "entries": {
        "0": {"uid": 0, "key": ["dragon"], "content": "Dragons sleep in the tower.", "order": 100},
        "1": {"uid": 1, "key": ["tower"], "content": "The tower is old.", "order": 50, "comment": "Tower"},
    }
}


def test_worldbook_test_tells_what_and_why(program: Program, tmp_path: Path) -> None:
    book = tmp_path / "book.json"
    book.write_text(json.dumps(BOOK))
    result = program("worldbook", "test", str(book), "--text", "a dragon", "--json").json
    assert set(result) == {"activated", "skipped", "before", "after", "at_depth", "tokens"}
    fields = "uid comment order position depth role pass key reason tokens content"
    assert all(set(entry) == set(fields.split()) for entry in result["activated"])
    assert [entry["uid"] for entry in result["activated"]] == [1, 0]
    off = ("--settings", '{"recursive": false}')
    only = program("worldbook", "test", str(book), "--text", "a dragon", *off, "--json").json
    assert [entry["uid"] for entry in only["activated"]] == [0]
    messages = tmp_path / "messages.json"
    messages.write_text(json.dumps([{"role": "user", "name": "Bo", "content": "the tower"}]))
    result = program("worldbook", "test", str(book), "--messages", str(messages), "--json").json
    assert [entry["uid"] for entry in result["activated"]] == [1]
    assert [
        entry["uid"]
        for entry in program("worldbook", "test", str(book), "--json", stdin="tower").json["activated"]
    ] == [1]
    assert program("worldbook", "test", str(book), "--settings", "[", "--json", code=2).error["code"]


def test_shelves_import_switch_export_delete(program: Program, tmp_path: Path) -> None:
    book = tmp_path / "book.json"
    book.write_text(json.dumps(BOOK))
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"scriptName": "Loud", "findRegex": "/a/g", "replaceString": "A"}))
    preset = tmp_path / "mine.json"
    preset.write_text(json.dumps({"prompts": [{"identifier": "main", "content": "Be brief."}]}))
    for kind, path in (("worldbook", book), ("regex", script), ("preset", preset)):
        (stored,) = program(kind, "import", str(path), "--json").json
        assert program(kind, "disable", stored["id"], "--json").json["enabled"] is False
        listed = {row["id"]: row for row in program(kind, "list", "--json").json}
        assert listed[stored["id"]]["enabled"] is False
        assert program(kind, "enable", stored["name"], "--json").json["enabled"] is True
        program(kind, "export", stored["id"], f"{kind}.out.json")
        assert json.loads((tmp_path / f"{kind}.out.json").read_text("utf-8"))
        program(kind, "delete", stored["id"], "--yes")
        assert program(kind, "enable", stored["id"], "--json", code=5).error["code"].endswith("_NOT_FOUND")


def test_built_in_presets_are_shown_and_put_in_use(program: Program) -> None:
    listed = program("preset", "list", "--json").json
    assert [row["id"] for row in listed if row["enabled"]] == ["mirror_realm"]
    program("preset", "enable", "default")
    assert program("settings", "get", "chat.preset", "--json").json["value"] == "default"
    shown = program("preset", "show", "default", "--json").json
    assert shown["slots"][0]["identifier"] == "main" and shown["slots"][0]["role"] == "system"
    assert shown["tokens"] == sum(slot["tokens"] for slot in shown["slots"] if slot["enabled"]) > 0


def test_regex_test(program: Program, tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(
        json.dumps({"scriptName": "Loud", "findRegex": "/a/g", "replaceString": "A", "placement": [2]})
    )
    result = program("regex", "test", str(script), "--json", stdin="banana").json
    assert result == {"text": "bAnAnA", "applied": ["Loud"], "skipped": []}


@pytest.mark.parametrize("kind", ["worldbook", "regex", "macro", "preset"])
def test_scenarios_give_one_result_each(program: Program, vectors: Path, kind: str) -> None:
    file = {"worldbook": "worldinfo", "regex": "regex", "macro": "macros", "preset": "prompt"}[kind]
    path = vectors / f"{file}.json"
    result = program(kind, "test", "--scenarios", str(path)).json
    given = json.loads(path.read_text("utf-8"))
    assert len(result) == (len(given) if isinstance(given, list) else 1)


def test_backup_and_restore(program: Program, make_card: MakeCard, tmp_path: Path) -> None:
    program("import", str(make_card("Ada")))
    program("chat", "Ada", "-m", "remember this")
    saved = program("backup", "all.zip", "--json").json
    assert (saved["characters"], saved["conversations"]) == (1, 1)
    program("character", "delete", "Ada", "--yes")
    program("restore", "all.zip")
    (one,) = program("conversation", "list", "--json").json
    shown: dict[str, Any] = program("conversation", "show", one["id"], "--json").json
    assert any(m["content"] == "remember this" for m in shown["messages"])


def test_two_programs_on_one_library(program: Program, make_card: MakeCard, home: Path) -> None:
    program("import", str(make_card("Ada")))
    chats = [
        subprocess.Popen(
            [sys.executable, "-m", "lunalux_tui", "chat", "Ada", "--new", "-m", f"turn {n}", "--json"],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env=environment(home),
        )
        for n in range(3)
    ]
    assert [chat.wait(60) for chat in chats] == [0, 0, 0]
    for chat in chats:
        assert chat.stdout is not None
        chat.stdout.close()
    assert len(program("conversation", "list", "--json").json) == 3


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_private_files_are_private(program: Program, home: Path) -> None:
    program("model", "add", "m", "--provider", "openai", "--model", "x", "--key-stdin", stdin="sk-secret\n")
    path = home / "data" / "credentials.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert "sk-secret" not in (home / "config" / "config.toml").read_text("utf-8")


def test_import_takes_anything_and_says_where_it_went(
    program: Program, make_card: MakeCard, tmp_path: Path
) -> None:
    make_card("Ada", "in/ada.png")
    book = {"entries": {"0": {"uid": 0, "key": ["lake"], "content": "deep"}}}
    (tmp_path / "in" / "lake.json").write_text(json.dumps(book))
    chat = [{"chat_metadata": {}}, {"name": "Ada", "is_user": False, "mes": "Hi."}]
    (tmp_path / "in" / "x.jsonl").write_text("\n".join(map(json.dumps, chat)) + '\n{"name": "Ad')
    (tmp_path / "in" / "note.json").write_text('{"temp": 1}')
    *rows, last = program("import", "in", "--json", code=7).lines
    found = {Path(row["path"]).name: row for row in rows}
    assert set(found["ada.png"]) == {"path", "status", "id", "name", "spec", "error"}
    assert set(found["lake.json"]) == {*found["ada.png"], "kind", "notes"}
    assert (found["lake.json"]["kind"], found["lake.json"]["status"]) == ("worldbook", "imported")
    assert found["x.jsonl"]["notes"] == ["Line 3 is not a message and was left out."]
    assert found["note.json"]["error"]["code"] == "NOT_A_CARD"
    assert {key: last["summary"][key] for key in ("imported", "failed")} == {"imported": 3, "failed": 1}
    assert program("worldbook", "list", "--json").json[0]["enabled"] is False
    assert len(program("conversation", "list", "Ada", "--json").json) == 1
    *rows, last = program("import", "in", "--json", code=7).lines
    assert last["summary"]["duplicate"] == 3


def test_some_of_several_shelf_files_may_fail(program: Program, make_card: MakeCard, tmp_path: Path) -> None:
    (tmp_path / "good.json").write_text('{"entries": {"0": {"key": ["a"], "content": "b"}}}')
    (tmp_path / "bad.json").write_text('{"entries": ')
    rows = program("worldbook", "import", "bad.json", "good.json", "--json", code=7).json
    assert rows[0]["error"]["code"] == "JSON_INVALID" and rows[1]["name"] == "good"
    assert program("worldbook", "import", "bad.json", "--json", code=1).error["code"] == "JSON_INVALID"
    again = program("worldbook", "import", "good.json", "--json").json
    assert again[0]["id"] == rows[1]["id"] and "already" in again[0]["notes"][0]
    make_card("Eve", character_book={"name": "Eve's", "entries": [{"keys": ["k"], "content": "c"}]})
    assert program("worldbook", "import", "Eve.png", "--json").json[0]["name"] == "Eve's"
    assert program("worldbook", "own-settings", "good", "--json").json["own_settings"] is True
    program("worldbook", "export", "good", "out.json")
    document = json.loads((tmp_path / "out.json").read_text())
    assert document["extensions"] == {"lunalux": {"own_settings": True}}
    for noun in ("worldbook", "preset", "regex"):
        for verb in ("enable", "disable", "delete"):
            assert program(noun, verb, "nobody", "--json", code=5).error["code"].endswith("_NOT_FOUND")


def test_the_library_goes_to_sillytavern_and_comes_back(
    program: Program, make_card: MakeCard, tmp_path: Path, home: Path
) -> None:
    program("import", str(make_card("Ada")))
    result = program("backup", "--format", "sillytavern", "all.zip", "--json").json
    assert result["characters"] == 1
    program("backup", "--format", "narratium", "all.json")
    program("backup", "--format", "nothing", "x", code=2)
    for file in ("all.zip", "all.json"):
        rows = program("import", file, "--json", LUNALUX_HOME=str(tmp_path / file[-3:])).lines
        assert [row["name"] for row in rows[:-1] if "kind" not in row] == ["Ada"]


def test_a_worldbook_is_bound_to_a_conversation(
    program: Program, make_card: MakeCard, tmp_path: Path
) -> None:
    make_card("Ada")
    (tmp_path / "Sea.json").write_text('{"entries": {"0": {"key": ["wave"], "content": "SALT"}}}')
    program("import", "Ada.png", "Sea.json")
    program("chat", "Ada", "-m", "Hello.")
    chat = program("conversation", "list", "Ada", "--json").json[0]["id"]
    assert "SALT" not in program("chat", "Ada", "-m", "a wave", "--show-prompt").out
    assert program("worldbook", "bind", "sea", "--conversation", chat, "--json").json["bound"] is True
    assert "SALT" in program("chat", "Ada", "-m", "a wave", "--show-prompt").out
    program("worldbook", "bind", "Sea", "--conversation", chat, "--off")
    assert "SALT" not in program("chat", "Ada", "-m", "a wave", "--show-prompt").out
    program("worldbook", "bind", "Sea", "--character", "Ada")
    assert "SALT" in program("chat", "Ada", "-m", "a wave", "--show-prompt").out
    program("worldbook", "bind", "Sea", "--character", "Ada", "--off")
    program("worldbook", "bind", "Sea", code=2)
    program("worldbook", "bind", "Sea", "--persona", "nobody", code=5)


def test_a_dry_run_says_that_nothing_was_stored(program: Program, make_card: MakeCard) -> None:
    card = make_card("Ada")
    result = program("import", str(card), "--dry-run")
    assert result.out.startswith("would import\tcard\t\tAda\t") and "Nothing was stored" in result.err
    row, last = program("import", str(card), "--dry-run", "--json").lines
    assert (row["status"], row["id"], last["summary"]["dry_run"]) == ("would import", None, True)
    assert program("character", "list", "--json").json == [] or all(
        row["name"] != "Ada" for row in program("character", "list", "--json").json
    )
    stored = program("import", str(card), "--json").lines[0]
    row = program("import", str(card), "--dry-run", "--on-duplicate", "replace", "--json").lines[0]
    assert (row["status"], row["id"]) == ("would replace", stored["id"])


def test_what_is_told_of_a_card_is_in_the_json_too(program: Program, make_card: MakeCard) -> None:
    card = make_card("Ada", extensions={"world": "Lake"})
    row = program("import", str(card), "--json").lines[0]
    assert "'Lake'" in row["notes"][0]


def test_a_file_with_several_chats_becomes_several_conversations(
    program: Program, make_card: MakeCard, tmp_path: Path
) -> None:
    program("import", str(make_card("Ada")))
    chats = [{"message": [{"role": "char", "data": text}], "name": text} for text in ("One", "Two")]
    (tmp_path / "all.json").write_text(json.dumps({"type": "risuAllChats", "ver": 2, "data": chats}))
    first, second = program("conversation", "import", "all.json", "--character", "Ada").out.split()
    assert program("conversation", "show", second, "--json").json["messages"][0]["content"] == "Two"
    result = program("conversation", "import", "all.json", "--character", "Ada", "--json").json
    assert len(result["others"]) == 1 and result["id"] not in (first, second)


def test_odd_paths_are_told_like_files_that_are_not_there(program: Program) -> None:
    for path in ("a**b.png", "x" * 300, "~nobody-here/x"):
        row = program("import", path, "--json", code=5).lines[0]
        assert row["error"]["code"] == "FILE_NOT_FOUND"


def test_a_replaced_character_has_the_files_of_its_new_card_and_leaves_none(
    program: Program, make_card: MakeCard, home: Path
) -> None:
    card = make_card("Iris")
    (first,) = program("import", str(card), "--json").lines[:1]
    pictures = home / "data" / "pictures"
    for _ in range(2):
        again = program("import", str(card), "--on-duplicate", "replace", "--json").lines[0]
        assert (again["status"], again["id"]) == ("replaced", first["id"])
        (kept,) = pictures.glob(f"{first['id']}.*")
        assert kept.read_bytes() == card.read_bytes()
    program("character", "export", first["id"], "out.png")
    program("character", "delete", first["id"], "--yes")
    assert not list(pictures.glob("*"))


@pytest.mark.parametrize("value", ["inf", "nan", "[[1]]", "0x" + "f" * 5000])
def test_a_wild_setting_stops_no_command(program: Program, home: Path, value: str) -> None:
    (home / "config").mkdir(parents=True)
    (home / "config" / "config.toml").write_text(f"[chat]\ncontext_tokens = {value}\ntemperature = {value}\n")
    result = program("settings", "get", "chat.context_tokens")
    assert result.out.strip() == "8192" and "chat.context_tokens" in result.err
    checks = {check["name"]: check for check in program("doctor", "--json", code=None).json["checks"]}
    assert (
        checks["configuration"]["status"] == "warn"
        and "chat.temperature" in checks["configuration"]["detail"]
    )


def test_a_restore_of_what_is_none_or_of_nowhere_is_one_sentence(program: Program, tmp_path: Path) -> None:
    for name in ("~nobody-of-this-name/x.zip", "a" * 300):
        assert program("restore", name, "--json", code=None).error["code"] in {
            "BACKUP_NOT_FOUND",
            "PATH_UNUSABLE",
        }
    (tmp_path / "x.zip").write_bytes(b"PK")
    assert program("restore", "x.zip", "--json", code=1).error["code"] == "BACKUP_DAMAGED"


def test_what_went_out_and_comes_back_is_there_already(program: Program, make_card: MakeCard) -> None:
    program("import", str(make_card("Ada")), str(make_card("Bea")))
    program("chat", "Ada", "-m", "Hello.")
    program("chat", "Ada", "-m", "And again.")
    program("conversation", "group", "Two", "Ada", "Bea")
    before = program("conversation", "list", "--json").json
    for format, file in (("sillytavern", "back"), ("narratium", "back.json")):
        program("backup", "--format", format, file)
        *rows, _ = program("import", file, "--json").lines
        assert {row["status"] for row in rows} == {"duplicate"}
        assert len([row for row in rows if row.get("kind") == "chat"]) >= 1
    assert program("conversation", "list", "--json").json == before


def test_what_a_restore_moves_aside_has_the_date_in_its_name(
    program: Program, make_card: MakeCard, tmp_path: Path
) -> None:
    program("import", str(make_card("Ada")))
    program("backup", "all.zip")
    first = Path(program("restore", "all.zip", "--json").json["replaced"])
    second = Path(program("restore", "all.zip", "--json").json["replaced"])
    assert first != second
    for kept in (first, second):
        assert (kept / "library.db").exists()
        assert re.match(r"replaced-\d{4}-\d\d-\d\d-\d{6}-", kept.name)
