"""The places of the app: a bar that names them, keys that lead there, and escape that leads back."""

from __future__ import annotations

import pytest
from chat_world import Driven, open_app
from test_palette import choose
from textual.widgets import Input

from lunalux_core.runtime import Runtime
from lunalux_tui.app.help_dialog import HelpDialog, HelpText
from lunalux_tui.app.jump import JumpScreen
from lunalux_tui.parts.place_bar import PlaceBar
from lunalux_tui.parts.rows import Rows


def place(driven: Driven) -> str:
    return str(getattr(driven.app.screen, "PLACE", ""))


def bar(driven: Driven) -> str:
    return "  ".join(part.text for part in driven.app.screen.query_one(PlaceBar).left())


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (120, "F2 Chat  F3 Market  F4 Create  F5 You  F6 Settings"),
        (50, "Chat  F3 Market  F4 Create  F5 You  F6 Settings"),
        (30, "F2 Chat  F3  F4  F5  F6"),
        (20, "Chat  F3  F4  F5  F6"),
    ],
)
async def test_the_bar_of_places_shrinks_with_the_width(width: int, shown: str, home: object) -> None:
    async with open_app((width, 24)) as driven:
        assert bar(driven) == shown


@pytest.mark.parametrize("key", ["f3", "f4", "f5", "f6"])
async def test_escape_leads_from_every_place_back_to_the_chat(key: str, home: object) -> None:
    async with open_app() as driven:
        await driven.press(key)
        await driven.until(lambda: place(driven) not in {"", "chat"})
        await driven.settle()
        keys = {entry.binding.id for entry in driven.app.screen.active_bindings.values() if entry.enabled}
        assert "go.back" in keys, "the footer tells of it"
        await driven.press("escape")
        await driven.until(lambda: place(driven) == "chat")


async def test_escape_first_leaves_what_is_open_in_a_place(home: object) -> None:
    async with open_app() as driven:
        await driven.press("f3")
        await driven.until(lambda: place(driven) == "market")
        await driven.press("slash", "l", "a", "m", "p", "escape")
        field = driven.app.screen.query_one("#market-search", Input)
        assert place(driven) == "market" and not field.value
        await driven.press("escape")
        await driven.until(lambda: place(driven) == "chat")
        await driven.press("f6")
        await driven.until(lambda: place(driven) == "settings")
        await driven.press("right", "escape")
        assert place(driven) == "settings"


async def test_a_place_is_clicked_in_the_bar(home: object) -> None:
    async with open_app() as driven:
        start = driven.app.screen.query_one(PlaceBar)
        x = next(x for x, _, action in start.zones if action == "app.go('settings')")
        await driven.pilot.click(start, offset=(x, 0))
        await driven.until(lambda: place(driven) == "settings")


async def test_a_terminal_of_a_few_lines_keeps_them_for_the_conversation(home: object) -> None:
    async with open_app((20, 6)) as driven:
        assert not driven.app.screen.query_one(PlaceBar).display
        await driven.write("hi")
        await driven.press("enter")
        await driven.until(lambda: len(driven.contents()) >= 3 and not driven.chat.busy)
        assert driven.chat.transcript.size.height >= 2


@pytest.mark.parametrize(
    ("words", "where"),
    [("market", "market"), ("create", "create"), ("settings", "settings"), ("you", "user"), ("f5", "user")],
)
async def test_the_palette_leads_to_places(words: str, where: str, home: object) -> None:
    async with open_app() as driven:
        await choose(driven, words)
        await driven.until(lambda: place(driven) == where)


@pytest.mark.parametrize(
    ("words", "section", "row"),
    [
        ("manage worldbooks", "worldbooks", ""),
        ("manage models", "models", ""),
        ("enter sends", "chat", "chat.enter_sends"),
    ],
)
async def test_the_palette_leads_to_sections_and_to_single_settings(
    words: str, section: str, row: str, home: object
) -> None:
    async with open_app() as driven:
        await choose(driven, words)
        await driven.until(lambda: place(driven) == "settings" and driven.app.screen.ready)  # type: ignore[attr-defined]
        await driven.until(lambda: driven.app.screen.section.id == section)  # type: ignore[attr-defined]
        await driven.until(lambda: not row or driven.app.screen.section_view.chosen == row)  # type: ignore[attr-defined]


async def test_the_palette_finds_characters_and_conversations(home: object) -> None:
    async with open_app() as driven:
        await choose(driven, "sol varga")
        await driven.until(lambda: driven.chat.character_name == "Captain Sol Varga")
        conversation = driven.chat.conversation
        assert conversation is not None
        async with Runtime.open(driven.app.runtime.settings) as runtime:
            await runtime.library.conversations.rename(conversation.id, "The long watch")
        await driven.press("f6")
        await choose(driven, "marigold")
        await driven.until(lambda: driven.chat.character_name == "Marigold Finch")
        await choose(driven, "long watch")
        await driven.until(
            lambda: driven.chat.conversation and driven.chat.conversation.id == conversation.id
        )


def help_lines(driven: Driven) -> str:
    text = driven.app.screen.query_one(HelpText)
    return "\n".join("".join(part for part, _ in line) for line in text._lines)


async def test_help_begins_with_what_has_the_focus_and_is_narrowed_by_words(home: object) -> None:
    async with open_app() as driven:
        await driven.press("escape", "f1")
        await driven.until(lambda: isinstance(driven.app.screen, HelpDialog) and help_lines(driven))
        assert help_lines(driven).startswith("Messages")
        await driven.press(*"swipe")
        await driven.until(lambda: "Pick a character" not in help_lines(driven))
        assert "previous version" in help_lines(driven) and "market" not in help_lines(driven)
        await driven.press("escape", "i")
        await driven.press("f1")
        await driven.until(lambda: isinstance(driven.app.screen, HelpDialog) and help_lines(driven))
        assert help_lines(driven).startswith("Writing")


async def test_help_in_a_dialog_is_about_the_dialog(home: object) -> None:
    async with open_app() as driven:
        await driven.press("ctrl+g")
        await driven.until(lambda: type(driven.app.screen).__name__ == "ModelsDialog")
        await driven.press("f1")
        await driven.until(lambda: isinstance(driven.app.screen, HelpDialog) and help_lines(driven))
        assert "Pick a character" not in help_lines(driven)


async def test_a_letter_leads_to_a_row_a_message_and_a_suggestion(home: object) -> None:
    async with open_app() as driven:
        await driven.say("Hello")

        async def jump(action: str, widget: str) -> None:
            await driven.press("f9")
            screen = driven.app.screen
            assert isinstance(screen, JumpScreen)
            letters = next(
                letters
                for letters, target in screen._targets.items()
                if target.action == action and type(target.widget).__name__ == widget
            )
            await driven.press(*letters)

        await jump("choose_at(1)", "ChatTranscript")
        assert driven.chat.transcript.selected == driven.chat.transcript.messages[1].id
        assert driven.chat.suggestions.suggestions
        await jump("screen.suggestion(2)", "Suggestions")
        assert driven.chat.prompt.text == driven.chat.suggestions.suggestions[1]
        rows = driven.app.screen.query_one("#roster-rows", Rows)
        other = next(at for at, row in enumerate(rows.rows) if row.title == "Captain Sol Varga")
        await jump(f"choose_at({other})", "RosterRows")
        await driven.until(lambda: driven.chat.character_name == "Captain Sol Varga")


@pytest.mark.parametrize("width", [120, 52, 50, 40, 30, 24])
async def test_no_place_is_left_out_of_the_bar(width: int, home: object) -> None:
    async with open_app((width, 24)) as driven:
        zones = driven.app.screen.query_one(PlaceBar).zones
        assert [action for _, _, action in zones] == [
            f"app.go('{known}')" for known in ("chat", "market", "create", "user", "settings")
        ]
