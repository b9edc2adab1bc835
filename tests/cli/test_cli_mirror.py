"""`lunalux mirror` as people and scripts call it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from queue import Queue

import pytest
from cli_program import Done, Program, environment, messages

from lunalux_tui.cli import run_cli


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """The program within this process, which takes a tenth of the time."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, code: int = 0, lang: str = "en") -> Done:
        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setenv("LUNALUX_LANG", lang)
        with redirect_stdout(out), redirect_stderr(err):
            ended = run_cli(words)
        assert ended == code, err.getvalue()
        return Done(ended, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def story(program: Program, make_card: Callable[..., Path], tmp_path: Path) -> Path:
    """The file of a story with Ada, in a folder called `files`."""
    program("import", str(make_card("Ada")))
    program("chat", "Ada", "-m", "The sea is loud.")
    program("mirror", "files")
    (path,) = (tmp_path / "files/characters/Ada/stories").iterdir()
    return path


def test_edits_go_both_ways_and_are_told(program: Program, story: Path, tmp_path: Path) -> None:
    assert program("mirror", "files").out == ""
    story.write_text(
        story.read_text().replace("The sea is loud.", "The sea is still.") + "\n## You\n\nGo on.\n"
    )
    dry = program("mirror", "files", "--dry-run", "--json").lines
    done = program("mirror", "files", "--json")
    where = str(story.relative_to(tmp_path / "files"))
    assert [(row["action"], row["path"]) for row in dry] == [("taken", where)]
    assert [(row["action"], row["kind"], row["path"]) for row in done.lines] == [("taken", "story", where)]
    texts = [message["content"] for message in messages(program)]
    assert texts[1] == "The sea is still." and texts[-1] == "Go on."
    (place,) = program("conversation", "list", "--json").json
    program("chat", "Ada", "-m", "In the app.", "--no-reply")
    done = program("mirror", "files")
    assert done.out == f"wrote {where}\n" and "1 written" in done.err
    assert "In the app." in story.read_text()
    program("conversation", "delete", place["id"], "--yes")
    assert ".lunalux/trash" in program("mirror", "files", lang="zh").out
    assert not story.exists()


def test_what_cannot_be_used_ends_it_with_7(program: Program, story: Path) -> None:
    story.write_bytes(b"\xff")
    refused = program("mirror", "files", code=7)
    assert "is not UTF-8" in refused.err and "1 skipped" in refused.err
    assert refused.err.count(story.name) == 1
    (row,) = program("mirror", "files", "--json", code=7).lines
    assert (row["action"], row["error"]["code"]) == ("skipped", "MIRROR_NOT_TEXT")
    assert story.read_bytes() == b"\xff"
    assert program("mirror", "files", "--watch", "--dry-run", "--json", code=2).error["code"] == "USAGE"
    assert program("mirror", "home/x", "--json", code=1).error["code"] == "MIRROR_IN_HOME"


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("file", ["card.json", "card.png"])
def test_a_file_that_cannot_be_used_is_named(program: Program, story: Path, file: str, lang: str) -> None:
    card = story.parents[1] / file
    assert card.exists()
    card.write_text("[]")
    refused = program("mirror", "files", code=7, lang=lang).err
    assert f"{card.parent.name}/{file}" in "".join(refused.split())


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_watch_sees_both_sides_until_ctrl_c(
    program: Program, story: Path, home: Path, tmp_path: Path
) -> None:
    watching = subprocess.Popen(
        [sys.executable, "-m", "lunalux_tui", "mirror", "files", "--watch", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment(home),
    )
    assert watching.stdout is not None and watching.stderr is not None
    rows: Queue[str] = Queue()
    threading.Thread(target=lambda: [rows.put(line) for line in watching.stdout or ()], daemon=True).start()
    try:
        assert "ctrl+c" in watching.stderr.readline()
        assert program("mirror", "files", "--json", code=1).error["code"] == "MIRROR_BUSY"
        with story.open("a") as file:
            file.write("\n## You\n\nFrom the file.\n")
        assert json.loads(rows.get(timeout=60))["action"] == "taken"
        assert messages(program)[-1]["content"] == "From the file."
        program("chat", "Ada", "-m", "From the app.", "--no-reply")
        assert json.loads(rows.get(timeout=60))["action"] == "written"
        assert "From the app." in story.read_text()
        watching.send_signal(signal.SIGINT)
        assert watching.wait(60) == 0
        assert watching.stderr.read() == ""
    finally:
        watching.kill()
    assert program("mirror", "files", "--json").out == ""
