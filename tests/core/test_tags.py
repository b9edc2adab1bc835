"""Tags of the person: any order of edits, beside the tags of cards, and their undo."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lunalux_core.config.paths import Paths
from lunalux_core.errors import InvalidInput, NotFound
from lunalux_core.library import Library
from lunalux_core.library.character_list import CharacterQuery
from lunalux_core.library.characters import NewCharacter
from lunalux_core.library.migrations import STEPS, library_order
from lunalux_core.library.tags import GroupTags, Tagging

CARDS = {"ada": ("Fantasy", "sea"), "bao": ("FANTASY",), "cleo": (), "dot": ("sci-fi", "Sci-Fi", " ")}
NAMES = st.sampled_from(["fantasy", "Fantasy", "to  read", "To Read", "ÅSE", "åse", "夜", "sea"])
WHO = st.sets(st.sampled_from(sorted(CARDS)), max_size=3)


def key(name: str) -> str:
    return " ".join(name.split()).casefold()


class TagEdits(RuleBasedStateMachine):
    """The library against sets in memory, whatever is done in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.library = Library(Paths.find({"LUNALUX_HOME": self.folder.name}))
        self.cards = dict(CARDS)
        self.own: dict[str, set[str]] = {}
        self.done: list[tuple[Tagging, dict[str, set[str]]]] = []
        for name, tags in CARDS.items():
            self.run(self.library.characters.add(NewCharacter(name, name, "{}", name, tags=tags)))

    def run(self, work: object) -> object:
        return asyncio.run(work)  # type: ignore[arg-type]

    def teardown(self) -> None:
        self.library.close()
        self.folder.cleanup()

    @rule(name=NAMES, who=WHO)
    def add(self, name: str, who: set[str]) -> None:
        before = {tag: set(those) for tag, those in self.own.items()}
        if not who <= self.cards.keys():
            with pytest.raises(NotFound):
                self.run(self.library.tags.add(name, sorted(who)))
            return
        change = self.run(self.library.tags.add(name, sorted(who)))
        assert isinstance(change, Tagging)
        had = self.own.setdefault(key(name), set())
        assert set(change.added) == who - had
        had |= who
        self.done = [(change, before)]

    @rule(name=NAMES, who=WHO)
    def remove(self, name: str, who: set[str]) -> None:
        if key(name) not in self.own:
            return
        before = {tag: set(those) for tag, those in self.own.items()}
        tag = self.run(self.library.tags.find(name))
        change = self.run(self.library.tags.remove(tag.id, sorted(who)))  # type: ignore[attr-defined]
        self.own[key(name)] -= who
        self.done = [(change, before)]  # type: ignore[list-item]

    @rule()
    def undo(self) -> None:
        if self.done:
            change, before = self.done.pop()
            self.run(self.library.tags.undo(change))
            self.own = {tag: before.get(tag, set()) for tag in self.own}

    @rule(name=NAMES, to=NAMES)
    def rename(self, name: str, to: str) -> None:
        if key(name) not in self.own:
            return
        tag = self.run(self.library.tags.find(name))
        if key(to) in self.own and key(to) != key(name):
            with pytest.raises(InvalidInput):
                self.run(self.library.tags.rename(tag.id, to))  # type: ignore[attr-defined]
            return
        self.run(self.library.tags.rename(tag.id, to))  # type: ignore[attr-defined]
        self.own[key(to)] = self.own.pop(key(name))
        self.done = []

    @rule(name=NAMES, back=st.booleans())
    def delete(self, name: str, back: bool) -> None:
        if key(name) not in self.own:
            return
        tag = self.run(self.library.tags.find(name))
        gone = self.run(self.library.tags.delete(tag.id))  # type: ignore[attr-defined]
        if back:
            self.run(self.library.tags.restore(gone))  # type: ignore[arg-type]
        else:
            del self.own[key(name)]
        self.done = []

    @rule(who=st.sampled_from(sorted(CARDS)))
    def delete_character(self, who: str) -> None:
        if who in self.cards and len(self.cards) > 2:
            self.run(self.library.characters.delete(who))
            del self.cards[who]
            self.own = {tag: those - {who} for tag, those in self.own.items()}
            self.done = []

    @rule(who=st.sampled_from(sorted(CARDS)), tags=st.sets(NAMES, max_size=2))
    def replace_card(self, who: str, tags: set[str]) -> None:
        if who in self.cards:
            new = NewCharacter(who, who, "{}", who, tags=tuple(sorted(tags)))
            self.run(self.library.characters.replace(who, new))
            self.cards[who] = new.tags

    @invariant()
    def the_library_says_the_same(self) -> None:
        tags = self.run(self.library.tags.list())
        assert {key(tag.name): tag.characters for tag in tags} == {  # type: ignore[attr-defined]
            tag: len(those) for tag, those in self.own.items()
        }
        having = {
            tag: self.own.get(tag, set()) | {who for who in self.cards if tag in map(key, self.cards[who])}
            for tag in (key("fantasy"), key("To Read"), key("sea"))
        }
        for tag, those in having.items():
            assert self.found(CharacterQuery(tags=(tag.upper(),))) == those
            assert self.found(CharacterQuery(without=(tag,))) == self.cards.keys() - those
        assert (
            self.found(CharacterQuery(tags=("fantasy",), without=("sea",)))
            == having["fantasy"] - having["sea"]
        )

    def found(self, wanted: CharacterQuery) -> set[str]:
        rows, count = self.run(self.library.characters.page(wanted))  # type: ignore[misc]
        assert len(rows) == count
        return {row.id for row in rows}


TestTagEdits = TagEdits.TestCase
TestTagEdits.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)


async def test_lists_are_narrowed_ordered_and_paged(paths: Paths) -> None:
    library = Library(paths)
    try:
        for number, (name, intro, creator, text) in enumerate(
            (
                ("Ada", "A pilot of ÆTHER", "zoe", "x"),
                ("bao", "", "", "x" * 50),
                ("Cleo", "cat", "Abe", "x" * 9),
            )
        ):
            new = NewCharacter(str(number), name, json.dumps(text), name, creator=creator, intro=intro)
            await library.characters.add(new)
        await library.tags.add("Später", ["1"])

        async def names(wanted: CharacterQuery) -> list[str]:
            return [one.name for one in (await library.characters.page(wanted))[0]]

        assert await names(CharacterQuery("æther PILOT")) == ["Ada"]
        assert await names(CharacterQuery("spät")) == ["bao"]
        assert await names(CharacterQuery(order="creator")) == ["Cleo", "Ada", "bao"]
        assert await names(CharacterQuery(order="size")) == ["bao", "Cleo", "Ada"]
        assert await names(CharacterQuery(order="name")) == ["Ada", "bao", "Cleo"]
        await library.characters.set_favourite("2", True)
        assert await names(CharacterQuery(order="name")) == ["Cleo", "Ada", "bao"]
        page, count = await library.characters.page(CharacterQuery(order="name"), 2)
        assert [message.name for message in page] == ["Cleo", "Ada"] and count == 3
        tag = await library.tags.find("spät")
        await library.tags.fold(tag.id, "closed")
        assert await names(CharacterQuery(outside=True, order="name")) == ["Cleo", "Ada"]
        assert await names(CharacterQuery(outside=True, folder=tag.id)) == ["bao"]
        await library.tags.fold(tag.id, "open")
        assert len(await names(CharacterQuery(outside=True))) == 3
        await library.characters.replace("0", NewCharacter("0", "Ava", "{}", "h", intro="A gardener"))
        assert await names(CharacterQuery("pilot")) == [] and await names(CharacterQuery("garden")) == ["Ava"]
    finally:
        library.close()


async def test_a_library_of_an_earlier_schema_is_found_by_its_words(paths: Paths, tmp_path: Path) -> None:
    paths.library.parent.mkdir(parents=True)
    with sqlite3.connect(paths.library) as old:
        old.row_factory = sqlite3.Row
        place = STEPS.index(library_order)
        for step in STEPS[:place]:
            old.executescript(step) if isinstance(step, str) else step(old)
        old.execute(
            "INSERT INTO characters (id, name, name_key, spec, tags, intro, document, "
            "content_hash, created_at, updated_at) "
            "VALUES ('a', 'Ada', 'ada', 'v2', '[\"Sea\", 5]', 'Straße', '{}', 'h', 1, 1)"
        )
        old.execute(f"PRAGMA user_version = {place}")
    library = Library(paths)
    try:
        for wanted in (CharacterQuery("STRASSE sea"), CharacterQuery(tags=("sEA",))):
            assert [one.name for one in (await library.characters.page(wanted))[0]] == ["Ada"]
    finally:
        library.close()


async def test_tags_of_groups_are_given_taken_back_and_outlive_their_deletion(
    paths: Paths,
) -> None:
    library = Library(paths)
    try:
        for name in ("ada", "bao"):
            await library.characters.add(NewCharacter(name, name, "{}", name))
        group = await library.groups.create("Watch", ["ada", "bao"])
        tags = GroupTags(library.database)
        given = await tags.add("Night", [group.id, "nosuch"])
        assert given.added == (group.id,)
        assert [tag.name for tag in (await tags.of([group.id]))[group.id]] == ["Night"]
        await tags.undo(await tags.remove(given.tag.id, [group.id]))
        deleted = await library.tags.delete(given.tag.id)
        assert await tags.of() == {}
        back = await library.tags.restore(deleted)
        assert [tag.id for tag in (await tags.of())[group.id]] == [back.id]
        await tags.undo(await tags.add("Sea", [group.id]))
        assert [tag.name for tag in (await tags.of())[group.id]] == ["Night"]
        await library.groups.delete(group.id)
        assert await tags.of() == {}
    finally:
        library.close()
