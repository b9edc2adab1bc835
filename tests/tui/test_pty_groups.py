"""A group in a real terminal: keys as they are sent, and a kill in the middle of a round."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("a pty is needed", allow_module_level=True)

from terminal import Terminal

from lunalux_core.config.settings import load_settings
from lunalux_core.runtime import Runtime


async def seated() -> str:
    """A group of two starters that answers in turn; returns the conversation's id."""
    async with Runtime.open(load_settings()) as runtime:
        await runtime.first_start()
        starters = [
            character for character in await runtime.library.characters.list() if character.language == "en"
        ]
        group = await runtime.library.groups.create("Table", [starter.id for starter in starters[:2]])
        await runtime.library.groups.set(group.id, order="list")
        return (await runtime.chat.start_group(group.id)).id


async def endings(conversation_id: str) -> list[tuple[str, str]]:
    async with Runtime.open(load_settings()) as runtime:
        await runtime.chat.recover()
        page = await runtime.library.conversations.page(conversation_id)
        return [(one.role, one.status) for one in page[2:]]


def test_alt_keys_of_groups_are_no_text_and_a_kill_loses_no_reply(home: Path) -> None:
    place = asyncio.run(seated())
    environ = {"LUNALUX_HOME": str(home), "LUNALUX_LANG": "en", "LUNALUX_PRACTICE_RATE": "150"}
    terminal = Terminal(["chat", "table"], environ, 100, 40)
    try:
        terminal.wait("Type a message")
        terminal.wait("◆ ")
        terminal.send("\x1bg")  # alt+g
        terminal.wait("Who answers: everyone in turn")
        terminal.send("\x1b")
        terminal.gone("Who answers")
        terminal.send("\x1bs")  # alt+s
        terminal.wait("Who speaks now")
        terminal.send("\x1b")
        terminal.gone("Who speaks now")
        terminal.wait("Type a message")
        terminal.send("Good evening\r")
        second = asyncio.run(name_of_second(place))
        terminal.wait(f"{second} is writing… [1-9]")
        os.kill(terminal.process.pid, signal.SIGKILL)
        terminal.process.wait()
    finally:
        terminal.close()
    assert asyncio.run(endings(place)) == [("user", "done"), ("assistant", "done"), ("assistant", "stopped")]


async def name_of_second(conversation_id: str) -> str:
    async with Runtime.open(load_settings()) as runtime:
        place = await runtime.library.conversations.get(conversation_id)
        return (await runtime.library.groups.get(place.group_id)).names[1]
