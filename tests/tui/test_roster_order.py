"""A library in order in the app: tags, folders, several at once, what is taken back, pins, names."""

from __future__ import annotations

from pathlib import Path

from chat_world import Driven, open_app
from textual.widgets import Input

from lunalux_core.config.settings import load_settings
from lunalux_core.database import Connection
from lunalux_core.library.characters import NewCharacter, insert_character
from lunalux_core.runtime import Runtime
from lunalux_tui.chat.conversations_dialog import ConversationsDialog
from lunalux_tui.chat.roster import RosterBar
from lunalux_tui.chat.roster_dialogs import NarrowDialog, OwnTagsDialog
from lunalux_tui.chat.start_page import StartPage
from lunalux_tui.chat.tree_dialog import TreeDialog
from lunalux_tui.parts.ask_dialog import AskDialog, ConfirmDialog
from lunalux_tui.parts.pick_dialog import PickDialog


async def stored(*names: str, count: int = 0) -> None:
    """Starters, and characters of these names."""
    async with Runtime.open(load_settings()) as runtime:
        await runtime.first_start()

        def fill(connection: Connection) -> None:
            for number, name in enumerate((*names, *(f"Extra {number:05}" for number in range(count)))):
                card = f'{{"name": "{name}", "first_mes": "I am {name}."}}'
                tags = ("fantasy",) if number % 2 else ("sea",)
                insert_character(
                    connection,
                    NewCharacter(f"c{number:05}", name, card, f"h{number}", language="en", tags=tags),
                )

        await runtime.library.database.write(fill)


def listed(app: Driven) -> list[str]:
    return [row.title for row in app.chat.roster.rows.rows]


async def shown(app: Driven, dialog: type) -> None:
    await app.until(lambda: isinstance(app.app.screen, dialog) and app.app.screen.is_mounted)
    await app.pilot.pause()


async def at(app: Driven, name: str) -> None:
    rows = app.chat.roster.rows
    rows.focus()
    rows.cursor = next(place for place, row in enumerate(rows.rows) if row.title == name)
    await app.pilot.pause()


async def test_several_are_tagged_at_once_and_it_is_taken_back() -> None:
    await stored("Ada", "Bao", "Cleo")
    async with open_app() as app:
        for name in ("Ada", "Cleo"):
            await at(app, name)
            await app.press("space")
        assert app.chat.roster.marked == ["c00000", "c00002"]
        assert app.chat.roster.query_one(RosterBar).marked == 2
        await app.press("t")
        await shown(app, OwnTagsDialog)
        await app.press(*"later", "enter")
        dialog = app.app.screen
        assert isinstance(dialog, OwnTagsDialog)
        await app.until(lambda: [(row.title, row.mark) for row in dialog.rows.rows] == [("later", "✓")])
        await app.press("escape")
        tags = app.app.runtime.library.tags
        await app.until(lambda: not isinstance(app.app.screen, OwnTagsDialog))
        assert {tag.name for tag in (await tags.of(["c00000"]))["c00000"]} == {"later"}
        assert (await tags.find("later")).characters == 2
        app.chat.roster.rows.focus()
        await app.press("u")
        await app.until(lambda: "Taken back" in app.told())
        assert (await tags.find("later")).characters == 0


async def test_the_list_is_narrowed_by_tags_of_cards_and_ones_own() -> None:
    await stored("Ada", "Bao", "Cleo")
    async with open_app() as app:
        await app.app.runtime.library.tags.add("mine", ["c00000", "c00001"])
        app.chat.roster.rows.focus()
        await app.press("number_sign")
        await shown(app, NarrowDialog)
        await app.press(*"mine", "enter")
        dialog = app.app.screen
        dialog.query_one("#narrow", Input).value = "fant"
        await app.pilot.pause()
        await app.press("enter", "enter", "ctrl+s")
        await app.until(lambda: listed(app) == ["Ada"])
        await app.press("number_sign")
        await shown(app, NarrowDialog)
        await app.press(*"fant", "enter", "escape")
        await app.until(lambda: set(listed(app)) == {"Ada", "Bao"})


async def test_a_closed_folder_holds_its_characters() -> None:
    await stored("Ada", "Bao")
    async with Runtime.open(load_settings()) as runtime:
        change = await runtime.library.tags.add("Sailors", ["c00000"])
        await runtime.library.tags.fold(change.tag.id, "closed")
    async with open_app() as app:
        assert listed(app)[0] == "Sailors" and "Ada" not in listed(app) and "Bao" in listed(app)
        await at(app, "Sailors")
        await app.press("enter")
        await app.until(lambda: listed(app) == ["Sailors", "Ada"])
        await at(app, "Sailors")
        await app.press("enter")
        await app.until(lambda: "Bao" in listed(app) and "Ada" not in listed(app))
        app.chat.roster.find()
        await app.pilot.pause()
        await app.press(*"ada")
        await app.until(lambda: listed(app) == ["Ada"])


async def test_a_deletion_of_several_is_taken_back() -> None:
    await stored("Ada", "Bao", "Cleo")
    async with open_app(character="Ada") as app:
        await app.until(lambda: app.contents() == ["I am Ada."])
        for name in ("Ada", "Bao"):
            await at(app, name)
            await app.press("space")
        await app.press("delete")
        await shown(app, ConfirmDialog)
        await app.press("y")
        await app.until(lambda: not {"Ada", "Bao"} & set(listed(app)) and "Cleo" in listed(app))
        app.chat.roster.rows.focus()
        await app.press("u")
        await app.until(lambda: {"Ada", "Bao", "Cleo"} <= set(listed(app)))
        await at(app, "Ada")
        await app.press("enter")
        await app.until(lambda: app.contents() == ["I am Ada."])


async def test_cards_of_several_are_written(tmp_path: Path) -> None:
    await stored("Ada", "Bao")
    async with open_app() as app:
        for name in ("Ada", "Bao"):
            await at(app, name)
            await app.press("space")
        await app.press("x")
        await shown(app, AskDialog)
        app.app.screen.query_one(Input).value = str(tmp_path / "out")
        await app.press("enter")
        await app.until(lambda: len(list((tmp_path / "out").glob("*.png"))) == 2)


async def test_the_list_is_sorted_and_read_as_the_cursor_goes() -> None:
    await stored("Zoe", count=500)
    async with open_app() as app:
        await app.until(lambda: len(listed(app)) == 200)
        app.chat.roster.rows.focus()
        await app.press("s")
        await shown(app, PickDialog)
        await app.press(*"name", "enter")
        await app.until(lambda: listed(app)[:2] == ["Captain Sol Varga", "Extra 00000"])
        app.chat.roster.rows.focus()
        for _ in range(16):
            await app.press("pagedown")
        await app.until(lambda: len(listed(app)) >= 400)
        await app.press("end")
        await app.until(lambda: "Zoe" in listed(app))


async def test_a_conversation_is_pinned_and_a_place_is_named() -> None:
    await stored("Ada")
    async with open_app(character="Ada") as app:
        await app.until(lambda: app.contents() == ["I am Ada."])
        first = app.chat.conversation
        assert first is not None
        app.chat.transcript.focus()
        await app.press("b")
        await shown(app, AskDialog)
        await app.press(*"dawn", "enter")
        await app.until(lambda: not isinstance(app.app.screen, AskDialog))
        await app.until(lambda: app.chat.transcript.messages[0].mark == "dawn")
        await app.press("ctrl+t")
        await shown(app, TreeDialog)
        tree = app.app.screen
        assert isinstance(tree, TreeDialog) and tree.rows.rows[0].right == "⚑ dawn"
        await app.press("escape")
        app.chat.transcript.focus()
        await app.press("u")
        await app.until(lambda: app.chat.transcript.messages[0].mark == "")

        app.chat.action_focus_prompt()
        await app.say("One more word")  # a conversation in which nothing was said is new already
        await app.press("ctrl+n")
        await app.until(lambda: app.chat.conversation is not None and app.chat.conversation.id != first.id)
        await app.press("ctrl+l")
        await shown(app, ConversationsDialog)
        dialog = app.app.screen
        assert isinstance(dialog, ConversationsDialog)
        await app.until(lambda: len(dialog.rows.rows) == 2)
        dialog.rows.cursor = 1
        await app.press("ctrl+o")
        await app.until(lambda: dialog.rows.rows[0].id == first.id and dialog.rows.rows[0].mark == "▲")


async def test_the_start_page_goes_on_where_the_person_was() -> None:
    await stored("Ada", "Bao", count=300)
    async with Runtime.open(load_settings()) as runtime:
        for name in ("c00000", "c00001"):
            place = await runtime.chat.open(name)
            async for _ in runtime.chat.send(place.id, "Hello"):
                pass
        await runtime.library.characters.set_favourite("c00007", True)
    async with open_app(character="Ada") as app:
        await app.until(lambda: len(app.contents()) == 3)
        await app.press("alt+h")
        await shown(app, StartPage)
        dialog = app.app.screen
        assert isinstance(dialog, StartPage)
        await app.until(lambda: len(dialog.rows.rows) == 3)
        rows = dialog.rows.rows
        assert [(row.title, row.mark) for row in rows] == [("Bao", "●"), ("Ada", "◌"), ("Extra 00005", "★")]
        assert rows[0].detail.startswith("Bao: ") and "unread" in rows[0].right
        await app.press("enter")
        await app.until(lambda: app.contents()[:1] == ["I am Bao."])
        await app.press("alt+h")
        await shown(app, StartPage)
        again = app.app.screen
        assert isinstance(again, StartPage)
        await app.until(lambda: len(again.rows.rows) == 3)
        assert again.rows.rows[0].mark == "◌", "what was shown is read"
        await app.press(*"00123")
        await app.until(lambda: [row.title for row in again.rows.rows] == ["Extra 00123"])
        await app.press("enter")
        await app.until(lambda: app.contents() == ["I am Extra 00123."])


async def test_groups_are_tagged_narrowed_and_laid_into_folders_as_characters_are() -> None:
    async with open_app() as driven:
        library = driven.app.runtime.library
        characters = await library.characters.list()
        group = await library.groups.create("The watch", [one.id for one in characters[:2]])
        await driven.chat.objects.roster.refresh()
        roster = driven.chat.roster

        def rows() -> list[str]:
            return [row.id for row in roster.rows.rows]

        roster.rows.focus()
        roster.rows.cursor = rows().index(group.id)
        driven.chat.perform("tag_characters")
        await driven.until(lambda: driven.app.screen is not driven.chat)
        await driven.settle()
        await driven.press(*"night", "enter")
        await driven.settle()
        await driven.press("escape")
        await driven.until(lambda: driven.app.screen is driven.chat)
        (tag,) = (await library.tags.of_groups())[group.id]
        assert tag.name == "night"
        roster.narrow(["night"], [])
        await driven.until(lambda: rows() == [group.id])
        roster.narrow([], ["night"])
        await driven.until(lambda: rows() and group.id not in rows())
        roster.narrow([], [])
        await library.tags.fold(tag.id, "closed")
        await driven.chat.objects.roster.refresh()
        await driven.until(lambda: group.id not in rows() and f"folder:{tag.id}" in rows())
        roster.open_folder(tag.id)
        await driven.until(lambda: group.id in rows())
        roster.open_folder(tag.id)
        await driven.chat.objects.roster.undo()
        await driven.until(lambda: group.id in rows())
        assert await library.tags.of_groups() == {}
