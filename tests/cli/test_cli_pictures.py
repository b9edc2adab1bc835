"""Pictures from the command line: sent, shown, refused, exported and imported again."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import pytest
from cli_program import Program, messages
from PIL import Image
from test_cli_models import Server

REPLY = (
    b'data: {"choices": [{"index": 0, "delta": {"content": "A red square."}, "finish_reason": "stop"}]}\n\n'
    b"data: [DONE]\n\n"
)


@pytest.fixture
def red(tmp_path: Path) -> str:
    out = BytesIO()
    Image.new("RGB", (200, 100), "red").save(out, "PNG")
    (tmp_path / "red.png").write_bytes(out.getvalue())
    return str(tmp_path / "red.png")


def add_model(program: Program, server: Server, *more: str) -> None:
    server.replies["m"] = REPLY
    program("model", "add", "eye", "--provider", "openai", "--base-url", server.url, "--model", "m", *more)


def test_a_picture_is_sent_and_travels(program: Program, ada: str, red: str, tmp_path: Path) -> None:
    server = Server()
    add_model(program, server)
    done = program("chat", "Ada", "-m", "What is it?", "--image", red, "--model", "eye", "--json").json
    assert done["content"] == "A red square."
    parts = [one["content"] for one in server.asked[-1]["messages"] if isinstance(one["content"], list)]
    assert parts[0][0]["image_url"]["url"].startswith("data:image/png;base64,")
    said = next(one for one in messages(program) if one["role"] == "user")
    (picture,) = said["pictures"]
    assert (picture["name"], picture["width"], picture["height"]) == ("red.png", 200, 100)
    place = program("conversation", "list", "--json").json[0]["id"]
    file = tmp_path / "chat.json"
    program("conversation", "export", place, str(file))
    program("conversation", "delete", place, "--yes")
    program("conversation", "import", str(file), "--character", "Ada")
    again = next(one for one in messages(program) if one["role"] == "user")
    assert again["pictures"] == [picture]


def test_a_request_is_shown_without_the_bytes(program: Program, ada: str, red: str) -> None:
    server = Server()
    add_model(program, server)
    shown = program("chat", "Ada", "--image", red, "--model", "eye", "--show-request").json
    parts = shown["body"]["messages"][-1]["content"]
    assert parts[0]["image_url"]["url"] == "data:image/png;base64,… (1 KB)"
    assert "images" not in program("model", "show", "eye", "--json").json["learnt"]
    prompt = program("chat", "Ada", "--image", red, "--model", "eye", "--show-prompt", "--json").json
    assert prompt[-1]["pictures"][0]["name"] == "red.png"


def test_a_model_that_takes_none_is_told_the_name(program: Program, ada: str, red: str) -> None:
    server = Server()
    add_model(program, server, "--images", "no")
    assert program("model", "show", "eye", "--json").json["learnt"]["images"] is False
    done = program("chat", "Ada", "-m", "What is it?", "--image", red, "--model", "eye")
    assert "red.png" in done.err and "A red square." in done.out
    assert "[picture: red.png]" in json.dumps(server.asked[-1]["messages"])
    wrong = program("model", "add", "x", "--provider", "openai", "--model", "m", "--images", "some", code=2)
    assert "--images" in wrong.err


def test_what_cannot_be_sent_is_refused_before_anything_is_stored(
    program: Program, ada: str, tmp_path: Path
) -> None:
    (tmp_path / "words.png").write_text("no picture")
    done = program("chat", "Ada", "-m", "Hi", "--image", str(tmp_path / "words.png"), "--json", code=1)
    assert done.error["code"] == "PICTURE_UNKNOWN"
    gone = program("chat", "Ada", "-m", "Hi", "--image", str(tmp_path / "no.png"), "--json", code=5)
    assert gone.error["code"] == "FILE_NOT_FOUND"
    Image.new("1", (10_000, 10_000)).save(tmp_path / "huge.png")
    huge = program("chat", "Ada", "-m", "Hi", "--image", str(tmp_path / "huge.png"), "--json", code=1)
    assert huge.error["code"] == "PICTURE_TOO_LARGE" and "32 million" in huge.error["message"]
    assert program("conversation", "list", "--json").json == []
    both = program("chat", "Ada", "--regenerate", "--image", str(tmp_path / "huge.png"), code=2)
    assert "--image" in both.err
