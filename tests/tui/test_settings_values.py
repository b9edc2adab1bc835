"""The settings screen: every declared value is there, changes at once, and says where it comes from."""

from __future__ import annotations

import re

import pytest
from chat_world import Driven, open_app
from market_world import frame
from rich.cells import cell_len
from settings_world import answer, go_to, right_of, section
from textual.widgets import Input, Static

from lunalux_core.config.paths import Paths
from lunalux_core.config.settings import DECLARATIONS, load_settings
from lunalux_tui import i18n
from lunalux_tui.i18n import LANGUAGES, has, t
from lunalux_tui.parts.ask_dialog import AskDialog
from lunalux_tui.parts.pick_dialog import PickDialog
from lunalux_tui.settings.screen import SettingsScreen
from lunalux_tui.settings.sections import SECTIONS, section_of, settings_of
from lunalux_tui.settings.sections.setting_values import ACTION, MARKS, ValuesSection, allowed, explain, shown

SECTION_CELLS = 21
"""What the list of sections has room for."""


@pytest.fixture(autouse=True)
def own_language(monkeypatch: pytest.MonkeyPatch) -> None:
    """The language comes from the file here, so that it can be changed."""
    monkeypatch.delenv("LUNALUX_LANG")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


def test_every_setting_has_words_and_a_place() -> None:
    placed = {known.key for one in SECTIONS for known in settings_of(one) if one.prefixes}
    assert placed == {key for key in DECLARATIONS if section_of(key)}
    for language in LANGUAGES:
        i18n.use(language)
        for known in DECLARATIONS.values():
            assert has(f"setting.{known.key}.label"), (language, known.key)
            assert has(f"setting.{known.key}.help"), (language, known.key)
            for choice in known.choices:
                assert has(f"setting.{known.key}.value.{choice}") or choice in LANGUAGES, (known.key, choice)
    i18n.use("en")
    for known in DECLARATIONS.values():
        assert t(f"setting.{known.key}.help") == known.help


@pytest.mark.parametrize("language", LANGUAGES)
def test_labels_fit_at_80_columns(language: str) -> None:
    i18n.use(language)
    for one in SECTIONS:
        assert cell_len(one.title) <= SECTION_CELLS, one.title
    room = 80 - 24 - 4
    for known in DECLARATIONS.values():
        value = "" if isinstance(known.default, tuple) else shown(known, known.default)
        assert cell_len(t(f"setting.{known.key}.label")) + cell_len(value) < room, known.key
        for choice in known.choices:
            assert cell_len(shown(known, choice)) <= room // 2, choice


async def test_every_section_opens_and_explains_itself() -> None:
    async with open_app((80, 24)) as driven:
        for one in SECTIONS:
            pane = await section(driven, one.id)
            if one.prefixes:
                rows = [row.id for row in pane.rows if not row.id.startswith(ACTION)]
                assert rows == [known.key for known in settings_of(one)]
            assert pane.explain(pane.chosen).text


async def test_a_switch_flips_at_once_and_reset_takes_it_back(paths: Paths) -> None:
    async with open_app((100, 30)) as driven:
        pane = await section(driven, "chat")
        await go_to(driven, pane, "chat.enter_sends")
        await driven.press("space")
        assert not driven.chat.prompt.enter_sends
        assert right_of(pane, "chat.enter_sends") == "off"
        assert pane.rows[0].mark == MARKS["file"]
        assert not load_settings(paths).enter_sends
        await driven.press("r")
        assert driven.chat.prompt.enter_sends
        assert load_settings(paths).source("chat.enter_sends") == "default"
        assert pane.check_action("reset", ()) is False


async def test_a_number_is_checked_while_it_is_typed(paths: Paths) -> None:
    async with open_app((100, 30)) as driven:
        pane = await section(driven, "chat")
        await go_to(driven, pane, "chat.reply_words")
        await driven.press("enter")
        await driven.until(lambda: isinstance(driven.app.screen, AskDialog))
        field = driven.app.screen.query_one("#answer", Input)
        field.value = "5"
        await driven.pilot.pause()
        verdict = driven.app.screen.query_one("#verdict", Static)
        assert verdict.has_class("-error") and "20 to 4000" in str(verdict.render())
        await driven.press("enter")
        assert isinstance(driven.app.screen, AskDialog)
        await answer(driven, "350")
        await driven.until(lambda: driven.app.runtime.settings.reply_words == 350)
        assert load_settings(paths).reply_words == 350


async def test_the_language_is_switched_while_the_app_runs() -> None:
    async with open_app((100, 30)) as driven:
        pane = await section(driven, "general")
        await driven.press("enter")
        await driven.until(lambda: isinstance(driven.app.screen, PickDialog))
        await driven.press("down", "down", "enter")
        await driven.until(lambda: driven.app.runtime.settings.lang == "zh")
        assert pane.rows[0].title == "语言"
        assert isinstance(driven.app.screen, SettingsScreen)
        assert driven.app.screen.sections.rows[0].title == "通用"


async def test_what_the_environment_sets_cannot_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUNALUX_LANG", "en")
    async with open_app((100, 30)) as driven:
        pane = await section(driven, "general")
        assert pane.rows[0].mark == MARKS["environment"]
        assert "LUNALUX_LANG" in pane.explain("language").warning
        await driven.press("enter")
        assert isinstance(driven.app.screen, SettingsScreen)
        assert pane.check_action("reset", ()) is False


async def test_the_search_finds_settings_of_all_sections() -> None:
    async with open_app((100, 30)) as driven:
        await section(driven, "general")
        await driven.press("slash")
        await type_in(driven, "case")
        screen = driven.app.screen
        assert isinstance(screen, SettingsScreen)
        assert [row.id for row in screen.section_view.rows] == ["worldbook.case_sensitive"]
        await driven.press("down", "enter")
        assert driven.app.runtime.settings.worldbook_case_sensitive
        await driven.press("slash")
        await type_in(driven, "plug-ins")
        await driven.press("enter", "enter")
        await driven.until(lambda: screen.section.id == "plugins" and screen.section_view.has_focus)
        await driven.press("slash")
        await type_in(driven, "all branches of")
        assert [row.id for row in screen.section_view.rows] == ["key chat.tree"]
        await driven.press("enter", "enter")
        await driven.until(lambda: screen.section.id == "keys" and screen.section_view.chosen == "chat.tree")
        await driven.press("escape")
        assert screen.sections.has_focus and screen.field.value == ""


async def test_the_tour_can_be_begun_again() -> None:
    async with open_app((100, 30)) as driven:
        pane = await section(driven, "general")
        await go_to(driven, pane, f"{ACTION}app.tour")
        await driven.press("enter")
        await driven.until(lambda: driven.app.screen is driven.chat and driven.chat.query("#tour"))


async def test_a_broken_configuration_is_told_by_line_and_never_overwritten(paths: Paths) -> None:
    paths.config.mkdir(parents=True)
    paths.config_file.write_text('[chat]\nreply_words = "many"\n[keys]\n"chat.no" = "x"\n', encoding="utf-8")
    async with open_app((100, 30)) as driven:
        told = {problem.code: problem.message for problem in driven.app.problems()}
        assert f"{paths.config_file}, line 2" in told["SETTING_INVALID"]
        assert f"{paths.config_file}, line 4" in told["KEY_UNKNOWN_ACTION"]
        pane = await section(driven, "chat")
        paths.config_file.write_text("[chat\n", encoding="utf-8")
        await go_to(driven, pane, "chat.enter_sends")
        await driven.press("enter")
        assert driven.app.runtime.settings.enter_sends
        assert paths.config_file.read_text("utf-8") == "[chat\n"
        screen = driven.app.screen
        assert isinstance(screen, SettingsScreen) and screen.head.problems == 2


STRANGE = ("[models.x]\nprovider='openai'\nmodel='m'\ncontext_tokens='lots'\n", "keys = 3\n", "models = 1\n")


@pytest.mark.parametrize("text", STRANGE)
async def test_strange_files_are_survived(text: str, paths: Paths) -> None:
    paths.config.mkdir(parents=True)
    paths.config_file.write_text(text, encoding="utf-8")
    settings = load_settings(paths)
    assert settings.models == {} and settings.keys == {}


async def type_in(driven: Driven, words: str) -> None:
    screen = driven.app.screen
    assert isinstance(screen, SettingsScreen)
    await driven.until(lambda: screen.field.has_focus)
    screen.field.value = words
    await driven.pilot.pause()


def test_values_are_told_in_words() -> None:
    i18n.use("zh")
    known = DECLARATIONS["chat.reply_words"]
    assert allowed(known) == "20 到 4000 之间的数"
    told = explain(load_settings(), DECLARATIONS["ui.bell"])
    assert told.title == "终端铃声" and dict(told.facts)["默认值"] == "关"
    assert ValuesSection.ACTIONS


async def test_keys_pressed_while_the_screen_comes_up_do_no_harm() -> None:
    async with open_app((80, 24)) as driven:
        await driven.pilot.press("f6", "right", "left", "G", "right")
        screen = driven.app.screen
        assert isinstance(screen, SettingsScreen)
        await driven.until(lambda: screen.section.id == "data" and screen.section_view.has_focus)


async def test_the_preset_in_use_has_its_name_and_values_stand_beside_their_labels() -> None:
    async with open_app((160, 40)) as driven:
        await driven.app.runtime.library.presets.add("My preset", {"prompts": []}, enabled=True)
        driven.app.action_settings("chat")
        await driven.until(lambda: re.search(r"Preset {1,40}My preset", frame(driven.app)))
        line = next(line for line in frame(driven.app).splitlines() if "Enter sends" in line)
        assert re.search(r"Enter sends {1,40}on", line)
