"""A model in three steps from the chat: who runs it, the key, which one; then it is in use and answers."""

from __future__ import annotations

import pytest
from chat_world import Driven, open_app
from test_settings_models import KEY, server
from textual.widgets import Input, Static

from lunalux_core.llm.model_registry import credential_name
from lunalux_tui.chat.connect_model import free_name
from lunalux_tui.parts.ask_dialog import AskDialog
from lunalux_tui.parts.models_dialog import ModelsDialog
from lunalux_tui.parts.pick_dialog import PickDialog

pytestmark = pytest.mark.usefixtures("home")


async def asked(driven: Driven, title: str) -> AskDialog[str]:
    await driven.until(
        lambda: isinstance(driven.app.screen, AskDialog) and title in driven.app.screen.dialog_title
    )
    dialog = driven.app.screen
    assert isinstance(dialog, AskDialog)
    await driven.until(lambda: dialog.query("#answer"))
    return dialog


async def answer(driven: Driven, dialog: AskDialog[str], text: str) -> None:
    dialog.query_one("#answer", Input).value = text
    await driven.press("enter")


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_a_model_is_connected_from_the_chat(size: tuple[int, int]) -> None:
    async with server() as url, open_app(size) as driven:
        told: list[str] = []
        driven.chat.say = lambda words, warn=False: told.append(words)  # type: ignore[method-assign]
        await driven.press("ctrl+g")
        await driven.until(lambda: isinstance(driven.app.screen, ModelsDialog))
        await driven.press(*"connect another", "enter")
        await answer(driven, await asked(driven, "Address"), url)
        wrong = await asked(driven, "Key")
        assert wrong.query_one("#answer", Input).password
        await answer(driven, wrong, "sk-wrong-0000000000")
        await driven.until(
            lambda: driven.app.screen is not wrong and isinstance(driven.app.screen, AskDialog)
        )
        again = await asked(driven, "Key")
        assert "key" in str(again.query_one(".hint", Static).render()).lower()
        await answer(driven, again, KEY)
        await driven.until(lambda: isinstance(driven.app.screen, PickDialog))
        await driven.press(*"moon-2", "enter")
        settings = driven.app.runtime
        await driven.until(lambda: settings.settings.model == "moon-2")
        saved = settings.settings.models["moon-2"]
        assert (saved.model, saved.base_url) == ("moon-2", url)
        assert settings.credentials.get(credential_name("moon-2")) == KEY
        assert KEY not in settings.paths.config_file.read_text()
        assert driven.chat.header.model == "moon-2"
        await driven.until(lambda: any("ready" in words for words in told))


async def test_leaving_on_the_way_changes_nothing() -> None:
    async with open_app() as driven:
        before = driven.app.runtime.settings
        await driven.press("ctrl+g")
        await driven.until(lambda: isinstance(driven.app.screen, ModelsDialog))
        await driven.press(*"connect deepseek", "enter")
        await asked(driven, "DeepSeek")
        await driven.press("escape")
        await driven.until(lambda: driven.app.screen is driven.chat)
        assert driven.app.runtime.settings.models == before.models


def test_a_new_model_has_a_name_that_nobody_has() -> None:
    assert free_name("anthropic/claude-x:beta", set()) == "claude-x beta"
    assert free_name("moon", {"moon", "moon 2"}) == "moon 3"
    assert free_name("practice", {"practice"}) == "practice 2"
    assert free_name("/", set()) == "model"
