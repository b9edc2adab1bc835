"""What docs/privacy.md says of a Lunalux with the practice model and no backend's address: no connection."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_program import ROOT, Program, environment

WATCH = """
import os, sys

def _watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        address = arguments[0] if event == "socket.getaddrinfo" else arguments[1]
        if not isinstance(address, (str, bytes)) or event == "socket.getaddrinfo":
            with open(os.environ["WATCHED"], "a") as file:
                file.write(f"{event} {address}\\n")

sys.addaudithook(_watch)
"""

APP = """
import asyncio, sys
sys.path.insert(0, "tests/tui")
from chat_world import open_app

async def use():
    async with open_app() as world:
        await world.say("Is there anything to see?")
        for key in ("f3", "f5", "f4", "f6", "f2"):
            await world.press(key)
            await world.pilot.pause(0.5)
        print(len(world.contents()))

asyncio.run(use())
"""


@pytest.fixture
def watched(tmp_path: Path) -> dict[str, str]:
    """Variables that make a program write down every address it turns to."""
    folder = tmp_path / "watch"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(WATCH, "utf-8")
    return {"PYTHONPATH": os.pathsep.join((str(folder), str(ROOT))), "WATCHED": str(tmp_path / "addresses")}


def addresses(watched: dict[str, str]) -> list[str]:
    path = Path(watched["WATCHED"])
    return path.read_text("utf-8").splitlines() if path.exists() else []


def test_commands_open_no_connection(program: Program, watched: dict[str, str]) -> None:
    for words in (
        ("character", "list", "--json"),
        ("chat", "Marigold Finch", "-m", "Good evening", "--json"),
        ("conversation", "list"),
        ("market", "list", "--refresh"),
        ("wallet", "show"),
        ("backup", "all.zip"),
        ("import", "all.zip"),
        ("doctor",),
    ):
        program(*words, code=None, **watched)
    assert addresses(watched) == []


def test_the_app_opens_no_connection(home: Path, watched: dict[str, str]) -> None:
    result = subprocess.run(
        [sys.executable, "-c", APP],
        cwd=ROOT,
        env=environment(home, watched),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout.split()[-1]) >= 3
    assert addresses(watched) == []


def test_a_connection_is_noticed(program: Program, watched: dict[str, str]) -> None:
    """Also for the model list, of which the page says that it tries the ports of this computer."""
    program("model", "list", "--local", **watched)
    found = addresses(watched)
    assert any("11434" in one for one in found) and all("127.0.0.1" in one for one in found)
