"""What is managed in the settings is reached from the palette too, and takes the files its commands take."""

from __future__ import annotations

from pathlib import Path

from chat_world import Driven, open_app
from settings_world import answer, go_to, section
from textual.command import CommandPalette

from lunalux_core.cards.card import Card
from lunalux_core.cards.export import export_card

ENTRIES = [{"keys": ["sea"], "content": "The sea is grey.", "enabled": True, "insertion_order": 1}]


async def palette(driven: Driven, words: str) -> None:
    """Run a command as a person does."""
    await driven.press("ctrl+p")
    await driven.until(lambda: isinstance(driven.app.screen, CommandPalette))
    await driven.press(*("space" if letter == " " else letter for letter in words))
    await driven.settle()
    await driven.press("enter")
    await driven.until(lambda: not isinstance(driven.app.screen, CommandPalette))


async def test_a_worldbook_is_switched_off_from_the_palette() -> None:
    async with open_app((100, 30)) as driven:
        shelf = driven.app.runtime.library.worldbooks
        book = await shelf.add("Moons", {"entries": {}})
        pane = await section(driven, "worldbooks")
        await go_to(driven, pane, book.id)
        await palette(driven, "on or off")
        await driven.until(lambda: [row.mark for row in pane.rows] == [" "])
        assert [item.enabled for item in await shelf.list()] == [False]


async def test_the_worldbook_inside_a_card_is_imported(tmp_path: Path) -> None:
    card = Card.new("Ada", character_book={"name": "Ada's sea", "entries": ENTRIES})
    (tmp_path / "ada.png").write_bytes(export_card(card, "png"))
    async with open_app((100, 30)) as driven:
        pane = await section(driven, "worldbooks")
        await driven.press("i")
        await answer(driven, tmp_path / "ada.png")
        await driven.until(lambda: "Ada's sea" in [row.title for row in pane.rows])
