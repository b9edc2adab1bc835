"""Letting a reply go on."""

from __future__ import annotations

from pathlib import Path

from chat_world import open_app


async def test_what_the_practice_model_adds_begins_a_paragraph_of_its_own(home: Path) -> None:
    async with open_app() as driven:
        before = driven.contents()[0]
        assert before.endswith("*")
        await driven.chat.run_action("continue_reply")
        await driven.until(lambda: len(driven.contents()[0]) > len(before) and not driven.chat.busy)
        assert driven.contents()[0].startswith(f"{before}\n\n")
