"""The list of characters as home: all of them, what was said last and when, one's own language first."""

from __future__ import annotations

import pytest
from chat_world import Driven, open_app

from lunalux_core.cards.card import Card
from lunalux_core.cards.export import export_card
from lunalux_core.config.settings import load_settings
from lunalux_core.importing import import_data
from lunalux_core.runtime import Runtime
from lunalux_tui.chat.roster import RosterBar
from lunalux_tui.parts.rows import Row


def rows(driven: Driven) -> list[Row]:
    return list(driven.chat.roster.rows.rows)


def named(driven: Driven, name: str) -> Row:
    return next(row for row in rows(driven) if row.title == name)


async def test_a_row_tells_what_was_said_last_and_when(home: object) -> None:
    async with open_app() as driven:
        assert "cosy" not in named(driven, "Marigold Finch").right
        await driven.say("Where is Edmund?")
        reply = driven.contents()[-1]
        await driven.until(lambda: ":" in named(driven, "Marigold Finch").right)
        shown = named(driven, "Marigold Finch").detail
        assert shown and shown[:8].strip('"') in reply.replace("*", "")
    async with open_app() as driven:
        assert named(driven, "Marigold Finch").detail == shown, "from the first frame on"


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_those_who_speak_ones_language_stand_before_the_others(
    language: str, monkeypatch: pytest.MonkeyPatch, home: object
) -> None:
    monkeypatch.setenv("LUNALUX_LANG", language)
    async with open_app() as driven:
        spoken = {one.name: one.language for one in await driven.app.runtime.library.characters.list()}
        languages = [spoken[row.title] for row in rows(driven)]
        assert languages[:2] == [language, language] and len(set(languages)) == 2


async def test_the_words_that_narrow_the_list_go_when_somebody_is_chosen_or_left(home: object) -> None:
    async with open_app() as driven:
        count = len(rows(driven))
        for end in ("enter", "escape"):
            await driven.press("ctrl+o", *"sol")
            await driven.until(lambda: len(rows(driven)) == 1)
            await driven.press(end)
            await driven.until(lambda: len(rows(driven)) == count and driven.chat.prompt.has_focus)
        assert driven.chat.character_name == "Captain Sol Varga"


async def test_the_footer_names_the_keys_of_the_list_and_e_edits_the_row(home: object) -> None:
    async with open_app() as driven:
        await driven.press("ctrl+o", "tab")
        assert driven.chat.roster.rows.has_focus
        while driven.chat.roster.rows.chosen != named(driven, "Captain Sol Varga").id:
            await driven.press("down")
        await driven.press("e")
        await driven.until(lambda: getattr(driven.app.screen, "PLACE", "") == "create")
        await driven.until(lambda: driven.app.screen.draft.card.name == "Captain Sol Varga")  # type: ignore[attr-defined]


async def test_no_favourite_says_how_to_mark_one(home: object) -> None:
    async with open_app() as driven:
        driven.chat.action_only_favourites()
        await driven.until(lambda: not rows(driven))
        assert "f marks one" in driven.chat.roster.rows.empty


async def test_a_new_conversation_is_not_made_anew(home: object) -> None:
    async with open_app() as driven:
        before = driven.chat.conversation
        await driven.press("ctrl+n", "ctrl+n")
        await driven.until(lambda: "new already" in driven.told())
        assert driven.chat.conversation == before
        await driven.say("One")
        await driven.press("ctrl+n")
        await driven.until(lambda: len(driven.contents()) == 1)
        assert before is not None and driven.chat.conversation is not None
        assert driven.chat.conversation.id != before.id


async def test_a_thousand_of_one_name_and_names_of_500_letters_are_listed(home: object) -> None:
    async with Runtime.open(load_settings()) as runtime:
        await runtime.first_start()
        for number in range(1000):
            card = export_card(Card.new("Echo", first_mes=f"I am number {number}."), "json")
            await import_data(runtime.library, runtime.paths, card, f"{number}.json")
        long = export_card(Card.new("Long " + "name " * 99, first_mes="Hello."), "json")
        await import_data(runtime.library, runtime.paths, long, "long.json")
    async with open_app((80, 24)) as driven:
        await driven.press("ctrl+b")
        await driven.until(lambda: driven.chat.roster.query_one(RosterBar).count == 1005)
        assert rows(driven)[0].title == driven.chat.character_name, "who is talked with stands first"
        await driven.press("ctrl+o", *"number", "escape")
        await driven.press("ctrl+o", *"long")
        await driven.until(lambda: rows(driven) and rows(driven)[0].title.startswith("Long name"))
        await driven.press("enter")
        await driven.until(lambda: driven.chat.character_name.startswith("Long name"))
        for key in ("f1", "escape", "ctrl+l", "escape", "f9", "escape"):
            await driven.press(key)
        await driven.say("Hello")


async def test_on_a_narrow_screen_the_list_takes_the_keys_while_it_lies_over_the_prompt(home: object) -> None:
    async with open_app((80, 24)) as driven:
        await driven.press("ctrl+b")
        assert driven.chat.roster.rows.has_focus and driven.chat.roster.display
        await driven.press("ctrl+b")
        assert driven.chat.prompt.has_focus and not driven.chat.has_class("-list")
        await driven.press("ctrl+b", "escape")
        await driven.until(lambda: driven.chat.prompt.has_focus and not driven.chat.has_class("-list"))
