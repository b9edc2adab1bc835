"""`lunalux lab`: the real program over card files, the practice model and a server on loopback."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cli_program import Done, Program, environment, on_a_terminal
from json_tour import serving
from servers.fake import Fake, running

from lunalux_tui.cli import run_cli

LAB = """
name = "Ada keeps her voice"
[[turns]]
name = "greeting"
card = "Ada.png"
say = "Good evening"
[[turns]]
name = "reef"
card = "Ada.png"
say = "Is the reef near?"
[[variants]]
name = "now"
model = "practice"
[[variants]]
name = "cool"
model = "practice"
set = { temperature = 0.2 }
instruction = "Whisper."
repeat = 2
[[checks]]
contains = "Ada"
prompt_contains = "keeps a lighthouse"
"""


@pytest.fixture
def run(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """The program in this process, for a command takes no time of its own then."""
    monkeypatch.chdir(tmp_path)

    def command(*words: str, code: int = 0, **variables: str) -> Done:
        out, err = io.StringIO(), io.StringIO()
        with monkeypatch.context() as changed, redirect_stdout(out), redirect_stderr(err):
            for name, value in variables.items():
                changed.setenv(name, value)
            ended = run_cli(words)
        assert ended == code, err.getvalue() + out.getvalue()
        return Done(ended, out.getvalue(), err.getvalue())

    return command


@pytest.fixture
def lab(tmp_path: Path, make_card: Callable[..., Path]) -> Callable[..., Path]:
    make_card("Ada")

    def write(text: str = LAB, name: str = "voice.toml") -> Path:
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return path

    return write


def test_a_run_prints_one_document_and_the_next_asks_for_nothing(
    run: Program, lab: Callable[..., Path], home: Path, tmp_path: Path
) -> None:
    lab()
    done = run("lab", "run", "voice.toml", "--json")
    first = done.json
    order = [(row["turn"], row["variant"], row["repeat"]) for row in first["results"]]
    each = [("now", 1), ("cool", 1), ("cool", 2)]
    assert order == [(turn, *one) for turn in ("greeting", "reef") for one in each]
    assert first["summary"] | {"seconds": 0} == {
        "results": 6,
        "passed": 6,
        "failed": 0,
        "errors": 0,
        "kept": 0,
        "seconds": 0,
    }
    row = first["results"][0]
    assert row["finish"] == "stop" and row["model"] == "practice" and row["error"] is None
    assert row["usage"]["estimated"] and row["prompt"]["tokens"] and len(row["prompt"]["sha256"]) == 64
    assert [check["check"] for check in row["checks"]] == ["contains", "prompt_contains"]
    assert first["results"][1]["content"] != first["results"][2]["content"], "repeats draw anew"
    again = run("lab", "run", "voice.toml", "--json").json
    assert again["summary"]["kept"] == 6 and again["run"] == first["run"]
    told = [{**row, "kept": False} for row in again["results"]]
    assert told == first["results"]
    only = run("lab", "run", "voice.toml", "--json", "--only", "reef/cool", "--only", "/now").json
    assert [(row["turn"], row["variant"]) for row in only["results"]] == [
        ("greeting", "now"),
        ("reef", "now"),
        ("reef", "cool"),
        ("reef", "cool"),
    ]
    fresh = run("lab", "run", "voice.toml", "--fresh", "--json", "--jobs", "4").json
    assert fresh["summary"]["kept"] == 0 and fresh["run"]["id"] != first["run"]["id"]
    assert [row["content"] for row in fresh["results"]] == [row["content"] for row in first["results"]]
    assert run("conversation", "list", "--json").json == []
    # For people: a table, one line a reply, and the sum on stderr.
    shown = run("lab", "run", "voice.toml")
    assert len(shown.out.splitlines()) == 6 and "6 replies: 6 passed" in shown.err
    rows = run("lab", "show", "--json").json
    assert [row["name"] for row in rows] == ["Ada keeps her voice"] * 2
    assert rows[0]["done"] == rows[0]["results"] == 6 and rows[0]["variants"] == ["now", "cool"]
    compared = run("lab", "show", "voice.toml", "--turn", "gre", "--json").json["turns"]
    (turn,) = compared
    base, cool, _ = turn["results"]
    assert turn["base"] == "now" and base["difference"] is None
    pieces = cool["difference"]["pieces"]
    assert "".join(p["text"] for p in pieces if p["mark"] != "new") == base["content"]
    assert "".join(p["text"] for p in pieces if p["mark"] != "gone") == cool["content"]
    asked = {one["name"]: (one["before"], one["now"]) for one in cool["difference"]["prompt"]["parameters"]}
    assert asked["temperature"] == (1.0, 0.2)
    shown = run("lab", "show", "Ada keeps", "--turn", "greeting", LUNALUX_LANG="zh")
    assert "参数 temperature：1.0 → 0.2" in shown.out and "{+" in shown.out
    wide = on_a_terminal(home, tmp_path, "lab", "show", "voice.toml", columns=60, NO_COLOR="1").decode()
    assert [line for line in wide.splitlines() if len(line) > 60] == [] and "prompt: " in wide
    # A deletion is asked about; of the runs of a file the newest is meant.
    assert run("lab", "delete", "voice.toml", "--json", code=2).error["code"] == "USAGE"
    assert run("lab", "delete", "voice.toml", "--yes", "--json").json["id"] == fresh["run"]["id"]
    assert [row["id"] for row in run("lab", "show", "--json").json] == [first["run"]["id"]]
    assert run("lab", "show", "nothing", "--json", code=5).error["code"] == "LAB_RUN_NOT_FOUND"
    assert run("lab", "show", "voice.toml", "--turn", "x", "--json", code=5).error["code"] == (
        "LAB_TURN_NOT_FOUND"
    )


def test_how_a_run_ends(run: Program, lab: Callable[..., Path]) -> None:
    checks = LAB + '[[checks]]\nname = "no lamps"\nturns = ["reef"]\nnot_contains = "Ada"\n'
    lab(checks)
    done = run("lab", "run", "voice.toml", code=1)
    assert "reef/cool 2: no lamps: The reply contains “Ada”." in done.out
    assert "3 passed, 3 failed" in done.err
    # A reply that cannot be had is 7, unless a check failed as well.
    away = LAB.replace('name = "now"\nmodel = "practice"', 'name = "now"\nmodel = "openai:x"')
    with serving(refusing := Refusing()):
        variables = {"OPENAI_BASE_URL": refusing.url, "OPENAI_API_KEY": "sk-never-shown"}
        lab(away)
        done = run("lab", "run", "voice.toml", "--json", code=7, **variables)
        lab(away + "[[checks]]\ntokens_max = 1\n")
        both = run("lab", "run", "voice.toml", "--json", code=1, **variables)
    assert both.json["summary"]["errors"] == 2 and both.json["summary"]["failed"] == 4
    assert done.json["summary"]["errors"] == 2 and done.json["summary"]["passed"] == 4
    assert done.json["results"][0]["error"]["code"] and done.json["results"][0]["content"] is None
    assert "greeting/now: " in done.err and "sk-never-shown" not in done.err + done.out
    # A mistake in the file, in the words of the person.
    lab(LAB + "[[checks]]\ncontians = 'x'\n")
    wrong = run("lab", "run", "voice.toml", "--json", code=2)
    assert wrong.out == "" and wrong.error["code"] == "LAB_FILE_INVALID"
    assert wrong.error["message"].startswith("voice.toml, line 24: there is no key contians")
    told = run("lab", "run", "voice.toml", code=2, LUNALUX_LANG="zh").err
    assert "没有 contians 这个键" in told and "contains" in told
    lab()
    assert run("lab", "run", "voice.toml", "--only", "greting", code=2).out == ""
    assert run("lab", "run", "gone.toml", "--json", code=5).error["code"] == "FILE_NOT_FOUND"
    assert run("lab", "show", "--turn", "x", "--json", code=2).error["code"] == "USAGE"
    # What keeps a script from running is told once for all replies, and each is asked for anew.
    script = {"scriptName": "Loud", "findRegex": "/(/", "replaceString": "", "placement": [2]}
    Path("loud.json").write_text(json.dumps(script), "utf-8")
    run("regex", "import", "loud.json")
    done = run("lab", "run", "voice.toml", "--json")
    assert done.json["summary"]["kept"] == 0 and done.err.count("Loud") == 1


class Refusing(Fake):
    """A server that answers nothing."""

    def refusal(self, prompt: int, body: Any) -> tuple[int, Any] | None:
        return 404, {"error": {"message": "No such model.", "code": 404}}


@dataclass
class Counting(Fake):
    """A server that tells when it was asked for one reply more than is `enough`."""

    enough: int = 3
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def before(self, body: Any) -> list[bytes]:
        if len(self.chats) > self.enough:
            self.reached.set()
        return []


@asynccontextmanager
async def going(home: Path, fake: Counting) -> AsyncIterator[asyncio.subprocess.Process]:
    """A run that has asked for its next reply when so many are had."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lunalux_tui", "lab", "run", "voice.toml", "--json"),
        env=environment(home),
        cwd=home.parent,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        await asyncio.wait_for(fake.reached.wait(), 60)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
async def test_a_run_that_is_ended_goes_on_where_it_stopped(
    run: Program, lab: Callable[..., Path], home: Path, how: signal.Signals
) -> None:
    fake = Counting(pause=0.05)
    async with running(fake):
        await asyncio.to_thread(
            run, "model", "add", "m", "--provider", "openai", "--base-url", fake.url, "--model", "m"
        )
        lab(LAB.replace('model = "practice"', 'model = "m"').replace("repeat = 2", "repeat = 3"))
        async with going(home, fake) as process:
            process.send_signal(how)
            out, err = await process.communicate()
        assert out == b"" and b"Traceback" not in err
        if how != signal.SIGKILL:
            assert process.returncode == 130 and b"3 of 8 are done" in err
        asked, fake.pause = len(fake.chats), 0
        done = (await asyncio.to_thread(run, "lab", "run", "voice.toml", "--json", code=1)).json
        assert done["summary"]["kept"] == 3 and done["summary"]["results"] == 8
        assert len(fake.chats) == asked + 5
        assert {row["content"] for row in done["results"]} == {"The lamp burns."}


def test_an_official_model_is_paid_once_and_never_at_a_price_that_is_not_known(
    run: Program, lab: Callable[..., Path]
) -> None:
    run("account", "show")
    put = ("admin", "model", "put", "002", "--name", "Lamp", "--type", "practice", "--model", "practice")
    run(*put, "--free-level", "-1", "--star-cost", "9")
    lab('[[turns]]\ncard = "Ada.png"\nsay = "Hi"\n[[variants]]\nmodel = "official:002"\n')
    words = ("lab", "run", "voice.toml", "--json")
    refused = run(*words, code=4)
    assert refused.error["code"] == "PRICE_CHANGED" and refused.out == ""
    assert run("wallet", "show", "--json").json["starCoin"] == 100
    paid = run(*words, "--accept-price")
    assert paid.json["results"][0]["billing"]["cost"] == 9 and "9" in paid.err
    assert run(*words).json["summary"]["kept"] == 1
    assert run("wallet", "show", "--json").json["starCoin"] == 91
