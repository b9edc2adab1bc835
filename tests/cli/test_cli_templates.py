"""Templates for text completion on the command line: in, shown, out, deleted, replayed, and in a chat."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_program import Program, environment

MakeCard = Callable[..., Path]

INSTRUCT = {
    "name": "Tags",
    "input_sequence": "<u>",
    "output_sequence": "<a>",
    "separator_sequence": "</s>",
    "wrap": False,
    "names": False,
    "somebody_else's": {"field": [1, 2]},
}
CONTEXT = {"name": "Tags", "story_string": "{{system}}|{{description}}\n", "story_string_position": 0}
SYSTEM = {"name": "Tags", "content": "Play {{char}}."}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def make(name: str, document: Any) -> str:
        path = tmp_path / name
        path.write_text(json.dumps(document), encoding="utf-8")
        return str(path)

    return make


def test_a_template_comes_in_is_shown_and_goes_out_as_it_was(
    program: Program, write: Callable[..., str], tmp_path: Path
) -> None:
    (row,) = program("template", "import", write("tags.json", INSTRUCT), "--json").json
    assert (row["name"], row["kind"], row["builtin"], row["notes"]) == ("Tags", "instruct", False, [])
    assert program("template", "import", write("again.json", INSTRUCT), "--json").json[0]["id"] == row["id"]
    listed = program("template", "list", "--json").json
    assert listed[0] == {
        "id": row["id"],
        "name": "Tags",
        "kind": "instruct",
        "bundle": None,
        "builtin": False,
    }
    assert {row["name"] for row in listed} >= {"ChatML", "Llama 3", "Story"}
    shown = program("template", "show", "tags", "--json").json
    assert shown["kind"] == "instruct" and shown["document"] == INSTRUCT
    assert shown["fields"]["output_suffix"] == "</s>" and shown["fields"]["names_behavior"] == "none"
    assert program("template", "show", row["id"], "--json").json == shown
    program("template", "export", "Tags", "out.json")
    assert json.loads((tmp_path / "out.json").read_text("utf-8")) == INSTRUCT
    assert program("template", "export", "Tags", "out.json", code=1).err
    assert "<|im_start|>" in program("template", "show", "ChatML").out
    (named,) = program("template", "import", "out.json", "--name", "Other", "--json").json
    assert (named["name"], named["id"] != row["id"]) == ("Other", True)
    program("template", "export", "Other", "other.json")
    assert json.loads((tmp_path / "other.json").read_text("utf-8")) == {**INSTRUCT, "name": "Other"}


def test_a_master_file_is_one_thing_and_its_parts(
    program: Program, write: Callable[..., str], tmp_path: Path
) -> None:
    master = {"instruct": {**INSTRUCT, "name": "I"}, "context": CONTEXT, "sysprompt": SYSTEM}
    rows = program("template", "import", write("Mine.json", master), "--json").json
    assert [(row["kind"], row["bundle"]) for row in rows] == [
        ("instruct", "Mine"),
        ("context", "Mine"),
        ("sysprompt", "Mine"),
    ]
    shown = program("template", "show", "mine", "--json").json
    assert shown["kind"] == "master" and [part["kind"] for part in shown["parts"]] == [
        "instruct",
        "context",
        "sysprompt",
    ]
    program("template", "export", "Mine", "out.json")
    assert json.loads((tmp_path / "out.json").read_text("utf-8")) == master
    refused = program("template", "delete", "Tags", "--yes", "--json", code=1)
    assert refused.error["code"] == "TEMPLATE_AMBIGUOUS"
    assert program("template", "delete", "Tags", "--kind", "context", "--yes", "--json").json["deleted"]
    assert program("template", "delete", "Mine", "--yes", "--json").json["kind"] == "master"
    assert all(row["builtin"] for row in program("template", "list", "--json").json)


def test_a_deletion_is_asked_for(program: Program, write: Callable[..., str], home: Path) -> None:
    program("template", "import", write("tags.json", INSTRUCT))
    refused = program("template", "delete", "Tags", "--json", code=2)
    assert refused.error["code"] == "USAGE" and "--yes" in refused.error["hint"]
    for answer, left in (("n", 1), ("y", 0)):
        master, slave = pty.openpty()
        result = subprocess.Popen(
            [sys.executable, "-m", "lunalux_tui", "template", "delete", "Tags"],
            stdin=slave,
            stdout=subprocess.PIPE,
            stderr=slave,
            env=environment(home),
        )
        os.close(slave)
        os.write(master, f"{answer}\n".encode())
        result.communicate(timeout=60)
        os.close(master)
        rows = program("template", "list", "--json").json
        assert sum(not row["builtin"] for row in rows) == left
    refused = program("template", "delete", "ChatML", "--yes", "--json", code=1)
    assert refused.error["code"] == "TEMPLATE_BUILTIN"


def test_unknown_names_and_files_are_told(program: Program, write: Callable[..., str]) -> None:
    missing = program("template", "show", "ChatLM", "--json", code=5)
    assert missing.error["code"] == "TEMPLATE_NOT_FOUND" and "ChatML" in missing.error["hint"]
    chinese = program("template", "show", "ChatLM", code=5, LUNALUX_LANG="zh")
    assert "相近" in chinese.err and "ChatML" in chinese.err
    refused = program("template", "import", write("no.json", {"hello": 1}), "--json", code=1)
    assert refused.error["code"] == "TEMPLATE_NOT_RECOGNISED"
    assert program("template", "show", "ChatML", "--kind", "odd", code=2).err
    broken = {"name": "B", "story_string": "a\n{{#if system}}"}
    (row,) = program("template", "import", write("broken.json", broken), "--json").json
    assert "line 2, column 1" in row["notes"][0]


def test_import_takes_templates_and_switches_nothing_on(
    program: Program, write: Callable[..., str], tmp_path: Path
) -> None:
    write("master.json", {"instruct": INSTRUCT, "sysprompt": SYSTEM})
    write("warm.json", {"temp": 1.2, "top_k": 40, "rep_pen": 1.1, "api_server": "http://elsewhere.example"})
    *rows, _ = program("import", "master.json", "warm.json", "--json").lines
    assert [(row["kind"], row["status"]) for row in rows] == [("template", "imported")] * 2
    assert all("lunalux model add --mode text" in row["notes"][-1] for row in rows)
    assert any("api_server" in note for row in rows for note in row["notes"])
    *again, _ = program("import", "master.json", "warm.json", "--json").lines
    assert [one["status"] for one in again] == ["duplicate"] * 2
    assert program("backup", "--format", "sillytavern", "tavern").code == 0
    assert json.loads((tmp_path / "tavern/instruct/Tags.json").read_text("utf-8")) == INSTRUCT
    warm = json.loads((tmp_path / "tavern/TextGen Settings/warm.json").read_text("utf-8"))
    assert warm == {"temp": 1.2, "top_k": 40, "rep_pen": 1.1}


@pytest.mark.parametrize("file", ["text", "text-cleanup", "text-activate"])
def test_scenarios_give_one_result_each(program: Program, vectors: Path, file: str) -> None:
    path = vectors / f"{file}.json"
    results = program("template", "test", "--scenarios", str(path)).json
    cases = json.loads(path.read_text("utf-8"))
    assert len(results) == len(cases)
    same = sum(result == case["expected"]["1.18.0"] for result, case in zip(results, cases, strict=True))
    assert same >= len(cases) - 4


def test_show_prompt_is_the_text_that_a_text_model_gets(
    program: Program, write: Callable[..., str], make_card: MakeCard
) -> None:
    program("import", str(make_card("Ada")))
    for name, document in (("i.json", INSTRUCT), ("c.json", CONTEXT), ("s.json", SYSTEM)):
        program("template", "import", write(name, document))
    add = ("model", "add", "local", "--provider", "openai", "--model", "m", "--mode", "text")
    unknown = program(*add, "--template", "Nothing like it", "--json", code=5)
    assert unknown.error["code"] == "TEMPLATE_NOT_FOUND"
    program(*add, "--template", "tag", "--base-url", "http://127.0.0.1:9/v1")
    (row,) = [one for one in program("model", "list", "--json").json["own"] if one["name"] == "local"]
    assert (row["mode"], row["template"]) == ("text", "Tags")
    shown = program(
        "chat", "Ada", "-m", "Hello", "--model", "local", "--user", "Bo", "--show-prompt", "--json"
    )
    assert shown.json == {
        "prompt": "Play Ada.|Ada keeps a lighthouse.\n<a>I am Ada.</s><u>Hello<a>",
        "stop": ["\nBo:", "<u>", "<a>"],
        "template": "Tags",
    }
    plain = program("chat", "Ada", "-m", "Hello", "--model", "local", "--user", "Bo", "--show-prompt")
    assert plain.out == shown.json["prompt"] + "\n" and plain.err == ""


def test_a_broken_template_is_told_and_the_chat_shown(
    program: Program, write: Callable[..., str], make_card: MakeCard
) -> None:
    program("import", str(make_card("Ada")))
    master = {"instruct": INSTRUCT, "context": {"name": "X", "story_string": "\n {{#each x}}"}}
    program("template", "import", write("Bad.json", master))
    add = ("model", "add", "local", "--provider", "openai", "--model", "m", "--mode", "text")
    program(*add, "--template", "Bad", "--base-url", "http://127.0.0.1:9/v1")
    command = ("chat", "Ada", "-m", "Hello", "--model", "local", "--show-prompt", "--json")
    shown = program(*command)
    assert "line 2, column 2" in shown.err
    assert shown.json[-1]["role"] == "user" and "Hello" in shown.json[-1]["content"]
    assert "第 2 行第 2 列" in program(*command, LUNALUX_LANG="zh").err


def test_text_mode_needs_what_it_needs(program: Program) -> None:
    add = ("model", "add", "x", "--model", "m")
    assert program(*add, "--provider", "gemini", "--mode", "text", code=2).err
    assert program(*add, "--provider", "openai", "--template", "ChatML", code=2).err
    assert program(*add, "--provider", "openai", "--mode", "prose", code=2).err
