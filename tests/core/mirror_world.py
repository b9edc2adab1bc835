"""A small library and its folder, for tests of the mirror."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lunalux_core.cards.card import Card
from lunalux_core.cards.export import export_card
from lunalux_core.database import Connection
from lunalux_core.importing import import_data
from lunalux_core.library.conversations import (
    Message,
    append_message,
    insert_message,
    load_tree,
    new_message,
)
from lunalux_core.mirror.mirror import opened
from lunalux_core.mirror.work import MirrorEvent
from lunalux_core.runtime import Runtime

BOOK = {"entries": {"0": {"uid": 0, "key": ["reef"], "content": "Sharp.", "own": 1}}, "name": "Reef"}
PRESET = {
    "prompts": [{"identifier": "main", "name": "Main", "role": "system", "content": "Write."}],
    "prompt_order": [{"character_id": 100001, "order": [{"identifier": "main", "enabled": True}]}],
}
ADA = "characters/Ada"
STORY = f"{ADA}/stories/An evening.md"


class World:
    """A library with a character, a story, a worldbook and a preset, and a folder."""

    def __init__(self, runtime: Runtime, folder: Path) -> None:
        self.runtime = runtime
        self.library = runtime.library
        self.folder = folder
        self.ada = self.story = ""

    async def begin(self) -> None:
        card = Card.new("Ada", description="Keeps a lighthouse.", first_mes="Hi.", extensions={"odd": [1]})
        self.ada = (
            await import_data(self.library, self.runtime.paths, export_card(card, "png"), "ada.png")
        ).id
        self.story = (await self.library.conversations.create(self.ada, "An evening")).id
        await self.say("assistant", "Ada", "Hi.")
        await self.say("user", "Bo", "Who are you?")
        await self.say("assistant", "Ada", "Ada. ")
        await self.library.worldbooks.add("Reef", BOOK)
        await self.library.presets.add("Slow", PRESET)

    async def say(self, role: Any, name: str, text: str, *, under: str | None = None, **rest: Any) -> str:
        """A message at the end of the story, or under another one and not shown; its id."""

        def change(connection: Connection) -> str:
            tree = {message.id: message for message in load_tree(connection, self.story)}
            head = connection.execute("SELECT head_id FROM conversations WHERE id = ?", (self.story,))
            parent = tree.get(head.fetchone()[0] if under is None else under)
            message = new_message(self.story, parent, role, name, text, **rest)
            (append_message if under is None else insert_message)(connection, message)
            return message.id

        return await self.library.database.write(change)

    async def run(self, *, dry: bool = False) -> list[MirrorEvent]:
        """The events of one pass."""
        events: list[MirrorEvent] = []
        library, paths = self.library, self.runtime.paths
        with opened(library, paths, self.folder, lambda: self.runtime.reader, dry=dry) as mirror:
            await mirror.run(events.append, dry=dry)
        return events

    async def settled(self) -> None:
        """Nothing is left to do, and no file is written again."""
        before = self.stats()
        assert await self.run() == []
        assert self.stats() == before

    async def told(self) -> list[tuple[str, str]]:
        return [(event.action, event.path) for event in await self.run()]

    def read(self, path: str = STORY) -> str:
        return (self.folder / path).read_text("utf-8")

    def change(self, old: str, new: str, path: str = STORY) -> None:
        text = self.read(path)
        assert old in text
        (self.folder / path).write_text(text.replace(old, new, 1), "utf-8")

    def add(self, text: str, path: str = STORY) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        with (self.folder / path).open("a", encoding="utf-8") as file:
            file.write(text)

    def stats(self) -> dict[str, tuple[int, int]]:
        return {
            str(path.relative_to(self.folder)): (path.stat().st_ino, path.stat().st_mtime_ns)
            for path in self.folder.rglob("*")
            if path.is_file() and ".lunalux" not in path.parts
        }

    def paths(self) -> set[str]:
        return set(self.stats())

    async def shown(self, conversation: str = "") -> list[str]:
        return [m.content for m in await self.library.conversations.page(conversation or self.story)]

    async def tree(self) -> list[Message]:
        return await self.library.database.read(lambda c: load_tree(c, self.story))

    async def lines(self) -> set[tuple[str, ...]]:
        """The texts of all ways from the top to an end."""
        tree = {message.id: message for message in await self.tree()}
        parents = {message.parent_id for message in tree.values()}
        found = set()
        for message in tree.values():
            if message.id not in parents:
                texts, at = [], message
                while True:
                    texts.insert(0, at.content)
                    if not at.parent_id:
                        break
                    at = tree[at.parent_id]
                found.add(tuple(texts))
        return found
