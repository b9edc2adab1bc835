"""Scripts on the command line: the last value on stdout, what is shown on stderr, and where it fails."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

from cli_program import Program, environment


def test_a_script_prints_its_last_value_and_shows_the_rest_beside_it(
    program: Program, tmp_path: Path
) -> None:
    result = program("script", "run", "-", stdin="/echo severity=warning Hi {{user}} | /add 1 2\n")
    assert result.out == "3\n" and result.err == "Hi User\n"
    (tmp_path / "hello.txt").write_text("\ufeff/split a,b | /join glue=·", encoding="utf-8")
    assert program("script", "run", "hello.txt").out == "a·b\n"
    assert program("script", "run", "-", stdin="/setvar key=a 1 ||").out == "1\n"
    assert program("script", "run", "-", stdin="/echo a | /abort quiet=false enough").err == "a\nenough\n"


def test_as_json_it_is_one_object(program: Program) -> None:
    script = "/setvar key=n 007 | /incvar n | /setglobalvar key=g x | /echo seen"
    assert program("script", "run", "-", "--json", stdin=script).json == {
        "pipe": "seen",
        "locals": {"n": 8},
        "globals": {"g": "x"},
        "echo": ["seen"],
        "aborted": False,
        "abort_shown": None,
        "error": None,
    }


def test_what_fails_is_told_with_its_place_in_the_persons_language(program: Program) -> None:
    failed = program("script", "run", "-", stdin="/echo a |\n  /nosuch", code=1)
    assert failed.out == "" and failed.err.startswith("Line 2, column 3: there is no command /nosuch.")
    chinese = program("script", "run", "-", stdin="/echo a |\n  /var x", code=1, LUNALUX_LANG="zh")
    assert chinese.err == "a\n第 2 行第 3 列：/var：没有变量 x。请先用 /let 声明，或改正名称。\n"
    told = program("script", "run", "-", "--json", stdin="/setvar key=a 1 | /send hi", code=1)
    assert told.json["error"] | {"message": "", "hint": ""} == {
        "stage": "parser",
        "code": "SCRIPT_COMMAND_NOT_HERE",
        "message": "",
        "hint": "",
        "command": "send",
        "line": 1,
        "column": 19,
    }
    assert told.json["locals"] == {} and json.loads(told.err)["error"]["code"] == "SCRIPT_COMMAND_NOT_HERE"
    assert program("script", "run", "missing.txt", code=5).err.count("\n") == 1


def test_endless_and_growing_scripts_end_with_one_sentence(program: Program) -> None:
    for script in (
        "/while guard=off left=1 right=1 {: /pass x :}",
        "/run {: " * 1000 + ":}" * 1000,
        "/setvar key=a xxxxxxxxxx | /times guard=off 99 {: /setvar key=a {{getvar::a}}{{getvar::a}} :}",
    ):
        assert program("script", "run", "-", stdin=script, code=1).err.count("\n") == 1


def test_scenarios_are_replayed_in_the_shape_of_their_results(program: Program, tmp_path: Path) -> None:
    scenarios = [
        {"name": "counted", "script": "/incvar n | /rand 10", "locals": {"n": 1}, "random": [0.25]},
        {"scenario": {"script": '/pass "a | b"', "flags": {"STRICT_ESCAPING": True}}},
        {"script": "/join"},
        {"script": "/abort quiet=false no"},
    ]
    (tmp_path / "s.json").write_text(json.dumps(scenarios), encoding="utf-8")
    plain = {"pipe": None, "locals": {}, "globals": {}, "echo": [], "aborted": False, "error": None}
    assert program("script", "test", "--scenarios", "s.json").json == [
        plain | {"pipe": "2.5", "locals": {"n": 2}},
        plain | {"pipe": "a | b"},
        plain | {"error": "parser"},
        plain | {"aborted": True, "abort_shown": "no"},
    ]


def test_a_script_asks_where_somebody_sits_at_a_terminal(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "ask.txt"
    path.write_text(
        '/input Name? | /setvar key=w | /buttons labels=["tea","milk"] Drink? | /pass {{getvar::w}}: {{pipe}}'
    )
    main, side = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "lunalux_tui", "script", "run", str(path)],
        stdin=side,
        stdout=subprocess.PIPE,
        stderr=side,
        env=environment(home, {}),
    ) as process:
        os.write(main, b"Ada\n2\n")
        out, _ = process.communicate(timeout=60)
    os.close(side)
    os.close(main)
    assert out.decode() == "Ada: milk\n"


def test_a_script_works_on_a_conversation(program: Program, tmp_path: Path) -> None:
    program("chat", "Captain Sol", "-m", "Hello", "--new")
    (place, *_) = program("conversation", "list", "--json").json
    (tmp_path / "s.txt").write_text("/setvar key=n 5 | /send One more | /trigger | /echo {{getvar::n}}")
    ran = program("script", "run", "s.txt", "--conversation", place["id"][:6])
    assert ran.out == "5\n" and "Captain Sol Varga: " in ran.err
    shown = program("conversation", "show", place["id"], "--json").json["messages"]
    assert shown[-2]["content"] == "One more" and shown[-1]["role"] == "assistant"
    later = "/incvar n | /inject id=rain Rain. | /listinjects | /setinput {{pipe}}"
    told = program("script", "run", "-", "--conversation", place["id"], "--json", stdin=later).json
    assert told["locals"]["n"] == 6 and json.loads(told["pipe"])["rain"]["value"] == "Rain."
    request = program("chat", "Captain Sol", "-m", "x", "--conversation", place["id"], "--show-prompt").out
    assert "Rain." in request
    refused = program("script", "run", "-", "--conversation", place["id"], stdin="/persona X", code=1)
    assert "/persona" in refused.err and "X" in refused.err
    assert program("script", "run", "-", "--conversation", "nosuch", stdin="/pass 1", code=5).out == ""
