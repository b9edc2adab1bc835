"""Whatever people and the library do to a story at the same time: one pass brings both together, and no
words are lost on either side."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from mirror_world import ADA, World

from lunalux_core.config.settings import load_settings
from lunalux_core.errors import LunaluxError
from lunalux_core.library.conversations import load_tree, select_message
from lunalux_core.mirror.story_text import Block, read_story, text_hash, write_story
from lunalux_core.runtime import Runtime

NEW = Block("NEW", "user", "Bo", "")
"""A heading that a person writes: it is put into files without its comment."""


class Chaos:
    """Changes on both sides by chance. `wanted` are the words that must not be lost, as hashes."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.chance = random.Random(seed)
        self.log: list[str] = []
        self.wanted: dict[str, str] = {}
        self.stories = world.folder / ADA / "stories"

    def words(self) -> str:
        end = self.chance.choice(["", "\n\n## x", "  ", "\nmore", "\r\n&#xA;"])
        return f"{self.chance.getrandbits(48):x}{end}"

    def want(self, *texts: str) -> None:
        self.wanted |= {text_hash(text.replace("\r\n", "\n")): text for text in texts}

    def forget(self, *texts: str) -> None:
        for text in texts:
            self.wanted.pop(text_hash(text.replace("\r\n", "\n")), None)

    async def step(self) -> None:
        moves = [
            self.library_edit,
            self.library_say,
            self.library_delete,
            self.library_show,
            self.library_title,
        ]
        files = sorted(self.stories.glob("*.md"))
        move = self.chance.choice([*moves, self.file, self.file, self.file, self.file] if files else moves)
        self.log.append(move.__name__)
        await move()

    async def library_edit(self) -> None:
        if tree := await self.world.tree():
            message, text = self.chance.choice(tree), self.words()
            self.forget(message.content)
            await self.world.runtime.chat.edits.edit(message.id, text)
            self.want(text)

    async def library_say(self) -> None:
        tree, text = await self.world.tree(), self.words()
        role, name = self.chance.choice([("user", "Bo"), ("assistant", "Ada")])
        under = None
        if tree and self.chance.random() < 0.6:
            message = self.chance.choice(tree)
            under = self.chance.choice([message.id, message.parent_id])
        await self.world.say(role, name, text, under=under)
        self.want(text)

    async def library_delete(self) -> None:
        if tree := await self.world.tree():
            message = self.chance.choice(tree)
            try:
                await self.world.runtime.chat.edits.delete(message.id, only_this=self.chance.random() < 0.5)
            except LunaluxError:
                return
            left = {message.id for message in await self.world.tree()}
            self.forget(*(message.content for message in tree if message.id not in left))

    async def library_show(self) -> None:
        if tree := await self.world.tree():
            chosen = self.chance.choice(tree).id
            await self.world.library.database.write(lambda c: select_message(c, chosen))

    async def library_title(self) -> None:
        await self.world.library.conversations.rename(self.world.story, self.words())

    async def file(self) -> None:
        path = self.chance.choice(sorted(self.stories.glob("*.md")))
        what = self.chance.choice(
            ["edit", "edit", "add", "insert", "remove", "ending", "strip", "title", "copy", "move", "unlink"]
        )
        self.log[-1] = what
        story = read_story(path.read_text("utf-8"))
        match what:
            case "copy":
                shutil.copy(path, self.stories / f"copy {self.chance.getrandbits(30)}.md")
            case "move":
                path.rename(self.stories / f"moved {self.chance.getrandbits(30)}.md")
            case "unlink":
                self.forget(*[block.text for block in story.blocks if not await self._is_stored(block)])
                path.unlink()
            case "title":
                path.write_text(write_story(replace(story, title=story.title + "x")), "utf-8")
            case _:
                blocks = await self._changed(what, list(story.blocks))
                text = write_story(replace(story, blocks=tuple(blocks)))
                path.write_text(re.sub(r" <!-- NEW \w+ -->", "", text), "utf-8")

    async def _changed(self, what: str, blocks: list[Block]) -> Sequence[Block]:
        place, text = self.chance.randrange(len(blocks) + 1), self.words()
        fresh = replace(NEW, name=self.chance.choice(["Bo", "Ada", "Zed"]), text=text)
        if what == "edit" and place < len(blocks):
            self.forget(blocks[place].text)
            self.want(text)
            blocks[place] = replace(blocks[place], text=text)
        elif what in ("add", "insert"):
            self.want(text)
            blocks.insert(place if what == "insert" else len(blocks), fresh)
        elif what in ("remove", "ending"):
            gone = blocks[place : place + 1] if what == "remove" else blocks[place:]
            self.forget(*[block.text for block in gone if not await self._is_stored(block)])
            blocks = [block for block in blocks if block not in gone] + ([fresh] if what == "ending" else [])
            self.want(*([text] if what == "ending" else []))
        elif what == "strip":
            blocks = [replace(b, id=self.chance.choice(["NEW", b.id])) for b in blocks]
        return blocks

    async def _is_stored(self, block: Block) -> bool:
        return text_hash(block.text) in {text_hash(m.content) for m in await self.world.tree()}

    async def check(self) -> None:
        await self.world.run()
        await self.world.settled()
        library = self.world.library
        found: set[str] = set()
        for conversation in await library.conversations.list():
            tree = await library.database.read(partial(load_tree, conversation_id=conversation.id))
            found |= {text_hash(message.content) for message in tree}
            places = [(m.parent_id, m.role, text_hash(m.content)) for m in tree]
            assert len(set(places)) == len(places), self.log  # nothing is there twice
        for path in (self.world.folder / ".lunalux/trash").rglob("*.md"):
            found |= {text_hash(block.text) for block in read_story(path.read_text("utf-8")).blocks}
        assert not self.wanted.keys() - found, (self.log, self.wanted)
        shown = [text_hash(text) for text in await self.world.shown()]
        files = [read_story(path.read_text("utf-8")) for path in self.stories.glob("*.md")]
        assert not shown or shown in [[text_hash(b.text) for b in story.blocks] for story in files], self.log


@pytest.mark.parametrize(
    "seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 60))]
)
async def test_nothing_is_lost_and_one_pass_is_enough(home: Path, tmp_path: Path, seed: int) -> None:
    async with Runtime.open(load_settings()) as runtime:
        world = World(runtime, tmp_path / "folder")
        await world.begin()
        await world.run()
        chaos = Chaos(world, seed)
        for _ in range(6):
            for _ in range(chaos.chance.choice([1, 1, 2, 3])):
                await chaos.step()
            await chaos.check()
