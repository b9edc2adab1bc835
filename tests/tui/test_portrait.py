"""The portrait under the list of characters."""

from __future__ import annotations

from pathlib import Path

from chat_world import Driven, open_app

from lunalux_tui.chat.portrait import Portrait


def portrait(app: Driven) -> Portrait:
    return app.chat.query_one(Portrait)


async def test_it_shows_who_is_talked_with() -> None:
    async with open_app((120, 40)) as app:
        await app.until(lambda: isinstance(portrait(app).source, Path))
        first = portrait(app).source
        await app.press("ctrl+o", "down", "enter")
        await app.until(lambda: portrait(app).source not in (None, first))
        assert portrait(app).who == app.chat.character_name


async def test_it_takes_no_room_from_a_small_terminal_and_can_be_switched_off() -> None:
    async with open_app((80, 24)) as app:
        await app.until(lambda: app.chat.query(Portrait))
        assert not portrait(app).size.area
        await app.pilot.resize_terminal(120, 40)
        await app.until(lambda: portrait(app).size.height == 15)
        app.app.change_setting("ui.portrait", False)
        await app.until(lambda: not portrait(app).size.area)
