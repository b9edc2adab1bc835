"""One turn from the command line: what is printed, what is stored, what survives a kill."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_program import Program, environment, messages

MakeCard = Callable[..., Path]
FIELDS = """
    content thinking next_prompts event message_id conversation_id character_id model usage billing
    finish speed cost
"""


def test_a_turn_as_json_has_the_documented_shape(program: Program, ada: str) -> None:
    result = program("chat", "Ada", "-m", "Good evening", "--json").json
    assert list(result) == FIELDS.split()
    assert result["character_id"] == ada and result["model"] == "practice" and result["billing"] is None
    assert result["content"] and isinstance(result["next_prompts"], list) and result["finish"] == "stop"
    assert list(result["usage"]) == [
        *("prompt_tokens", "cached_tokens", "completion_tokens", "thinking_tokens", "estimated")
    ]
    assert set(result["speed"]) == {"first_token_s", "tokens_per_s"} and result["cost"] is None


def test_text_on_stdin_is_the_message_and_the_reply_goes_to_stdout(program: Program, ada: str) -> None:
    result = program("chat", "Ada", stdin="What do you see?\n")
    stored = messages(program)
    assert stored[1]["content"] == "What do you see?"
    assert result.out.strip() == stored[2]["content"].strip()


def test_conversations_go_on_or_begin_anew(program: Program, ada: str) -> None:
    first = program("chat", "Ada", "-m", "one", "--json").json["conversation_id"]
    assert program("chat", "Ada", "-m", "two", "--json").json["conversation_id"] == first
    second = program("chat", "Ada", "-m", "three", "--new", "--json").json["conversation_id"]
    assert second != first
    again = program("chat", "Ada", "-m", "four", "--conversation", first, "--json").json
    assert again["conversation_id"] == first
    assert len(program("conversation", "show", first, "--json").json["messages"]) == 7
    program("chat", "Ada", "-m", "x", "--conversation", "nowhere", "--json", code=5)


def test_show_prompt_prints_messages_and_stores_nothing(program: Program, ada: str) -> None:
    program("chat", "Ada", "-m", "one")
    before = messages(program)
    prompt = program("chat", "Ada", "-m", "The tide is low", "--show-prompt", "--json").json
    assert all(set(message) <= {"role", "content", "name"} for message in prompt)
    assert prompt[0]["role"] == "system" and any(
        "The tide is low" in message["content"] for message in prompt
    )
    assert any("keeps a lighthouse" in message["content"] for message in prompt)
    assert messages(program) == before


def test_names_and_presets(program: Program, ada: str) -> None:
    prompt = program(
        "chat", "Ada", "-m", "hi", "--user", "Zed", "--preset", "default", "--show-prompt", "--json"
    )
    assert "Zed" in prompt.out
    program("chat", "Ada", "-m", "hi", "--preset", "nothing", "--json", code=5)
    program("chat", "Ada", "-m", "hi", "--model", "nothing", "--json", code=5)
    program("chat", "Nobody", "-m", "hi", "--json", code=5)


def test_a_server_that_does_not_answer_is_6_and_the_words_are_kept(program: Program, ada: str) -> None:
    variables = {"OPENAI_BASE_URL": "http://127.0.0.1:9", "OPENAI_API_KEY": "sk-never-shown"}
    result = program("chat", "Ada", "-m", "remember me", "--model", "openai:x", "--json", code=6, **variables)
    assert result.out == "" and "sk-never-shown" not in result.err
    assert result.error["code"]
    stored = messages(program)
    assert stored[1]["content"] == "remember me"
    assert stored[-1]["status"] in {"failed", "done"}


def _stream(home: Path, message: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "lunalux_tui", "chat", "Ada", "-m", message],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(home, {"LUNALUX_PRACTICE_RATE": "25"}),
    )


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
def test_a_kill_in_the_middle_keeps_the_words_and_marks_the_reply(
    program: Program, ada: str, home: Path
) -> None:
    running = _stream(home, "tell me everything")
    assert running.stdout is not None
    seen = b""
    while len(seen) < 60:
        seen += os.read(running.stdout.fileno(), 100)
    running.send_signal(signal.SIGKILL)
    seen += running.stdout.read()
    running.wait()
    running.stdout.close()
    stored = messages(program)
    assert [one["role"] for one in stored] == ["assistant", "user", "assistant"]
    assert stored[1]["content"] == "tell me everything"
    cut = stored[2]
    assert cut["status"] == "stopped"
    assert cut["content"].startswith(seen.decode()) and len(seen) >= 60
    assert cut["thinking"]
    assert not list(home.rglob("streaming/*"))
    program("chat", "Ada", "-m", "and then?")
    assert [message["status"] for message in messages(program)] == ["done", "done", "stopped", "done", "done"]


@pytest.mark.skipif(os.name != "posix", reason="interrupts by signal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_what_came_and_exits_130(
    program: Program, ada: str, home: Path, number: signal.Signals
) -> None:
    running = _stream(home, "go on")
    assert running.stdout is not None
    os.read(running.stdout.fileno(), 100)
    running.send_signal(number)
    assert running.wait(20) == 130
    running.stdout.close()
    stored = messages(program)
    assert stored[1]["content"] == "go on"
    assert stored[2]["status"] == "stopped" and stored[2]["content"]


def test_nothing_of_a_card_moves_the_terminal(program: Program, make_card: MakeCard) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J[bold]hi[/bold]"
    program("import", str(make_card("Eve\x1b[31m", "evil.json", first_mes=evil, description=evil)))
    for arguments in (("character", "list"), ("character", "show", "Eve"), ("chat", "Eve", "-m", evil)):
        result = program(*arguments, code=None)
        assert "\x1b" not in result.out + result.err and "\x07" not in result.out + result.err
    (one,) = program("character", "list", "--json").json
    assert json.dumps(one) and "\x1b" not in one["name"]


@pytest.mark.parametrize("command", [("chat", "Ada", "-m", "Go on"), ("conversation", "show", "ID")])
def test_a_damaged_journal_is_named_and_stops_no_command(
    program: Program, ada: str, home: Path, command: tuple[str, ...]
) -> None:
    result = program("chat", "Ada", "-m", "Hello", "--json").json
    library = next(home.rglob("library.db"))
    with sqlite3.connect(library) as connection:
        connection.execute(
            "UPDATE messages SET status = 'pending', content = '' WHERE id = ?", (result["message_id"],)
        )
    connection.close()
    journal = library.parent / "streaming" / f"{result['message_id']}.jsonl"
    journal.parent.mkdir(exist_ok=True)
    journal.write_bytes(b'["What was shown", ""]\n' + b"\0" * 4096 + b"\n")
    told = program(*(result["conversation_id"] if one == "ID" else one for one in command)).err
    assert journal.with_suffix(".damaged").name in told
    shown = program("conversation", "show", result["conversation_id"], "--json").json["messages"]
    assert (shown[2]["content"], shown[2]["status"]) == ("What was shown", "stopped")
