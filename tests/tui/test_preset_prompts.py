"""The prompts of a preset from the chat: switched, moved and rewritten, and what the next turn sends."""

from __future__ import annotations

from typing import Any

from chat_world import Driven, open_app
from market_world import frame

from lunalux_tui.parts.edit_dialog import EditDialog
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.parts.preset_dialog import PresetDialog

MINE: dict[str, Any] = {
    "temperature": 0.7,
    "x_unknown": {"kept": True},
    "prompts": [
        {"identifier": "main", "name": "Main", "role": "system", "content": "Write as {{char}}."},
        {"identifier": "style", "name": "Style", "role": "system", "content": "Short sentences only."},
        {"identifier": "chatHistory", "name": "Chat History", "marker": True},
    ],
    "prompt_order": [
        {"character_id": 100000, "order": [{"identifier": "main", "enabled": True}]},
        {
            "character_id": 100001,
            "order": [
                {"identifier": "main", "enabled": True},
                {"identifier": "style", "enabled": True},
                {"identifier": "chatHistory", "enabled": True},
            ],
        },
    ],
}


async def open_prompts(driven: Driven) -> PresetDialog:
    driven.chat.perform("preset")
    await driven.until(lambda: isinstance(driven.app.screen, PresetDialog))
    dialog = driven.app.screen
    assert isinstance(dialog, PresetDialog)
    await driven.until(lambda: dialog.rows.rows)
    return dialog


async def sent(driven: Driven) -> str:
    assert driven.chat.conversation is not None
    record = await driven.app.runtime.chat.previews.record(driven.chat.conversation.id, "Hello")
    return "\n".join(message["content"] for message in record["messages"])


async def gone(driven: Driven, words: str) -> None:
    """Wait until a change is stored after which words are not sent any more."""
    for _ in range(200):
        if words not in await sent(driven):
            return
    raise AssertionError(words)


async def stored(driven: Driven, name: str) -> dict[str, Any]:
    return dict((await driven.app.runtime.library.presets.find(name)).document)


async def test_a_prompt_is_switched_off_and_moved_and_nothing_else_in_the_file_changes() -> None:
    async with open_app() as driven:
        await driven.app.runtime.library.presets.add("Mine", MINE)
        assert "Short sentences only." in await sent(driven)
        dialog = await open_prompts(driven)
        assert [row.title for row in dialog.rows.rows] == ["Main", "Style", "History"]
        await driven.press("down", "space")
        await driven.until(lambda: dialog.rows.rows[1].mark.strip() == "")
        await driven.press("K")
        await driven.until(lambda: dialog.rows.rows[0].title == "Style" and dialog.rows.chosen == "style")
        await driven.press("escape")
        await gone(driven, "Short sentences only.")
        now = await stored(driven, "Mine")
        mine = {**MINE, "prompt_order": [MINE["prompt_order"][0], now["prompt_order"][1]]}
        assert now == mine
        assert now["prompt_order"][1]["order"][0] == {"identifier": "style", "enabled": False}


async def test_a_prompt_is_rewritten() -> None:
    async with open_app() as driven:
        await driven.app.runtime.library.presets.add("Mine", MINE)
        await open_prompts(driven)
        await driven.press("down", "e")
        await driven.until(lambda: isinstance(driven.app.screen, EditDialog))
        await driven.press(*" Or verses.", "ctrl+s")
        await driven.until(lambda: isinstance(driven.app.screen, PresetDialog))
        await driven.press("escape")
        for _ in range(200):
            if "Short sentences only. Or verses." in await sent(driven):
                break
        assert (await stored(driven, "Mine"))["prompts"][1]["content"].endswith("verses.")


async def test_the_first_change_of_a_built_in_preset_makes_a_copy_that_is_used() -> None:
    async with open_app() as driven:
        before = await sent(driven)
        dialog = await open_prompts(driven)
        assert "built in" in str(dialog.query_one("#dialog").border_title)
        await driven.press("space", "space", "space")
        shelf = driven.app.runtime.library.presets
        await driven.until(lambda: dialog._held.item is not None)
        (copy,) = await shelf.list(enabled_only=True)
        content = next(
            prompt.content for prompt in dialog.preset.prompts if prompt.content and not prompt.marker
        )
        words = content.split("{{")[0]
        assert len(words) > 10 and words in before
        await driven.press("space", "space", "escape")  # the copy is changed, not copied again
        await gone(driven, words)
        assert [item.id for item in await shelf.list()] == [copy.id]


async def test_another_preset_is_put_in_use() -> None:
    async with open_app() as driven:
        await driven.app.runtime.library.presets.add("Mine", MINE, enabled=False)
        assert "Short sentences only." not in await sent(driven)
        dialog = await open_prompts(driven)
        await driven.press("o")
        await driven.until(lambda: isinstance(driven.app.screen, PickDialog))
        await driven.press(*"mine", "enter")
        await driven.until(lambda: driven.app.screen is dialog and dialog.rows.rows[0].title == "Main")
        await driven.press("escape")
        assert "Short sentences only." in await sent(driven)


async def test_the_dialog_begins_with_the_words_of_the_prompt_under_the_cursor() -> None:
    async with open_app() as driven:
        await driven.app.runtime.library.presets.add("Mine", MINE)
        dialog = await open_prompts(driven)
        assert "Write as {{char}}." in frame(driven.app)
        assert dialog.rows.chosen == "main"
