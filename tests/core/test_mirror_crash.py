"""A mirror that is killed at any moment: the next pass finishes, and nothing is lost or there twice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mirror_world import ADA, BOOK, PRESET, World

from lunalux_core.cards.card import Card
from lunalux_core.cards.export import export_card
from lunalux_core.cards.placeholder_picture import placeholder_png
from lunalux_core.config.settings import load_settings
from lunalux_core.runtime import Runtime

ROOT = Path(__file__).resolve().parents[2]


async def prepared(files: Path) -> None:
    """A folder and a library that agreed, and then went on in every way on both sides."""
    async with Runtime.open(load_settings()) as runtime:
        world = World(runtime, files)
        await world.begin()
        first = world.story
        for title in ("Conflict", "Ending", "Deleted"):
            world.story = (await world.library.conversations.create(world.ada, title)).id
            await world.say("assistant", "Ada", "Hi.")
            await world.say("user", "Bo", f"In {title}.")
        gone = world.story
        for name in ("Gone", "Missing", "Both"):
            await world.library.worldbooks.add(name, {**BOOK, "name": name})
        await world.run()

        world.change("Who are you?", "Who is it?")
        world.add("\n## Bo\n\nMore.\n\n## Ada\n\nAnd more.\n")
        stories = {c.title: c for c in await world.library.conversations.list()}
        (_, message) = await world.library.conversations.page(stories["Conflict"].id)
        await runtime.chat.edits.edit(message.id, "In the library.")
        world.change("In Conflict.", "In the file.", f"{ADA}/stories/Conflict.md")
        ending = world.read(f"{ADA}/stories/Ending.md")
        other = ending[: ending.index("## Bo")] + "## Bo\n\nAnother.\n\n## Ada\n\nYes.\n"
        (files / ADA / "stories/Ending.md").write_text(other)
        world.add("## Ada\n\nBegun.\n\n## You\n\nIn a file.\n", f"{ADA}/stories/Written.md")
        await world.library.conversations.delete(gone)
        world.story = first

        world.change("Keeps a lighthouse.", "Keeps a lamp.", f"{ADA}/card.json")
        (files / "characters/Cy").mkdir()
        (files / "characters/Cy/card.json").write_bytes(export_card(Card.new("Cy"), "json"))
        (files / "characters/Cy/card.png").write_bytes(placeholder_png())
        books = {book.name: book for book in await world.library.worldbooks.list()}
        await world.library.worldbooks.delete(books["Gone"].id)
        (files / "worldbooks/Missing.json").unlink()
        world.change("Sharp.", "In the file.", "worldbooks/Both.json")
        await world.library.worldbooks.save(books["Both"].id, document={**BOOK, "name": "Both", "x": 1})
        (files / "worldbooks/Reef.json").rename(files / "worldbooks/Rocks.json")
        await world.library.presets.add("Fresh", {**PRESET, "x": 1})
        (files / "presets/New.json").write_text(json.dumps({**PRESET, "x": 2}))
        world.change("Write.", "Write slowly.", "presets/Slow.json")


@pytest.mark.skipif(os.name != "posix", reason="fork and SIGKILL")
@pytest.mark.parametrize("step", [36, pytest.param(1, marks=pytest.mark.slow)])
async def test_a_killed_pass_is_finished_by_the_next(home: Path, tmp_path: Path, step: int) -> None:
    folder = tmp_path / "doomed"
    folder.mkdir()
    await prepared(folder / "files")
    shutil.move(home, folder / "home")
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("mirror_doomed.py")), str(folder), str(step)],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    whole, *killed = map(json.loads, done.stdout.splitlines())
    assert len(killed) >= 80 // step and whole["left"] == []
    assert len(whole["stories"]) == 4 and len(whole["cards"]) == 2 and len(whole["shelves"]) == 6
    for number, outcome in enumerate(killed):
        assert outcome == whole, f"moment {1 + number * step}"
