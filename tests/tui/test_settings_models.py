"""Models in the settings: added, tested, listed, changed and removed against a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from chat_world import Driven, open_app
from settings_world import go_to, section
from textual.events import Key
from textual.widgets import Input, Static

from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import SavedModel, load_settings
from lunalux_core.library.program_state import state_cell
from lunalux_core.llm.model_registry import credential_name
from lunalux_tui import i18n
from lunalux_tui.parts.ask_dialog import ConfirmDialog
from lunalux_tui.parts.model_kinds import KINDS
from lunalux_tui.parts.models_dialog import ModelsDialog
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.settings.model_dialog import ModelDialog
from lunalux_tui.settings.sections.models import ModelsSection

KEY = "sk-loopback-1234567890"


@asynccontextmanager
async def server() -> AsyncIterator[str]:
    """A server with two models that wants a key; yields its base URL."""

    def allowed(request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {KEY}"

    async def models(request: web.Request) -> web.Response:
        if not allowed(request):
            return web.json_response({"error": {"message": "no such key"}}, status=401)
        return web.json_response({"data": [{"id": "moon-1"}, {"id": "moon-2"}]})

    async def chat(request: web.Request) -> web.StreamResponse:
        if not allowed(request):
            return web.json_response({"error": {"message": "no such key"}}, status=401)
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        event = {"choices": [{"index": 0, "delta": {"content": "ready"}, "finish_reason": "stop"}]}
        await answer.write(f"data: {json.dumps(event)}\n\ndata: [DONE]\n\n".encode())
        return answer

    app = web.Application()
    app.router.add_get("/v1/models", models)
    app.router.add_post("/v1/chat/completions", chat)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        await runner.cleanup()


async def form(driven: Driven, **fields: str) -> ModelDialog:
    """The form that is open, filled in."""
    await driven.until(lambda: isinstance(driven.app.screen, ModelDialog))
    dialog = driven.app.screen
    assert isinstance(dialog, ModelDialog)
    for name, text in fields.items():
        dialog.query_one(f"#field-{name}", Input).value = text
    await driven.pilot.pause()
    return dialog


def outcome(dialog: ModelDialog) -> str:
    return str(dialog.query_one("#outcome", Static).render())


async def test_what_is_written_in_the_form_outlives_it_and_the_program_but_never_a_secret(
    paths: Paths,
) -> None:
    async def opened(driven: Driven, pane: ModelsSection) -> ModelDialog:
        await driven.press("n")
        await driven.until(lambda: isinstance(driven.app.screen, PickDialog))
        await driven.press("enter")
        return await form(driven)

    def value(dialog: ModelDialog, name: str) -> str:
        return dialog.query_one(f"#field-{name}", Input).value

    secret = {"key": KEY, "headers": f"X-Api-Key: {KEY}"}
    async with open_app((100, 36)) as driven:
        pane = await section(driven, "models")
        assert isinstance(pane, ModelsSection)
        dialog = await opened(driven, pane)
        address = value(dialog, "base_url")
        await form(
            driven, name="moon", model="moon-1", base_url="http://moon/v1", temperature="0.7", **secret
        )
        await driven.press("escape")
        await driven.until(lambda: not driven.app.screen.is_modal)
        dialog = await opened(driven, pane)
        assert (value(dialog, "name"), value(dialog, "temperature")) == ("moon", "0.7")
        assert not dialog.has_class("-folded") and not value(dialog, "key") + value(dialog, "headers")
        for shown in (address, "http://moon/v1"):
            await driven.press("ctrl+z")
            await driven.until(lambda shown=shown: value(dialog, "base_url") == shown)  # type: ignore[misc]
        await form(driven, model="moon-2", **secret)
        await driven.press("ctrl+q")
    async with open_app((100, 36)) as driven:
        pane = await section(driven, "models")
        assert isinstance(pane, ModelsSection)
        dialog = await opened(driven, pane)
        assert value(dialog, "model") == "moon-2"
        await form(driven, model="moon-3", **secret)
        library = driven.app.runtime.library
        await driven.until(
            lambda: "moon-3" in str(library.database.try_now(lambda c: state_cell(c, "unsaved")))
        )
        assert KEY not in str(library.database.try_now(lambda c: state_cell(c, "unsaved")))
        await driven.press("ctrl+s")
        await driven.until(lambda: "moon" in driven.app.runtime.settings.models)
        await driven.settle()
        assert not value(await opened(driven, pane), "name")


async def test_a_model_is_added_tested_changed_and_removed(paths: Paths) -> None:
    async with server() as url, open_app((100, 36)) as driven:
        pane = await section(driven, "models")
        assert isinstance(pane, ModelsSection)
        await driven.press("n")
        await driven.until(lambda: isinstance(driven.app.screen, PickDialog))
        await driven.press("enter")
        dialog = await form(driven, name="moon", base_url=url, temperature="9")
        await driven.press("ctrl+s")
        assert "Which model" in outcome(dialog)
        dialog.query_one("#field-model", Input).value = "moon-1"
        await driven.press("ctrl+s")
        assert "0 to 5" in outcome(dialog)
        dialog = await form(driven, temperature="0.7")

        await driven.press("ctrl+t")
        await driven.until(lambda: dialog.query_one("#outcome").has_class("-error"))
        assert KEY not in outcome(dialog)
        dialog = await form(driven, key=KEY)
        await driven.press("ctrl+t")
        await driven.until(lambda: "ready" in outcome(dialog))
        await driven.press("ctrl+l")
        await driven.until(lambda: isinstance(driven.app.screen, PickDialog))
        await driven.press("down", "enter")
        await driven.until(lambda: dialog.query_one("#field-model", Input).value == "moon-2")
        await driven.press("ctrl+s")
        await driven.until(lambda: "moon" in driven.app.runtime.settings.models)

        stored = load_settings(paths).models["moon"]
        assert (stored.model, stored.base_url, stored.sampling) == ("moon-2", url, {"temperature": 0.7})
        assert driven.app.runtime.credentials.get(credential_name("moon")) == KEY
        assert KEY not in paths.config_file.read_text("utf-8")

        await go_to(driven, pane, "moon")
        await driven.press("t")
        await driven.until(lambda: "ready" in pane.explain("moon").text)
        await driven.press("enter")
        assert driven.app.runtime.settings.model == "moon"

        await driven.press("e")
        dialog = await form(driven, name="luna")
        assert dialog.query_one("#field-key", Input).value == ""
        await driven.press("ctrl+s")
        await driven.until(lambda: list(driven.app.runtime.settings.models) == ["luna"])
        assert load_settings(paths).model == "luna"
        assert driven.app.runtime.credentials.get(credential_name("luna")) == KEY
        assert driven.app.runtime.credentials.get(credential_name("moon")) is None

        await go_to(driven, pane, "luna")
        await driven.press("d")
        await driven.until(lambda: isinstance(driven.app.screen, ConfirmDialog))
        await driven.press("y")
        await driven.until(lambda: not driven.app.runtime.settings.models)
        assert load_settings(paths).model == "practice"
        assert driven.app.runtime.credentials.get(credential_name("luna")) is None


async def test_a_failed_test_is_told_in_plain_words(paths: Paths) -> None:
    paths.config.mkdir(parents=True)
    text = '[models.gone]\nprovider = "openai"\nmodel = "m"\nbase_url = "http://127.0.0.1:9/v1"\n'
    paths.config_file.write_text(text, encoding="utf-8")
    async with open_app((100, 30)) as driven:
        pane = await section(driven, "models")
        await go_to(driven, pane, "gone")
        await driven.press("t")
        await driven.until(lambda: pane.explain("gone").trouble)
        assert "127.0.0.1" in pane.explain("gone").trouble and pane.explain("gone").text


async def test_official_models_stand_with_their_cost() -> None:
    async with open_app((100, 30)) as driven:
        pane = await section(driven, "models")
        await driven.until(lambda: any(row.id.startswith("official:") for row in pane.rows))
        assert any("star" in row.right for row in pane.rows)


async def test_the_model_picker_leads_to_the_settings() -> None:
    async with open_app((100, 30)) as driven:
        await driven.press("ctrl+g")
        await driven.until(lambda: isinstance(driven.app.screen, ModelsDialog))
        await driven.press("ctrl+n")
        async with asyncio.timeout(20):
            while not isinstance(driven.app.focused, ModelsSection):
                await driven.pilot.pause(0.02)


async def test_the_form_keeps_how_to_talk_with_the_server(paths: Paths) -> None:
    async with open_app((100, 40)) as driven:
        await section(driven, "models")
        await driven.press("n")
        await driven.until(lambda: isinstance(driven.app.screen, PickDialog))
        await driven.press("enter")
        dialog = await form(
            driven, name="mine", model="m", key="k", timeout="1800", stream="no", post_process="odd"
        )
        await driven.press("ctrl+s")
        await driven.until(lambda: "semi-strict" in outcome(dialog))
        await form(driven, post_process="strict", thinking_marks="<a> </a>")
        await driven.press("ctrl+s")
        await driven.until(lambda: "mine" in load_settings(paths).models)
    options = load_settings(paths).models["mine"].options
    assert (options.timeout, options.stream, options.post_process) == (1800, False, "strict")
    assert options.thinking_marks == ("<a>", "</a>")


async def test_a_model_added_by_another_program_is_there_without_a_restart(paths: Paths) -> None:
    async with open_app() as driven:
        driven.app.change_setting("chat.user_name", "Ada")
        paths.config_file.write_text("[models\nhalf a file", encoding="utf-8")
        await driven.pilot.pause(1.3)
        assert driven.app.runtime.settings.user_name == "Ada", "a file that cannot be read changes nothing"
        table = '[models.brook]\nprovider = "openai"\nmodel = "b-1"\nbase_url = "http://127.0.0.1:1/v1"\n'
        paths.config_file.write_text('[chat]\nuser_name = "Bo"\n' + table, encoding="utf-8")
        await driven.until(lambda: "brook" in driven.app.runtime.settings.models)
        assert driven.app.runtime.settings.user_name == "Bo"
        await driven.press("ctrl+g")
        await driven.until(lambda: isinstance(driven.app.screen, ModelsDialog))
        assert "brook" in {row.id for row in driven.app.screen.rows.rows}  # type: ignore[attr-defined]


async def test_what_a_password_manager_types_at_once_lands_in_the_fields_it_is_meant_for() -> None:
    async with open_app() as driven:
        driven.app.push_screen(
            ModelDialog(driven.app.runtime, SavedModel("", "openai", ""), "New", frozenset())
        )
        await driven.until(lambda: isinstance(driven.app.screen, ModelDialog) and driven.app.screen.focused)
        for letter in "mine\thttp://127.0.0.1:1/v1\tmoon\tsk-12345":
            key = "tab" if letter == "\t" else letter
            driven.app.post_message(Key(key, None if letter == "\t" else letter))
        fields = ("name", "base_url", "model", "key")
        inputs = [driven.app.screen.query_one(f"#field-{name}", Input) for name in fields]
        await driven.until(lambda: inputs[3].value == "sk-12345")
        assert [one.value for one in inputs[:3]] == ["mine", "http://127.0.0.1:1/v1", "moon"]


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_every_kind_of_server_has_a_name(language: str) -> None:
    i18n.use(language)
    assert [kind for kind in KINDS if not i18n.has(f"model.kind.{kind}")] == []
    i18n.use("en")
