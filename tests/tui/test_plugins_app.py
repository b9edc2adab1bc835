"""Plug-ins in the app: their commands in the palette, their pane, a failure that is a notice."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from chat_world import Driven, open_app
from textual.notifications import Notification

from lunalux_core.config.config_file import set_value
from lunalux_core.config.paths import Paths
from lunalux_core.plugins.runner import Plugins
from lunalux_tui.app.plugin_parts import PluginPane

TALLY = """
from lunalux_core.plugins.api import Command, Outcome, Panel

class plugin:
    def commands(self):
        return [
            Command("shout", "Shout it", lambda scene: Outcome("shouted", scene.typed.upper())),
            Command("fail", "Fail at once", lambda scene: 1 / 0),
        ]
    def panel(self, scene):
        return Panel("Tally", f"**{len(scene.lines)}** messages with {scene.character_name}")
"""


@pytest.fixture
async def app(paths: Paths) -> AsyncIterator[Driven]:
    paths.plugins.mkdir(parents=True)
    (paths.plugins / "tally.py").write_text(TALLY)
    set_value(paths.config_file, "plugins.enabled", Plugins(paths.plugins, ()).entry("tally"))
    async with open_app() as driven:
        yield driven


async def palette(app: Driven, words: str) -> None:
    await app.press("ctrl+p")
    for letter in words:
        await app.pilot.press(letter if letter != " " else "space")
    await app.settle()
    await app.press("enter")


async def test_a_command_is_found_in_the_palette_and_writes_into_the_prompt(app: Driven) -> None:
    await app.write("hello")
    await palette(app, "shout it")
    await app.until(lambda: app.chat.prompt.text == "HELLO")


async def test_a_command_that_fails_is_a_notice(app: Driven) -> None:
    await palette(app, "fail at once")
    await app.until(lambda: any("ZeroDivisionError" in str(n.title) + n.message for n in notices(app)))


async def test_the_pane_follows_the_conversation(app: Driven) -> None:
    await app.app.action_plugin_panes()
    pane = app.chat.query_one(PluginPane)
    await app.until(lambda: "1 messages with Marigold Finch" in shown(pane))
    await app.say("hello")
    await app.until(lambda: "3 messages" in shown(pane))
    await app.app.action_plugin_panes()
    await app.until(lambda: not app.chat.query(PluginPane))


def shown(pane: PluginPane) -> str:
    return "\n".join("".join(text for text, _ in line) for line in pane._lines)


def notices(app: Driven) -> list[Notification]:
    return list(app.app._notifications)
