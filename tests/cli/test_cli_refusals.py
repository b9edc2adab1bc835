"""What the command line refuses, and with which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from cli_program import Program, environment, messages

MakeCard = Callable[..., Path]

BOOK = {"entries": {"0": {"uid": 0, "key": ["sea"], "content": "The sea is grey.", "order": 100}}}


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "sea.json"
    path.write_text(json.dumps(BOOK))
    return path


def kept(program: Program, path: Path, *export: str) -> None:
    """An export refuses a file that is there and leaves it as it is; with --force it replaces it."""
    path.write_text("mine")
    error = program(*export, str(path), "--json", code=1).error
    assert error["code"] == "FILE_EXISTS" and path.name in error["message"] and "--force" in error["hint"]
    assert path.read_text() == "mine"
    program(*export, str(path), "--force")
    assert path.read_bytes() != b"mine"


def test_no_export_overwrites_a_file_unasked(
    program: Program, book: Path, make_card: MakeCard, tmp_path: Path
) -> None:
    script = tmp_path / "quiet.json"
    script.write_text(json.dumps({"scriptName": "Quiet", "findRegex": "/!/g", "replaceString": "."}))
    program("worldbook", "import", str(book))
    program("regex", "import", str(script))
    program("import", str(make_card("Ada")))
    place = program("chat", "Ada", "-m", "hello", "--json").json["conversation_id"]
    there = tmp_path / "there.json"
    kept(program, there, "worldbook", "export", "sea")
    kept(program, there, "regex", "export", "Quiet")
    kept(program, there, "preset", "export", "mirror_realm")
    kept(program, there, "character", "export", "Ada")
    kept(program, there, "conversation", "export", place)
    kept(program, there, "backup", "--format", "narratium")
    kept(program, tmp_path / "there.zip", "backup")


def test_an_unknown_name_of_a_worldbook_setting_is_refused(program: Program, book: Path) -> None:
    trial = ("worldbook", "test", str(book), "--text", "the sea", "--json", "--settings")
    error = program(*trial, '{"depth": 4, "dept": 2}', code=2).error
    assert error["code"] == "USAGE" and "dept" in error["message"]
    assert "depth" in error["hint"] and "max_recursion_steps" in error["hint"]
    said = program(*trial, '{"dept": 2}', code=2, LUNALUX_LANG="zh").error
    assert "dept" in said["message"] and "depth" in said["hint"] and said["hint"] != error["hint"]


def test_every_name_of_the_settings_is_taken(program: Program, book: Path) -> None:
    ours = {
        "depth": 2,
        "min_activations": 0,
        "min_activations_depth_max": 0,
        "budget": 25,
        "budget_cap": 0,
        "cap": 0,
        "include_names": True,
        "recursive": True,
        "overflow_alert": False,
        "case_sensitive": False,
        "whole_words": True,
        "strategy": 1,
        "group_scoring": False,
        "max_recursion_steps": 0,
        "max_context": 4096,
    }
    theirs = {
        "world_info_depth": 2,
        "world_info_match_whole_words": True,
        "world_info_use_group_scoring": False,
        "world_info_character_strategy": 1,
        "world_info_overflow_alert": False,
    }
    for settings in (ours, theirs):
        trial = ("worldbook", "test", str(book), "--text", "the sea", "--settings", json.dumps(settings))
        assert len(program(*trial, "--json").json["activated"]) == 1


def test_a_value_that_a_setting_does_not_take_is_wrong_usage(program: Program) -> None:
    error = program("settings", "set", "language", "fr", "--json", code=2).error
    assert error["code"] == "SETTING_INVALID"
    assert (
        program("settings", "set", "nothing.such", "1", "--json", code=5).error["code"] == "SETTING_UNKNOWN"
    )


def test_a_card_with_errors_does_not_pass_validation(program: Program, tmp_path: Path) -> None:
    card = tmp_path / "odd.json"
    card.write_text(json.dumps({"spec": "chara_card_v2", "spec_version": "2.0", "data": {"name": 5}}))
    result = program("character", "validate", str(card), "--json", code=7)
    assert result.json[0]["spec"] == "v2" and not result.json[0]["valid"]


def test_to_be_signed_out_is_no_failure_of_the_doctor(program: Program) -> None:
    program("account", "logout")
    result = program("doctor", "--json", code=None, TERM="xterm-256color")
    checks = {check["name"]: check for check in result.json["checks"]}
    assert checks["account"]["status"] == "warn" and "account login" in checks["account"]["hint"]
    assert result.json["ok"] and result.code == 0


def test_what_other_programs_keep_in_their_own_forms_is_named(
    program: Program, make_card: MakeCard, tmp_path: Path
) -> None:
    folder = make_card("Ada", "cards/ada.png").parent
    (folder / "c.risum").write_bytes(b"\x6f\x00" + bytes(range(256)))
    (folder / "d.risup").write_bytes(bytes(range(255, 0, -1)))
    *rows, last = program("import", str(folder), "--json", code=7).lines
    said = {Path(row["path"]).name: (row["error"] or {}).get("message", "") for row in rows}
    assert said["ada.png"] == "" and last["summary"]["imported"] == 1 and last["summary"]["failed"] == 2
    for name, words in (("c.risum", "module of RisuAI"), ("d.risup", "preset of")):
        assert words in said[name] and "does not read" in said[name]


@pytest.mark.parametrize(
    ("language", "words"), [("en", "1 imported, 0 already there"), ("zh", "导入 1，已有 0")]
)
def test_the_sum_of_an_import_names_every_number(
    program: Program, make_card: MakeCard, language: str, words: str
) -> None:
    assert words in program("import", str(make_card("Ada")), LUNALUX_LANG=language).err


@pytest.mark.skipif(sys.platform != "linux", reason="a small disk is mounted")
def test_on_a_full_disk_what_is_there_can_be_read_and_taken_elsewhere(
    program: Program, home: Path, tmp_path: Path
) -> None:
    home.mkdir(parents=True, exist_ok=True)
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(home)], capture_output=True
    ).returncode:
        pytest.skip("no right to mount a disk")
    try:
        program("character", "list")
        with suppress(OSError), (home / "fill").open("wb", buffering=0) as fill:
            while fill.write(b"x" * 4096):
                pass
        assert "Marigold" in program("character", "list").out
        program("character", "export", "Marigold", str(tmp_path / "m.json"))
        assert "Marigold" in (tmp_path / "m.json").read_text(encoding="utf-8")
        refused = program("chat", "Marigold", "-m", "hi", "--json", code=None)
        assert refused.code and "DISK_FULL" in refused.err + refused.out
        (home / "fill").unlink()
        program("chat", "Marigold", "-m", "hi")
    finally:
        subprocess.run(["umount", str(home)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="rights of root are given up")
def test_the_doctor_ends_whatever_folder_cannot_be_looked_into(home: Path) -> None:
    environ = environment(home)
    command = [sys.executable, "-m", "lunalux_tui", "doctor", "--json"]
    if os.geteuid() == 0:
        lost = "-dac_override,-dac_read_search"
        command = ["setpriv", f"--bounding-set={lost}", f"--inh-caps={lost}", *command]
    for name in ("data", "config", "data/logs"):
        folder = home / name
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0)
        try:
            done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
        finally:
            folder.chmod(0o700)
        assert not done.stderr.count("Traceback") and "Logging error" not in done.stderr, done.stderr
        assert "itself failed" not in done.stdout
        assert {"storage", "plug-ins", "crashes"} <= {
            one["name"] for one in json.loads(done.stdout)["checks"]
        }


@pytest.mark.parametrize(
    "command",
    [
        ("import",),
        ("character", "validate"),
        ("worldbook", "import"),
        ("preset", "import"),
        ("regex", "import"),
        ("template", "import"),
        ("profile", "import"),
        ("quickreply", "import"),
        ("conversation", "import"),
        ("bank", "add"),
        ("script", "run"),
        ("restore",),
    ],
)
def test_a_single_path_that_is_not_there_is_not_found(program: Program, command: tuple[str, ...]) -> None:
    path = "nowhere.txt" if command[0] == "bank" else "nowhere.json"
    told = program(*command, path, code=5)
    assert path in told.err + told.out
    error = program(*command, path, "--json", code=5).error
    assert error["code"] in {"FILE_NOT_FOUND", "BACKUP_NOT_FOUND"} and path in error["message"]


def test_one_missing_path_among_others_is_a_part_of_the_batch(program: Program, make_card: MakeCard) -> None:
    card = str(make_card("Ada"))
    for command in (("import",), ("character", "validate")):
        program(*command, card, "nowhere.png", code=7)
        program(*command, "nowhere.png", "nor-here.png", code=7)


def test_a_wrong_backend_address_is_wrong_usage(program: Program) -> None:
    error = program("account", "show", "--refresh", "--json", code=2, LUNALUX_API_URL="foo").error
    assert error["code"] == "API_URL_INVALID" and "https://" in error["hint"]


def test_a_backend_that_does_not_answer_is_named_with_its_port(program: Program) -> None:
    told = program("market", "list", "--refresh", code=6, LUNALUX_API_URL="http://127.0.0.1:9")
    assert "127.0.0.1:9 " in told.err


def test_exports_make_the_folders_of_their_path(program: Program, make_card: MakeCard, home: Path) -> None:
    program("import", str(make_card("Ada")))
    place = program("chat", "Ada", "-m", "hello", "--json").json["conversation_id"]
    for number, words in enumerate(
        [
            ("backup", "all.zip"),
            ("backup", "--format", "sillytavern", "all"),
            ("backup", "--format", "narratium", "all.json"),
            ("character", "export", "Ada", "ada.png"),
            ("conversation", "export", place, "chat.jsonl"),
            ("preset", "export", "mirror_realm", "preset.json"),
            ("memory", "export", place, "memory.md"),
            ("template", "export", "chatml", "template.json"),
        ]
    ):
        path = home.parent / f"new {number}" / "deeper" / words[-1]
        program(*words[:-1], str(path))
        assert path.exists(), words


def test_what_a_backup_holds_is_counted_in_both_languages(program: Program, make_card: MakeCard) -> None:
    program("import", str(make_card("Ada")))
    english = program("backup", "--format", "sillytavern", "one", LUNALUX_LANG="en").err
    assert english.strip() == "Saved to one: characters 1"
    chinese = program("backup", "--format", "sillytavern", "two", LUNALUX_LANG="zh").err
    assert chinese.strip() == "已保存到 two：角色数 1"


def test_a_weak_password_is_told_with_the_rule(program: Program) -> None:
    for language, rule in (("en", "at least 8 characters"), ("zh", "至少要 8 个字符")):
        signup = ("account", "signup", "ada@example.org", "--password-stdin", "--json")
        error = program(*signup, stdin="short", code=1, LUNALUX_LANG=language).error
        assert error["code"] == "WEAK_PASSWORD" and rule in error["message"]


@pytest.mark.parametrize("locale", ["C.UTF-8", "POSIX"])
def test_bytes_on_stdin_that_are_no_text_are_refused(
    program: Program, tmp_path: Path, ada: str, locale: str
) -> None:
    """In these locales Python gives such bytes out as lone surrogates."""
    (tmp_path / "x.json").write_text('{"scriptName": "x", "findRegex": "x", "replaceString": "y"}')
    place = program("chat", ada, "-m", "hello", "--json").json["conversation_id"]
    length = len(messages(program))
    for command in (
        ("chat", ada, "--no-reply"),
        ("note", "set", place, "--text", "-"),
        ("regex", "test", "x.json"),
    ):
        result = program(
            *command, "--json", stdin="a\udcffb", code=2, LC_ALL=locale, PYTHONIOENCODING="", PYTHONUTF8="0"
        )
        assert not result.out and "not UTF-8" in result.error["message"]
    assert len(messages(program)) == length
